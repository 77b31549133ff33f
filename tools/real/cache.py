"""The cache folder: what is installed and prepared once and then used by every run.

Several test processes may ask at the same moment, so every part is built under a lock file. A part counts only when its
`complete` file is there; a folder without it is the rest of an interrupted build and is built anew.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK_TIMEOUT_S = 1800.0


def cache_folder() -> Path:
    """The folder of everything installed and prepared: `ZGODA_REAL_DIR`, else `.zgoda/real` of the repository."""
    folder = Path(os.environ.get("ZGODA_REAL_DIR") or REPOSITORY / ".zgoda" / "real").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def built(name: str, inputs: list[Path], build: Callable[[Path], None]) -> Path:
    """Returns the finished folder of this name and these input files, building it first where it is missing.

    The inputs' content and the Python version are part of the folder's name: a changed requirement gives a new folder.
    """
    folder = cache_folder() / f"{name}-{_key(inputs)}"
    complete = folder / "complete"
    if complete.exists():
        return folder
    with _locked(cache_folder() / f"{name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            began = time.monotonic()
            build(folder)
            complete.write_text(f"{time.monotonic() - began:.1f}\n")
    return folder


def build_seconds(folder: Path) -> float:
    """How long the build of this finished folder took."""
    return float((folder / "complete").read_text())


def size_mb(folder: Path) -> int:
    """The megabytes (10^6 bytes) in a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) // 1_000_000


def _key(inputs: list[Path]) -> str:
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Generator[None]:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process has held {path} for {LOCK_TIMEOUT_S:.0f} s") from None
                time.sleep(0.2)
        yield
