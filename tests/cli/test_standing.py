"""What stands still is said loudly, with the command that lets it go on: by sync, status and doctor, until it does."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import run, told
from zgoda.app import CONNECTORS
from zgoda.entrypoints.cli.progress import Watch
from zgoda.model.clock import FakeClock

Execute = Callable[..., None]

STOPS = [
    ("UPDATE source SET canary = 'stopped' WHERE stream = 'contacts'", "canary", "crm/contacts", "zgoda resume crm"),
    (
        """INSERT INTO switch VALUES ('pause:crm/contacts', '"Email is gone"', now(), 'the hub')""",
        "stream",
        "crm/contacts",
        "zgoda resume crm/contacts",
    ),
    (
        "UPDATE connection_state SET status = 'needs_attention', reason = 'refused' WHERE connection = 'news'",
        "connection",
        "news",
        "zgoda resume news",
    ),
    (
        "INSERT INTO brake SELECT id, '[]', '99 of 100 changed' FROM source WHERE stream = 'members'",
        "brake",
        "news/members",
        "zgoda resume news",
    ),
]


@pytest.mark.parametrize(("sql", "kind", "where", "go_on"), STOPS, ids=[kind for _, kind, *_ in STOPS])
def test_what_stopped_itself_is_said_by_all_and_goes_on_with_the_named_command(
    hub: Path, in_store: Execute, sql: str, kind: str, where: str, go_on: str
) -> None:
    in_store(sql)
    for words, code in ((["status"], 0), (["sync"], 3), (["doctor", "--offline"], 1)):
        result = run(*words, "-C", str(hub))
        assert result.exit_code == code, result.output
        assert where in result.output
        assert go_on in result.output, words
    alarms = told(run("status", "--json", "-C", str(hub)))["alarms"]
    assert [(alarm["kind"], alarm["where"]) for alarm in alarms] == [(kind, where)]
    command = go_on.removeprefix("zgoda ").split()
    assert run(*command, "-C", str(hub)).exit_code == 0
    assert told(run("status", "--json", "-C", str(hub)))["alarms"] == []
    assert run("sync", "-C", str(hub)).exit_code == 0
    assert run("doctor", "--offline", "-C", str(hub)).exit_code == 0


def test_kill_stops_everything_in_file_and_store_until_it_is_off(hub: Path) -> None:
    for _ in range(2):  # saying it twice changes nothing
        document = told(run("kill", "--json", "-C", str(hub)))
        assert (document["in_file"], document["in_store"], document["on"]) == (True, ["kill"], True)
    result = run("sync", "-C", str(hub))
    assert result.exit_code == 3
    assert result.stderr.count("the kill switch is on") == 3
    assert "zgoda kill --off" in result.stderr
    assert run("doctor", "--offline", "-C", str(hub)).exit_code == 0  # somebody wanted it so: a warning
    assert "the kill switch is on" in run("status", "-C", str(hub)).stderr
    assert run("kill", "--off", "-C", str(hub)).exit_code == 0
    assert not (hub / ".zgoda" / "KILL").exists()
    assert run("sync", "-C", str(hub)).exit_code == 0


def test_a_direction_stands_in_the_store_alone_and_says_so(hub: Path) -> None:
    result = run("kill", "--only", "crm", "--direction", "in", "-C", str(hub))
    assert result.exit_code == 0
    assert "in the store only" in result.stdout
    assert not (hub / ".zgoda" / "KILL").exists()
    standing = run("status", "--json", "-C", str(hub))
    assert told(standing)["switches"] == {"kill:crm:in": True}
    assert "nothing is read from crm" in standing.stderr
    sync = told(run("sync", "--json", "-C", str(hub)))
    assert "kill:crm:in" in sync["cycle"]["troubles"]["crm"]
    run("kill", "--only", "crm", "--direction", "in", "--off", "-C", str(hub))
    assert told(run("status", "--json", "-C", str(hub)))["switches"] == {}


def test_letting_one_go_on_tells_what_still_stops_it(hub: Path) -> None:
    run("kill", "-C", str(hub))
    run("kill", "--only", "crm", "-C", str(hub))
    run("kill", "--only", "crm", "--direction", "out", "-C", str(hub))
    result = run("kill", "--off", "--only", "crm", "-C", str(hub))
    assert "the kill switch is on" in result.stderr
    assert told(run("status", "--json", "-C", str(hub)))["switches"] == {"kill": True}
    assert "something else still stops it" in run("resume", "crm", "-C", str(hub)).stdout
    run("kill", "--only", "news", "-C", str(hub))
    run("kill", "--off", "-C", str(hub))
    assert told(run("status", "--json", "-C", str(hub)))["alarms"] == []


def test_the_kill_file_works_without_the_store(hub: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(hub, copy)
    (copy / "secrets" / "store").write_text("postgresql://127.0.0.1:1/x")
    result = run("kill", "--only", "crm", "-C", str(copy))
    assert result.exit_code == 1
    assert "the file switch is on, but the store could not be told" in result.stderr
    assert (copy / ".zgoda" / "KILL").read_text() == "crm\n"
    assert run("kill", "--only", "crm", "--direction", "out", "-C", str(copy)).exit_code == 1


def test_pause_and_resume_may_be_said_twice(hub: Path) -> None:
    for _ in range(2):
        assert run("pause", "crm", "--reason", "clean-up", "-C", str(hub)).exit_code == 0
    assert "crm is paused: clean-up" in run("status", "-C", str(hub)).stderr
    for _ in range(2):
        assert told(run("resume", "crm", "--json", "-C", str(hub)))["status"] == "active"


def test_status_outside_a_terminal_is_one_whole_line_a_stream(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = run("status", "-C", str(hub)).stdout.splitlines()
    head = next(line for line in lines if line.startswith("stream"))
    assert head.split("  ")[0] == "stream"
    for stream in ("crm/accounts", "crm/contacts", "crm/opportunities", "news/members"):
        assert len([line for line in lines if line.startswith(f"{stream} ")]) == 1
    assert "\x1b" not in "".join(lines)


def test_progress_says_how_far_it_is_now_and_then(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Watch(clock, {"read crm/contacts": 100}) as tell:
        source: Any = type("Named", (), {"name": "crm/contacts"})
        tell("read", source, 20)
        clock.advance(11)
        tell("read", source, 40)
        tell("reconciled", None, 5)
        clock.advance(11)
        tell("reconciled", None, 5)
    assert capsys.readouterr().err.splitlines() == [
        "[11 s] read crm/contacts 40 of 100",
        "[22 s] read crm/contacts 40 of 100, reconciled 10",
    ]


def test_progress_on_a_terminal_has_bars_with_rate_and_time_left(hub: Path) -> None:
    program = (
        "import pty, os, sys\n"
        "sys.argv = ['x']\n"
        "code = pty.spawn([sys.executable, '-c', "
        f'\'from zgoda.entrypoints.cli import main; main(["plan", "--full", "-C", "{hub}"])\'])\n'
        "sys.exit(os.waitstatus_to_exitcode(code))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    shown = done.stdout.decode(errors="replace")
    assert done.returncode == 0, shown
    assert "read crm/contacts" in shown
    assert "left" in shown


def findings(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    document = told(run("doctor", "--json", *words, "-C", str(folder)))
    return {finding["about"]: finding for finding in document["findings"]}


def test_a_healthy_hub_passes_every_examination(hub: Path) -> None:
    result = run("doctor", "-C", str(hub))
    assert result.exit_code == 0, result.output
    assert "0 fail" in result.stdout
    found = findings(hub)
    assert {"python", "version", "disk", "project", "secrets", "store", "hub", "connection crm"} <= found.keys()
    assert {finding["level"] for about, finding in found.items() if about != "disk"} == {"ok"}


def test_doctor_tells_the_small_troubles(hub: Path, in_store: Execute) -> None:
    in_store("INSERT INTO lost_field SELECT id, 'Fax', 'gone', now() FROM source WHERE stream = 'contacts'")
    in_store("UPDATE feed SET complete_at = NULL WHERE source = (SELECT id FROM source WHERE stream = 'accounts')")
    in_store(
        "UPDATE connection_state SET used_today = 99000, used_on = (now() AT TIME ZONE 'UTC')::date"
        " WHERE connection = 'crm'"
    )
    in_store(
        "INSERT INTO delivery (id, source, golden_id, op, patch, prior, lane, state, created_at)"
        " SELECT 888001, (SELECT min(id) FROM source), min(id), 'update', '{}', '{}', 1, 'dead', now() FROM golden"
    )
    try:
        found = findings(hub, "--offline")
        assert "crm/contacts Fax" in found["fields"]["said"]
        assert "crm/accounts" in found["full reads"]["said"]
        assert found["dead letters"]["said"] == "1 dead letters"
        assert (found["budget crm"]["level"], found["fields"]["level"]) == ("fail", "warn")
        assert all(finding["do"] for finding in found.values() if finding["level"] != "ok")
        assert run("doctor", "--offline", "-C", str(hub)).exit_code == 1
    finally:
        in_store("DELETE FROM delivery WHERE id = 888001")
        run("sync", "--full", "-C", str(hub))


def test_doctor_sees_a_hub_whose_process_is_gone_and_loops_nobody_runs(hub: Path, in_store: Execute) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    try:
        lease = "INSERT INTO lease VALUES ('reconcile', %s, 1, now() + interval '1 minute')"
        in_store("INSERT INTO lease VALUES ('connection crm', 'elsewhere:1:x', 1, now() - interval '1 minute')")
        assert "no hub is running" in findings(hub, "--offline")["hub"]["said"]
        in_store(lease, f"{socket.gethostname()}:{ended.pid}:x")
        assert "is gone" in findings(hub, "--offline")["hub"]["said"]
        in_store("DELETE FROM lease")
        in_store(lease, "elsewhere:1:x")
        found = findings(hub, "--offline")
        assert "elsewhere:1:x runs 1 loops" in found["hub"]["said"]
        assert "connection crm, connection news" in found["leases"]["said"]
    finally:
        in_store("DELETE FROM lease")


def test_doctor_names_missing_secrets_and_shows_none(hub: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(hub, copy)
    secret = (copy / "secrets" / "crm").read_text()
    (copy / "secrets" / "news").unlink()
    (copy / "secrets" / "crm").chmod(0o644)
    result = run("doctor", "-C", str(copy))
    assert result.exit_code == 1
    assert "news: api_key: ${file:secrets/news} cannot be read" in result.stdout
    assert "others on this machine may read secrets/crm" in result.stdout
    assert secret not in result.output
    assert findings(copy)["connection news"]["level"] == "fail"


def test_doctor_lists_what_is_wrong_with_the_files(hub: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(hub, copy)
    (copy / "zgoda.yaml").write_text("nam: x\n")
    found = findings(copy)
    assert found["project"]["level"] == "fail"
    assert "zgoda.yaml:1:1" in found["project"]["said"]
    assert "store" not in found


def test_every_connector_has_limits_the_doctor_can_ask_for() -> None:
    for connector in CONNECTORS.values():
        given = {setting.name: setting.default for setting in connector.settings if setting.default is not None}
        assert connector.limits(given).daily >= 0
