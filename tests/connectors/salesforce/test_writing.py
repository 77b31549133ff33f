"""Writing: every record gets its receipt, and what a vendor's error means is sorted by recovery."""

from __future__ import annotations

from typing import Any

import pytest

from zgoda.connectors.salesforce import CONNECTOR
from zgoda.kit.errors import NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.spec import Lookup, Write

from .conftest import Desk, Opener


def create(key: str, **values: Any) -> Write:
    return Write(key=key, op="create", values=values)


def update(key: str, id: str, expected: str = "", **values: Any) -> Write:
    return Write(key=key, op="update", id=id, values=values, expected=expected)


async def calls(desk: Desk, method: str, ending: str) -> int:
    answer = await desk.session.http.request("GET", "/_twin/requests")
    seen = answer.json()["requests"]
    return sum(r["method"] == method and r["target"].partition("?")[0].endswith(ending) for r in seen)


async def test_mixed_writes_succeed_and_fail_each_on_its_own(desk: Desk):
    old, doomed = [await desk.create("contacts", LastName=name) for name in ("old", "doomed")]
    receipts = await desk.write(
        "contacts",
        create("new", FirstName="Zażółć", LastName="Gęślą 😀 'Jaźń\\", Email="z@example.org"),
        create("no name", FirstName="X"),
        create("bad mail", LastName="X", Email="nonsense"),
        update("change", old, Title="Dyrektor"),
        update("bad change", old, Email="nonsense"),
        Write(key="delete", op="delete", id=doomed),
        Write(key="no id", op="delete", id="../x"),
    )
    assert {key: r.refusal.kind if r.refusal else None for key, r in receipts.items()} == {
        "new": None,
        "no name": RefusalKind.REJECTED,
        "bad mail": RefusalKind.REJECTED,
        "change": None,
        "bad change": RefusalKind.REJECTED,
        "delete": None,
        "no id": RefusalKind.GONE,
    }
    assert receipts["bad mail"].refusal.fields == ("Email",)  # pyright: ignore[reportOptionalMemberAccess]
    made = desk.record("Contact", receipts["new"].id)
    assert (made["FirstName"], made["LastName"]) == ("Zażółć", "Gęślą 😀 'Jaźń\\")
    assert desk.record("Contact", old)["Title"] == "Dyrektor"
    assert (await desk.read_ids("contacts", [doomed])).removed[0].id == doomed


async def test_a_full_batch_is_one_call(desk: Desk):
    stream = desk.stream("contacts")
    receipts = await desk.write("contacts", *(create(str(n), LastName=f"P{n}") for n in range(stream.batch)))
    assert len({r.id for r in receipts.values()}) == stream.batch == 200
    assert await calls(desk, "POST", "/composite/sobjects") == 1


async def test_a_field_is_cleared_by_null(desk: Desk):
    id = await desk.create("contacts", LastName="Łoś", Title="x")
    row, faults = desk.mapping("contacts").write({"job_title": None}, creating=False)
    assert not faults
    assert (await desk.write("contacts", update("u", id, **row)))["u"].refusal is None
    assert desk.record("Contact", id).get("Title") is None


async def test_an_update_on_an_old_stamp_is_stale_and_changes_nothing(desk: Desk):
    changed, same = [await desk.create("contacts", LastName="Łoś", Title="old") for _ in range(2)]
    seen = {row["Id"]: row["LastModifiedDate"] for row in (await desk.read_ids("contacts", [changed, same])).rows}
    desk.clock.advance(10)
    desk.twin.edit("update", object="Contact", id=changed, values={"Title": "theirs"})
    receipts = await desk.write(
        "contacts", update("a", changed, seen[changed], Title="ours"), update("b", same, seen[same], Title="ours")
    )
    assert receipts["a"].refusal is not None
    assert receipts["a"].refusal.kind is RefusalKind.STALE
    assert desk.record("Contact", changed)["Title"] == "theirs"
    assert receipts["b"].refusal is None
    assert desk.record("Contact", same)["Title"] == "ours"


async def test_locked_updates_travel_25_to_a_call(desk: Desk):
    desk.twin.load("Contact", [{"LastName": f"P{n}"} for n in range(60)])
    rows = (await desk.read("contacts", "read_all"))[0].rows
    receipts = await desk.write("contacts", *(update(r["Id"], r["Id"], r["LastModifiedDate"], Title="x") for r in rows))
    assert all(r.refusal is None for r in receipts.values())
    assert await calls(desk, "POST", "/composite") == 3
    assert {r["Title"] for r in desk.twin.records("Contact")} == {"x"}


