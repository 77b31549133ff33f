"""Brakes: mass deletions, mass changes and the canary (I-23, I-24, I-26)."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.engine.toy import Toy
from tests.engine.world import PERSON, calm, hub_of, only, ops, rows
from zgoda.db.database import Pool, batch
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.mapping import Map
from zgoda.model.clock import FakeClock
from zgoda.sync.brake import Counts, allowance, deletes_trip, trips
from zgoda.sync.cycle import Hub
from zgoda.sync.desk import SQL
from zgoda.sync.repair import redeliver, resume
from zgoda.sync.report import list_deliveries, status
from zgoda.sync.setup import Brakes

BRAKES = Brakes()
HOUR_S = 3600.0


async def held(pool: Pool, hub: Hub) -> int:
    return len(await list_deliveries(pool, hub.setup, ("held",), 2000, 0))


@settings(max_examples=500, deadline=None)
@given(known=st.integers(0, 2_000_000), deletes=st.integers(0, 3000))
def test_the_rule_for_deletes(known: int, deletes: int) -> None:
    """I-23: what passes is at most min(500, max(20, 0.5 %)) an hour and, from 20 known records on, at most a fifth."""
    passes = not deletes_trip(deletes, known, BRAKES)
    allowed = deletes <= min(500, max(20, 0.005 * known)) and (known < 20 or deletes <= 0.2 * known)
    assert passes is allowed


@settings(max_examples=300, deadline=None)
@given(known=st.integers(1000, 1_000_000), data=st.data())
def test_the_rule_for_changes(known: int, data: st.DataObject) -> None:
    """I-24: in a store of a thousand and more: over 5 % of the records, over 20 % in one field, a clear in over 1 % or
    one value into over 1 % trips; a count at every limit does not."""
    floor = BRAKES.change_floor
    limits = {"records": 0.05, "fields": 0.20, "cleared": 0.01, "values": 0.01}
    what = data.draw(st.sampled_from(sorted(limits)))
    most = max(floor, int(limits[what] * known))

    def counts(n: int) -> Counts:
        match what:
            case "fields":
                return Counts(fields={"job_title": n})
            case "values":
                return Counts(values={"job_title=abc": n})
            case _:
                return Counts(**{what: n})  # pyright: ignore[reportArgumentType]

    assert trips(counts(most), known, BRAKES) == ""
    assert trips(counts(most + 1), known, BRAKES) != ""


@pytest.mark.parametrize(
    ("known", "gone", "pass_"),
    [(200, 20, True), (200, 21, False), (30, 6, True), (30, 8, False)],
)
async def test_mass_deletes_are_held_as_a_whole(pool: Pool, known: int, gone: int, pass_: bool) -> None:
    """I-23: deletions up to the limit go; one more and every one of them waits for a person; the records are all still
    there on the other side."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(known)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 2)
        for id in ids[:gone]:
            crm.delete("people", id)
        await calm(hub, clock, 3)
        assert len(ma.rows["people"]) == (known - gone if pass_ else known)
        assert await held(pool, hub) == (0 if pass_ else gone)


async def test_deletes_a_few_at_a_time_add_up(pool: Pool) -> None:
    """I-23: five deletions every ten minutes: the limit counts the hour, not the batch, and what comes after it waits."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(200)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 2)
        for number in range(6):
            for id in ids[number * 5 : number * 5 + 5]:
                crm.delete("people", id)
            await calm(hub, clock, 1, step_s=590)
        assert ops(ma).count("delete") == 20
        assert await held(pool, hub) == 10


async def test_no_hour_has_more_deletes_than_the_limit(pool: Pool) -> None:
    """I-23: one deletion, then 19 after 59 minutes and 20 more two minutes later: within those three minutes 39 went,
    though no hour may see more than 20."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X") for i in range(200)]
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, on_delete="propagate") as hub:
        await calm(hub, clock, 2)
        for step_s, some in ((60, ids[:1]), (59 * 60, ids[1:20]), (120, ids[20:40])):
            for id in some:
                crm.delete("people", id)
            await calm(hub, clock, 1, step_s=step_s)
        await calm(hub, clock, 1)
        assert ops(ma).count("delete") <= 20


