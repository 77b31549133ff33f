"""Tags, who has them, and what people did with campaigns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from zgoda.kit.errors import NeedsAttention, RefusalKind, Temporary
from zgoda.kit.spec import Lookup, Write

from .conftest import Desk, Opener, rows_of


async def test_tags_are_lists(desk: Desk):
    ids = [await desk.create("tags", name=f"Tag ñ {n}") for n in range(23)]
    rows = rows_of(await desk.read("tags", "read_all", size=5))
    assert {row["id"] for row in rows} == set(ids)
    mapped = desk.mapping("tags").read(rows[0])
    assert mapped.values["is_static"] is True
    assert mapped.values["name"].startswith("Tag ñ")
    receipts = await desk.write(
        "tags",
        Write(key="rename", op="update", id=ids[0], values={"name": "VIP"}),
        Write(key="drop", op="delete", id=ids[1]),
        Write(key="gone", op="update", id="999999", values={"name": "X"}),
    )
    assert receipts["rename"].refusal is None
    assert receipts["drop"].refusal is None
    gone = receipts["gone"].refusal
    assert gone is not None
    assert gone.kind is RefusalKind.GONE
    page = await desk.read_ids("tags", ids[0], ids[1])
    assert [row["name"] for row in page.rows] == ["VIP"]
    assert [removed.id for removed in page.removed] == [ids[1]]
    find = desk.streams["tags"].find
    assert find is not None
    found = await find(
        desk.session, [Lookup(key="a", values={"name": "VIP"}), Lookup(key="b", values={"name": "none"})]
    )
    assert found == {"a": ids[0]}


async def test_memberships_come_and_go(desk: Desk):
    ann, bob = desk.user_adds("ann@x.example"), desk.user_adds("bob@x.example")
    red, blue = await desk.create("tags", name="red"), await desk.create("tags", name="blue")

    def joins(key: str, person: str, tag: str) -> Write:
        return Write(key=key, op="create", values={"person": person, "list": tag})

    before = desk.twin.state()["requests"]
    receipts = await desk.write(
        "member_tags",
        joins("ar", ann, red),
        joins("ab", ann, blue),
        joins("br", bob, red),
        joins("nobody", "0" * 32, red),
        joins("nothing", bob, "999999"),
    )
    assert desk.twin.state()["requests"] - before == 4
    assert receipts["ar"].id == f"{ann}:{red}"
    kinds = {key: r.refusal.kind if r.refusal else None for key, r in receipts.items()}
    assert kinds == {
        "ar": None,
        "ab": None,
        "br": None,
        "nobody": RefusalKind.GONE,
        "nothing": RefusalKind.REJECTED,
    }
    assert {row["id"] for row in rows_of(await desk.read("member_tags", "read_all", size=1))} == {
        f"{ann}:{red}",
        f"{ann}:{blue}",
        f"{bob}:{red}",
    }
    drop = await desk.write("member_tags", Write(key="k", op="delete", id=f"{ann}:{red}"))
    assert drop["k"].refusal is None
    page = await desk.read_ids("member_tags", f"{ann}:{red}", f"{ann}:{blue}", f"{'0' * 32}:{red}")
    assert [row["id"] for row in page.rows] == [f"{ann}:{blue}"]
    assert {removed.id for removed in page.removed} == {f"{ann}:{red}", f"{'0' * 32}:{red}"}
    find = desk.streams["member_tags"].find
    assert find is not None
    lookups = [Lookup(key=tag, values={"person": ann, "list": tag}) for tag in (red, blue)]
    assert await find(desk.session, lookups) == {blue: f"{ann}:{blue}"}
    assert desk.member(ann)["status"] == "subscribed"


async def test_taking_off_a_tag_says_nothing_about_consent(desk: Desk):
    ann = desk.user_adds("ann@x.example")
    tag = await desk.create("tags", name="news")
    await desk.write("member_tags", Write(key="k", op="create", values={"person": ann, "list": tag}))
    await desk.write("member_tags", Write(key="k", op="delete", id=f"{ann}:{tag}"))
    assert desk.member(ann)["status"] == "subscribed"


async def test_members_with_many_tags_have_them_all(desk: Desk):
    ann = desk.user_adds("ann@x.example")
    for n in range(70):
        desk.twin.edit("tag", email="ann@x.example", name=f"t{n}")
    assert len(rows_of(await desk.read("member_tags", "read_all"))) == 70
    assert {row["person"] for row in rows_of(await desk.read("member_tags", "read_all"))} == {ann}


@pytest.mark.parametrize("name", ["tags", "member_tags", "campaigns"])
async def test_a_missing_audience_is_not_all_gone(opener: Opener, name: str):
    desk = await opener(audience="ffffffffff")
    with pytest.raises(NeedsAttention):
        await desk.read_ids(name, "1:1", "2:2")


def campaign_with_deeds(desk: Desk) -> tuple[str, str, str]:
    ann, bob = desk.user_adds("ann@x.example"), desk.user_adds("bob@x.example")
    desk.clock.advance(60)
    campaign = desk.twin.edit("send_campaign", subject="Hello")["id"]
    desk.clock.advance(60)

    def did(email: str, action: str, **more: Any) -> None:
        desk.twin.edit("campaign_activity", campaign=campaign, email=email, action=action, **more)
        desk.clock.advance(60)

    did("ann@x.example", "open")
    did("ann@x.example", "click", url="https://shop.example/a?b=ż")
    did("bob@x.example", "open")
    return campaign, ann, bob


async def test_activity_of_a_campaign(desk: Desk):
    campaign, ann, bob = campaign_with_deeds(desk)
    pages = await desk.read("activity", "read_all")
    rows = rows_of(pages)
    assert sorted((row["person"], row["kind"]) for row in rows) == sorted(
        [(ann, "sent"), (bob, "sent"), (ann, "open"), (ann, "click"), (bob, "open")]
    )
    assert len({row["id"] for row in rows}) == 5
    click = next(row for row in rows if row["kind"] == "click")
    mapped = desk.mapping("activity").read(click)
    assert mapped.faults == []
    assert mapped.values["kind"] == "clicked"
    assert mapped.values["channel"] == "email"
    assert mapped.values["url"].startswith("https://shop.example/a")
    assert mapped.refs["person"] == (("members",), ann)
    assert mapped.refs["campaign"] == (("campaigns",), campaign)
    again = rows_of(await desk.read("activity", "read_all"))
    assert {row["id"] for row in again} == {row["id"] for row in rows}


async def test_later_activity_comes_alone(desk: Desk):
    campaign, ann, bob = campaign_with_deeds(desk)
    desk.clock.advance(7200)
    first = await desk.read("activity", "read_all")
    desk.twin.edit("campaign_activity", campaign=campaign, email="ann@x.example", action="open")
    desk.twin.edit("campaign_activity", campaign=campaign, email="bob@x.example", action="unsubscribe")
    pages = await desk.read("activity", "read_changes", first[-1].cursor)
    new = rows_of(pages)
    assert {row["id"] for row in new}.isdisjoint(row["id"] for row in rows_of(first))
    assert [(row["person"], row["kind"]) for row in new] == [(ann, "open"), (bob, "unsubscribe")]
    desk.clock.advance(7200)
    overlap = await desk.read("activity", "read_changes", pages[-1].cursor)
    assert {row["id"]: row for row in rows_of(overlap)} == {row["id"]: row for row in new}
    assert rows_of(await desk.read("activity", "read_changes", overlap[-1].cursor)) == []


async def test_an_event_that_shows_late_in_the_report_is_not_missed(desk: Desk):
    """It happened before a read and became visible after it: what the overlap is for."""
    campaign, ann, _ = campaign_with_deeds(desk)
    desk.clock.advance(7200)
    first = await desk.read("activity", "read_all")
    past = desk.clock.now() - timedelta(minutes=40)
    desk.clock.advance(600)
    late = {"campaign": campaign, "email": "ann@x.example", "action": "open", "at": past.isoformat()}
    desk.twin.edit("campaign_activity", **late)
    new = rows_of(await desk.read("activity", "read_changes", first[-1].cursor))
    assert [(row["person"], row["kind"]) for row in new] == [(ann, "open")]


async def test_the_people_of_a_busy_hour_are_met_together(desk: Desk):
    emails = [f"p{n}@x.example" for n in range(150)]
    ids = {desk.user_adds(email) for email in emails}
    campaign = desk.twin.edit("send_campaign", subject="Hello")["id"]
    desk.clock.advance(7200)
    first = await desk.read("activity", "read_all")
    for email in emails:
        desk.twin.edit("campaign_activity", campaign=campaign, email=email, action="open")
    desk.twin.edit("archive", email="p0@x.example")
    before = desk.twin.state()["requests"]
    rows = rows_of(await desk.read("activity", "read_changes", first[-1].cursor, size=1000))
    assert desk.twin.state()["requests"] - before < 10
    assert len(rows) == 149
    assert {row["person"] for row in rows} < ids


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
async def test_activity_after_a_crash_is_complete(desk: Desk, stop: int):
    campaign_with_deeds(desk)
    desk.clock.advance(60)
    desk.twin.edit("send_campaign", subject="Second")
    everything = {row["id"] for row in rows_of(await desk.read("activity", "read_all"))}
    assert len(everything) == 7
    pages = await desk.read("activity", "read_all", size=1, pages=stop)
    rest = await desk.read("activity", "read_all", pages[-1].cursor, size=1)
    assert {row["id"] for row in rows_of(pages + rest)} == everything


async def test_activity_of_archived_people_is_left_out(desk: Desk):
    campaign_with_deeds(desk)
    desk.twin.edit("archive", email="bob@x.example")
    people = {row["person"] for row in rows_of(await desk.read("activity", "read_all"))}
    assert len(people) == 1


async def test_a_failing_report_stops_the_read(desk: Desk):
    campaign_with_deeds(desk)
    desk.twin.arm("html_200", path="/3.0/reports/*")
    with pytest.raises(Temporary):
        await desk.read("activity", "read_all")
