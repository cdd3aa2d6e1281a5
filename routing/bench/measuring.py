"""One command on its own cores: what it says, and the wall time, CPU seconds and memory of all its processes.

A keeper is forked for it that adopts whatever the command leaves behind, so that no CPU second is lost and nothing
outlives the measurement. Linux only: it reads /proc.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# Of <linux/prctl.h>: adopt what descendants leave behind; be told when the one who measures dies.
_SUBREAPER, _DEATH_SIGNAL = 36, 1
_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one command did.

    `said` are its lines of JSON. Memory is proportional set size in bytes, summed over all its processes: `base` when
    it said "ready", `peak` the largest seen. `cpu` are the CPU seconds since then, `cpu_before` those until then.
    `exit_code` is negative for a signal.
    """

    said: tuple[Any, ...]
    errors: str
    wall: float
    cpu: float
    cpu_before: float
    base: int
    peak: int
    exit_code: int
    killed: bool


class Keeper:
    """A running measurement; `descriptor` becomes readable when it has something, `result` when it is over."""

    def __init__(
        self, command: Sequence[str], *, cores: Sequence[int], seconds: float, environment: Mapping[str, str]
    ) -> None:
        self.descriptor, writing = os.pipe()
        self._bytes = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.descriptor)
            _keep(command, cores, seconds, environment, writing)
        os.close(writing)

    def result(self) -> Measured | None:
        """Read what has come; the measurement when it is complete."""
        data = os.read(self.descriptor, 1 << 20)
        self._bytes += data
        if data:
            return None
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)
        if not self._bytes:
            raise RuntimeError("the process that measures has died")
        found = json.loads(self._bytes)
        return Measured(**(found | {"said": tuple(found["said"])}))

    def kill(self) -> None:
        """End the command and the measurement."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def measure(
    command: Sequence[str], *, cores: Sequence[int], seconds: float, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run one command to its end, or until `seconds` have passed and it is killed."""
    keeper = Keeper(command, cores=cores, seconds=seconds, environment=environment or {})
    try:
        while True:
            if (found := keeper.result()) is not None:
                return found
    except KeyboardInterrupt:
        keeper.kill()
        raise


def _keep(
    command: Sequence[str], cores: Sequence[int], seconds: float, environment: Mapping[str, str], writing: int
) -> NoReturn:
    code = 1
    try:
        found = _watch(command, cores, seconds, environment)
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(found, pipe)
        code = 0
    except KeyboardInterrupt:
        pass  # asked to end
    except BaseException:  # noqa: BLE001 - this copy of the caller must not go on as the caller, whatever happens
        traceback.print_exc()
    finally:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        finally:
            os._exit(code)


def _ask_to_end(*_: object) -> None:
    raise KeyboardInterrupt


def _watch(
    command: Sequence[str], cores: Sequence[int], seconds: float, environment: Mapping[str, str]
) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, _ask_to_end)
    control = ctypes.CDLL(None, use_errno=True).prctl
    if control(_SUBREAPER, 1, 0, 0, 0) != 0 or control(_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system adopts no orphans")
    os.setpgid(0, 0)  # Ctrl-C is the campaign's to answer
    os.sched_setaffinity(0, cores)  # watching, too, costs only those who are watched
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own commands
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | dict(environment),
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - asked for
    assert process.stderr is not None  # noqa: S101 - asked for
    out, errors = b"", b""
    base = peak = 0
    ready = killed = False
    before = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "errors")
        while selector.get_map():
            for key, _ in selector.select(_EVERY_SECONDS):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == "out":
                    out += data
                else:
                    errors = (errors + data)[-20_000:]
            now = _memory(os.getpid())
            peak = max(peak, now)
            if not ready and b'"ready"' in out:
                ready, base, peak, before = True, now, now, _cpu(os.getpid())
            if time.monotonic() - began > seconds:
                killed = True
                break
    wall = time.monotonic() - began
    if killed:
        process.kill()
    _, status = os.waitpid(process.pid, 0)
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = []
    for line in out.decode(errors="replace").splitlines():
        with contextlib.suppress(ValueError):  # a library that prints is no reason to lose the run
            said.append(json.loads(line))
    return {
        "said": said, "errors": errors.decode(errors="replace"), "wall": wall,
        "cpu": used.ru_utime + used.ru_stime - before, "cpu_before": before, "base": base, "peak": peak,
        "exit_code": os.waitstatus_to_exitcode(status), "killed": killed,
    }  # fmt: skip


def descendants(ancestor: int, *, deep: bool = True) -> list[int]:
    """The processes that descend from one; with `deep` False only its children."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    if not deep:
        return [pid for pid, parent in parents.items() if parent == ancestor]
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != ancestor:
            above = parents[above]
        if above == ancestor and pid != ancestor:
            found.append(pid)
    return found


def _cpu(ancestor: int) -> float:
    """CPU seconds of all descendants, and of what they have waited for."""
    ticks = 0
    for pid in descendants(ancestor):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(ancestor: int) -> int:
    """Proportional set size of all descendants: pages that forked processes share count once."""
    total = 0
    for pid in descendants(ancestor):
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total
