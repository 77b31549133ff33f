"""Members: added, changed, archived, forgotten; who may be mailed again; what values are taken or refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twins.client import Answer, Client
from zgoda.model.clock import FakeClock
from zgoda.twins import MailchimpTwin
from zgoda.twins.mailchimp.member import hash_of


@pytest.fixture
def path(mc: MailchimpTwin) -> str:
    return f"/lists/{mc.list_id}"


async def _add(api: Client, path: str, email: str, status: str = "subscribed", **more: Any) -> dict[str, Any]:
    answer = await api("POST", f"{path}/members", {"email_address": email, "status": status, **more})
    assert answer.status == 200, answer.body
    return answer.json


def _title(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["title"]


async def test_a_member_is_added_read_and_changed(
    mc: MailchimpTwin, mc_api: Client, path: str, clock: FakeClock
) -> None:
    member = await _add(mc_api, path, "Ewa.Nowak@Firma.example", merge_fields={"FNAME": "Ewa", "UNKNOWN": "x"})
    assert member["id"] == hash_of("ewa.nowak@firma.example")
    assert member["email_address"] == "Ewa.Nowak@Firma.example"
    assert member["merge_fields"]["FNAME"] == "Ewa"
    assert member["merge_fields"]["LNAME"] == ""
    assert "UNKNOWN" not in member["merge_fields"]
    assert member["last_changed"] == "2026-03-01T12:00:00+00:00"
    clock.advance(90)
    for key in (member["id"], "ewa.NOWAK@firma.example", member["contact_id"], member["unique_email_id"]):
        assert (await mc_api("GET", f"{path}/members/{key}")).json["id"] == member["id"]
    changed = (
        await mc_api("PATCH", f"{path}/members/{member['id']}", {"merge_fields": {"LNAME": "Nowak"}, "vip": True})
    ).json
    assert (changed["full_name"], changed["vip"], changed["last_changed"]) == (
        "Ewa Nowak",
        True,
        "2026-03-01T12:01:30+00:00",
    )
    clock.advance(90)
    same = (await mc_api("PATCH", f"{path}/members/{member['id']}", {"merge_fields": {"LNAME": "Nowak"}})).json
    assert same["last_changed"] == "2026-03-01T12:01:30+00:00"
    assert [(w.operation, w.outcome) for w in mc.writes()] == [("create", "ok"), ("update", "ok"), ("update", "ok")]


async def test_put_adds_or_changes(mc_api: Client, path: str) -> None:
    url = f"{path}/members/{hash_of('a@b.example')}"
    missing = await mc_api("PUT", url, {"merge_fields": {"FNAME": "A"}})
    assert [e["field"] for e in missing.json["errors"]] == ["email_address", "status_if_new"]
    body = {"email_address": "a@b.example", "status_if_new": "pending", "merge_fields": {"FNAME": "A"}}
    assert (await mc_api("PUT", url, body)).json["status"] == "pending"
    again = (await mc_api("PUT", url, {**body, "status_if_new": "subscribed", "merge_fields": {"FNAME": "B"}})).json
    assert (again["status"], again["merge_fields"]["FNAME"]) == ("pending", "B")


async def test_a_new_address_keeps_the_contact(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """T-17: the subscriber hash changes, the contact id does not."""
    member = await _add(mc_api, path, "old@b.example", tags=["vip"])
    changed = (await mc_api("PATCH", f"{path}/members/{member['id']}", {"email_address": "new@b.example"})).json
    assert changed["id"] == hash_of("new@b.example")
    assert changed["contact_id"] == member["contact_id"]
    assert changed["tags"][0]["name"] == "vip"
    assert (await mc_api("GET", f"{path}/members/{member['id']}")).status == 404
    await _add(mc_api, path, "other@b.example")
    taken = await mc_api("PATCH", f"{path}/members/new@b.example", {"email_address": "other@b.example"})
    assert _title(taken) == (400, "Invalid Resource")
    assert "already in this list" in taken.json["detail"]
    assert len(mc.records("members")) == 2


@pytest.mark.parametrize(
    ("status", "wanted", "outcome"),
    [
        ("unsubscribed", "subscribed", 400),
        ("unsubscribed", "pending", 200),
        ("cleaned", "subscribed", 400),
        ("cleaned", "pending", 400),
        ("pending", "subscribed", 200),
        ("subscribed", "unsubscribed", 200),
        ("transactional", "subscribed", 200),
    ],
)
async def test_who_left_or_bounced_cannot_be_subscribed_by_the_api(
    mc_api: Client, path: str, status: str, wanted: str, outcome: int
) -> None:
    """T-57: a mass unsubscribe cannot be undone."""
    await _add(mc_api, path, "a@b.example", status)
    answer = await mc_api("PATCH", f"{path}/members/a@b.example", {"status": wanted})
    assert answer.status == outcome
    if outcome == 400:
        assert answer.json["title"] == "Member In Compliance State"
        batch = await mc_api(
            "POST", path, {"members": [{"email_address": "a@b.example", "status": wanted}], "update_existing": True}
        )
        assert batch.json["error_count"] == 1


async def test_only_the_person_comes_back_after_leaving(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    await _add(mc_api, path, "a@b.example")
    mc.edit("unsubscribe", email="a@b.example")
    assert (await mc_api("PATCH", f"{path}/members/a@b.example", {"status": "subscribed"})).status == 400
    assert (await mc_api("PATCH", f"{path}/members/a@b.example", {"status": "pending"})).status == 200
    mc.edit("confirm", email="a@b.example")
    assert mc.records("members")[0]["status"] == "subscribed"
    mc.edit("unsubscribe", email="a@b.example")
    mc.edit("signup", email="a@b.example")
    assert mc.records("members")[0]["status"] == "subscribed"


async def test_archiving_and_coming_back(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """T-46: an archived member is out of every list until it is asked for."""
    await _add(mc_api, path, "a@b.example")
    url = f"{path}/members/a@b.example"
    assert (await mc_api("DELETE", url)).status == 204
    assert (await mc_api("GET", url)).json["status"] == "archived"
    assert (await mc_api("GET", f"{path}/members")).json["total_items"] == 0
    assert (await mc_api("GET", f"{path}/members", query={"status": "archived"})).json["total_items"] == 1
    assert _title(await mc_api("DELETE", url)) == (405, "Method Not Allowed")
    assert _title(
        await mc_api("POST", f"{path}/members", {"email_address": "a@b.example", "status": "subscribed"})
    ) == (400, "Member Exists")
    assert (await mc_api("PATCH", url, {"status": "subscribed"})).json["status"] == "subscribed"
    mc.edit("unsubscribe", email="a@b.example")
    await mc_api("DELETE", url)
    assert _title(await mc_api("PATCH", url, {"status": "subscribed"})) == (400, "Member In Compliance State")
    for status in ("cleaned", "pending"):
        await _add(mc_api, path, f"{status}@b.example", status)
        assert (await mc_api("DELETE", f"{path}/members/{status}@b.example")).status == 405


async def test_the_forgotten_are_gone_and_cannot_be_imported(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """T-51: only a new act of the person lifts it."""
    await _add(mc_api, path, "a@b.example", tags=["vip"])
    await mc_api("POST", f"{path}/members/a@b.example/notes", {"note": "x"})
    assert (await mc_api("POST", f"{path}/members/a@b.example/actions/delete-permanent")).status == 204
    assert (await mc_api("GET", f"{path}/members/a@b.example")).status == 404
    assert mc.records("members") == []
    fresh = {"email_address": "A@b.example", "status": "subscribed"}
    assert _title(await mc_api("POST", f"{path}/members", fresh)) == (400, "Forgotten Email Not Subscribed")
    put = await mc_api("PUT", f"{path}/members/a@b.example", {**fresh, "status_if_new": "subscribed"})
    assert put.json["title"] == "Forgotten Email Not Subscribed"
    batch = await mc_api("POST", path, {"members": [fresh], "update_existing": True})
    assert "permanently deleted" in batch.json["errors"][0]["error"]
    await _add(mc_api, path, "c@b.example")
    moved = await mc_api("PATCH", f"{path}/members/c@b.example", {"email_address": "a@b.example"})
    assert moved.json["title"] == "Forgotten Email Not Subscribed"
    mc.edit("signup", email="a@b.example")
    assert (await mc_api("GET", f"{path}/members/a@b.example")).json["status"] == "subscribed"


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"FNAME": 12}, {"FNAME": "12"}),
        ({"SCORE": "7.50"}, {"SCORE": 7.5}),
        ({"SCORE": 3}, {"SCORE": 3}),
        ({"BIRTHDAY": "2/29"}, {"BIRTHDAY": "02/29"}),
        ({"SINCE": "12/31/2024"}, {"SINCE": "2024-12-31"}),
        ({"SINCE": "2024-12-31T10:00:00Z"}, {"SINCE": "2024-12-31"}),
        ({"WEBSITE": "https://a.example/x"}, {"WEBSITE": "https://a.example/x"}),
        ({"LANGUAGE": "Polish"}, {"LANGUAGE": "Polish"}),
        ({"PHONE": "+48 22 123"}, {"PHONE": "+48 22 123"}),
        ({"FNAME": ""}, {"FNAME": ""}),
        ({"FNAME": None}, {"FNAME": ""}),
        ({"ADDRESS": {"addr1": "a", "city": "b", "state": "c", "zip": "d"}},
         {"ADDRESS": {"addr1": "a", "addr2": "", "city": "b", "state": "c", "zip": "d", "country": ""}}),
    ],
)  # fmt: skip
async def test_merge_values_as_they_are_stored(
    mc_api: Client, path: str, fields: dict[str, Any], stored: dict[str, Any]
) -> None:
    member = await _add(mc_api, path, "a@b.example", merge_fields={"FNAME": "Ewa", **fields})
    assert {tag: member["merge_fields"][tag] for tag in stored} == stored


@pytest.mark.parametrize(
    "fields",
    [
        {"SCORE": "many"}, {"SCORE": True}, {"BIRTHDAY": "13/01"}, {"BIRTHDAY": "1980-02-01"}, {"SINCE": "soon"},
        {"WEBSITE": "firma"}, {"LANGUAGE": "Elvish"}, {"ADDRESS": "Long street"}, {"ADDRESS": {"addr1": "x"}},
        {"FNAME": "x" * 256}, {"FNAME": {"x": 1}}, {"FNAME": True},
    ],
)  # fmt: skip
async def test_merge_values_that_are_refused(
    mc: MailchimpTwin, mc_api: Client, path: str, fields: dict[str, Any]
) -> None:
    answer = await mc_api(
        "POST", f"{path}/members", {"email_address": "a@b.example", "status": "subscribed", "merge_fields": fields}
    )
    assert (answer.status, answer.json["detail"]) == (400, "Your merge fields were invalid.")
    assert [error["field"] for error in answer.json["errors"]] == list(fields)
    assert mc.records("members") == []
    assert mc.writes()[0].outcome == "Invalid Resource"


async def test_required_fields_can_be_skipped_only_when_told(mc_api: Client, path: str) -> None:
    """T-30."""
    assert (await mc_api("PATCH", f"{path}/merge-fields/2", {"required": True})).status == 200
    body = {"email_address": "a@b.example", "status": "subscribed"}
    answer = await mc_api("POST", f"{path}/members", body)
    assert answer.json["errors"] == [{"field": "LNAME", "message": "This value should not be blank."}]
    skipped = await mc_api("POST", f"{path}/members", body, query={"skip_merge_validation": "true"})
    assert skipped.status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "subscribed"}, "email_address"),
        ({"email_address": "a@b.example"}, "status"),
        ({"email_address": "a@b.example", "status": "here"}, "status"),
        ({"email_address": 7, "status": "subscribed"}, "email_address"),
        ({"email_address": "a@b.example", "status": "subscribed", "merge_fields": []}, "merge_fields"),
        ({"email_address": "a@b.example", "status": "subscribed", "vip": "yes"}, "vip"),
    ],
)
async def test_bodies_of_the_wrong_shape(mc_api: Client, path: str, body: dict[str, Any], field: str) -> None:
    answer = await mc_api("POST", f"{path}/members", body)
    assert (answer.status, [e["field"] for e in answer.json["errors"]]) == (400, [field])
    assert set(answer.json) == {"type", "title", "status", "detail", "instance", "errors"}
    assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("email", ["nobody", "a b@c.example", "a@b", "a@@b.example", "@b.example"])
async def test_addresses_that_are_none(mc_api: Client, path: str, email: str) -> None:
    answer = await mc_api("POST", f"{path}/members", {"email_address": email, "status": "subscribed"})
    assert (answer.status, "looks fake or invalid" in answer.json["detail"]) == (400, True)


async def test_groups_and_permissions(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """T-58: consent is more than one boolean."""
    category = (await mc_api("GET", f"{path}/interest-categories")).json["categories"][0]["id"]
    interests = (await mc_api("GET", f"{path}/interest-categories/{category}/interests")).json["interests"]
    first, second = interests[0]["id"], interests[1]["id"]
    member = await _add(mc_api, path, "a@b.example", interests={first: True, second: True})
    assert member["interests"] == {i["id"]: i["id"] in (first, second) for i in interests}
    changed = (await mc_api("PATCH", f"{path}/members/a@b.example", {"interests": {second: False}})).json
    assert changed["interests"][first] is True
    assert changed["interests"][second] is False
    assert (await mc_api("GET", f"{path}/interest-categories/{category}/interests/{first}")).json[
        "subscriber_count"
    ] == "1"
    wrong = await mc_api("PATCH", f"{path}/members/a@b.example", {"interests": {"nope": True}})
    assert _title(wrong) == (400, "Invalid Resource")
    permission = member["marketing_permissions"][0]
    assert permission["enabled"] is False
    body = {
        "marketing_permissions": [{"marketing_permission_id": permission["marketing_permission_id"], "enabled": True}]
    }
    changed = (await mc_api("PATCH", f"{path}/members/a@b.example", body)).json
    assert [p["enabled"] for p in changed["marketing_permissions"]] == [True, False, False]


async def test_tags_are_added_and_taken_off_without_moving_the_stamp(
    mc_api: Client, path: str, clock: FakeClock
) -> None:
    member = await _add(mc_api, path, "a@b.example", tags=["one"])
    clock.advance(60)
    body = {"tags": [{"name": "two", "status": "active"}, {"name": "ONE", "status": "inactive"}]}
    assert (await mc_api("POST", f"{path}/members/a@b.example/tags", body)).status == 204
    tags = (await mc_api("GET", f"{path}/members/a@b.example/tags")).json
    assert ([t["name"] for t in tags["tags"]], tags["total_items"]) == (["two"], 1)
    after = (await mc_api("GET", f"{path}/members/a@b.example")).json
    assert (after["last_changed"], after["tags_count"]) == (member["last_changed"], 1)
    put = {"email_address": "a@b.example", "status_if_new": "subscribed", "tags": ["three"]}
    assert [t["name"] for t in (await mc_api("PUT", f"{path}/members/a@b.example", put)).json["tags"]] == ["two"]
    found = (await mc_api("GET", f"{path}/tag-search", query={"name": "tw"})).json["tags"]
    segment = (await mc_api("GET", f"{path}/segments/{found[0]['id']}")).json
    assert (segment["type"], segment["member_count"]) == ("static", 1)


async def test_notes_events_and_the_feed(mc_api: Client, path: str, clock: FakeClock) -> None:
    await _add(mc_api, path, "a@b.example")
    url = f"{path}/members/a@b.example"
    note = (await mc_api("POST", f"{url}/notes", {"note": "called"})).json
    clock.advance(60)
    assert (await mc_api("POST", f"{url}/events", {"name": "visited", "properties": {"page": "x"}})).status == 204
    assert (await mc_api("PATCH", f"{url}/notes/{note['id']}", {"note": "called twice"})).json["note"] == "called twice"
    assert (await mc_api("GET", url)).json["last_note"]["note"] == "called twice"
    events = (await mc_api("GET", f"{url}/events")).json["events"]
    assert events == [{"occurred_at": "2026-03-01T12:01:00+00:00", "name": "visited", "properties": {"page": "x"}}]
    feed = (await mc_api("GET", f"{url}/activity-feed")).json["activity"]
    assert [item["activity_type"] for item in feed] == ["event", "note", "signup"]
    only = (await mc_api("GET", f"{url}/activity-feed", query={"activity_filters": "note"})).json
    assert only["total_items"] == 1
    assert (await mc_api("POST", f"{url}/events", {"name": "x"})).status == 400
    assert (await mc_api("POST", f"{url}/notes", {"note": "x" * 1001})).status == 400
    assert (await mc_api("DELETE", f"{url}/notes/{note['id']}")).status == 204
    assert (await mc_api("GET", f"{url}/notes")).json["total_items"] == 0
