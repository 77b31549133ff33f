"""Acceptance A, T-01 to T-06: loops and change detection. What the hub did is counted in the systems' own write logs."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from tests.engine.toy import Toy
from tests.engine.world import LISTS, PERSON, calm, hub_of, only, ops, tell
from zgoda.db.database import Pool
from zgoda.kit.mapping import Map
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import Hub, run_cycle


async def _live(hub: Hub, clock: FakeClock, toys: dict[str, Toy], rounds: int) -> None:
    """Rounds of a hub with webhooks on: its own writes come back to it as webhooks, too."""
    for _ in range(rounds):
        clock.advance(30)
        await tell(hub, toys)
        await run_cycle(hub, full=False, run=None)
        # what our own writes made the systems say arrives within a second
        clock.advance(1)
        await tell(hub, toys)
        await run_cycle(hub, full=False, run=None)


async def test_ring_with_webhooks_writes_once_a_system_then_is_silent(pool: Pool) -> None:
    """T-01: five systems with webhooks on; every edit is written once to each of the others, then ten silent cycles."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop", "desk", "club")}
    ids = {"crm": [toys["crm"].create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(40)]}
    async with hub_of(pool, clock, toys) as hub:
        await _live(hub, clock, toys, 3)
        assert [len(toy.writes) for toy in toys.values()] == [0, 40, 40, 40, 40]
        for name, toy in toys.items():
            ids[name] = [only(toy, email=f"p{i}@example.org") for i in range(40)]
        for number, (name, toy) in enumerate(toys.items()):
            before = {other: len(t.writes) for other, t in toys.items()}
            toy.edit("people", ids[name][number], title=f"by {name}")
            await _live(hub, clock, toys, 10)
            grown = {other: len(t.writes) - before[other] for other, t in toys.items()}
            assert grown == {other: int(other != name) for other in toys}
            for other, t in toys.items():
                assert t.row("people", ids[other][number])["title"] == f"by {name}"
            for t in toys.values():
                for _stream, op, _id, values in t.writes[before[t.name] :]:
                    assert (op, values) == ("update", {"title": f"by {name}"})


async def test_ring_stays_silent_where_every_system_spells_otherwise(pool: Pool) -> None:
    """T-01: each system rewrites what it stores (upper case, digits only, padding); the ring is silent all the same."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop")}
    toys["crm"].rewrite = lambda f, v: v.strip().title() if f in ("first", "last") and isinstance(v, str) else v
    toys["ma"].rewrite = lambda f, v: v.upper() if f == "last" and isinstance(v, str) else v
    toys["shop"].rewrite = lambda f, v: v.replace(" ", "").lower() if f == "email" and isinstance(v, str) else v
    for i in range(10):
        toys["ma"].create("people", email=f"P{i}@Example.org", first=f"P{i}", last="van Dyk", phone="+44 20 7946 0000")
    async with hub_of(pool, clock, toys) as hub:
        await _live(hub, clock, toys, 4)
        assert [len(t.writes) for t in toys.values()] == [10, 0, 10]
        id = toys["shop"].find("people", first="P3")[0]
        toys["shop"].edit("people", id, last="de Vries")
        await _live(hub, clock, toys, 10)
        assert [len(t.writes) for t in toys.values()] == [11, 1, 10]


async def test_echo_changes_nothing_not_even_lists_and_consent(pool: Pool) -> None:
    """T-02: the webhook of our own write holds what we wrote: no field, no membership, no consent is touched by it."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock)}
    crm, ma = toys["crm"], toys["ma"]
    ada = crm.create("people", email="ada@example.org", first="Ada", last="L", opted_out=False)
    smart = crm.create("lists", name="Newsletter")
    crm.create("members", person_id=ada, list_id=smart, status="active")
    async with hub_of(pool, clock, toys, more=LISTS) as hub:
        await _live(hub, clock, toys, 4)
        there = only(ma, email="ada@example.org")
        assert len(ma.rows["members"]) == 1
        crm.edit("people", ada, title="Countess")
        clock.advance(1)
        await tell(hub, toys)
        await run_cycle(hub, full=False, run=None)
        assert ma.row("people", there)["title"] == "Countess"
        held: dict[str, Any] = {name: {s: dict(r) for s, r in toy.rows.items()} for name, toy in toys.items()}
        writes = {name: list(toy.writes) for name, toy in toys.items()}
        # the echo arrives, five times, while polls see the same record too
        for _ in range(5):
            ma._tell("people", there)  # pyright: ignore[reportPrivateUsage]
            ma._tell("members", next(iter(ma.rows["members"])))  # pyright: ignore[reportPrivateUsage]
            await _live(hub, clock, toys, 1)
        assert {name: toy.writes for name, toy in toys.items()} == writes
        assert {name: {s: dict(r) for s, r in toy.rows.items()} for name, toy in toys.items()} == held
        async with pool.transaction() as tx:
            assert await tx.rows("SELECT * FROM conflict") == []
            consents = await tx.rows("SELECT fields->>'consent:email:marketing' FROM golden WHERE entity = 'person'")
        assert consents == [("unknown",)]


