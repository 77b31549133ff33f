"""Parents before children, activities in their order, and replays that add nothing (T-43 … T-45)."""

from __future__ import annotations

from tests.engine.toy import Toy
from tests.engine.world import ACTIVITIES, LISTS, calm, hub_of, only, ops, rows, tell
from zgoda.db.database import Pool
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.model.clock import FakeClock


async def test_a_child_read_before_its_parent_ends_right_at_first_try(pool: Pool) -> None:
    """T-43: people and companies of a first sync: every company is created before its people, who refer to it in their
    very first write."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    companies = [crm.create("companies", name=f"C{i}", domain=f"c{i}.example") for i in range(5)]
    for i in range(40):
        crm.create("people", email=f"p{i}@c{i % 5}.example", first=f"P{i}", last="X", company_id=companies[i % 5])
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, companies=True) as hub:
        await calm(hub, clock, 3)
        assert (ops(ma, "companies"), ops(ma, "people")) == (["create"] * 5, ["create"] * 40)
        for i in range(40):
            mine = ma.row("people", only(ma, email=f"p{i}@c{i % 5}.example"))["company_id"]
            assert ma.row("companies", mine)["name"] == f"C{i % 5}"
        assert crm.writes == []


async def test_an_orphan_waits_and_is_released_by_its_parent(pool: Pool) -> None:
    """T-43: a membership whose list nobody has seen yet is not written, not failed and not forgotten; when the list
    arrives, days and several changes later, it goes by itself, once."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    person = crm.create("people", email="a@example.org", first="A", last="B")
    member = crm.create("members", person_id=person, list_id="crm-lists-99", status="active")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=LISTS) as hub:
        await calm(hub, clock, 2)
        clock.advance(4 * 86_400)
        crm.edit("members", member, status="paused")
        await calm(hub, clock, 3)
        assert ops(ma, "members") == []
        assert await rows(pool, "SELECT count(*) FROM orphan") == [(1,)]
        assert await rows(pool, "SELECT count(*) FROM delivery WHERE state IN ('failing', 'dead')") == [(0,)]
        crm._ids = 98
        crm.create("lists", name="Late")
        await calm(hub, clock, 4)
        assert ops(ma, "members") == ["create"]
        [row] = ma.rows["members"].values()
        assert (row["list_id"], row["person_id"], row["status"]) == (only(ma, "lists"), only(ma), "paused")
        assert await rows(pool, "SELECT count(*) FROM orphan") == [(0,)]


async def test_a_child_waits_for_a_parent_whose_create_fails(pool: Pool) -> None:
    """T-43: while the parent cannot be written there, its child waits; the parent's success releases it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    locked = Refusal(kind=RefusalKind.TEMPORARY, code="LOCKED")
    ma.refuse = lambda write: locked if "list" not in str(write.values) and "name" in write.values else None
    person = crm.create("people", email="a@example.org", first="A", last="B")
    wanted = crm.create("lists", name="Wanted")
    crm.create("members", person_id=person, list_id=wanted, status="active")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=LISTS) as hub:
        await calm(hub, clock, 3)
        assert (ops(ma, "lists"), ops(ma, "members")) == ([], [])
        assert not [write for write in ma.attempts if "person_id" in write.values]
        ma.refuse = lambda write: None
        await calm(hub, clock, 20, step_s=120)
        assert (ops(ma, "lists"), ops(ma, "members")) == (["create"], ["create"])


async def test_activities_queue_for_their_person_and_attach_in_time_order(pool: Pool) -> None:
    """T-44: clicks and calls of somebody not yet synced are kept, none is filed with anybody else, and once the person
    is there they are written oldest first."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    other = crm.create("people", email="other@example.org", first="O", last="Ther")
    crm._ids = 500
    for number in (7, 2, 9, 4, 1, 8, 3, 6, 5, 0):
        crm.create(
            "activities",
            person_id="crm-people-901",
            kind="clicked",
            at=f"2026-01-0{number % 9 + 1}T1{number}:00:00Z",
            subject=f"s{number}",
        )
    crm.create("activities", person_id=other, kind="call", at="2026-01-03T10:00:00Z", subject="other")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=ACTIVITIES) as hub:
        await calm(hub, clock, 3)
        assert [row["subject"] for row in ma.rows["activities"].values()] == ["other"]
        crm._ids = 900
        crm.create("people", email="late@example.org", first="L", last="Ate")
        await calm(hub, clock, 4)
        late = only(ma, email="late@example.org")
        attached = [row for s, op, _, row in ma.writes if s == "activities" and row["person_id"] == late]
        assert len(attached) == 10
        assert [row["at"] for row in attached] == sorted(row["at"] for row in attached), "oldest first"


async def test_replayed_activities_add_nothing_and_none_is_missing(pool: Pool) -> None:
    """T-45: 60 activities, read over and over again, told by webhooks twice and re-read after an outage in the middle:
    the other system has every one of them exactly once."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.frozen = ma.frozen = {"activities"}
    people = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(3)]
    for i in range(60):
        crm.create(
            "activities",
            person_id=people[i % 3],
            kind="clicked",
            at=f"2026-01-01T00:00:{i % 20:02d}Z",
            subject=f"mail {i}",
        )
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=ACTIVITIES) as hub:
        crm.page_size, crm.cut_after = 7, 3
        await calm(hub, clock, 1)
        crm.cut_after = None
        for _ in range(3):
            crm.webhooks += [told for told in crm.webhooks if told[0] == "activities"][:40]
            await tell(hub, {"crm": crm})
            await calm(hub, clock, 2, full=True)
        written = [row["subject"] for stream, op, _, row in ma.writes if stream == "activities"]
        assert len(written) == 60
        assert len(set(written)) == 60
        assert len(ma.rows["activities"]) == 60
        assert crm.writes == []


async def test_two_like_activities_are_two(pool: Pool) -> None:
    """T-45: two clicks of one person within one second on the same mail are two records in the source, so they are two
    on the other side: none is dropped for looking like another."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    person = crm.create("people", email="a@example.org", first="A", last="B")
    for _ in range(2):
        crm.create("activities", person_id=person, kind="clicked", at="2026-01-01T00:00:00Z", subject="mail")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, more=ACTIVITIES) as hub:
        await calm(hub, clock, 4, full=True)
        assert ops(ma, "activities") == ["create", "create"]
