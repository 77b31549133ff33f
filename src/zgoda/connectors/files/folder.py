"""The files of a folder: which there are, whether they changed, and whether somebody is still writing them."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from zgoda.connectors.files.options import Options, TableOptions, has_wildcard
from zgoda.kit.errors import Attention, NeedsAttention, Temporary


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """What a file was like when it was read. `modified_ns` 0: it was too young to be trusted to change its stamp with
    its content. `rows` and `ids` (a digest in their order) tell whether rows were only added since."""

    size: int
    modified_ns: int
    sha: str
    rows: int = 0
    ids: str = ""


YOUNG_S: Final = 3.0
"""File systems keep stamps in steps of up to two seconds."""


def files_of(told: Options, table: TableOptions, stream: str) -> list[Path]:
    """The files to read, the one that counts most first. `Temporary` where one should be and is not: exports are often
    replaced by deleting and writing anew."""
    root = told.place.resolve()
    if not root.is_dir():
        raise NeedsAttention(Attention.SETTINGS, "the folder is not there", do="correct folder, or mount it")
    found: set[Path] = set()
    for pattern in table.patterns:
        here = sorted(root.glob(pattern)) if has_wildcard(pattern) else [root / pattern]
        here = [path for path in here if path.is_file() and not path.name.startswith(".")]
        if not here and not table.write_to:
            raise Temporary(f"{stream}: there is no file {pattern}")
        found.update(_inside(root, path) for path in here)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix(), reverse=True)


def target_of(told: Options, table: TableOptions) -> Path:
    """The file we write."""
    root = told.place.resolve()
    return _inside(root, root / table.write_to)


def _inside(root: Path, path: Path) -> Path:
    """A link must not lead out of the folder."""
    if not path.resolve().is_relative_to(root):
        raise NeedsAttention(Attention.SETTINGS, f"{path.name} is a link that leads out of the folder", do="remove it")
    return path


def name_of(told: Options, path: Path) -> str:
    return path.relative_to(told.place.resolve()).as_posix()


def unchanged(path: Path, known: Print | None) -> bool:
    """Whether a file is still what it was: by its stamp if that can be trusted, else by its content."""
    if known is None:
        return False
    try:
        state = path.stat()
        if state.st_size != known.size:
            return False
        return state.st_mtime_ns == known.modified_ns or digest(path) == known.sha
    except OSError as error:
        raise unreadable(path, error) from None


def print_of(path: Path, now: datetime) -> Print:
    """A file's state before it is read. An empty file is being written or was cut."""
    try:
        state = path.stat()
        sha = digest(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if state.st_size == 0:
        raise Temporary(f"{path.name} is empty")
    young = now.timestamp() - state.st_mtime < YOUNG_S
    return Print(size=state.st_size, modified_ns=0 if young else state.st_mtime_ns, sha=sha)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Watch:
    """Notices whether a file changed while it was open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = state_of(path)

    def ended(self) -> None:
        """Raises `Temporary` if what was read may be half of the old file and half of the new one."""
        if state_of(self._path) != self._before:
            raise Temporary(f"{self._path.name} was written to while it was read")


def state_of(path: Path) -> tuple[int, int, int] | None:
    """Which file it is, its size and its stamp; None if there is none."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from None
    return state.st_ino, state.st_size, state.st_mtime_ns


def unreadable(path: Path, error: OSError) -> NeedsAttention | Temporary:
    if isinstance(error, PermissionError):
        return NeedsAttention(
            Attention.RIGHTS, f"{path.name}: no right to it", do="let the hub's user read and write it"
        )
    return Temporary(f"{path.name} cannot be read ({type(error).__name__})")
