"""Reading: nothing is missed and nothing is read without need."""

from __future__ import annotations

from typing import Any

import pytest

from zgoda.kit.errors import Attention, NeedsAttention, Temporary
from zgoda.kit.spec import Page, Reading, Removed

from .conftest import Desk, Opener

OVERLAP_S = 600


def ids(pages: list[Page]) -> list[str]:
    return [row["Id"] for page in pages for row in page.rows]


def contacts(number: int, stamp: str | None = None) -> list[dict[str, Any]]:
    stamps = {"SystemModstamp": stamp, "LastModifiedDate": stamp, "CreatedDate": stamp} if stamp else {}
    return [{"LastName": f"Łoś {n}", "Email": f"p{n}@example.org", **stamps} for n in range(number)]


@pytest.mark.parametrize(
    ("records", "size", "pages"), [(0, 100, 1), (1, 100, 1), (200, 100, 3), (199, 100, 2), (250, 2000, 1)]
)
async def test_a_full_read_gives_every_record_once(desk: Desk, records: int, size: int, pages: int):
    desk.twin.load("Contact", contacts(records))
    got = await desk.read("contacts", "read_all", size=size)
    assert len(got) == pages
    assert sorted(ids(got)) == sorted(r["Id"] for r in desk.twin.records("Contact"))
    assert {page.total for page in got} == {records}


async def test_a_full_read_goes_on_after_a_crash_behind_every_page(desk: Desk):
    desk.twin.load("Contact", contacts(250))
    everything = sorted(r["Id"] for r in desk.twin.records("Contact"))
    for survived in (1, 2, 3):
        before = await desk.read("contacts", "read_all", pages=survived)
        if survived < 3:
            after = await desk.read("contacts", "read_all", before[-1].cursor)
            assert sorted(ids(before) + ids(after)) == everything
            assert after[-1].total == 250


async def test_what_changes_during_a_full_read_is_in_the_changes(desk: Desk):
    desk.twin.load("Contact", contacts(250))
    first = await desk.read("contacts", "read_all", pages=1)
    desk.clock.advance(60)
    changed = ids(first)[5]
    desk.twin.edit("update", object="Contact", id=changed, values={"Title": "Kierowniczka"})
    born = desk.twin.edit("create", object="Contact", values={"LastName": "Nowa"})["id"]
    rest = await desk.read("contacts", "read_all", first[-1].cursor)
    changes = await desk.read("contacts", "read_changes", rest[-1].cursor)
    assert {changed, born} <= set(ids(changes))


async def test_a_row_has_what_was_asked_and_no_more(desk: Desk):
    account = desk.twin.edit("create", object="Account", values={"Name": "Młyn"})["id"]
    desk.twin.edit("create", object="Contact", values={"LastName": "Łoś", "AccountId": account, "Title": "x"})
    read_all = desk.stream("contacts").read_all
    assert read_all is not None
    async for page in read_all(desk.session, Reading(fields=("LastName", "Account.Name"))):
        (row,) = page.rows
    assert set(row) == {"Id", "SystemModstamp", "LastModifiedDate", "LastName", "Account"}
    assert row["Account"] == {"Name": "Młyn"}
    queries = [r for r in await requests(desk) if "FROM+Contact" in r["target"]]
    assert queries
    assert not any("Title" in r["target"] for r in queries)


async def requests(desk: Desk) -> list[dict[str, Any]]:
    answer = await desk.session.http.request("GET", "/_twin/requests")
    return answer.json()["requests"]


async def test_many_records_with_one_stamp_are_read_once_each(desk: Desk):
    desk.twin.load("Contact", contacts(2500, "2026-01-05T08:00:00.000+0000"))
    got = await desk.read("contacts", "read_changes", size=500)
    assert len(got) == 6
    assert len(ids(got)) == len(set(ids(got))) == 2500


async def test_changes_go_on_after_a_crash_without_reading_again(desk: Desk):
    desk.twin.load("Contact", contacts(450, "2026-01-05T08:00:00.000+0000"))
    for survived in (1, 2, 3, 4):
        before = await desk.read("contacts", "read_changes", pages=survived)
        after = await desk.read("contacts", "read_changes", before[-1].cursor)
        assert sorted(ids(before) + ids(after)) == sorted(r["Id"] for r in desk.twin.records("Contact"))


