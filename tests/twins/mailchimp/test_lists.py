"""Reading many: pages, filters, fields; batches of members; merge fields, segments, webhooks, batches of calls."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import msgspec
import pytest

from tests.twins.client import Client, mailchimp
from zgoda.model.clock import FakeClock, SystemClock
from zgoda.twins import MailchimpTwin


@pytest.fixture
def path(mc: MailchimpTwin) -> str:
    return f"/lists/{mc.list_id}"


@pytest.fixture
async def thirty(mc: MailchimpTwin, clock: FakeClock) -> MailchimpTwin:
    """Members m00 to m29, a second apart; every third unsubscribed, m29 archived; m05 changed last."""
    for n in range(30):
        status = "unsubscribed" if n % 3 == 0 else "subscribed"
        mc.edit("create", values={"email_address": f"m{n:02}@b.example", "status": status, "vip": n < 2})
        clock.advance(1)
    mc.edit("archive", email="m29@b.example")
    mc.edit("update", email="m05@b.example", values={"merge_fields": {"FNAME": "late"}})
    return mc


async def _emails(api: Client, path: str, **query: Any) -> list[str]:
    answer = await api("GET", f"{path}/members", query={"count": 100, **query})
    assert answer.status == 200, answer.body
    return [member["email_address"][1:3] for member in answer.json["members"]]


async def test_pages_by_creation_and_by_change(thirty: MailchimpTwin, mc_api: Client, path: str) -> None:
    everybody = [f"{n:02}" for n in range(29)]
    assert await _emails(mc_api, path) == everybody
    assert (await mc_api("GET", f"{path}/members")).json["total_items"] == 29
    assert len((await mc_api("GET", f"{path}/members")).json["members"]) == 10
    paged: list[str] = []
    for offset in (0, 12, 24, 36):
        paged += await _emails(mc_api, path, count=12, offset=offset)
    assert paged == everybody
    changed = everybody[:5] + everybody[6:] + ["05"]
    assert await _emails(mc_api, path, sort_field="last_changed", sort_dir="ASC") == changed
    assert await _emails(mc_api, path, sort_field="last_changed", sort_dir="DESC", count=3) == changed[::-1][:3]
    assert (
        await _emails(mc_api, path, sort_field="last_changed", sort_dir="DESC", count=3, offset=27)
        == changed[::-1][27:]
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since_last_changed": "2026-03-01T12:00:26+00:00"}, ["05", "27", "28"]),
        ({"since_last_changed": "2026-03-01T12:00:26+00:00", "sort_field": "last_changed"}, ["27", "28", "05"]),
        ({"since_last_changed": "2026-03-01T13:00:26+01:00", "before_last_changed": "2026-03-01T12:00:28Z"}, ["27"]),
        ({"status": "unsubscribed", "count": 3}, ["00", "03", "06"]),
        ({"status": "unsubscribed", "unsubscribed_since": "2026-03-01T12:00:20Z"}, ["21", "24", "27"]),
        ({"status": "archived"}, ["29"]),
        ({"status": "cleaned"}, []),
        ({"vip_only": "true"}, ["00", "01"]),
        ({"since_timestamp_opt": "2026-03-01T12:00:25Z"}, ["26", "28"]),
        ({"status": "subscribed", "sort_field": "last_changed", "sort_dir": "DESC", "count": 2}, ["05", "28"]),
    ],
)
async def test_filters(
    thirty: MailchimpTwin, mc_api: Client, path: str, query: dict[str, Any], expected: list[str]
) -> None:
    assert await _emails(mc_api, path, **query) == expected


async def test_pages_drift_while_records_change(
    thirty: MailchimpTwin, mc_api: Client, path: str, clock: FakeClock
) -> None:
    """F-32: with offset paging a change between two pages hides a record from the reader."""
    first = await _emails(mc_api, path, sort_field="last_changed", count=10)
    clock.advance(10)
    thirty.edit("update", email="m00@b.example", values={"merge_fields": {"FNAME": "x"}})
    second = await _emails(mc_api, path, sort_field="last_changed", count=10, offset=10)
    assert "11" not in first + second


async def test_fields_are_chosen_and_left_out(thirty: MailchimpTwin, mc_api: Client, path: str) -> None:
    async def get(**query: str) -> Any:
        return (await mc_api("GET", f"{path}/members", query={"count": "1", **query})).json

    assert await get(fields="members.email_address,total_items") == {
        "members": [{"email_address": "m00@b.example"}], "total_items": 29,
    }  # fmt: skip
    assert await get(fields="members.merge_fields.FNAME") == {"members": [{"merge_fields": {"FNAME": ""}}]}
    assert await get(fields="members.id, total_items") == {"members": [{"id": (await get())["members"][0]["id"]}]}
    left = await get(exclude_fields="members._links,members.stats,_links")
    assert "_links" not in left
    assert "stats" not in left["members"][0]
    assert "email_address" in left["members"][0]
    one = await mc_api("GET", f"{path}/members/m00@b.example", query={"fields": "status,merge_fields.LNAME"})
    assert one.json == {"status": "unsubscribed", "merge_fields": {"LNAME": ""}}


@pytest.mark.parametrize(
    "query",
    [{"count": "many"}, {"offset": "-1"}, {"status": "gone"}, {"sort_field": "email"}, {"since_last_changed": "soon"}],
)
async def test_wrong_queries(mc_api: Client, path: str, query: dict[str, str]) -> None:
    assert (await mc_api("GET", f"{path}/members", query=query)).status == 400


async def test_a_batch_adds_updates_and_refuses_one_by_one(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """T-64, F-25: HTTP 200; errors are told apart by address, not by place."""
    await mc_api("POST", path, {"members": [{"email_address": "old@b.example", "status": "subscribed", "tags": ["a"]}]})
    members = [
        {"email_address": "new@b.example", "status": "subscribed", "merge_fields": {"FNAME": "N"}, "tags": ["x"]},
        {"email_address": "OLD@b.example", "status": "subscribed", "merge_fields": {"FNAME": "O"}, "tags": ["b"]},
        {"email_address": "bad", "status": "subscribed"},
        {"email_address": "c@b.example", "status": "subscribed", "merge_fields": {"SCORE": "x"}},
        {"email_address": "d@b.example", "status": 7},
        {"email_address": "New@b.example", "status": "subscribed"},
    ]  # fmt: skip
    refused = (await mc_api("POST", path, {"members": members[1:2]})).json
    assert refused["errors"][0]["error_code"] == "ERROR_CONTACT_EXISTS"
    answer = (await mc_api("POST", path, {"members": members, "update_existing": True})).json
    assert [m["email_address"] for m in answer["new_members"]] == ["new@b.example"]
    assert [m["merge_fields"]["FNAME"] for m in answer["updated_members"]] == ["O"]
    assert {t["name"] for t in answer["updated_members"][0]["tags"]} == {"a", "b"}
    assert [e["email_address"] for e in answer["errors"]] == ["bad", "c@b.example", "d@b.example", "New@b.example"]
    assert answer["errors"][1]["field"] == "SCORE"
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 1, 4)
    synced = (await mc_api("POST", path, {"members": members[1:2], "update_existing": True, "sync_tags": True})).json
    assert [t["name"] for t in synced["updated_members"][0]["tags"]] == ["b"]
    same = {"email_address": "twice@b.example", "status": "subscribed"}
    skipped = (await mc_api("POST", path, {"members": [same, same]}, query={"skip_duplicate_check": "true"})).json
    assert (skipped["total_created"], skipped["error_count"]) == (1, 0)


async def test_real_limits(clock: FakeClock) -> None:
    async with MailchimpTwin(clock=clock, limits="real") as twin, mailchimp(twin) as api:
        path = f"/lists/{twin.list_id}"
        assert (await api("GET", f"{path}/members", query={"count": 1000})).status == 200
        assert (await api("GET", f"{path}/members", query={"count": 1001})).status == 400
        members = [{"email_address": f"m{n}@b.example", "status": "subscribed"} for n in range(501)]
        assert (await api("POST", path, {"members": members})).status == 400
        assert (await api("POST", path, {"members": members[:500]})).json["total_created"] == 500


async def test_merge_fields_are_made_renamed_and_removed(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    made = (await mc_api("POST", f"{path}/merge-fields", {"name": "Shoe size", "type": "number"})).json
    assert (made["tag"], made["type"], made["merge_id"]) == ("SHOESIZE", "number", 13)
    mc.edit("create", values={"email_address": "a@b.example", "merge_fields": {"SHOESIZE": 41}})
    renamed = await mc_api("PATCH", f"{path}/merge-fields/13", {"tag": "SHOES"})
    assert renamed.json["tag"] == "SHOES"
    assert mc.records("members")[0]["merge_fields"]["SHOES"] == 41
    assert (await mc_api("DELETE", f"{path}/merge-fields/13")).status == 204
    assert "SHOES" not in mc.records("members")[0]["merge_fields"]
    numbers = (await mc_api("GET", f"{path}/merge-fields", query={"type": "number"})).json
    assert [f["tag"] for f in numbers["merge_fields"]] == ["SCORE"]


@pytest.mark.parametrize(
    "field",
    [
        {"name": "x", "type": "color"},
        {"name": "x", "type": "text", "tag": "ELEVENCHARS"},
        {"name": "x", "type": "text", "tag": "no-dash"},
        {"name": "x", "type": "text", "tag": "FNAME"},
        {"name": "x", "type": "dropdown"},
        {"type": "text"},
    ],
)
async def test_merge_fields_that_are_refused(mc_api: Client, path: str, field: dict[str, str]) -> None:
    assert (await mc_api("POST", f"{path}/merge-fields", field)).status == 400


async def test_schema_faults(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    """F-35, T-38."""
    mc.edit("create", values={"email_address": "a@b.example", "merge_fields": {"FNAME": "A", "LNAME": "B"}})
    mc.arm("field_removed", object="members", field="FNAME")
    mc.arm("field_renamed", object="members", field="LNAME", to="FAMILY")
    mc.arm("field_retyped", object="members", field="SCORE", type="text")
    mc.arm("picklist_value_added", object="members", field="LANGUAGE", value="Elvish")
    fields = {
        f["tag"]: f for f in (await mc_api("GET", f"{path}/merge-fields", query={"count": 50})).json["merge_fields"]
    }
    assert "FNAME" not in fields
    assert fields["SCORE"]["type"] == "text"
    assert "Elvish" in fields["LANGUAGE"]["options"]["choices"]
    merge = (await mc_api("GET", f"{path}/members/a@b.example")).json["merge_fields"]
    assert merge["FAMILY"] == "B"
    assert not {"FNAME", "LNAME"} & set(merge)
    changed = await mc_api("PATCH", f"{path}/members/a@b.example", {"merge_fields": {"FNAME": "gone", "FAMILY": "C"}})
    assert changed.json["merge_fields"]["FAMILY"] == "C"
    mc.clear_faults()
    merge = (await mc_api("GET", f"{path}/members/a@b.example")).json["merge_fields"]
    assert (merge["FNAME"], merge["LNAME"]) == ("A", "C")


async def test_segments(thirty: MailchimpTwin, mc_api: Client, path: str) -> None:
    made = (
        await mc_api(
            "POST", f"{path}/segments", {"name": "some", "static_segment": ["m01@b.example", "none@b.example"]}
        )
    ).json
    url = f"{path}/segments/{made['id']}"
    batch = (await mc_api("POST", url, {
        "members_to_add": ["m02@b.example", "x@b.example"], "members_to_remove": ["m01@b.example"],
    })).json  # fmt: skip
    assert (batch["total_added"], batch["total_removed"], batch["error_count"]) == (1, 1, 1)
    assert (await mc_api("POST", f"{url}/members", {"email_address": "m03@b.example"})).status == 200
    members = (await mc_api("GET", f"{url}/members")).json
    assert [m["email_address"] for m in members["members"]] == ["m02@b.example"], "unsubscribed ones are not shown"
    assert (await mc_api("DELETE", f"{url}/members/m02@b.example")).status == 204
    saved = (await mc_api("POST", f"{path}/segments", {"name": "late", "options": {"match": "all", "conditions": [
        {"condition_type": "TextMerge", "field": "FNAME", "op": "is", "value": "late"},
    ]}})).json  # fmt: skip
    assert (saved["type"], saved["member_count"]) == ("saved", 1)
    listed = (await mc_api("GET", f"{path}/segments", query={"type": "static"})).json
    assert [s["name"] for s in listed["segments"]] == ["some"]
    assert (await mc_api("DELETE", url)).status == 204
    assert (await mc_api("GET", url)).status == 404


async def test_searching(thirty: MailchimpTwin, mc_api: Client) -> None:
    found = (await mc_api("GET", "/search-members", query={"query": "m07@b.example"})).json
    assert found["exact_matches"]["total_items"] == 1
    assert (await mc_api("GET", "/search-members", query={"query": "late"})).json["full_search"]["total_items"] == 1


async def test_lists_and_their_numbers(thirty: MailchimpTwin, mc_api: Client, path: str) -> None:
    shown = (await mc_api("GET", path)).json
    assert shown["stats"]["unsubscribe_count"] == 10
    assert shown["stats"]["member_count"] == 19
    other = (await mc_api("POST", "/lists", {"name": "Second"})).json
    assert [x["name"] for x in (await mc_api("GET", "/lists")).json["lists"]] == ["Customers", "Second"]
    await mc_api("POST", f"/lists/{other['id']}/members", {"email_address": "m01@b.example", "status": "subscribed"})
    assert (await mc_api("GET", "/lists", query={"email": "m01@b.example"})).json["total_items"] == 2
    assert (await mc_api("DELETE", f"/lists/{other['id']}")).status == 204
    assert (await mc_api("GET", f"/lists/{other['id']}")).status == 404


async def test_a_batch_of_calls_is_worked_off_in_the_background(mc: MailchimpTwin, mc_api: Client, path: str) -> None:
    operations = [
        {"method": "PUT", "path": f"{path}/members/a@b.example", "operation_id": "one",
         "body": '{"email_address": "a@b.example", "status_if_new": "subscribed"}'},
        {"method": "GET", "path": f"{path}/members", "operation_id": "two",
         "params": {"count": 1, "fields": "total_items"}},
        {"method": "DELETE", "path": f"{path}/members/nobody", "operation_id": "three"},
    ]  # fmt: skip
    started = (await mc_api("POST", "/batches", {"operations": operations})).json
    assert (started["status"], started["response_body_url"]) == ("pending", "")
    batch = started
    for _ in range(100):
        batch = (await mc_api("GET", f"/batches/{started['id']}")).json
        if batch["status"] == "finished":
            break
        await SystemClock().sleep(0.005)
    assert (batch["total_operations"], batch["finished_operations"], batch["errored_operations"]) == (3, 3, 1)
    async with Client(mc.base_url) as anybody:
        archive = await anybody("GET", batch["response_body_url"])
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as files:
        names = [member.name for member in files if member.isfile()]
        content = files.extractfile(names[0])
        assert content is not None
        results = msgspec.json.decode(content.read())
    assert [(r["operation_id"], r["status_code"]) for r in results] == [("one", 200), ("two", 200), ("three", 404)]
    assert msgspec.json.decode(results[1]["response"]) == {"total_items": 1}
    mc.advance(700)
    async with Client(mc.base_url) as anybody:
        assert (await anybody("GET", batch["response_body_url"])).status == 403
    assert (await mc_api("POST", "/batches", {"operations": []})).status == 400
    assert (await mc_api("DELETE", f"/batches/{started['id']}")).status == 204
