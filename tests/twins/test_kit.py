"""What all twins share: control API, limits, clock, state file, running as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.twins.client import Client, control, mailchimp, salesforce
from zgoda.model.clock import FakeClock, SystemClock
from zgoda.twins import MailchimpTwin, SalesforceTwin
from zgoda.twins.catalogue import CATALOGUE
from zgoda.twins.control import _DEEDS
from zgoda.twins.limits import Limits, Meter
from zgoda.twins.mailchimp import edits as mailchimp_edits
from zgoda.twins.routes import Routes, WrongMethod
from zgoda.twins.salesforce import edits as salesforce_edits
from zgoda.twins.statefile import load_state, save_state
from zgoda.twins.twin import Twin
from zgoda.twins.write_log import WriteLog


@pytest.fixture(params=[SalesforceTwin, MailchimpTwin])
def kind(request: pytest.FixtureRequest) -> type[Twin]:
    return request.param


async def test_everything_can_be_driven_from_outside(sf: SalesforceTwin, sf_api: Client) -> None:
    async with control(sf) as api:
        done = await api("POST", "/edit", [
            {"op": "create", "object": "Contact", "values": {"LastName": "Nowak"}, "at": "2026-02-01T10:00:00Z"},
            {"op": "create", "object": "Contact", "values": {}},
            {"op": "dance"},
        ])  # fmt: skip
        results = done.json["results"]
        assert [r["ok"] for r in results] == [True, False, False]
        assert [r.get("error") for r in results] == [None, "REQUIRED_FIELD_MISSING", "UNKNOWN_OPERATION"]
        id = results[0]["id"]
        assert results[0]["serial"] == 1
        loaded = await api(
            "POST", "/bulk", {"object": "Contact", "records": [{"LastName": f"L{n}"} for n in range(50)]}
        )
        assert loaded.json == {"loaded": 50}
        found = (await api("GET", "/records", query={"object": "Contact", "where.LastName": "nowak"})).json["records"]
        assert [r["Id"] for r in found] == [id]
        page = (await api("GET", "/records", query={"object": "Contact", "after": id, "limit": 2})).json["records"]
        assert [r["LastName"] for r in page] == ["L0", "L1"]
        await sf_api(
            "PATCH", f"/sobjects/Contact/{id}", {"Title": "CEO"}, headers={"Sforce-Call-Options": "client=Hub"}
        )
        log = (await api("GET", "/writes", query={"since": 0})).json
        assert log["last"] == 1
        write = log["writes"][0]
        assert {k: write[k] for k in ("n", "object", "operation", "id", "values", "outcome", "caller")} == {
            "n": 1, "object": "Contact", "operation": "update", "id": id, "values": {"Title": "CEO"}, "outcome": "ok",
            "caller": "Hub",
        }  # fmt: skip
        assert (await api("GET", "/writes", query={"since": 1})).json["writes"] == []
        assert (await api("GET", "/edits")).json["edits"][0]["operation"] == "create"
        requests = (await api("GET", "/requests")).json["requests"]
        assert [(r["method"], r["status"]) for r in requests] == [("PATCH", 204)]
        state = (await api("GET", "/state")).json
        assert (state["vendor"], state["records"]["Contact"], state["requests"], state["writes"]) == (
            "salesforce",
            51,
            1,
            1,
        )
        assert state["answers"] == {"204": 1}
        assert (await api("GET", "/connection")).json == sf.connection()


async def test_faults_limits_and_clock_from_outside(mc: MailchimpTwin, mc_api: Client) -> None:
    async with control(mc) as api:
        armed = (
            await api("POST", "/faults", [{"name": "status_500", "times": 1}, {"name": "slow", "options": {"ms": 1}}])
        ).json
        assert [f["id"] for f in armed["armed"]] == [1, 2]
        assert (await mc_api("GET", "/ping")).status == 500
        shown = (await api("GET", "/faults")).json
        assert [f["name"] for f in shown["armed"]] == ["slow"]
        assert shown["fired"] == {"status_500": 1}
        names = {kind["name"] for kind in shown["catalogue"]}
        assert "half_page" in names
        assert "row_lock" not in names, "Mailchimp has no row locks"
        assert (await api("DELETE", "/faults", query={"id": 2})).json == {"cleared": 1}
        assert (await api("PUT", "/limits", {"preset": "real", "latency_ms": 5})).json["connections"] == 10
        assert (await api("PUT", "/limits", {"page_size": 7})).json["batch_size"] == 500
        now = (await api("POST", "/clock", {"set": "2027-01-01T00:00:00Z", "advance": 60})).json["now"]
        assert now == "2027-01-01T00:01:00.000+00:00"
        assert (await api("POST", "/clock", {"skew": -600})).json["offset_s"] == -600
        assert (await api("POST", "/reset")).json["records"]["members"] == 0
        assert (await api("POST", "/bulk", {"fill": 40, "seed": 3})).json["records"]["members"] > 20


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/faults", {"name": "bad_mood"}),
        ("POST", "/faults", {"nam": "x"}),
        ("POST", "/faults", {"name": "status_500", "path": "("}),
        ("PUT", "/limits", {"preset": "some"}),
        ("PUT", "/limits", {"page_size": "many"}),
        ("PUT", "/limits", {"pages": 1}),
        ("POST", "/clock", {"set": "noon"}),
        ("POST", "/clock", {"stop": True}),
        ("POST", "/bulk", {"object": "Nope", "records": []}),
        ("GET", "/records?object=Nope", None),
        ("GET", "/records?object=Contact&limit=few", None),
        ("POST", "/edit", 7),
    ],
)
async def test_mistakes_of_the_driver_are_told(sf: SalesforceTwin, method: str, path: str, content: Any) -> None:
    async with control(sf) as api:
        answer = await api(method, path, content)
        assert answer.status == 400, answer.body
        assert answer.json["error"]
        assert (await api("GET", "/nothing")).status == 404


async def test_the_control_api_is_neither_limited_nor_faulty(sf: SalesforceTwin) -> None:
    sf.arm("status_500")
    sf.limit(daily_requests=0)
    async with control(sf) as api:
        for _ in range(3):
            assert (await api("GET", "/state")).json["requests"] == 0


async def test_the_daily_quota_runs_over_24_hours(sf: SalesforceTwin, sf_api: Client, clock: FakeClock) -> None:
    """T-66."""
    sf.edit("settings", values={"session_s": 1e6})
    sf.limit(daily_requests=3)
    answers = [await sf_api("GET", "/limits") for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 403]
    assert answers[3].json[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    assert "Retry-After" not in answers[3].headers
    assert [a.headers["Sforce-Limit-Info"] for a in answers[:3]] == [f"api-usage={n}/3" for n in (1, 2, 3)]
    assert answers[1].json["DailyApiRequests"] == {"Max": 3, "Remaining": 1}
    clock.advance(23 * 3600)
    assert (await sf_api("GET", "/limits")).status == 403
    clock.advance(3700)
    assert (await sf_api("GET", "/limits")).status == 200


async def test_parallel_connections_are_limited(mc: MailchimpTwin, mc_api: Client) -> None:
    mc.limit("real", latency_ms=60)
    answers = await asyncio.gather(*(mc_api("GET", "/ping") for _ in range(14)))
    statuses = [a.status for a in answers]
    assert statuses.count(200) == 10
    refused = next(a for a in answers if a.status == 429)
    assert refused.json["title"] == "Too Many Requests"
    assert "Retry-After" not in refused.headers
    storm = await asyncio.gather(*(mc_api("GET", "/ping") for _ in range(40)))
    bare = [a for a in storm if a.status == 403]
    assert bare
    assert bare[0].headers["Content-Type"].startswith("text/html")
    assert (await mc_api("GET", "/ping")).status == 200


def test_a_window_of_requests() -> None:
    meter, limits, now = Meter(), Limits(window_requests=2, window_s=1.0), datetime(2026, 1, 1, tzinfo=UTC)
    assert [meter.excess(limits, now, at) for at in (0.0, 0.1, 0.2, 1.05, 1.15, 1.2)] == [
        None, None, "window", None, None, "window",
    ]  # fmt: skip
    assert meter.used_today(now) == 4
    assert meter.used_today(now + timedelta(hours=25)) == 0


async def test_latency_is_added(sf: SalesforceTwin, sf_api: Client) -> None:
    sf.limit(latency_ms=50)
    clock = SystemClock()
    begun = clock.monotonic_s()
    await sf_api("GET", "/limits")
    assert clock.monotonic_s() - begun >= 0.05


async def test_a_twin_has_a_clock_of_its_own(sf: SalesforceTwin, clock: FakeClock) -> None:
    """F-39, T-41."""
    sf.skew(-600)
    id = sf.edit("create", object="Contact", values={"LastName": "x"})["id"]
    assert sf.records("Contact", where={"Id": id})[0]["CreatedDate"] == "2026-03-01T11:50:00.000+0000"
    sf.advance(60)
    assert sf.time.now() - clock.now() == timedelta(seconds=-540)
    sf.set_clock(datetime(2030, 1, 1, tzinfo=UTC))
    clock.advance(5)
    assert sf.time.now() == datetime(2030, 1, 1, 0, 0, 5, tzinfo=UTC)


async def test_records_come_from_the_invented_world(kind: type[Twin]) -> None:
    twins = [kind(records=200, seed=seed, clock=FakeClock()) for seed in (4, 4, 5)]  # type: ignore[call-arg]
    contents: list[list[dict[str, Any]]] = []
    for twin in twins:
        async with twin:
            contents.append(twin.records("Contact" if kind is SalesforceTwin else "members"))

    def emails(records: list[dict[str, Any]]) -> list[str]:
        return sorted(str(r.get("Email") or r.get("email_address")) for r in records)

    assert emails(contents[0]) == emails(contents[1]) != emails(contents[2])
    assert len(contents[0]) > 100


async def test_the_same_person_has_the_same_address_in_both_twins() -> None:
    async with SalesforceTwin(records=500) as crm, MailchimpTwin(records=500) as ma:
        rows = [*crm.records("Contact", limit=9999), *crm.records("Lead", limit=9999)]
        known = {row.get("Email", "").strip().lower() for row in rows}
        members = {record["email_address"].lower() for record in ma.records("members", limit=9999)}
        assert len(known & members) > 300
        assert members - known
        assert known - members


async def test_state_survives_a_restart(kind: type[Twin], tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "twin.state"
    object = "Contact" if kind is SalesforceTwin else "members"

    def made() -> Twin:
        return kind(state=path, records=50, clock=clock)  # type: ignore[call-arg]

    async with made() as twin:
        if isinstance(twin, SalesforceTwin):
            kept = twin.edit("create", object="Contact", values={"LastName": "keep"})["id"]
            gone = twin.edit("create", object="Contact", values={"LastName": "gone"})["id"]
            twin.edit("delete", object="Contact", id=gone)
            twin.edit("outbound_message", object="Contact", url="http://127.0.0.1:9/x")
            async with salesforce(twin) as api:
                await api("PATCH", f"/sobjects/Contact/{kept}", {"Title": "CEO"})
                headers = api.headers
        else:
            assert isinstance(twin, MailchimpTwin)
            twin.edit(
                "create", values={"email_address": "a@b.example", "tags": ["vip"], "merge_fields": {"FNAME": "A"}}
            )
            twin.edit("create", values={"email_address": "c@b.example"})
            twin.edit("forget", email="c@b.example")
            twin.edit("send_campaign")
            async with mailchimp(twin) as api:
                await api("POST", f"/lists/{twin.list_id}/members/a@b.example/notes", {"note": "x"})
                headers = api.headers
        twin.skew(90)
        before, counts = twin.records(object, limit=9999), twin.state()["records"]
        writes = twin.writes()
    async with made() as again:
        assert _without_links(again.records(object, limit=9999)) == _without_links(before)
        assert again.state()["records"] == counts
        assert again.writes() == writes
        assert again.time.offset.total_seconds() == 90
        if isinstance(again, SalesforceTwin):
            assert again.edit("undelete", id=gone)["id"] == gone
            assert again.edit("create", object="Contact", values={"LastName": "next"})["id"] > gone
            async with Client(again.base_url, headers) as api:
                assert (await api("GET", "/services/data/v59.0/limits")).status == 200, "the session lives on"
        else:
            assert isinstance(again, MailchimpTwin)
            async with Client(f"{again.base_url}/3.0", headers) as api:
                fresh = {"email_address": "c@b.example", "status": "subscribed"}
                answer = await api("POST", f"/lists/{again.list_id}/members", fresh)
                assert answer.json["title"] == "Forgotten Email Not Subscribed"
                assert (await api("GET", "/reports")).json["total_items"] == 1


def _without_links(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Addresses in links hold the port, which is another after a restart."""
    return [{key: value for key, value in record.items() if key != "_links"} for record in records]


