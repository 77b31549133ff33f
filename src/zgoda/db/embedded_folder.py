"""The folder an embedded PostgreSQL lives in: its layout, its owner, and the way to its socket.

```
<data folder>/cluster/          PostgreSQL's own data folder; cluster.partial while it is being made
              socket/           the unix socket, mode 0700: whoever can enter it is the database's superuser
              log/              PostgreSQL's log, one file per weekday, and start.log
              start.lock        held while somebody looks, starts or stops: one at a time
              server.lock       held by PostgreSQL's own processes: free means that not one of them is left
              users.lock        shared by every process that uses the server: the last one out stops it
```
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from zgoda.db.binaries import Account, EmbeddedError, account_for_root, can_enter, find_account

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX_BYTES = 103  # 107 on Linux, 103 on macOS: sun_path without its closing zero
OUR_NAMES = frozenset({"cluster", "cluster.partial", "socket", "log", "start.lock", "server.lock", "users.lock"})
HARMLESS_NAMES = frozenset({"lost+found"})  # an empty volume has one
HERE = Path("/proc/self/cwd")


@dataclass(frozen=True)
class DataFolder:
    """Paths inside a data folder, and the account that owns them."""

    path: Path
    owner: Account

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def partial(self) -> Path:
        return self.path / "cluster.partial"

    @property
    def socket(self) -> Path:
        return self.path / "socket"

    @property
    def log(self) -> Path:
        return self.path / "log"


def prepare_folder(data_dir: Path) -> DataFolder:
    """Make the data folder usable for PostgreSQL, or say why it is not.

    Creates it if missing, and lets nobody but its owner enter; run by root, hands it to the account that will run
    PostgreSQL. Changes nothing outside it and nothing at all in a folder that holds anything but a cluster of ours.
    """
    path = _checked_path(data_dir)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = DataFolder(path, _choose_owner(path))
    _refuse_foreign(path)
    for private in (path, folder.socket, folder.log):
        make_private(private, folder.owner)
    return folder


def find_folder(data_dir: Path) -> DataFolder | None:
    """The data folder if it has ever been started; nothing is created or changed."""
    path = _checked_path(data_dir)
    if not path.exists():
        return None
    folder = DataFolder(path, _choose_owner(path))
    return folder if (path / "start.lock").exists() else None


def is_made(folder: DataFolder) -> bool:
    return (folder.cluster / "PG_VERSION").exists()


def make_private(path: Path, owner: Account) -> None:
    """A folder with mode 0700 that belongs to `owner`; made if missing. A symbolic link in its place is refused."""
    path.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0:
            os.fchown(fd, owner.uid, owner.gid)
        os.fchmod(fd, 0o700)
    finally:
        os.close(fd)


def open_owned(path: Path, owner: Account) -> int:
    """A file descriptor for reading and writing a file of ours that belongs to `owner`, made if missing.

    Root opens files in a folder that is not its own here, so no link is followed, symbolic or hard.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(fd)
        raise EmbeddedError(f"{path} is not a plain file with one name. Remove it and try again.")
    if os.geteuid() == 0:
        os.fchown(fd, owner.uid, owner.gid)
    return fd


def path_for_server(folder: DataFolder, inner: Path) -> Path:
    """How a server process whose working directory is `inner` names that folder.

    An account that cannot reach the folder by path (say it is below root's home) still reaches the directory it was
    started in; Linux gives that one a name.
    """
    if can_enter(inner, folder.owner):
        return inner
    if HERE.exists():
        return HERE
    raise EmbeddedError(
        f"User {folder.owner.name}, who runs PostgreSQL in root's place, cannot reach {folder.path}. "
        "Choose a data folder that every user may reach, or run Zgoda as an ordinary user."
    )


def socket_url(folder: DataFolder) -> str:
    """The URL of the server's socket, by way of a short link if the path is too long for a socket (or has a comma,
    which separates hosts in a URL)."""
    host = folder.socket
    if len(os.fsencode(host / SOCKET_NAME)) > SOCKET_PATH_MAX_BYTES or "," in str(host):
        host = _link_place(folder)
        _make_link(host, folder.socket)
    return f"postgresql://zgoda@/postgres?host={quote(os.fsencode(host), safe='/')}&port=5432"


