"""Servers come as fresh copies and go without a trace, also after a crash; what they are made of is built once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tools import real
from tools.real.cache import built
from tools.real.install import environment
from tools.real.instances import clear_leftovers
from tools.real.tryton_server import DATABASE, KIND, PASSWORD, USER, template

REAL = pytest.mark.real
pytestmark = pytest.mark.timeout(1800)  # the first use installs and prepares both servers


@REAL
def test_instances_do_not_share_their_data(tryton_server: real.Server, tryton: real.TrytonCalls) -> None:
    tryton.call("model.party.party.create", [{"name": "Only in the first"}], {})
    with real.tryton() as second:
        calls = real.TrytonCalls(second.url, second.database, second.user, second.password)
        assert calls.call("model.party.party.search_count", [["name", "=", "Only in the first"]], {}) == 0
        folder = second.folder
    assert not folder.exists()
    with pytest.raises(OSError, match="refused"):
        calls.call("model.party.party.search_count", [], {})


@REAL
def test_what_a_killed_run_left_behind_is_cleared_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (environment(KIND), template()):
        (tmp_path / part.name).symlink_to(part)
    # A cache of its own, or another run on this machine might clear up first.
    monkeypatch.setenv("ZGODA_REAL_DIR", str(tmp_path))
    starts_and_dies = (
        "import os\n"
        "from tools import real\n"
        "with real.tryton() as server:\n"
        "    print(server.url, server.folder, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", starts_and_dies], capture_output=True, text=True, check=False)
    url, folder = died.stdout.split()
    real.TrytonCalls(url, DATABASE, USER, PASSWORD)
    clear_leftovers(Path(folder).parent)
    assert not Path(folder).exists()
    with pytest.raises(OSError, match="refused"):
        real.TrytonCalls(url, DATABASE, USER, PASSWORD)


class TestCache:
    """The parts that are built once; no server is started here."""

    @pytest.fixture
    def source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("ZGODA_REAL_DIR", str(tmp_path / "cache"))
        source = tmp_path / "requirements.txt"
        source.write_text("one")
        return source

    def test_a_part_is_built_once_and_anew_for_other_inputs(self, source: Path) -> None:
        builds: list[Path] = []
        first = built("part", [source], builds.append)
        assert built("part", [source], builds.append) == first
        source.write_text("two")
        second = built("part", [source], builds.append)
        assert builds == [first, second]

    def test_an_interrupted_build_leaves_nothing_of_itself_in_the_next(self, source: Path) -> None:
        def breaks(folder: Path) -> None:
            (folder / "half").touch()
            raise RuntimeError("no registry")

        def works(folder: Path) -> None:
            (folder / "whole").touch()

        with pytest.raises(RuntimeError, match="no registry"):
            built("part", [source], breaks)
        folder = built("part", [source], works)
        assert {path.name for path in folder.iterdir()} == {"whole", "complete"}

    def test_callers_at_the_same_moment_build_once(self, source: Path) -> None:
        builds: list[Path] = []

        def slow(folder: Path) -> None:
            builds.append(folder)
            time.sleep(0.3)

        callers = [threading.Thread(target=built, args=("part", [source], slow)) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(builds) == 1