@pytest.mark.parametrize("stamped", [True, False])
async def test_what_is_gone_is_told_with_the_survivor_of_a_merge(desk: Desk, stamped: bool):
    kept, lost, deleted = [await desk.create("contacts", LastName=name) for name in ("kept", "lost", "deleted")]
    stamp = "2026-01-05T09:00:00.000+0000" if stamped else ""
    desk.twin.edit("merge", object="Contact", id=kept, losers=[lost])
    desk.twin.edit("delete", object="Contact", id=deleted)
    receipts = await desk.write(
        "contacts",
        update("lost", lost, stamp, Title="x"),
        update("deleted", deleted, stamp, Title="x"),
        update("never", "0038d00000ZZZZZAAA", stamp, Title="x"),
        Write(key="again", op="delete", id=deleted),
    )
    refusals = {key: r.refusal for key, r in receipts.items()}
    assert {key: r and r.kind for key, r in refusals.items()} == dict.fromkeys(receipts, RefusalKind.GONE)
    assert {key: r and r.moved_to for key, r in refusals.items()} == {
        "lost": kept,
        "deleted": "",
        "never": "",
        "again": "",
    }


async def test_a_reference_to_something_gone_does_not_make_our_record_gone(desk: Desk):
    account = await desk.create("accounts", Name="Młyn")
    contact = await desk.create("contacts", LastName="Łoś")
    desk.twin.edit("delete", object="Account", id=account)
    receipts = await desk.write(
        "contacts", update("u", contact, AccountId=account), create("c", LastName="X", AccountId=account)
    )
    for receipt in receipts.values():
        assert receipt.refusal is not None
        assert receipt.refusal.kind is RefusalKind.REJECTED


async def test_a_converted_lead_cannot_be_written_any_more(desk: Desk):
    lead = await desk.create("leads", LastName="Łoś", Company="Młyn")
    desk.twin.edit("convert_lead", id=lead)
    refusal = (await desk.write("leads", update("u", lead, Title="x")))["u"].refusal
    assert refusal is not None
    assert (refusal.kind, refusal.moved_to) == (RefusalKind.GONE, "")


async def test_a_twin_is_named_where_the_answer_names_it(desk: Desk):
    first = await desk.create("contacts", LastName="Łoś", Hub_Id__c="h1", Email="same@example.org")
    desk.twin.edit("settings", values={"duplicate_rules": {"Contact": ["Email"]}})
    receipts = await desk.write(
        "contacts",
        create("unique", LastName="Łoś", Hub_Id__c="h1"),
        create("rule", LastName="Łoś", Email="same@example.org"),
    )
    for receipt in receipts.values():
        assert receipt.refusal is not None
        assert receipt.refusal.kind is RefusalKind.EXISTS
    assert receipts["unique"].refusal.moved_to == first  # pyright: ignore[reportOptionalMemberAccess]
    assert receipts["rule"].refusal.moved_to in (first, "")  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_locked_row_may_be_tried_later(desk: Desk):
    id = await desk.create("contacts", LastName="Łoś")
    desk.twin.arm("row_lock", object="Contact", times=1)
    refusal = (await desk.write("contacts", update("u", id, Title="x")))["u"].refusal
    assert refusal is not None
    assert (refusal.kind, refusal.code) == (RefusalKind.TEMPORARY, "UNABLE_TO_LOCK_ROW")


async def test_a_refusal_quotes_no_value(desk: Desk):
    secret = "tajne-nazwisko"
    desk.twin.arm("record_invalid", object="Contact", message=f"{secret} is wrong", field="LastName")
    refusal = (await desk.write("contacts", create("c", LastName=secret)))["c"].refusal
    assert refusal is not None
    assert refusal.fields == ("LastName",)
    assert secret not in repr(refusal)


async def test_a_call_that_fails_later_loses_no_receipt(desk: Desk):
    old = await desk.create("contacts", LastName="old")
    desk.twin.arm("status_503", method="PATCH")
    receipts = await desk.write("contacts", create("new", LastName="X"), update("u", old, Title="x"))
    assert receipts["new"].refusal is None
    assert receipts["u"].refusal is not None
    assert receipts["u"].refusal.kind is RefusalKind.TEMPORARY
    assert desk.record("Contact", old).get("Title") is None


async def test_a_failed_look_up_for_the_gone_loses_no_receipt(desk: Desk):
    gone = await desk.create("contacts", LastName="old")
    desk.twin.edit("delete", object="Contact", id=gone)
    desk.twin.arm("status_500", path="/queryAll/")
    receipts = await desk.write("contacts", create("new", LastName="X"), update("u", gone, Title="x"))
    assert receipts["new"].refusal is None
    assert receipts["u"].refusal is not None
    assert receipts["u"].refusal.kind is RefusalKind.TEMPORARY