async def test_a_state_file_of_another_vendor_or_broken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twin.state"
    async with SalesforceTwin(state=path):
        pass
    with pytest.raises(ValueError, match="salesforce"):
        await MailchimpTwin(state=path).start()
    for content in (b"", b"\x00rubbish", msgspec.msgpack.encode({"version": 99})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="twin"):
            load_state(path)
    save_state(path, {"a": 1})
    assert load_state(path) == {"a": 1}
    assert load_state(tmp_path / "none") is None
    assert os.listdir(tmp_path) == ["twin.state"]


def _started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "zgoda.twins", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, msgspec.json.decode(process.stdout.readline())


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_twin_runs_as_a_process_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    state = str(tmp_path / "mc.state")
    process, said = await asyncio.to_thread(
        _started, "mailchimp", "--records", "60", "--seed", "2", "--limits", "real", "--state", state
    )
    try:
        async with Client(said["api_url"], {"Authorization": f"Bearer {said['api_key']}"}) as api:
            assert (await api("GET", "/ping")).status == 200
            total = (await api("GET", f"/lists/{said['list_id']}/members")).json["total_items"]
            assert total > 30
        os.kill(process.pid, stop)
        assert await asyncio.to_thread(process.wait, 10) == 0
        _, errors = process.communicate()
        assert errors == ""
    finally:
        if process.poll() is None:
            process.kill()
    process, said = await asyncio.to_thread(_started, "mailchimp", "--state", state)
    try:
        async with Client(said["api_url"], {"Authorization": f"Bearer {said['api_key']}"}) as api:
            assert (await api("GET", f"/lists/{said['list_id']}/members")).json["total_items"] == total
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"rubbish")
    run = subprocess.run(
        [sys.executable, "-m", "zgoda.twins", "salesforce", "--state", str(broken)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.returncode == 2
    assert "cannot start" in run.stderr


def test_routes_prefer_literals_and_know_wrong_methods() -> None:
    routes = Routes([("GET", "/a/{x}", "any"), ("GET", "/a/b", "literal"), ("POST", "/a/{x}/c", "post")])  # type: ignore[list-item]
    found = routes.find("GET", "/a/b")
    assert found is not None
    assert found.handler == "literal"
    other = routes.find("GET", "/a/x%2Fy/")
    assert other is not None
    assert other.values == {"x": "x/y"}
    assert routes.find("GET", "/b") is None
    with pytest.raises(WrongMethod):
        routes.find("GET", "/a/1/c")


def test_write_numbers_are_never_reused() -> None:
    log = WriteLog()
    for _ in range(3):
        log.add("t", "o", "create", "i", {}, "ok", 1, "c")
    log.empty()
    assert log.add("t", "o", "create", "i", {}, "ok", 1, "c").n == 4
    assert [w.n for w in log.since(0)] == [4]
    assert [w.n for w in log.since(3)] == [4]
    assert log.since(4) == []


async def test_only_long_calls_count_against_salesforce_s_limit_of_parallel_ones() -> None:
    """25 calls of over 20 s at once; short ones do not matter."""
    meter, limits, now = Meter(), Limits(long_requests=25), datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(25):
        meter.begin(float(number) / 100)
    assert meter.excess(limits, now, 10.0) is None
    assert meter.excess(limits, now, 30.0) == "connections"
    meter.end(0.0)
    assert meter.excess(limits, now, 30.0) is None


async def test_writes_beside_members_are_logged_too(mc: MailchimpTwin, mc_api: Client) -> None:
    list_path = f"/lists/{mc.list_id}"
    await mc_api("POST", f"{list_path}/merge-fields", {"name": "Size", "type": "number"})
    await mc_api("POST", f"{list_path}/merge-fields", {"name": "Size", "type": "color"})
    await mc_api("POST", f"{list_path}/members", {"email_address": "a@b.example", "status": "subscribed"})
    await mc_api("DELETE", f"{list_path}/merge-fields/13")
    await mc_api("GET", list_path)
    assert [(w.object, w.operation, w.outcome) for w in mc.writes()] == [
        ("merge-fields", "create", "ok"), ("merge-fields", "create", "400"), ("members", "create", "ok"),
        ("merge-fields", "delete", "ok"),
    ]  # fmt: skip
    assert mc.writes()[0].values == {"name": "Size", "type": "number"}


def test_the_documentation_knows_every_fault_and_every_edit() -> None:
    text = (Path(__file__).parents[2] / "docs/twins.md").read_text()
    names = [*CATALOGUE, *salesforce_edits._DEEDS, *mailchimp_edits._DEEDS, *Limits.__struct_fields__]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert [f"`{method} {name}" for method, name in _DEEDS if f"`{method} {name}" not in text] == []
