"""Servers to measure: the product as `courier serve` starts it, and a bare Flask app behind the same gunicorn."""

import http.client
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from courier.cli import THREADS
from courier.settings import ROOT
from tests.databases import _wheel

BARE = """
    from flask import Flask, jsonify, request
    app = Flask("bare")

    @app.post("/api/v1/sync")
    def take():
        events = request.get_json()["events"]
        return jsonify(results=[{"event_id": event["event_id"], "result": "applied"} for event in events])
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], environment: dict[str, str], port: int, log: Path) -> Iterator[int]:
    with log.open("ab") as out:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 180
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/livez")
                connection.getresponse().read()
                break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError(log.read_text()[-2000:]) from None
                time.sleep(0.1)
            finally:
                connection.close()
        yield server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


@contextmanager
def product(url: str, folder: Path, *, workers: int = 1) -> Iterator[tuple[int, int]]:
    """`courier serve` on a database; gives (port, pid)."""
    port = _free_port()
    command = [sys.executable, "-m", "courier.cli", "serve", "--port", str(port), "--workers", str(workers)]
    environment = {"COURIER_DATABASE_URL": url, "COURIER_VAR_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    with _running(command, environment, port, folder / "server.log") as pid:
        yield port, pid


@contextmanager
def bare(folder: Path, *, workers: int = 1, app: str = BARE) -> Iterator[tuple[int, int]]:
    """A Flask app that reads the same body and answers each event (or does what `app` says), and no more; gives (port, pid)."""
    (folder / "bare_app.py").write_text(textwrap.dedent(app))
    port = _free_port()
    command = [
        sys.executable, "-m", "gunicorn", "bare_app:app", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
        "--workers", str(workers), "--threads", str(THREADS), "--log-level", "error", "--chdir", str(folder),
        "--no-control-socket",
    ]  # fmt: skip
    with _running(command, {}, port, folder / "bare.log") as pid:
        yield port, pid


def cpu_seconds(pid: int) -> float:
    """Seconds that the threads of a process and of its children have run so far, to the nanosecond."""
    total = 0
    for each in (pid, *_children(pid)):
        for thread in Path(f"/proc/{each}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of its own from the wheel, as durable as it comes out of the box; gives the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="buuta-pg-bench-") as name:
        folder = Path(name) / "data"
        server, pg_ctl = _wheel(folder)
        folder.parent.chmod(0o755)
        server.ensure_pgdata_inited()
        pg_ctl("-o", f'-h "" -k {folder}', "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            pg_ctl("-m", "fast", "stop")


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
