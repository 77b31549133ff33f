"""Who serves a data folder right now: its locks and its processes.

The locks are flock(2) locks, so the kernel gives them back however a process ends. Every process of a server inherits
`server.lock`: while it is taken, some process of the server is left. A process id in a file says much less, because ids
are used again, and a killed postmaster can leave children that still write.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import psutil

from zgoda.db.binaries import EmbeddedError
from zgoda.db.embedded_folder import SOCKET_NAME, DataFolder, open_owned

POLL_S = 0.01


@dataclass(frozen=True)
class Postmaster:
    """A live server: its process id, whether it takes connections yet, and its version ("18.6")."""

    pid: int
    ready: bool
    version: str


@dataclass(frozen=True)
class Lock:
    """An open lock file."""

    fd: int

    def take(self) -> bool:
        """Take it alone, without waiting; False if somebody else has it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self.fd)


def open_lock(folder: DataFolder, name: str) -> Lock:
    return Lock(open_owned(folder.path / name, folder.owner))


@contextlib.contextmanager
def only_one(folder: DataFolder, wait_s: float) -> Generator[None]:
    """Be the only process that looks at, starts or stops this server. EmbeddedError after `wait_s` of waiting."""
    lock = open_lock(folder, "start.lock")
    try:
        if not any(lock.take() for _ in polls(wait_s)):
            raise EmbeddedError(
                f"Another process has been starting or stopping the server in {folder.path} for {wait_s:.0f} s. "
                f"Look into {folder.log}, end that process and try again."
            )
        yield
    finally:
        lock.close()


def polls(wait_s: float) -> Iterator[float]:
    """Yield how many seconds have been waited so far, quickly at first, until `wait_s` is over."""
    never = threading.Event()
    waited_s = 0.0
    while waited_s < wait_s:
        yield waited_s
        step_s = POLL_S if waited_s < 1 else 10 * POLL_S
        never.wait(step_s)
        waited_s += step_s


def look(folder: DataFolder) -> Postmaster | Lock | None:
    """Who serves the folder: a postmaster; or nobody, then the server lock is now the caller's to close; or None for
    processes without a postmaster, which are still coming up or going away. Call it under `only_one`.

    The lock is asked first: a copied folder brings along a process id, but not the lock of that process.
    """
    lock = open_lock(folder, "server.lock")
    if lock.take():
        return lock
    lock.close()
    return _find_postmaster(folder)


def server_tag(folder: DataFolder) -> str:
    """A word in the command line of every process of this server, different for every data folder."""
    return "zgoda-" + hashlib.blake2b(os.fsencode(folder.path), digest_size=6).hexdigest()


def describe_server(lock: Lock, version: str, tag: str) -> None:
    """Leave word, for those who find the lock taken, of what runs."""
    os.ftruncate(lock.fd, 0)
    os.pwrite(lock.fd, f"{version} {tag}\n".encode(), 0)


def find_processes(folder: DataFolder) -> list[psutil.Process]:
    """Every process of this folder's server, also those whose postmaster is gone."""
    try:
        _, tag = (folder.path / "server.lock").read_text(errors="replace").split()
    except (FileNotFoundError, ValueError):
        return []
    return [process for process in psutil.process_iter() if _is_process_of(process.pid, folder, tag)]


def clear_leftovers(folder: DataFolder) -> None:
    """Remove what a killed server left behind. Only for the holder of server.lock.

    PostgreSQL clears up after a dead process id itself, with more care than we could; a reused one it takes for alive.
    """
    _clear_pid_file(folder)
    for name in (SOCKET_NAME, SOCKET_NAME + ".lock"):
        (folder.socket / name).unlink(missing_ok=True)


def _clear_pid_file(folder: DataFolder) -> None:
    pid_file = folder.cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(errors="replace").split("\n", 1)[0])
        process = psutil.Process(pid)
    except (OSError, ValueError, psutil.Error):
        return
    if _serves_by_hand(process, folder):
        raise EmbeddedError(
            f"A PostgreSQL server started by hand (process {pid}) is using {folder.cluster}. Stop it and try again."
        )
    pid_file.unlink()


def _find_postmaster(folder: DataFolder) -> Postmaster | None:
    try:
        lines = (folder.cluster / "postmaster.pid").read_text(errors="replace").splitlines()
        version, tag = (folder.path / "server.lock").read_text(errors="replace").split()
        pid = int(lines[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    if pid <= 0 or not _is_process_of(pid, folder, tag):
        return None
    return Postmaster(pid, ready=len(lines) > 7 and lines[7].strip() == "ready", version=version)


def _is_process_of(pid: int, folder: DataFolder, tag: str) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            process.uids().effective == folder.owner.uid
            and process.status() != psutil.STATUS_ZOMBIE
            and any(tag in part for part in process.cmdline())
        )
    except psutil.Error:
        return False


def _serves_by_hand(process: psutil.Process, folder: DataFolder) -> bool:
    try:
        return process.name() == "postgres" and os.path.samefile(process.cwd(), folder.cluster)
    except (psutil.Error, OSError):
        return False
