"""A few shapes the engine must survive, before the acceptance rows."""

from __future__ import annotations

from datetime import timedelta

from tests.engine.toy import Toy
from tests.engine.world import hub_of
from zgoda.db.database import Pool
from zgoda.kit.errors import Temporary
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import run_cycle


async def _quiet(hub, clock: FakeClock, rounds: int = 3) -> None:
    for _ in range(rounds):
        clock.advance(60)
        await run_cycle(hub, full=False, run=None)


async def test_ring_of_three(pool: Pool) -> None:
    """T-01: one edit, exactly one write per other system, then silence."""
    clock = FakeClock()
    toys = {name: Toy(name, clock) for name in ("crm", "ma", "shop")}
    for i in range(120):
        toys["crm"].create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    async with hub_of(pool, clock, toys) as hub:
        clock.advance(1)
        await run_cycle(hub, full=True, run=None)
        await _quiet(hub, clock)
        assert [len(t.writes) for t in toys.values()] == [0, 120, 120]
        [id] = toys["ma"].find("people", email="p7@example.org")
        toys["ma"].edit("people", id, title="Boss")
        await _quiet(hub, clock, 10)
        assert [len(t.writes) for t in toys.values()] == [1, 120, 121]


async def test_concurrent_edits_of_one_field(pool: Pool) -> None:
    """Both sides edit; the later edit wins, the loser is kept in history."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock)
        [b] = ma.find("people", email="a@example.org")
        crm.edit("people", a, title="crm says")
        clock.advance(300)
        ma.edit("people", b, title="ma says")
        await _quiet(hub, clock)
        assert crm.row("people", a)["title"] == ma.row("people", b)["title"] == "ma says"
        async with pool.transaction() as tx:
            rows = await tx.rows("SELECT field, kept, lost, rule FROM conflict")
        assert rows == [("job_title", "ma says", "crm says", "most recent")]


async def test_opt_out_wins_and_unticking_does_not_lift_it(pool: Pool) -> None:
    """T-55, T-54."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B", opted_out=False)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock)
        [b] = ma.find("people", email="a@example.org")
        ma.edit("people", b, opted_out=True)
        await _quiet(hub, clock)
        assert crm.row("people", a)["opted_out"] is True
        crm.edit("people", a, opted_out=False)
        await _quiet(hub, clock)
        assert ma.row("people", b)["opted_out"] is True
        assert crm.row("people", a)["opted_out"] is True


async def test_lost_answer_makes_no_second_record(pool: Pool) -> None:
    """I-04: the create happened, the answer got lost."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B")

    def lose(writes) -> None:
        ma.after_write = lambda w: None
        raise Temporary("cut", executed=True)

    ma.after_write = lose
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock)
        assert len(ma.rows["people"]) == 1
        assert [op for _, op, _, _ in ma.writes] == ["create"]


async def test_parent_first(pool: Pool) -> None:
    """T-43."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    acme = crm.create("companies", name="Acme", domain="acme.example")
    crm.create("people", email="a@acme.example", first="A", last="B", company_id=acme)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, companies=True) as hub:
        await _quiet(hub, clock)
        [c] = ma.find("companies", name="Acme")
        [b] = ma.find("people", email="a@acme.example")
        assert ma.row("people", b)["company_id"] == c
        assert len(ma.writes) == 2
        crm.create("people", email="z@acme.example", first="Z", last="B", company_id="crm-companies-9")
        await _quiet(hub, clock)
        assert ma.find("people", email="z@acme.example")
        crm._ids = 8
        crm.create("companies", name="Beta", domain="beta.example")
        await _quiet(hub, clock, 4)
        [c2] = ma.find("companies", name="Beta")
        [b2] = ma.find("people", email="z@acme.example")
        assert ma.row("people", b2)["company_id"] == c2


async def test_merge_is_followed(pool: Pool) -> None:
    """T-21, T-23."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"{n}@example.org", first=n, last="B") for n in ("anna", "bert", "carl")]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock)
        crm.merge("people", ids[0], ids[1])
        crm.merge("people", ids[1], ids[2], title="Chief")
        await _quiet(hub, clock)
        async with pool.transaction() as tx:
            rows = await tx.rows("SELECT DISTINCT golden_id FROM link")
            assert len(rows) == 1
        [b] = ma.find("people", email="carl@example.org")
        assert ma.row("people", b)["title"] == "Chief"


async def test_delete_propagates_when_allowed(pool: Pool) -> None:
    """T-46."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="B")
    crm.create("people", email="b@example.org", first="A2", last="B")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await _quiet(hub, clock)
        crm.delete("people", a)
        await _quiet(hub, clock)
        assert ma.find("people", email="a@example.org") == []
        assert len(ma.rows["people"]) == 1
        await _quiet(hub, clock)
        assert len(crm.rows["people"]) == 1


async def test_rewriting_vendor_is_no_edit(pool: Pool) -> None:
    """I-15."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ma.rewrite = lambda f, v: v.upper() if f == "last" and isinstance(v, str) else v
    a = crm.create("people", email="a@example.org", first="A", last="Bond")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock, 5)
        assert crm.row("people", a)["last"] == "Bond"
        assert len(ma.writes) == 1
        crm.edit("people", a, last="Blonde")
        await _quiet(hub, clock, 5)
        assert len(ma.writes) == 2
        assert crm.writes == []


async def test_accepted_but_not_applied(pool: Pool) -> None:
    """T-42."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    a = crm.create("people", email="a@example.org", first="A", last="Bond", title="x")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await _quiet(hub, clock, 2)
        ma.drop_fields = {"title"}
        crm.edit("people", a, title="y")
        await _quiet(hub, clock, 5)
        assert crm.row("people", a)["title"] == "y"
        assert len(ma.writes) == 2
        async with pool.transaction() as tx:
            rows = await tx.rows("SELECT faults FROM link WHERE faults IS NOT NULL")
        assert rows == [({"job_title": "accepted but not applied"},)]


async def test_sweep_finds_deletes_without_tombstones(pool: Pool) -> None:
    """T-47."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock, tombstones=False), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(60)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await _quiet(hub, clock)
        crm.delete("people", ids[3])
        clock.advance(timedelta(days=1).total_seconds())
        await run_cycle(hub, full=True, run=None)
        await _quiet(hub, clock)
        assert ma.find("people", email="p3@example.org") == []
        gone = dict(crm.rows["people"])
        crm.rows["people"].clear()
        await run_cycle(hub, full=True, run=None)
        await _quiet(hub, clock)
        assert len(ma.rows["people"]) == 59
        crm.rows["people"] = gone
        await run_cycle(hub, full=True, run=None)
        assert len(ma.rows["people"]) == 59
