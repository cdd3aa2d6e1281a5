"""The program as it is served, in child processes that can be killed at any moment and started again on the same port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from courier.settings import ROOT

STARTING_SECONDS: Final = 120
_STOPPING_SECONDS: Final = 60
_BETWEEN_TRIES: Final = 0.02


class DidNotStart(Exception):
    """The server ended, or did not become ready; the sentence holds the end of its log."""


class Server:
    """`courier serve` on a database and a folder of its own. `workers` above 1 is for PostgreSQL."""

    def __init__(self, var_dir: Path, database_url: str, *, workers: int = 1) -> None:
        self.var_dir, self.workers = var_dir, workers
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        ours = {
            "COURIER_VAR_DIR": str(var_dir),
            "COURIER_DATABASE_URL": database_url,
            "COURIER_BASE_URL": f"http://127.0.0.1:{self.port}",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COURIER_")}
        self._environment = kept | ours
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the server wrote, of all its lives."""
        return self.var_dir / "server.log"

    @property
    def group(self) -> int:
        """The process group of its life; all its processes are in it."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> float:
        """Start it and wait until it is ready; how many seconds that took.

        Raises:
            DidNotStart: it ended, or took too long.
        """
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "courier.cli",
            "serve",
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
        ]
        with self.log.open("ab") as log:
            self._process = self._spawn(command, log)
        while time.monotonic() < began + STARTING_SECONDS and self._process.poll() is None:
            if self._is_ready():
                return time.monotonic() - began
            time.sleep(_BETWEEN_TRIES)  # a port that nobody listens on yet can only be tried again
        self.kill()
        raise DidNotStart(f"the server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A group of its own: the master and its workers die together.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _is_ready(self) -> bool:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STARTING_SECONDS)
        try:
            line.request("GET", "/readyz")
            return line.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def kill(self) -> None:
        """End it without a word: nothing is flushed, nothing is said to anybody."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOPPING_SECONDS)
            self._process = None

    def stop(self) -> None:
        """Ask it to end, as a system does before it goes down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOPPING_SECONDS)
            self._process = None
