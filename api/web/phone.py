"""The postman's app: its shell, its worker and its files, each build under an address of its own.

The app works for a whole day without this server. Therefore a build is one whole: its files lie under `/phone/<build>/`, where
the build is a digest of all of them, and the worker takes all or none. A page of one build never loads a file of another.
"""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import NotFound

from api import auth
from api.auth import public, roles
from api.conventions import desk, now
from api.web import page, texts
from courier import staffing

blueprint = page.pages("phone_pages", __name__, prefix="/phone")

_STATIC: Final = Path(__file__).parent / "static"
_SCRIPTS: Final = _STATIC / "js" / "phone"
_CODES: Final = _STATIC / "vendor" / "uqr" / "uqr.js"
_SHEETS: Final = ("app.css", "phone.css")
# What the list needs at once, in one go; every other screen is loaded when it is first opened.
_FIRST: Final = ("app", "dom", "net", "db", "vault", "seal", "outbox", "bag", "list")
_KINDS: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".webmanifest": "application/manifest+json",
}
# Groups of the catalogue that the app's screens use, beside its own section.
_GROUPS: Final = (
    "brand",
    "charge",
    "done",
    "event",
    "form",
    "heard",
    "id_check",
    "incident",
    "method",
    "objections",
    "payee",
    "person",
    "phone",
    "precision",
    "quarantine",
    "reason",
    "refused",
    "role",
    "route",
    "sign_in",
    "state",
    "stop",
    "surrender_when",
    "weekday",
)
# Whole lines of // and blocks that end with their line: what stands beside code stays.
_COMMENTS: Final = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)$", re.MULTILINE | re.DOTALL)
_A_YEAR: Final = 365 * 24 * 3600
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_WORKER_POLICY: Final = "default-src 'none'; script-src 'self'; connect-src 'self'"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the app as it is sent."""

    body: bytes
    media_type: str
    zipped: bytes

    @classmethod
    def of(cls, body: bytes, name: str) -> "File":
        """With the media type of its name's ending."""
        return cls(body, _KINDS[name[name.rindex(".") :]], gzip.compress(body, 9, mtime=0))


@dataclass(frozen=True, slots=True)
class Build:
    """All files of the app by address; `files` are those that the worker keeps."""

    id: str
    files: Mapping[str, File]
    worker: File


def install(app: Flask) -> None:
    """Register the pages and put the build together."""
    app.register_blueprint(blueprint)
    app.extensions["phone_build"] = _build(app)


def _build(app: Flask) -> Build:
    named = {path.name: _said(path).encode() for path in sorted(_SCRIPTS.glob("*.js")) if path.name != "sw.js"}
    named |= _others()
    named |= {name: (_STATIC / "css" / name).read_bytes() for name in _SHEETS}
    named |= {f"texts.{language}.json": _texts(language) for language in texts.LANGUAGES}
    fixed = {"/static/icon.svg": (_STATIC / "icon.svg").read_bytes()}
    sketch = app.extensions["desk"].settings.data_dir / "gazetteer" / "map.json"
    fixed["/sketch.json"] = sketch.read_bytes()
    worker = _said(_SCRIPTS / "sw.js")
    whole = sha256(worker.encode() + _shell(app, "", named))
    for name, body in (named | fixed).items():
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    build = whole.hexdigest()[:12]
    files = {f"/phone/{build}/{name}": body for name, body in named.items()} | fixed
    files["/phone"] = _shell(app, build, named)
    listed = [[address, sha256(body).hexdigest()] for address, body in files.items()]
    head = f'import {{ flush }} from "/phone/{build}/outbox.js";\n'
    head += f"const BUILD = {json.dumps(build)};\nconst FILES = {json.dumps(listed)};\n"
    return Build(
        build,
        {address: File.of(body, _ending(address)) for address, body in files.items()},
        File.of((head + worker).encode(), "sw.js"),
    )


def _said(script: Path) -> str:
    """A script without the comments that stand on lines of their own, a quarter of it; every line keeps its number."""
    return _COMMENTS.sub(lambda found: "\n" * found[0].count("\n"), script.read_text(encoding="utf-8"))


def _others() -> dict[str, bytes]:
    """Modules of others, by the name under which our own import them; a build without them works, and its screens say so."""
    if _CODES.is_file():
        return {"uqr.js": _CODES.read_bytes()}
    structlog.get_logger("courier.phone").error("phone-without-qr-codes", missing=str(_CODES), mend="make vendor")
    return {}


def _ending(address: str) -> str:
    return "shell.html" if address == "/phone" else address


def _shell(app: Flask, build: str, named: Mapping[str, bytes]) -> bytes:
    """The page without anybody's data: the same for everybody, in both languages where no script can choose."""
    first = [f"{name}.js" for name in _FIRST if f"{name}.js" in named]
    words = {language: texts.catalogue(language) for language in texts.LANGUAGES}
    template = app.extensions["pages"].get_template("phone.html")
    body: str = template.render(build=build, first=first, words=words)
    return body.encode()


@cache
def _texts(language: str) -> bytes:
    """The part of the catalogue that the app uses, by dotted keys."""
    chosen = {key: text for key, text in texts.catalogue(language).items() if key.partition(".")[0] in _GROUPS}
    return json.dumps(chosen, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _own() -> Build:
    build: Build = current_app.extensions["phone_build"]
    return build


def _answer(file: File, *, keep: str) -> Response:
    answer = Response(mimetype=file.media_type)
    answer.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        answer.set_data(file.zipped)
        answer.headers["Content-Encoding"] = "gzip"
    else:
        answer.set_data(file.body)
    answer.headers["Cache-Control"] = keep
    return answer


@blueprint.get("")
@public
def shell() -> Response:
    """The app."""
    answer = _answer(_own().files["/phone"], keep="no-cache")
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.set_etag(_own().id)
    return answer


@blueprint.get("/sw.js")
@public
def worker() -> Response:
    """The worker that keeps the app and sends what is left when no page is open."""
    answer = _answer(_own().worker, keep="no-cache")
    answer.headers["Content-Security-Policy"] = _WORKER_POLICY
    # The script lies a folder below what it serves.
    answer.headers["Service-Worker-Allowed"] = "/phone"
    return answer


@blueprint.get("/manifest.webmanifest")
@public
def manifest() -> Response:
    """What makes the app installable."""
    words = texts.catalogue(texts.LANGUAGES[0])
    content: dict[str, Any] = {
        "id": "/phone",
        "name": words["brand"],
        "short_name": words["brand"],
        "description": words["foot"],
        "lang": texts.LANGUAGES[0],
        "start_url": "/phone",
        "scope": "/phone",
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#f6f5f0",
        "theme_color": "#06323f",
        "icons": [{"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}],
    }
    body = json.dumps(content, ensure_ascii=False).encode()
    return _answer(File.of(body, "manifest.webmanifest"), keep="no-cache")


@blueprint.get("/<string:build>/<string:name>")
@public
def part(build: str, name: str) -> Response:
    """A file of this build; of another build there is none here."""
    file = _own().files.get(f"/phone/{build}/{name}")
    if file is None:
        raise NotFound
    return _answer(file, keep=f"public, max-age={_A_YEAR}, immutable")


@blueprint.post("/sign-out")
@roles("postman", before_password_change=True, from_revoked_phone=True)
def sign_out() -> Response:
    """End this session; with `?wipe=1` the browser also forgets everything that the app kept."""
    staffing.sign_out(desk(), auth.signed_in(), at=now())
    answer = Response(status=204)
    auth.forget(answer)
    if request.args.get("wipe") == "1":
        answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return answer
