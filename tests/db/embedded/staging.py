"""What the tests of the embedded PostgreSQL share: processes that use it, and a look at what it left."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

import zgoda
from zgoda.db.embedded import EmbeddedError, EmbeddedServer, stop

SRC = Path(zgoda.__file__).parents[1]
SITE_PACKAGES = Path(psutil.__file__).parents[1]
SOCKET = ".s.PGSQL.5432"
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can stage this")

# A process that uses the server until its standard input is closed.
USER = """
import json, sys
from pathlib import Path
from zgoda.db.embedded import ensure_running
server = ensure_running(Path(sys.argv[1]))
print(json.dumps({"pid": server.pid, "started_here": server.started_here, "url": server.url}), flush=True)
sys.stdin.read()
"""

Users = Callable[..., "subprocess.Popen[str]"]
"""Starts a process that uses the server of a data folder."""


def copy_folder(stopped: Path, data: Path) -> Path:
    subprocess.run(["cp", "-a", "--sparse=always", stopped, data], check=True)
    return data


def end_servers_below(place: Path) -> None:
    clusters = {Path(cwd) for _, cwd in postgres_processes() if place in Path(cwd).parents}
    for cluster in clusters:
        with contextlib.suppress(EmbeddedError):
            stop(cluster.parent)
    for process, cwd in postgres_processes():
        if Path(cwd) in clusters:
            kill(process.pid)


def told(user: subprocess.Popen[str]) -> dict[str, object]:
    assert user.stdout is not None
    line = user.stdout.readline()
    if not line:
        pytest.fail(f"the process told nothing: {user.communicate()[1]}")
    return json.loads(line)


def finish(user: subprocess.Popen[str]) -> None:
    _, complaints = user.communicate(timeout=30)
    assert (user.returncode, complaints) == (0, "")


def run(server: EmbeddedServer, statement: str) -> object:
    with psycopg.connect(server.url) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def ignore_loss(connection: psycopg.Connection, statement: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)


def postgres_processes() -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres":
                yield process, process.cwd()


def processes_of(data: Path) -> list[psutil.Process]:
    """Every process whose working directory is this folder's cluster: a witness apart from the code under test."""
    return [process for process, cwd in postgres_processes() if cwd == str(data / "cluster")]


def postmasters_of(data: Path) -> list[psutil.Process]:
    processes = processes_of(data)
    pids = {process.pid for process in processes}
    return [process for process in processes if process.ppid() not in pids]


def kill(pid: object) -> None:
    process = psutil.Process(int(str(pid)))
    process.kill()
    wait_until(lambda: is_gone(process))


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(happened: Callable[[], bool], within_s: float = 20) -> None:
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.002)


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def logs_of(folder: Path) -> str:
    return "".join(file.read_text() for file in (folder / "log").iterdir())


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    facts = {}
    for path in (folder, *folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        facts[str(path)] = (state.st_mode, state.st_uid, state.st_mtime_ns, content)
    return facts
