"""A PostgreSQL server that Zgoda starts, adopts and stops itself, so that trying it out needs no database.

`ensure_running` is all a command needs. The server is detached: it survives its starter's crash and serves several
processes. Every process that called `ensure_running` counts as a user until it ends; the last one to end normally stops
the server. After a crash of anything, the next `ensure_running` puts the folder right.

The server is reached through a unix socket in a private folder only; it never listens on the network.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from zgoda.db.binaries import EmbeddedError
from zgoda.db.embedded_folder import DataFolder, drop_link, explained, find_folder, prepare_folder, socket_url
from zgoda.db.embedded_process import (
    Lock,
    Postmaster,
    clear_leftovers,
    find_processes,
    look,
    only_one,
    open_lock,
    polls,
)
from zgoda.db.embedded_start import settings_as_options, start_server, why_not

__all__ = ["EmbeddedError", "EmbeddedServer", "StopMode", "ensure_running", "find_running", "stop"]

StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
START_TIMEOUT_S = 120.0  # after a crash the server first replays its log, at most some max_wal_size
STOP_TIMEOUT_S = 60.0
FAST_STOP_S = 8.0  # PostgreSQL 18 hangs if "fast" comes while it recovers from a crash; "immediate" then ends it
ORPHAN_GRACE_S = 1.0  # children of a killed postmaster end by themselves unless they are busy
ORPHAN_KILL_S = 5.0
UNKNOWN_HOLDER_S = 30.0


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. `url` suits psycopg; `started_here` is False if another process had started it before."""

    url: str
    version: str
    pid: int
    data_dir: Path
    started_here: bool

    def leave(self) -> None:
        """Stop using it, as every process does by itself when it ends. The last user to leave stops the server."""
        with explained(self.data_dir):
            _leave(self.data_dir)

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it now, whoever else uses it."""
        stop(self.data_dir, mode)


@dataclass(frozen=True)
class _Use:
    """That the process `user_pid` uses the server `server_pid`, and the shared lock which tells others so."""

    user_pid: int
    server_pid: int
    users: Lock


_uses: dict[Path, _Use] = {}
_children: dict[int, subprocess.Popen[bytes]] = {}  # servers started by this process, by process id


def ensure_running(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
    """Start the server of `data_dir`, or adopt the one that runs; make or repair the folder first if needed.

    `settings` are PostgreSQL settings that win over the defaults; they count only if the server is started here.
    Blocks until the server takes connections. Raises EmbeddedError if that cannot be.
    """
    options = settings_as_options(settings or {})
    with explained(data_dir):
        folder = prepare_folder(data_dir)
        with only_one(folder, START_TIMEOUT_S):
            match _settle(folder):
                case Postmaster() as postmaster:
                    pass
                case Lock() as server_lock:
                    try:
                        child = start_server(folder, server_lock, options)
                    finally:
                        server_lock.close()
                    _children[child.pid] = child
                    postmaster = _await_ready(folder, child)
            _enter(folder, postmaster)
            return _describe(folder, postmaster)


def find_running(data_dir: Path) -> EmbeddedServer | None:
    """The running server of `data_dir`, if any. Only looks: it starts nothing and does not count as a user."""
    with explained(data_dir):
        folder = find_folder(data_dir)
        if folder is None:
            return None
        with only_one(folder, START_TIMEOUT_S):
            match look(folder):
                case Postmaster(ready=True) as postmaster:
                    return _describe(folder, postmaster)
                case Lock() as free:
                    free.close()
                    return None
                case _:
                    return None


def stop(data_dir: Path, mode: StopMode = "fast") -> bool:
    """Stop the server of `data_dir` and wait for its end; False if none was running.

    "fast" ends open transactions, "smart" waits for clients to go, "immediate" leaves recovery to the next start and
    is what "fast" becomes after a while. What was committed stays committed in every mode. Raises EmbeddedError if the
    server does not end in time.
    """
    with explained(data_dir):
        folder = find_folder(data_dir)
        if folder is None:
            return False
        with only_one(folder, START_TIMEOUT_S):
            stopped = _stop(folder, mode)
            if folder.path in _uses:
                _uses.pop(folder.path).users.close()
            return stopped


def _settle(folder: DataFolder) -> Postmaster | Lock:
    """Wait until the folder is either served and ready, or free: then its server lock is ours."""
    for waited_s in polls(START_TIMEOUT_S):
        match look(folder):
            case Postmaster(ready=True) as postmaster:
                return postmaster
            case Lock() as server_lock:
                return server_lock
            case None if waited_s > ORPHAN_GRACE_S:
                seen = _end_orphans(folder, signal.SIGKILL if waited_s > ORPHAN_KILL_S else signal.SIGQUIT)
                if not seen and waited_s > UNKNOWN_HOLDER_S:
                    raise EmbeddedError(
                        f"{folder.path} is in use by processes that this one cannot see, perhaps in another container. "
                        "Stop them, or choose another data folder."
                    )
            case _:
                continue
    raise EmbeddedError(_still_busy(folder, "getting ready"))


def _end_orphans(folder: DataFolder, sign: signal.Signals) -> bool:
    """End the children of a killed postmaster: no server may start while one of them can still write."""
    orphans = find_processes(folder)
    for orphan in orphans:
        with contextlib.suppress(psutil.Error):
            orphan.send_signal(sign)
    return bool(orphans)


def _await_ready(folder: DataFolder, child: subprocess.Popen[bytes]) -> Postmaster:
    try:
        for _ in polls(START_TIMEOUT_S):
            if child.poll() is not None:
                raise EmbeddedError(why_not(folder, "PostgreSQL did not start"))
            match look(folder):
                case Postmaster(ready=True) as postmaster:
                    return postmaster
                case Lock() as free:
                    free.close()
                case _:
                    continue
    except KeyboardInterrupt:
        child.send_signal(STOP_SIGNALS["immediate"])
        raise
    raise EmbeddedError(_still_busy(folder, "starting"))


def _enter(folder: DataFolder, postmaster: Postmaster) -> None:
    """Register this process as a user. A forked child inherits the table, but its parent's entries are not its own."""
    use = _uses.get(folder.path)
    if use is not None and use.user_pid == os.getpid():
        users = use.users
    else:
        users = open_lock(folder, "users.lock")
        users.share()
    _uses[folder.path] = _Use(os.getpid(), postmaster.pid, users)


