"""Data folders in every state, and processes that use them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.db.embedded.staging import (
    AS_NOBODY,
    SITE_PACKAGES,
    SRC,
    USER,
    Users,
    copy_folder,
    end_servers_below,
)
from zgoda.db.embedded import ensure_running


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose server was stopped."""
    data = tmp_path_factory.mktemp("stopped") / "data"
    ensure_running(data).stop()
    yield data
    shutil.rmtree(data)


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    """End every server a test leaves behind, and give back the disk space."""
    yield
    end_servers_below(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def folder(stopped: Path) -> Iterator[Path]:
    """A data folder with a cluster in it and no server, shared by the tests that do no harm to it."""
    yield stopped
    end_servers_below(stopped.parent)


@pytest.fixture
def own_folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the shared data folder, to do harm to."""
    return copy_folder(stopped, tmp_path / "data")


@pytest.fixture
def new_folder(tmp_path: Path) -> Path:
    """A path for a data folder with nothing there yet."""
    return tmp_path / "data"


@pytest.fixture
def new_open_folder() -> Iterator[Path]:
    """A path for a data folder that every account can reach."""
    parent = Path(tempfile.mkdtemp(prefix="zgoda-test-"))
    parent.chmod(0o755)
    yield parent / "data"
    end_servers_below(parent)
    shutil.rmtree(parent)


@pytest.fixture
def open_folder(stopped: Path, new_open_folder: Path) -> Path:
    return copy_folder(stopped, new_open_folder)


@pytest.fixture
def users() -> Iterator[Users]:
    """Starts processes that use a server, and ends those that are left."""
    begun: list[subprocess.Popen[str]] = []

    def begin(data_dir: Path, *, prefix: Sequence[str] = (), python: str = sys.executable) -> subprocess.Popen[str]:
        path = os.pathsep.join((str(SRC), str(SITE_PACKAGES)))
        process = subprocess.Popen(
            [*prefix, python, "-c", USER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def python_for_nobody() -> str:
    """A Python that an ordinary user can run with this checkout and these packages."""
    path = os.pathsep.join((str(SRC), str(SITE_PACKAGES)))
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        trial = [*AS_NOBODY, python, "-c", "import zgoda.db.embedded, psycopg"]
        with contextlib.suppress(OSError):
            if subprocess.run(trial, env={**os.environ, "PYTHONPATH": path}, capture_output=True).returncode == 0:
                return python
    pytest.skip("the user nobody can run no Python that has this checkout and its packages")
