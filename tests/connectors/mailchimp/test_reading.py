"""Reading members: pages, crashes, equal stamps, changes and departures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from zgoda.connectors.mailchimp.exchange import hash_of
from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Reading

from .conftest import Desk, Opener, rows_of


@pytest.mark.parametrize("size", [1, 7, 40, 41, 1000])
async def test_a_full_read_meets_everybody_once(desk: Desk, size: int):
    desk.twin.fill(50)
    there = {row["contact_id"] for row in desk.members()}
    pages = await desk.read("members", "read_all", size=size)
    assert sorted(row["contact_id"] for row in rows_of(pages)) == sorted(there)
    assert {page.total for page in pages} == {len(there)}
    assert max(len(page.rows) for page in pages) <= size


async def test_only_the_asked_fields_come(desk: Desk):
    desk.twin.fill(20)
    reading = Reading(fields=("email_address", "merge_fields.FNAME"))
    read_all = desk.streams["members"].read_all
    assert read_all is not None
    rows = [row async for page in read_all(desk.session, reading) for row in page.rows]
    assert rows
    for row in rows:
        assert row.keys() == {"contact_id", "last_changed", "email_address", "merge_fields"}
        assert row["merge_fields"].keys() == {"FNAME"}


async def test_a_member_in_canonical_terms(desk: Desk):
    desk.user_adds(
        "Zoë@Example.COM", merge_fields={"FNAME": "Zoë", "LNAME": "Żółć", "PHONE": "+48 22 1"}, language="pt_PT"
    )
    row = rows_of(await desk.read("members", "read_changes"))[0]
    mapped = desk.mapping("members").read(row)
    assert mapped.faults == []
    assert mapped.values["given_name"] == "Zoë"
    assert mapped.values["family_name"] == "Żółć"
    assert mapped.values["telephone"] == "+48 22 1"
    assert mapped.values["email"] == "Zoë@Example.COM"
    assert mapped.values["language"] == "pt-PT"
    assert mapped.values["consent:email:marketing"] == "granted"
    assert mapped.evidence["consent:email:marketing"] == row["timestamp_opt"]


@pytest.mark.parametrize(
    ("status", "consent"),
    [
        ("subscribed", "granted"),
        ("unsubscribed", "withdrawn"),
        ("transactional", "unknown"),
        ("pending", "pending"),
        ("cleaned", "undeliverable"),
    ],
)
async def test_each_status_is_a_consent(desk: Desk, status: str, consent: str):
    desk.user_adds("a@b.example", status=status)
    row = rows_of(await desk.read("members", "read_changes"))[0]
    assert desk.mapping("members").read(row).values["consent:email:marketing"] == consent


@pytest.mark.parametrize("how", ["read_all", "read_changes"])
async def test_many_members_of_one_second_are_read_once_each(desk: Desk, how: str):
    desk.twin.load("members", [{"email_address": f"m{n}@x.example", "status": "subscribed"} for n in range(2500)])
    assert len({row["last_changed"] for row in desk.members()}) == 1
    rows = rows_of(await desk.read("members", how, size=300))
    assert len(rows) == 2500
    assert {row["contact_id"] for row in rows} == {row["contact_id"] for row in desk.members()}


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 8])
async def test_after_a_crash_between_pages_nothing_is_missed(desk: Desk, stop: int):
    desk.twin.fill(120)
    met: set[str] = set()
    cursor = None
    for _ in range(3):
        pages = await desk.read("members", "read_all", cursor, size=9, pages=stop)
        met |= {row["contact_id"] for row in rows_of(pages)}
        cursor = pages[-1].cursor or cursor
    met |= {row["contact_id"] for row in rows_of(await desk.read("members", "read_all", cursor, size=9))}
    assert met == {row["contact_id"] for row in desk.members()}


async def test_members_who_change_while_all_are_read_do_not_hide_others(desk: Desk):
    desk.twin.fill(200)
    there = {row["contact_id"]: row["email_address"] for row in desk.members()}
    read_all = desk.streams["members"].read_all
    assert read_all is not None
    met: dict[str, dict[str, Any]] = {}
    cursor = None
    emails = iter(there.values())
    async for page in read_all(desk.session, Reading(fields=("merge_fields.FNAME",), page_size=10)):
        met |= {row["contact_id"]: row for row in page.rows}
        for email in (next(emails, None), next(emails, None)):
            if email is not None:
                desk.twin.edit("update", email=email, values={"merge_fields": {"FNAME": "Changed"}})
        desk.clock.advance(1)
        cursor = page.cursor or cursor
    assert met.keys() == there.keys()
    met |= {row["contact_id"]: row for row in rows_of(await desk.read("members", "read_changes", cursor))}
    assert {id: row["merge_fields"]["FNAME"] for id, row in met.items()} == {
        row["contact_id"]: row["merge_fields"]["FNAME"] for row in desk.members()
    }


async def test_changes_after_a_full_read(desk: Desk):
    desk.twin.fill(60)
    cursor = (await desk.read("members", "read_all"))[-1].cursor
    desk.clock.advance(3600)
    one, two, *_ = desk.members()
    desk.twin.edit("update", email=one["email_address"], values={"email_address": "moved@x.example"})
    desk.twin.edit("unsubscribe", email=two["email_address"])
    new = desk.user_adds("new@x.example")
    pages = await desk.read("members", "read_changes", cursor)
    changed = {row["contact_id"]: row for row in rows_of(pages)}
    assert changed.keys() == {one["contact_id"], two["contact_id"], new}
    assert changed[one["contact_id"]]["email_address"] == "moved@x.example"
    assert changed[two["contact_id"]]["status"] == "unsubscribed"
    desk.clock.advance(3600)
    quiet = await desk.read("members", "read_changes", pages[-1].cursor)
    assert quiet[-1].cursor is not None
    desk.clock.advance(3600)
    assert rows_of(await desk.read("members", "read_changes", quiet[-1].cursor)) == []


async def test_a_stamp_from_the_future_hides_nothing(desk: Desk):
    desk.twin.fill(30)
    fault = desk.twin.arm("stamp_far_future", times=1)
    desk.twin.edit("update", email=desk.members()[0]["email_address"], values={"merge_fields": {"FNAME": "X"}})
    desk.twin.clear_faults(fault.name)
    cursor = (await desk.read("members", "read_all", size=10))[-1].cursor
    desk.clock.advance(30)
    new = desk.user_adds("later@x.example")
    assert new in {row["contact_id"] for row in rows_of(await desk.read("members", "read_changes", cursor))}


async def test_archived_members_are_departures_not_rows(desk: Desk):
    desk.twin.fill(30)
    cursor = (await desk.read("members", "read_deletes"))[-1].cursor
    gone, *_ = desk.members()
    desk.clock.advance(3600)
    desk.twin.edit("archive", email=gone["email_address"])
    pages = await desk.read("members", "read_deletes", cursor)
    assert [removed.id for page in pages for removed in page.removed] == [gone["contact_id"]]
    assert pages[-1].removed[0].at == desk.clock.now().replace(microsecond=0)
    assert gone["contact_id"] not in {row["contact_id"] for row in rows_of(await desk.read("members", "read_all"))}
    desk.clock.advance(timedelta(hours=2).total_seconds())
    rest = await desk.read("members", "read_deletes", pages[-1].cursor)
    last = await desk.read("members", "read_deletes", rest[-1].cursor)
    assert [removed for page in last for removed in page.removed] == []


async def test_some_by_id_or_hash(desk: Desk):
    here, archived, erased = (desk.user_adds(f"{name}@x.example") for name in ("here", "archived", "erased"))
    desk.twin.edit("archive", email="archived@x.example")
    desk.twin.edit("forget", email="erased@x.example")
    page = await desk.read_ids("members", here, archived, erased)
    assert [row["contact_id"] for row in page.rows] == [here]
    assert {removed.id for removed in page.removed} == {archived, erased}
    by_hash = await desk.read_ids("members", hash_of("HERE@x.example"))
    assert [row["contact_id"] for row in by_hash.rows] == [here]


async def test_a_missing_audience_is_not_everybody_gone(opener: Opener):
    desk = await opener(audience="ffffffffff")
    with pytest.raises(NeedsAttention):
        await desk.read_ids("members", "a" * 32, "b" * 32)
    with pytest.raises(NeedsAttention):
        await desk.read("members", "read_all")


async def test_interests_come_as_labels(desk: Desk):
    desk.twin.fill(80)
    rows = rows_of(await desk.read("members", "read_all"))
    chosen = {row["contact_id"]: sum(row["interests"].values()) for row in desk.members()}
    assert any(chosen.values())
    for row in rows:
        assert len(row["interests"]) == chosen[row["contact_id"]]
        assert row["interests"] == sorted(row["interests"])
        assert all(isinstance(label, str) and " " not in label[:1] for label in row["interests"])


async def test_campaigns(desk: Desk):
    desk.twin.fill(20)
    sent = desk.twin.edit("send_campaign", title="Spring", subject="Hello")["id"]
    pages = await desk.read("campaigns", "read_all")
    row = rows_of(pages)[0]
    values = desk.mapping("campaigns").read(row).values
    assert row["id"] == sent
    assert values["status"] == "sent"
    assert values["sent_at"]
    page = await desk.read_ids("campaigns", sent, "0000000000")
    assert [row["id"] for row in page.rows] == [sent]
    assert [removed.id for removed in page.removed] == ["0000000000"]