async def test_first_import_writes_nothing_to_its_source(pool: Pool) -> None:
    """T-03: N records, many without any stamp of a last sync, come in; the system they came from is written 0 times."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock)}
    for i in range(300):
        blank = {"phone": "", "title": None, "tags": []} if i % 2 else {}
        toys["crm"].create("people", email=f"p{i}@example.org", first=f" P{i} ", last="X", opted_out=False, **blank)
    async with hub_of(pool, clock, toys) as hub:
        await calm(hub, clock, 1, full=True)
        await _live(hub, clock, toys, 5)
        await calm(hub, clock, 2, full=True)
        assert toys["crm"].attempts == []
        assert ops(toys["ma"]) == ["create"] * 300


async def test_derived_value_from_import_still_goes_back(pool: Pool) -> None:
    """T-04: a value computed during the import of a record goes back to the very system, though all else is an echo.

    The CRM shows the score and takes it; the marketing system computes it when the person arrives there.
    """
    clock = FakeClock()
    score = (*PERSON, Map(vendor="score", field="score"))
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock)}
    crm, ma = toys["crm"], toys["ma"]
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(20)]

    def compute(writes: list[Any]) -> None:
        # a workflow of the marketing system, within the same call: before our receipt is even there
        for id, row in ma.rows["people"].items():
            if row.get("score") is None:
                ma.edit("people", id, score=40)

    ma.after_write = compute
    async with hub_of(pool, clock, toys, people=score) as hub:
        await _live(hub, clock, toys, 4)
        assert [crm.row("people", id)["score"] for id in ids] == [40] * 20
        assert all(values == {"score": 40} for _, _, _, values in crm.writes)
        assert len(crm.writes) == 20
        assert ops(ma) == ["create"] * 20
        # suppression is by value and field: another new value in the next second goes out, too
        there = only(ma, email="p7@example.org")
        ma.edit("people", there, score=41)
        await _live(hub, clock, toys, 3)
        assert crm.row("people", ids[7])["score"] == 41
        assert (len(crm.writes), len(ma.writes)) == (21, 20)


async def test_human_edit_right_after_our_write_is_kept(pool: Pool) -> None:
    """T-05: a person edits the same record 1 s after our write (another field, then the same one): it is propagated."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock), "ma": Toy("ma", clock)}
    crm, ma = toys["crm"], toys["ma"]
    a = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, toys) as hub:
        await _live(hub, clock, toys, 2)
        there = only(ma, email="a@example.org")
        crm.edit("people", a, title="ours")
        clock.advance(30)
        await run_cycle(hub, full=False, run=None)
        assert ma.row("people", there)["title"] == "ours"
        clock.advance(1)
        ma.edit("people", there, phone="+48 22 1234567")
        await _live(hub, clock, toys, 2)
        assert crm.row("people", a)["phone"] == "+48 22 1234567"
        assert crm.row("people", a)["title"] == "ours"
        crm.edit("people", a, title="ours again")
        clock.advance(30)
        await run_cycle(hub, full=False, run=None)
        clock.advance(1)
        ma.edit("people", there, title="theirs")
        written = len(ma.writes)
        await _live(hub, clock, toys, 3)
        assert crm.row("people", a)["title"] == ma.row("people", there)["title"] == "theirs"
        assert len(ma.writes) == written


async def test_human_edit_during_our_call_is_kept(pool: Pool) -> None:
    """T-05: the edit falls between our write and its answer: with and without the stored row in the answer, with
    stamps so coarse that both have the same one."""
    clock = FakeClock()
    for number, (echo, step_s) in enumerate(itertools.product((False, True), (0.001, 1.0, 60.0))):
        crm, ma = Toy(f"crm{number}", clock, step_s=step_s), Toy(f"ma{number}", clock, step_s=step_s)
        toys = {crm.name: crm, ma.name: ma}
        ma.echo = echo
        a = crm.create("people", email=f"a{number}@example.org", first="A", last="B", title="old")
        async with hub_of(pool, clock, toys) as hub:
            await _live(hub, clock, toys, 2)
            there = only(ma, email=f"a{number}@example.org")

            def meddle(writes: list[Any], ma: Toy = ma, there: str = there) -> None:
                ma.after_write = lambda writes: None
                ma.edit("people", there, title="theirs", phone="+48 22 1234567")

            ma.after_write = meddle
            crm.edit("people", a, title="ours")
            await _live(hub, clock, toys, 3)
            assert crm.row("people", a)["phone"] == "+48 22 1234567"
            assert crm.row("people", a)["title"] == ma.row("people", there)["title"] == "theirs"


async def test_updates_leave_whatever_the_stamps_say(pool: Pool) -> None:
    """T-06: change is difference of content; a stamp older than the hub's last look, or one that never moves, hides
    nothing, and a stamp that moves without content sends nothing."""
    clock = FakeClock()
    toys = {"crm": Toy("crm", clock, skew_s=-7200), "ma": Toy("ma", clock, skew_s=+7200)}
    crm, ma = toys["crm"], toys["ma"]
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(10)]
    async with hub_of(pool, clock, toys) as hub:
        await _live(hub, clock, toys, 2)
        assert len(ma.writes) == 10
        # the sync's own stamp lands after the person's change stamp: their edit looks older than our last look
        crm.edit("people", ids[0], title="Boss")
        crm.rows["people"][ids[0]]["modified"] = (clock.now() - timedelta(hours=2)).isoformat().replace("+00:00", "Z")
        await _live(hub, clock, toys, 2)
        assert ma.row("people", only(ma, email="p0@example.org"))["title"] == "Boss"
        # the stamp does not move at all; only a full compare can see it
        crm.edit_unstamped("people", ids[1], title="Formula")
        await calm(hub, clock, 1, full=True)
        assert ma.row("people", only(ma, email="p1@example.org"))["title"] == "Formula"
        # all stamps move, nothing else does
        written = len(ma.writes)
        for id in ids:
            crm.edit("people", id)
        await _live(hub, clock, toys, 2)
        assert (len(ma.writes), len(crm.writes)) == (written, 0)