@pytest.mark.parametrize(
    "fault", ["reset_after", "failed_after", "cut_body", "truncated_json", "html_200", "results_short"]
)
async def test_a_create_whose_answer_was_lost_is_found(desk: Desk, fault: str):
    desk.twin.arm(fault, method="POST", path="/composite/sobjects", times=1)
    values = {"LastName": "O'Brien \"\\%_", "Email": "o'brien@example.org"}
    with pytest.raises(Temporary) as raised:
        await desk.write("contacts", create("a", **values), create("b", LastName="Inny", Email="i@example.org"))
    assert raised.value.executed
    find = desk.stream("contacts").find
    assert find is not None
    lookups = [
        Lookup(key="a", values=values),
        Lookup(key="never", values={"LastName": "Nikt", "Email": "n@example.org"}),
        Lookup(key="vague", values={"LastName": "Inny"}),
    ]
    made = next(r["Id"] for r in desk.twin.records("Contact") if r["LastName"].startswith("O'"))
    assert await find(desk.session, lookups) == {"a": made}


async def test_two_lost_twins_are_two_records(desk: Desk):
    values = {"LastName": "Łoś", "Email": "same@example.org"}
    made = {await desk.create("contacts", **values) for _ in range(2)}
    desk.twin.edit("create", object="Contact", values=values)
    find = desk.stream("contacts").find
    assert find is not None
    found = await find(desk.session, [Lookup(key=key, values=values) for key in ("a", "b", "c")])
    assert set(found.values()) == made


async def test_no_personal_data_stands_in_a_request_line(desk: Desk):
    find = desk.stream("contacts").find
    assert find is not None
    await find(desk.session, [Lookup(key="a", values={"LastName": "Łoś", "Email": "private@example.org"})])
    answer = await desk.session.http.request("GET", "/_twin/requests")
    assert "private" not in answer.body.decode()


async def test_members_are_contacts_or_leads(desk: Desk):
    campaign = await desk.create("campaigns", Name="Biuletyn")
    contact = await desk.create("contacts", LastName="Łoś")
    lead = await desk.create("leads", LastName="Sarna", Company="Las")
    receipts = await desk.write(
        "campaign_members",
        create("c", CampaignId=campaign, PersonId=contact, Status="Sent"),
        create("l", CampaignId=campaign, PersonId=lead, Status="Sent"),
    )
    assert all(r.refusal is None for r in receipts.values()), receipts
    rows = (await desk.read("campaign_members", "read_all"))[0].rows
    assert {row["PersonId"] for row in rows} == {contact, lead}
    assert {"ContactId", "LeadId"}.isdisjoint(rows[0])
    again = (await desk.write("campaign_members", create("c", CampaignId=campaign, PersonId=contact)))["c"].refusal
    assert again is not None
    assert again.kind is RefusalKind.EXISTS
    await desk.write("campaign_members", Write(key="d", op="delete", id=receipts["l"].id))
    assert len((await desk.read("campaign_members", "read_all"))[0].rows) == 1


async def test_a_deal_changes_and_loses_its_main_contact(desk: Desk):
    """Salesforce derives `ContactId` from the primary role; what is written are the roles."""
    one, two = [await desk.create("contacts", LastName=name) for name in ("one", "two")]
    values = {"Name": "Umowa", "StageName": "Prospecting", "CloseDate": "2026-06-30"}
    deal = await desk.create("opportunities", **values)
    for contact in (one, two, one, None):
        receipts = await desk.write("opportunities", update("u", deal, ContactId=contact, Description=f"{contact}"))
        assert receipts["u"].refusal is None
        assert desk.record("Opportunity", deal)["Description"] == f"{contact}"
        roles = desk.twin.records("OpportunityContactRole")
        assert [role["ContactId"] for role in roles if role["IsPrimary"]] == ([contact] if contact else [])
    assert sorted(role["ContactId"] for role in roles) == sorted([one, two])
    only = (await desk.write("opportunities", update("u", deal, ContactId="0038d00000ZZZZZAAA")))["u"].refusal
    assert only is not None
    assert (only.kind, only.fields) == (RefusalKind.REJECTED, ("ContactId",))


async def test_a_task_is_about_a_deal_only_if_it_is_one(desk: Desk):
    account = await desk.create("accounts", Name="Młyn")
    values = {"Name": "Umowa", "StageName": "Prospecting", "CloseDate": "2026-06-30", "AccountId": account}
    deal = await desk.create("opportunities", **values)
    await desk.create("tasks", Subject="deal", DealId=deal)
    desk.twin.edit("create", object="Task", values={"Subject": "account", "WhatId": account})
    rows = {row["Subject"]: row for page in await desk.read("tasks", "read_all") for row in page.rows}
    assert rows["deal"]["DealId"] == deal
    assert rows["account"]["DealId"] is None


