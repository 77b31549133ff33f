"""Starting, sharing, looking and stopping: real servers, real processes.

Run by root, PostgreSQL runs as nobody, and pytest's folders cannot be entered by nobody, so most tests also show that
such a folder works.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.db.embedded.staging import (
    Users,
    copy_folder,
    finish,
    logs_of,
    postmasters_of,
    processes_of,
    run,
    told,
    wait_until,
)
from zgoda.db.embedded import EmbeddedError, ensure_running, find_running, stop


def test_the_first_start_makes_a_cluster_as_the_hub_needs_it(new_folder: Path) -> None:
    began = time.monotonic()
    server = ensure_running(new_folder)
    assert time.monotonic() - began < 6, "a first start should take about a second"
    assert server.started_here
    assert server.data_dir == new_folder
    assert server.version.startswith("18.")
    expected = {
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "shared_buffers": "128MB",
        "max_connections": "100",
        "wal_level": "replica",
        "max_wal_size": "1GB",
        "synchronous_commit": "on",
        "fsync": "on",
        "jit": "off",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "TimeZone": "UTC",
    }
    with psycopg.connect(server.url) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in expected}
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        polish = connection.execute("SELECT upper('zażółć gęślą')").fetchone()
    assert shown == expected
    assert locale == ("b", "C.UTF-8")
    assert polish == ("ZAŻÓŁĆ GĘŚLĄ",)


def test_a_warm_start_is_quick_and_keeps_the_data(folder: Path) -> None:
    first = ensure_running(folder)
    run(first, "CREATE TABLE answers AS SELECT 42 AS answer")
    first.stop()
    began = time.monotonic()
    second = ensure_running(folder)
    assert time.monotonic() - began < 2, "a warm start should take a tenth of a second"
    assert second.started_here
    assert second.pid != first.pid
    assert run(second, "SELECT answer FROM answers") == 42


def test_asking_again_gives_the_same_server(folder: Path) -> None:
    assert ensure_running(folder) == ensure_running(folder)


def test_stopping_leaves_no_process_no_socket_and_no_link(stopped: Path, tmp_path: Path) -> None:
    data = copy_folder(stopped, tmp_path / ("long" * 30))
    for mode in ("fast", "smart", "immediate"):
        server = ensure_running(data)
        link = Path(psycopg.conninfo.conninfo_to_dict(server.url)["host"])
        assert link.is_symlink()
        assert processes_of(data)
        server.stop(mode)
        assert processes_of(data) == []
        assert list((data / "socket").iterdir()) == []
        assert not link.is_symlink()
        assert not (data / "cluster" / "postmaster.pid").exists()
        assert not psutil.pid_exists(server.pid), "the server's process should have been waited for"
    assert stop(data) is False


def test_settings_of_the_caller_win_except_those_that_hold_the_server_together(folder: Path) -> None:
    server = ensure_running(folder, settings={"work_mem": "5MB", "jit": "on"})
    assert run(server, "SHOW work_mem") == "5MB"
    assert run(server, "SHOW jit") == "on"
    for name in ("listen_addresses", "unix_socket_directories", "hba_file", "-c port", "Port"):
        with pytest.raises(EmbeddedError, match="cannot be given"):
            ensure_running(folder, settings={name: "x"})


def test_looking_neither_starts_nor_keeps_a_server(folder: Path, users: Users) -> None:
    assert find_running(folder) is None
    assert find_running(folder / "nowhere") is None
    assert not (folder / "nowhere").exists()
    user = users(folder)
    facts = told(user)
    found = find_running(folder)
    assert found is not None
    assert (found.pid, found.started_here, found.url) == (facts["pid"], False, facts["url"])
    finish(user)
    assert find_running(folder) is None
    assert processes_of(folder) == []


def test_a_second_process_adopts_the_server_and_leaves_it_running(folder: Path, users: Users) -> None:
    server = ensure_running(folder)
    second = users(folder)
    assert told(second) == {"pid": server.pid, "started_here": False, "url": server.url}
    finish(second)
    assert run(server, "SELECT 1") == 1


def test_the_last_user_out_stops_the_server(folder: Path, users: Users) -> None:
    starter, adopter = users(folder), None
    facts = told(starter)
    adopter = users(folder)
    assert told(adopter)["started_here"] is False
    finish(starter)
    assert psycopg.connect(facts["url"]).execute("SELECT 1").fetchone() == (1,)
    finish(adopter)
    assert processes_of(folder) == []


def test_four_processes_at_once_start_exactly_one(new_folder: Path, users: Users) -> None:
    crowd = [users(new_folder) for _ in range(4)]
    facts = [told(user) for user in crowd]
    assert sorted(fact["started_here"] for fact in facts) == [False, False, False, True]
    assert len({fact["pid"] for fact in facts}) == 1
    assert len(postmasters_of(new_folder)) == 1
    for user in crowd:
        finish(user)
    assert processes_of(new_folder) == []


def test_leaving_stops_the_server_only_when_nobody_else_uses_it(folder: Path, users: Users) -> None:
    server = ensure_running(folder)
    other = users(folder)
    told(other)
    server.leave()
    assert find_running(folder) is not None
    server.leave()  # twice does no harm
    again = ensure_running(folder)
    assert again.pid == server.pid
    assert again.started_here
    finish(other)
    again.leave()
    assert find_running(folder) is None


def test_a_server_whose_folder_was_deleted_ends_with_its_user(own_folder: Path, users: Users) -> None:
    user = users(own_folder)
    pid = told(user)["pid"]
    shutil.rmtree(own_folder)
    finish(user)
    assert not psutil.pid_exists(pid)


def test_the_log_holds_no_statement_and_no_value(own_folder: Path) -> None:
    secret = "ada@example.org"
    server = ensure_running(own_folder)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE people (email text PRIMARY KEY, age int)")
        connection.execute("INSERT INTO people VALUES (%s, 1)", [secret])
        for statement, values in (
            ("INSERT INTO people VALUES (%s, 1)", [secret]),
            ("SELECT %s::text::int", [secret]),
            (f"SELECT '{secret}' FROM", []),
            (f"DO $$ BEGIN RAISE WARNING '{secret}'; END $$", None),
        ):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement, values)
        backend = connection.info.backend_pid
        with pytest.raises(psycopg.OperationalError):
            connection.execute(f"SELECT '{secret}', pg_terminate_backend({backend})")
        with psycopg.connect(server.url, autocommit=True) as doomed, contextlib.suppress(psycopg.Error):
            doomed.execute(f"SELECT '{secret}'")
            os.kill(doomed.info.backend_pid, signal.SIGKILL)
            doomed.execute("SELECT 1")
    wait_until(lambda: "ready to accept connections" in logs_of(own_folder).rpartition("terminated by signal 9")[2])
    stop(own_folder)
    assert "was terminated by signal 9" in logs_of(own_folder), "the log should tell of crashes"
    assert secret not in logs_of(own_folder)
    assert "people" not in logs_of(own_folder)


def test_the_server_does_not_inherit_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZGODA_TEST_TOKEN", "canary")
    monkeypatch.setenv("PGPORT", "1")
    server = ensure_running(folder)
    assert "ZGODA_TEST_TOKEN" not in psutil.Process(server.pid).environ()
    assert run(server, "SHOW port") == "5432"
