# Everything from an empty clone: Python >= 3.11, make and the package registries are enough.
# PIP_*, npm_config_*, proxy and certificate variables of the caller reach pip and npm as they are.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SHELLFLAGS := -ec
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -qq --no-input
WORKERS ?= 2
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist worksteal
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml

.PHONY: help run test test-all lint install install-dev vendor system lock peers screenshots bench clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1	\2/p' Makefile | expand -t 20

run: install ## set up what is missing and serve the demo day at http://127.0.0.1:8000 (PORT overrides)
	@exec $(VENV)/bin/courier serve --demo

test: install-dev vendor system lint ## lint, types, layers and all tests but the slow ones
	@$(PYTEST) -m "not slow" --hypothesis-profile few

test-all: install-dev vendor system lint ## everything
	@$(PYTEST)

lint: install-dev ## ruff, mypy and the layers
	@status=0; for check in "ruff check --quiet ." "ruff format --quiet --check ." mypy; do \
	  $(PY) -m $$check || status=1; \
	done; $(VENV)/bin/lint-imports --no-logo || status=1; exit $$status

install: $(VENV)/.run vendor ## set up the program alone; .venv/bin/courier is its command

install-dev: $(VENV)/.dev

# The first Python that is new enough and can make an environment; PYTHON names one.
$(PY):
	@found=; why=; \
	for name in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
	  version=$$("$$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  if ! "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    why="$$why $$name is $$version, which is too old."; \
	  elif ! "$$name" -c 'import ensurepip, venv' 2>/dev/null; then \
	    why="$$why $$name ($$version) cannot make environments (on Debian and Ubuntu: apt-get install python3-venv)."; \
	  else found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed, with its venv module.$${why:- None was found.}" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	rm -rf $(VENV); "$$found" -m venv $(VENV)

# requirements.lock has four parts, each under its heading: the program, Node.js for machines without it, the peers of
# the optimiser's benchmarks, the tests.
$(VENV)/.run: $(PY) requirements.lock pyproject.toml
	@echo "Installing the program and what it needs (a minute or two the first time)"
	@sed '/^# ==== node/,$$d' requirements.lock > $(VENV)/run.lock
	@$(PIP) --require-hashes -r $(VENV)/run.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what the tests need"
	@sed '/^# ==== node/,/^# ==== tests/d' requirements.lock > $(VENV)/dev.lock
	@$(PIP) --require-hashes -r $(VENV)/dev.lock
	@touch $@

# The map, the page of the API and the phone's QR codes need files from npm; without them everything else works.
vendor: $(VENV)/.run
	@status=0; $(PY) api/web/vendor.py || status=$$?; \
	if [ $$status = 3 ]; then \
	  echo "Installing Node.js from its wheel"; \
	  sed '1,/^# ==== node/d; /^# ==== bench/,$$d' requirements.lock > $(VENV)/node.lock; \
	  status=0; { $(PIP) --retries 1 --require-hashes -r $(VENV)/node.lock && $(PY) api/web/vendor.py; } || status=$$?; \
	fi; \
	if [ $$status != 0 ]; then \
	  echo "!!! The map, the API page and the phone's QR codes are off: their browser files could not be fetched. Everything else works." >&2; \
	fi

# A browser for the browser tests and letters for its pages. Without them those tests are skipped; with CI=true they fail.
system:
	@has_browser() { test -n "$$CHROMIUM" || command -v chromium || command -v google-chrome || command -v chromium-browser; }; \
	wanted=; \
	has_browser >/dev/null || wanted=chromium; \
	fc-list 2>/dev/null | grep -qi 'noto.*sans' || wanted="$$wanted fonts-noto-core"; \
	if [ -n "$$wanted" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $$wanted from the system's packages"; \
	  apt="apt-get -qq -o DPkg::Lock::Timeout=120"; export DEBIAN_FRONTEND=noninteractive; \
	  { $$apt update && $$apt install -y --no-install-recommends $$wanted; } </dev/null >/dev/null || \
	    echo "!!! apt-get could not install $$wanted" >&2; \
	fi; \
	has_browser >/dev/null || echo "!!! No Chromium here: install it or name it in CHROMIUM, else no browser test runs" >&2

lock: install-dev ## choose the newest versions anew and pin them with hashes
	@$(PIP) uv
	@sed -n '/^requires = /s/.*\["\(.*\)"\]/\1/p' pyproject.toml | $(LOCK) - -o $(VENV)/run.new >/dev/null
	@pinned() { sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' "$$@"; }; \
	$(LOCK) --extra web -c $(VENV)/run.new $$(pinned $(VENV)/run.new) -o $(VENV)/node.new >/dev/null; \
	$(LOCK) --extra dev -c $(VENV)/run.new -c $(VENV)/node.new $$(pinned $(VENV)/run.new) -o $(VENV)/dev.new >/dev/null
	@pinned() { sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' "$$@"; }; \
	$(LOCK) --extra bench -c $(VENV)/run.new $$(pinned $(VENV)/run.new) -o $(VENV)/peers.new >/dev/null
	@sed -i.bak '/^# The following packages were excluded/,$$d' $(VENV)/node.new $(VENV)/peers.new $(VENV)/dev.new
	@{ echo "# Every package, pinned and hashed; names no index. Made by \`make lock\`, installed in parts by \`make\`,"; \
	   echo "# or as a whole: pip install --require-hashes -r requirements.lock"; \
	   echo "# ==== program"; cat $(VENV)/run.new; echo "# ==== node"; cat $(VENV)/node.new; \
	   echo "# ==== bench"; cat $(VENV)/peers.new; echo "# ==== tests"; cat $(VENV)/dev.new; } > requirements.lock
	@rm $(VENV)/*.new $(VENV)/*.bak

peers: install-dev ## install what the optimiser is measured against (python -m routing bench)
	@sed '1,/^# ==== bench/d; /^# ==== tests/,$$d' requirements.lock > $(VENV)/peers.lock
	@$(PIP) --require-hashes -r $(VENV)/peers.lock

screenshots: install-dev vendor system ## take README's pictures anew, one per role
	@COURIER_SCREENSHOTS=docs/screenshots $(PY) -m pytest tests/browser/test_screenshots.py

bench: install-dev ## CPU per request of the daily list beside a bare Flask route; BENCH="--requests 500" passes options
	@$(PY) -m tests.bench.bench_daily_list $(BENCH)

clean: ## remove environment, caches and fetched files; the office's data in var/ stays
	@rm -rf $(VENV) api/web/static/vendor build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