async def test_an_interaction_is_written_once_however_often_it_is_sent(opener: Opener):
    desk = await opener(interaction_key_field="Hub_Id__c")
    contact = await desk.create("contacts", LastName="Łoś")
    canonical = {"channel": "email", "occurred_at": "2026-01-04T23:30:00Z", "subject": "Biuletyn", "description": "x"}
    row, faults = desk.mapping("activities").write(canonical, creating=True)
    assert not faults
    row |= {"WhoId": contact}
    later = row | {"ActivityDate": "2026-01-04T23:45:00.000+0000"}
    first = await desk.write("activities", create("a", **row), create("b", **later), create("a again", **row))
    second = await desk.write("activities", create("a", **row))
    assert first["a"].id == first["a again"].id == second["a"].id != first["b"].id
    assert first["a"].created
    assert not second["a"].created
    assert {(r["ActivityDate"], r["Status"]) for r in desk.twin.records("Task")} == {("2026-01-04", "Completed")}
    assert len((await desk.read("activities", "read_all"))[0].rows) == 2
    assert (await desk.read("tasks", "read_all"))[0].rows == []
    find = desk.stream("activities").find
    assert find is not None
    assert await find(desk.session, [Lookup(key="x", values=row)]) == {"x": first["a"].id}


async def test_an_interaction_of_another_channel_is_refused(desk: Desk):
    _, faults = desk.mapping("activities").write({"channel": "sms"}, creating=True)
    assert [fault.field for fault in faults] == ["channel"]
    refusal = (await desk.write("activities", create("a", Subject="SMS")))["a"].refusal
    assert refusal is not None
    assert (refusal.kind, refusal.fields) == (RefusalKind.REJECTED, ("TaskSubtype",))


async def test_consent_is_never_read_from_an_empty_box(desk: Desk):
    mapping = desk.mapping("contacts")
    read = [mapping.read({"HasOptedOutOfEmail": box}).values["consent:email:marketing"] for box in (True, False)]
    assert read == ["withdrawn", "unknown"]
    written = {
        value: mapping.write({"consent:email:marketing": value}, creating=False)[0].get("HasOptedOutOfEmail")
        for value in ("withdrawn", "granted", "unknown", "undeliverable")
    }
    assert written == {"withdrawn": True, "granted": False, "unknown": False, "undeliverable": None}


async def test_values_survive_the_way_there_and_back(desk: Desk):
    mapping = desk.mapping("contacts")
    values = {
        "given_name": "Zażółć",
        "email": "a@example.org",
        "country": "PL",
        "birth_date": "1990-02-28",
        "consent:phone:marketing": "withdrawn",
    }
    row, faults = mapping.write(values, creating=True)
    assert not faults
    id = await desk.create("contacts", **row)
    assert desk.record("Contact", id)["MailingCountry"] == "Poland"
    stored = (await desk.read_ids("contacts", [id])).rows[0]
    back = mapping.read(stored)
    assert not back.faults
    assert {name: back.values[name] for name in values} == values
    assert back.values["family_name"] is None


async def test_country_codes_are_a_setting(opener: Opener):
    desk = await opener(country_codes=True)
    assert "MailingCountryCode" in desk.fields("contacts")
    assert desk.mapping("contacts").write({"country": "PL"}, creating=False)[0] == {"MailingCountryCode": "PL"}


@pytest.mark.parametrize("fault", ["quota_gone", "too_many_bare", "rights_missing"])
async def test_a_call_refused_as_a_whole_is_raised(desk: Desk, fault: str):
    desk.twin.arm(fault, path="/composite/sobjects")
    with pytest.raises((Quota, NeedsAttention)):
        await desk.write("contacts", create("a", LastName="X"))
    assert desk.twin.records("Contact") == []


async def test_our_writes_can_be_told_from_others(desk: Desk):
    await desk.create("contacts", LastName="Łoś")
    assert desk.twin.writes()[-1].caller == "Zgoda"


async def test_campaigns_are_lists_that_people_fill(desk: Desk):
    await desk.create("campaigns", Name="Biuletyn")
    (row,) = (await desk.read("campaigns", "read_all"))[0].rows
    assert desk.mapping("campaigns").read(row).values == {"name": "Biuletyn", "description": None, "is_static": True}


def test_the_connector_names_its_limits():
    assert CONNECTOR.limits({"daily_calls": 15_000}).daily == 15_000
    assert CONNECTOR.limits({}).concurrent == 20