async def test_the_overlap_is_read_until_nothing_can_come_late_any_more(desk: Desk):
    desk.twin.load("Contact", contacts(30, "2026-01-05T08:59:00.000+0000"))
    cursor = (await desk.read("contacts", "read_all"))[-1].cursor
    again = await desk.read("contacts", "read_changes", cursor)
    assert len(ids(again)) == 30
    desk.clock.advance(OVERLAP_S)
    last_time = await desk.read("contacts", "read_changes", again[-1].cursor)
    assert len(ids(last_time)) == 30
    settled = await desk.read("contacts", "read_changes", last_time[-1].cursor)
    assert ids(settled) == []
    fresh = desk.twin.edit("create", object="Contact", values={"LastName": "Nowy"})["id"]
    assert ids(await desk.read("contacts", "read_changes", settled[-1].cursor)) == [fresh]


async def test_a_transaction_that_shows_late_is_not_missed(desk: Desk):
    desk.twin.load("Contact", contacts(5, "2026-01-05T08:59:00.000+0000"))
    cursor = (await desk.read("contacts", "read_changes"))[-1].cursor
    desk.clock.advance(300)
    desk.twin.load("Contact", [{**contacts(1, "2026-01-05T08:50:30.000+0000")[0], "LastName": "Late"}])
    late = await desk.read("contacts", "read_changes", cursor)
    assert "Late" in {row["LastName"] for page in late for row in page.rows}


async def test_what_showed_late_during_a_full_read_is_in_the_changes(desk: Desk):
    desk.twin.load("Contact", contacts(3, "2026-01-05T08:59:00.000+0000"))
    cursor = (await desk.read("contacts", "read_all"))[-1].cursor
    desk.twin.load("Contact", [{**contacts(1, "2026-01-05T08:50:30.000+0000")[0], "LastName": "Late"}])
    changes = await desk.read("contacts", "read_changes", cursor)
    assert "Late" in {row["LastName"] for page in changes for row in page.rows}


async def test_a_long_read_is_followed_by_a_longer_overlap(desk: Desk):
    """Its early pages were read long before its end, so more may have shown late behind them."""
    desk.twin.load("Contact", contacts(200, "2026-01-05T08:59:00.000+0000"))
    first = await desk.read("contacts", "read_changes", pages=1)
    desk.twin.load("Contact", [{**contacts(1, "2026-01-05T08:50:00.000+0000")[0], "LastName": "Late"}])
    desk.clock.advance(1800)
    desk.twin.edit("create", object="Contact", values={"LastName": "New"})
    rest = await desk.read("contacts", "read_changes", first[-1].cursor)
    assert "Late" not in {row["LastName"] for page in rest for row in page.rows}
    after = await desk.read("contacts", "read_changes", rest[-1].cursor)
    assert "Late" in {row["LastName"] for page in after for row in page.rows}


async def test_a_stamp_from_the_future_does_not_hide_what_follows(desk: Desk):
    desk.twin.load("Contact", contacts(1, "9999-12-30T00:00:00.000+0000"))
    cursor = (await desk.read("contacts", "read_all"))[-1].cursor
    cursor = (await desk.read("contacts", "read_changes", cursor))[-1].cursor
    desk.clock.advance(5)
    fresh = desk.twin.edit("create", object="Contact", values={"LastName": "Nowy"})["id"]
    assert fresh in ids(await desk.read("contacts", "read_changes", cursor))


async def test_an_answer_cut_short_loses_no_records(desk: Desk):
    desk.twin.load("Contact", contacts(250))
    desk.twin.arm("half_page", path="/query/", times=2, skip=2)
    got = await desk.read("contacts", "read_all", size=100)
    assert len(ids(got)) == len(set(ids(got))) == 250


@pytest.mark.parametrize("fault", ["repeated_page", "empty_page"])
async def test_paging_that_gets_nowhere_ends(desk: Desk, fault: str):
    desk.twin.load("Contact", contacts(250))
    first = await desk.read("contacts", "read_changes", pages=1)
    desk.twin.arm(fault, path="/query/")
    with pytest.raises(Temporary):
        await desk.read("contacts", "read_changes", first[-1].cursor)


@pytest.mark.parametrize("cursor", [{"stamp": 5}, {"stamp": "yesterday"}, {"low": "x", "stamp": "y"}])
async def test_a_position_that_cannot_be_read_needs_a_person(desk: Desk, cursor: dict[str, Any]):
    with pytest.raises(NeedsAttention) as raised:
        await desk.read("contacts", "read_changes", cursor)
    assert raised.value.kind is Attention.SETTINGS


