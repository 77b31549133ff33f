"""Real kills at every point, and the start that follows."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.db.embedded.staging import (
    SOCKET,
    Users,
    copy_folder,
    ignore_loss,
    is_gone,
    kill,
    logs_of,
    postmasters_of,
    processes_of,
    run,
    text_of,
    told,
    wait_until,
)
from zgoda.db import binaries, embedded
from zgoda.db.embedded import EmbeddedError, ensure_running, find_running, stop


def test_a_killed_postmaster_is_replaced_and_no_committed_row_is_lost(folder: Path) -> None:
    server = ensure_running(folder)
    run(server, "CREATE TABLE rows_kept (n int)")
    with psycopg.connect(server.url, autocommit=True) as connection:
        for n in range(100):
            connection.execute("INSERT INTO rows_kept VALUES (%s)", [n])
        kill(server.pid)
    again = ensure_running(folder)
    assert again.started_here
    assert again.pid != server.pid
    assert run(again, "SELECT count(*) FROM rows_kept") == 100


def test_a_child_that_outlives_its_killed_postmaster_is_ended_before_the_next_start(
    folder: Path, own_folder: Path
) -> None:
    """Even if the postmaster's process id has meanwhile gone to another server of the same account."""
    bystander = ensure_running(own_folder)
    server = ensure_running(folder)
    run(server, "CREATE TABLE sevens AS SELECT 7 AS n")
    connection = psycopg.connect(server.url, autocommit=True)
    backend = psutil.Process(connection.info.backend_pid)
    work = (connection, "DO $$ BEGIN LOOP END LOOP; END $$")
    endless = threading.Thread(target=ignore_loss, args=work, daemon=True)
    endless.start()
    try:
        wait_until(lambda: backend.cpu_times().user > 0.1)
        kill(server.pid)
        assert backend.is_running()
        pid_file = folder / "cluster" / "postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(server.pid), str(bystander.pid), 1))
        again = ensure_running(folder)
        assert is_gone(backend)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            backend.kill()
        endless.join(10)
        connection.close()
    assert again.pid not in (server.pid, bystander.pid)
    assert run(again, "SELECT n FROM sevens") == 7
    assert len(postmasters_of(folder)) == 1
    assert run(bystander, "SELECT 1") == 1
    assert find_running(own_folder) == bystander


def test_stopping_in_the_middle_of_a_recovery_does_not_hang(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FAST_STOP_S", 0.5)
    server = ensure_running(own_folder)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    wait_until(lambda: "database system was interrupted" in logs_of(own_folder))
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 8
    assert processes_of(own_folder) == []
    assert run(ensure_running(own_folder), "SELECT count(*) FROM kept") == 1000


def test_a_server_survives_its_killed_starter_and_is_adopted(folder: Path, users: Users) -> None:
    starter = users(folder)
    facts = told(starter)
    starter.kill()
    starter.wait()
    server = ensure_running(folder)
    assert (server.pid, server.started_here) == (facts["pid"], False)
    assert run(server, "SELECT 1") == 1


def test_a_start_killed_while_the_cluster_is_made_is_done_again(new_folder: Path, users: Users) -> None:
    for half_made in ("PG_VERSION", "global/pg_control"):
        starter = users(new_folder)
        wait_until(lambda half_made=half_made: (new_folder / "cluster.partial" / half_made).exists())
        starter.kill()
        assert not (new_folder / "cluster").exists()
    server = ensure_running(new_folder)
    assert server.started_here
    assert run(server, "SELECT 1") == 1
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
            pid = ensure_running(copy_folder(folder, other)).pid
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
        assert run(again, "SELECT 1") == 1


def test_a_copy_of_a_running_folder_is_not_taken_for_the_running_one(folder: Path, tmp_path: Path) -> None:
    server = ensure_running(folder)
    copy = tmp_path / "copy"
    copy_folder(folder, copy)
    assert find_running(copy) is None
    assert ensure_running(copy).pid != server.pid
    assert run(server, "SELECT 1") == 1


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
        wait_until(lambda: "ready" in text_of(open_folder / "cluster" / "postmaster.pid"))
        with pytest.raises(EmbeddedError, match=f"started by hand \\(process {by_hand.pid}\\)"):
            ensure_running(open_folder)
        assert by_hand.poll() is None
        assert (open_folder / "cluster" / "postmaster.pid").exists()
    finally:
        by_hand.send_signal(signal.SIGQUIT)
        by_hand.wait()
