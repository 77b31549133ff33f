"""Starts a server as a process group of its own, waits until it answers, and ends it by its process id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_TIMEOUT_S = 10.0
LOG_LINES_SHOWN = 20

_children: dict[int, subprocess.Popen[bytes]] = {}  # started by this process, so that it can collect them


class ServerFailed(RuntimeError):
    """A server did not come up; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Process:
    """A running server: the leader of its own process group. Its command line names `folder`, which tells it from
    a later process with the same id."""

    name: str
    pid: int
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"


def free_port() -> int:
    """A TCP port of the loopback address that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(
    name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Process:
    """Starts the command in `folder`, its output in `NAME.log` there."""
    process = Process(name, 0, folder)
    with process.log.open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    return Process(name, child.pid, folder)


def run(name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Runs the command to its end. Raises ServerFailed with the end of its log if it fails."""
    process = spawn(name, command, folder, environment)
    code = _children.pop(process.pid).wait()
    if code:
        raise ServerFailed(f"{name} ended with code {code}\n{_last_lines(process)}")


def wait_until_ready(process: Process, answers: Callable[[], object], timeout_s: float) -> None:
    """Returns when `answers` returns without OSError. Raises ServerFailed when the process ends or time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError):
            answers()
            return
        if not is_running(process):
            raise ServerFailed(f"{process.name} ended while it was starting\n{_last_lines(process)}")
        if time.monotonic() > deadline:
            raise ServerFailed(f"{process.name} did not answer within {timeout_s:.0f} s\n{_last_lines(process)}")
        time.sleep(0.05)


def stop(process: Process) -> None:
    """Ends the process and its group, kindly first. Does nothing if it is gone."""
    for sign, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
        if not is_running(process):
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        deadline = time.monotonic() + patience_s
        while is_running(process) and time.monotonic() < deadline:
            time.sleep(0.02)
    _children.pop(process.pid, None)


def is_running(process: Process) -> bool:
    """Whether exactly this process lives; one with the same id and another command line does not count."""
    child = _children.get(process.pid)
    if child:
        return child.poll() is None
    ask = ["ps", "-ww", "-o", "args=", "-p", str(process.pid)]
    command_line = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    return str(process.folder) in command_line


def _last_lines(process: Process) -> str:
    return "\n".join(process.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