@pytest.mark.parametrize(
    "fault",
    [
        "everything", "one field", "cleared", "one value", "swapped columns",
    ],
)  # fmt: skip
async def test_a_mass_change_is_held(pool: Pool, fault: str) -> None:
    """I-24: somebody's import goes wrong in a store of 400: nothing of it reaches the other system unasked, and the
    brake says why in words."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [
        crm.create(
            "people",
            email=f"p{i}@example.org",
            first=f"P{i}",
            last=f"L{i}",
            title=f"t{i}",
            phone=f"+48 600 000 {i:03d}",
        )
        for i in range(400)
    ]
    brakes = Brakes(change_floor=4, canary=50)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, brakes=brakes) as hub:
        await calm(hub, clock, 2)
        before = {id: dict(row) for id, row in ma.rows["people"].items()}
        match fault:
            case "everything":
                for number, id in enumerate(ids[:25]):
                    field = ("title", "first", "last")[number % 3]
                    crm.edit("people", id, **{field: f"new {number}"})
            case "one field":
                for number, id in enumerate(ids[:100]):
                    crm.edit("people", id, title=f"new {number}")
            case "cleared":
                for id in ids[:8]:
                    crm.edit("people", id, phone=None)
            case "one value":
                for id in ids[:8]:
                    crm.edit("people", id, title="Unknown")
            case _:
                for id in ids:
                    row = crm.row("people", id)
                    crm.edit("people", id, first=row["last"], last=row["first"])
        await calm(hub, clock, 3)
        assert ma.rows["people"] == before
        told = next(s for s in (await status(pool, hub.setup)).streams if s.connection == "crm")
        assert "at once" in told.brake
        assert await held(pool, hub) > 0
        source = hub.setup.find("crm", "people")
        assert source is not None
        await resume(hub.db, clock, "crm", [source.id])
        crm.edit("people", ids[399], last="Ok")
        await calm(hub, clock, 2)
        assert ma.find("people", last="Ok") or fault == "swapped columns", "released: single edits flow again"


async def test_a_renamed_column_clears_nothing(pool: Pool) -> None:
    """I-24: the column is gone from every row of a full read: not one value is cleared on the other side."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(120):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title=f"t{i}")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        for id, row in crm.rows["people"].items():
            crm.edit_unstamped("people", id, jobtitle=row.pop("title"))
        await calm(hub, clock, 2, full=True)
        assert all(row["title"] for row in ma.rows["people"].values())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 200), st.integers(0, 50), st.integers(0, 100_000), st.sampled_from(["first", "second"]))
def test_the_rule_of_the_canary(done: int, failed: int, waiting: int, stage: str) -> None:
    """I-26: never more than the stage's size goes before it has been looked at; over 2 % of errors stops; a stopped
    canary lets nothing through."""
    size = 50 if stage == "first" else max(50, (done + failed + waiting) // 100)
    allowed, after, why = allowance(stage, done, failed, waiting, BRAKES)
    if done + failed < size:
        assert (allowed, after) == (size - done - failed, stage)
    elif failed > max(2, 0.02 * (done + failed)):
        assert (allowed, after) == (0, "stopped")
        assert why
    else:
        assert after in ("second", "all")
        assert after == "all" or allowed <= max(50, (done + failed + waiting) // 100)
    assert allowance("stopped", done, failed, waiting, BRAKES)[:2] == (0, "stopped")


async def test_the_canary_stops_a_bad_mapping(pool: Pool) -> None:
    """I-26: a mapping the other side does not like: after the first 50 of 300 records it stops by itself; the rest was
    never sent; after mending it starts again with its first records and ends with all."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(300):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X")
    ma.refuse = lambda write: (
        Refusal(kind=RefusalKind.REJECTED, code="BAD") if int(write.values["first"][1:]) % 10 == 0 else None
    )
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 4)
        assert len(ma.attempts) == 50
        told = next(s for s in (await status(pool, hub.setup)).streams if s.connection == "ma")
        assert told.canary == "stopped"
        await calm(hub, clock, 10)
        assert len(ma.attempts) == 50
        ma.refuse = lambda write: None
        source = hub.setup.find("ma", "people")
        assert source is not None
        await redeliver(hub.db, clock, None)
        await resume(hub.db, clock, "ma", [source.id])
        await calm(hub, clock, 3)
        assert len(ma.rows["people"]) == 300


async def test_a_changed_mapping_starts_a_new_canary(pool: Pool) -> None:
    """I-26: with a mapping that changed, 200 live records again go 50 first; when those fail, the others stay."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ids = [crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", dept=f"d{i}") for i in range(200)]
    wider = (*PERSON, Map(vendor="dept", field="department"))

    async def compiled(hub: Hub) -> None:
        versions = [{"id": source.id, "v": source.mapping.version} for source in hub.setup.sources.values()]
        async with hub.db.transaction() as tx:
            await tx.run(SQL["save_mapping_versions"], {"batch": batch(versions), "now": hub.clock.now()})

    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await compiled(hub)
        await calm(hub, clock, 3)
        assert len(ma.rows["people"]) == 200
    ma.refuse = lambda write: Refusal(kind=RefusalKind.REJECTED, code="BAD") if "dept" in write.values else None
    tried = len(ma.attempts)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=wider, brakes=Brakes(change_floor=10_000)) as hub:
        await compiled(hub)
        await calm(hub, clock, 4, full=True)
        assert len(ma.attempts) - tried == 50
        assert await rows(pool, "SELECT canary FROM source WHERE connection = 'ma'") == [("stopped",)]
        assert only(crm, first="P7") == ids[7]