def drop_link(folder: DataFolder) -> None:
    """Remove this process's account's short link to the socket, if it made one."""
    with contextlib.suppress(EmbeddedError, OSError):
        place = _link_place(folder)
        if place.is_symlink():
            place.unlink()


@contextlib.contextmanager
def explained(data_dir: Path) -> Generator[None]:
    """Turn what the operating system says into a sentence with a next step."""
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                advice = "The disk is full: free some space there and try again."
            case errno.EACCES | errno.EPERM | errno.EROFS:
                advice = "Give this user the right to write there, or choose another data folder."
            case _:
                advice = "Choose another data folder."
        place = error.filename or data_dir
        raise EmbeddedError(f"{place} cannot be used for the database: {error.strerror or error}. {advice}") from error


def remove_partial(folder: DataFolder) -> None:
    """Remove a cluster that was never finished; it cannot hold data, because it gets its name only when it is done."""
    if folder.partial.exists():
        shutil.rmtree(folder.partial)


def _checked_path(data_dir: Path) -> Path:
    path = data_dir.expanduser().resolve()
    if any(sign in str(path) for sign in "\n\r"):
        raise EmbeddedError(f"{str(path)!r} has a line break in its name. Choose another data folder.")
    if path.exists() and not path.is_dir():
        raise EmbeddedError(f"{path} is a file. Choose a folder for the database.")
    return path


def _refuse_foreign(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    cluster = path / "cluster"
    if (cluster / "PG_VERSION").is_file():
        return
    if "PG_VERSION" in names:
        raise EmbeddedError(
            f"{path} is a PostgreSQL data folder that Zgoda did not make. "
            "Choose an empty folder, or start that server yourself and give Zgoda its URL."
        )
    strangers = sorted(names - OUR_NAMES - HARMLESS_NAMES)
    if not strangers and cluster.exists() and any(cluster.iterdir()):
        strangers = ["cluster"]
    if strangers:
        raise EmbeddedError(
            f"{path} is not empty and not a data folder of Zgoda (it holds {strangers[0]!r}). Choose an empty folder."
        )


def _choose_owner(path: Path) -> Account:
    """Nobody but the folder's owner may serve it; root serves it in the owner's name."""
    me = os.geteuid()
    for place in (path, path / "cluster"):
        if me != 0 and place.exists() and place.stat().st_uid != me:
            raise EmbeddedError(
                f"{place} belongs to another user ({_account_of(place).name}). "
                "Run Zgoda as that user, or choose another data folder."
            )
    made = (path / "cluster" / "PG_VERSION").exists()
    owner = _account_of(path / "cluster" if made else path)
    if owner.uid != 0 and (made or me != 0 or find_account(owner.uid)):
        return owner
    if made:
        raise EmbeddedError(
            f"{path / 'cluster'} belongs to root, and PostgreSQL refuses to run as root. "
            f"Give the whole folder to an ordinary user: chown -R {account_for_root().name} '{path}'"
        )
    return account_for_root()


def _account_of(place: Path) -> Account:
    facts = place.stat()
    return find_account(facts.st_uid) or Account(str(facts.st_uid), facts.st_uid, facts.st_gid)


def _link_place(folder: DataFolder) -> Path:
    """Where the short link is. It only leads to the socket, so it does no harm if two processes disagree about it."""
    key = hashlib.blake2b(os.fsencode(folder.path), digest_size=6).hexdigest()
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the folder in it is private
        place = Path(base) / f"zgoda-{os.geteuid()}" / key
        if len(os.fsencode(place / SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES and os.path.isdir(base):
            return place
    raise EmbeddedError(
        f"The path {folder.path} is too long for a unix socket, and so is that of the folder for temporary files. "
        "Choose a data folder with a shorter path."
    )


def _make_link(place: Path, target: Path) -> None:
    place.parent.mkdir(mode=0o700, exist_ok=True)
    facts = place.parent.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise EmbeddedError(
            f"{place.parent} should be a folder that only this user may enter, and it is not, so it cannot lead to the "
            "database. Remove it, or choose a data folder with a shorter path."
        )
    if place.is_symlink() and place.readlink() == target:
        return
    place.unlink(missing_ok=True)
    place.symlink_to(target)