async def test_deletes_and_merges_are_told_once(desk: Desk):
    names = ("kept", "lost", "deleted", "restored")
    kept, lost, deleted, restored = [await desk.create("contacts", LastName=name) for name in names]
    start = await desk.read("contacts", "read_deletes")
    desk.clock.advance(120)
    desk.twin.edit("merge", object="Contact", id=kept, losers=[lost])
    desk.twin.edit("delete", object="Contact", id=deleted)
    desk.twin.edit("delete", object="Contact", id=restored)
    desk.twin.edit("undelete", object="Contact", id=restored)
    desk.clock.advance(120)
    pages = await desk.read("contacts", "read_deletes", start[-1].cursor)
    removed = {r.id: r for page in pages for r in page.removed}
    assert set(removed) == {lost, deleted}
    assert removed[lost].merged_into == kept
    assert removed[deleted].merged_into == ""
    assert removed[deleted].at is not None
    desk.clock.advance(120)
    again = await desk.read("contacts", "read_deletes", pages[-1].cursor)
    assert [r for page in again for r in page.removed] == []


async def test_deletes_of_many_days_are_caught_up(desk: Desk):
    cursor = (await desk.read("contacts", "read_deletes"))[-1].cursor
    gone: set[str] = set()
    for _ in range(5):
        id = await desk.create("contacts", LastName="Łoś")
        desk.clock.advance(2 * 86_400)
        desk.twin.edit("delete", object="Contact", id=id)
        gone.add(id)
    desk.clock.advance(120)
    pages = await desk.read("contacts", "read_deletes", cursor)
    assert {r.id for page in pages for r in page.removed} == gone


async def test_a_record_purged_from_the_recycle_bin_is_gone(desk: Desk):
    id = await desk.create("contacts", LastName="Łoś")
    desk.twin.edit("delete", object="Contact", id=id)
    desk.twin.edit("empty_bin")
    assert await desk.read_ids("contacts", [id]) == Page(removed=[Removed(id=id)])


async def test_a_converted_lead_lives_on_as_a_contact(desk: Desk):
    lead = await desk.create("leads", LastName="Łoś", Company="Młyn", Email="l@example.org")
    start = await desk.read("leads", "read_deletes")
    desk.clock.advance(120)
    contact = desk.twin.edit("convert_lead", id=lead)["ConvertedContactId"]
    desk.clock.advance(120)
    pages = await desk.read("leads", "read_deletes", start[-1].cursor)
    (told,) = [r for page in pages for r in page.removed]
    assert (told.id, told.merged_into, told.stream) == (lead, contact, "contacts")
    assert (await desk.read_ids("leads", [lead])).removed[0].merged_into == contact
    assert ids(await desk.read("leads", "read_all")) == []


async def test_reading_by_id_tells_who_is_gone(desk: Desk):
    kept, lost, deleted = [await desk.create("contacts", LastName=name) for name in ("kept", "lost", "deleted")]
    desk.twin.edit("merge", object="Contact", id=kept, losers=[lost])
    desk.twin.edit("delete", object="Contact", id=deleted)
    asked = [kept[:15], lost, deleted, "0038d00000ZZZZZAAA", "' OR Id != '"]
    page = await desk.read_ids("contacts", asked)
    assert [row["Id"] for row in page.rows] == [kept]
    assert {r.id: r.merged_into for r in page.removed} == {
        lost: kept,
        deleted: "",
        "0038d00000ZZZZZAAA": "",
        "' OR Id != '": "",
    }


async def test_reading_many_ids_keeps_to_the_length_of_a_request_line(desk: Desk):
    desk.twin.limit("real")
    desk.twin.load("Contact", contacts(700))
    known = [r["Id"] for r in desk.twin.records("Contact")]
    page = await desk.read_ids("contacts", known)
    assert sorted(row["Id"] for row in page.rows) == sorted(known)
    assert page.removed == []


async def test_tasks_and_activities_do_not_share_records(desk: Desk):
    contact = await desk.create("contacts", LastName="Łoś")
    for subtype, status in (("Task", "Not Started"), ("Email", "Completed"), ("Call", "Not Started")):
        values = {"Subject": subtype, "TaskSubtype": subtype, "Status": status, "WhoId": contact}
        desk.twin.edit("create", object="Task", values=values)
    assert [row["Subject"] for page in await desk.read("tasks", "read_all") for row in page.rows] == ["Task"]
    assert [row["Subject"] for page in await desk.read("activities", "read_all") for row in page.rows] == ["Email"]


async def test_an_overlap_can_be_set(opener: Opener):
    desk = await opener(overlap_s=5)
    desk.twin.load("Contact", contacts(3, "2026-01-05T08:00:00.000+0000"))
    cursor = (await desk.read("contacts", "read_changes"))[-1].cursor
    desk.twin.load("Contact", contacts(1, "2026-01-05T07:59:56.000+0000"))
    desk.twin.load("Contact", contacts(1, "2026-01-05T07:59:54.000+0000"))
    assert len(ids(await desk.read("contacts", "read_changes", cursor))) == 4