def _describe(folder: DataFolder, postmaster: Postmaster) -> EmbeddedServer:
    child = _children.get(postmaster.pid)
    started_here = child is not None and child.poll() is None
    return EmbeddedServer(socket_url(folder), postmaster.version, postmaster.pid, folder.path, started_here)


def _leave(path: Path) -> None:
    use = _uses.get(path)
    if use is None or use.user_pid != os.getpid():
        return
    del _uses[path]
    try:
        folder = find_folder(path)
        if folder is None:  # it was deleted under the server, which would notice within a minute
            if use.server_pid in _children:
                _children[use.server_pid].send_signal(STOP_SIGNALS["immediate"])
                _reap(use.server_pid)
            return
        with only_one(folder, STOP_TIMEOUT_S):
            if use.users.take():
                _stop(folder, "fast")
    finally:
        use.users.close()


@atexit.register
def _leave_all() -> None:
    for path in list(_uses):
        try:
            with explained(path):
                _leave(path)
        except EmbeddedError as error:
            print(error, file=sys.stderr)


def _stop(folder: DataFolder, mode: StopMode) -> bool:
    found = look(folder)
    match found:
        case Postmaster(pid=pid):
            server_lock = _end(folder, pid, mode)
            _reap(pid)
        case Lock() as server_lock:
            pass
        case None:
            return False
    try:
        clear_leftovers(folder)
        drop_link(folder)
    finally:
        server_lock.close()
    return isinstance(found, Postmaster)


def _reap(pid: int) -> None:
    if pid in _children:
        _children.pop(pid).wait()


def _end(folder: DataFolder, pid: int, mode: StopMode) -> Lock:
    """Signal the server and wait until the last of its processes has let go of the server lock."""
    attempts = {"fast": (("fast", FAST_STOP_S), ("immediate", STOP_TIMEOUT_S))}.get(mode, ((mode, STOP_TIMEOUT_S),))
    server_lock = open_lock(folder, "server.lock")
    for manner, patience_s in attempts:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, STOP_SIGNALS[manner])
        if any(server_lock.take() for _ in polls(patience_s)):
            return server_lock
    server_lock.close()
    raise EmbeddedError(_still_busy(folder, "stopping"))


def _still_busy(folder: DataFolder, doing: str) -> str:
    return f"The server in {folder.path} is still {doing} and goes on. Look into {folder.log} and try again later."
