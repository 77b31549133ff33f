"""One instance of a server: its folder, its processes, and how both go away again, also after a crash of the tests."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.real.cache import cache_folder
from tools.real.processes import Process, is_running, spawn, stop

from zgoda.db import embedded

POSTGRES = "postgres"
RECORD = "processes.json"
# No test needs its database after a power cut.
POSTGRES_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
}


@dataclass(frozen=True)
class Server:
    """A running server, ready for calls; `user` is its administrator."""

    kind: str
    url: str
    database: str
    user: str
    password: str
    folder: Path
    processes: tuple[Process, ...]


@dataclass
class Instance:
    """A folder with everything of one server, noted on disk so that another run can clear it up."""

    folder: Path
    processes: list[Process] = field(default_factory=list[Process])

    def spawn(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        process = spawn(name, command, self.folder, environment)
        self.processes.append(process)
        self.note()
        return process

    def note(self) -> None:
        record = {"owner": os.getpid(), "processes": {process.name: process.pid for process in self.processes}}
        (self.folder / RECORD).write_text(json.dumps(record))

    def start_postgres(self) -> embedded.EmbeddedServer:
        """Starts the PostgreSQL server of the folder, made empty where there is none yet."""
        return embedded.ensure_running(self.folder / POSTGRES, settings=POSTGRES_SETTINGS)

    def stop_postgres(self) -> None:
        if (self.folder / POSTGRES).exists():
            embedded.stop(self.folder / POSTGRES)

    def stop(self) -> None:
        """Ends every process, the last one first, and the database after them."""
        while self.processes:
            stop(self.processes.pop())
        self.stop_postgres()


@contextmanager
def instance(kind: str) -> Generator[Instance]:
    """A new empty instance; at the end its processes are stopped and its folder is removed.

    What a killed run left behind is cleared first.
    """
    place = cache_folder() / "instances"
    place.mkdir(exist_ok=True)
    clear_leftovers(place)
    made = Instance(Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=place)))
    try:
        made.note()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)


def clear_leftovers(place: Path) -> None:
    """Ends and removes instances whose owner has died without doing it."""
    for record in place.glob(f"*/{RECORD}"):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # another run clears it, or is writing it
            noted = json.loads(record.read_text())
            if not _is_alive(noted["owner"]):
                left = [Process(name, pid, record.parent) for name, pid in noted["processes"].items()]
                Instance(record.parent, [process for process in left if is_running(process)]).stop()
                shutil.rmtree(record.parent, ignore_errors=True)


def copy_tree(source: Path, target: Path) -> None:
    """Copies a folder with its owners, which root needs: PostgreSQL runs under another account then."""
    shutil.copytree(source, target, symlinks=True)
    if os.geteuid() == 0:
        for path in (source, *source.rglob("*")):
            facts = path.lstat()
            os.lchown(target / path.relative_to(source), facts.st_uid, facts.st_gid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
