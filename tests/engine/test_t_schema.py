"""The other side's schema changes, and mappings are added later (T-38, T-39)."""

from __future__ import annotations

from typing import Any

from tests.engine.toy import Toy
from tests.engine.world import PERSON, calm, hub_of, only, ops, states
from zgoda.db.database import Pool, batch
from zgoda.kit.mapping import Map
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import Hub
from zgoda.sync.desk import SQL
from zgoda.sync.preview import preview
from zgoda.sync.report import status

NO_TITLE = tuple(row for row in PERSON if row.field != "job_title")


async def compiled(hub: Hub) -> None:
    """What the composition root does with a compiled setup: remember the mappings in force."""
    versions = [{"id": source.id, "v": source.mapping.version} for source in hub.setup.sources.values()]
    async with hub.db.transaction() as tx:
        await tx.run(SQL["save_mapping_versions"], {"batch": batch(versions), "now": hub.clock.now()})


async def test_a_removed_field_pauses_that_field_only(pool: Pool) -> None:
    """T-38: an administrator removes a mapped field. Only that field stops, with an alert that names it; names, new
    people and the other direction go on, and nothing is cleared anywhere."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="kept")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        await calm(hub, clock, 2)
        there = only(ma)
        crm.gone_fields = {"title"}
        for row in crm.rows["people"].values():
            row.pop("title", None)
        crm.edit("people", here, first="Anna")
        crm.create("people", email="n@example.org", first="N", last="New")
        cycles = await calm(hub, clock, 3)
        assert ma.row("people", there)["first"] == "Anna"
        assert ma.find("people", email="n@example.org")
        ma.edit("people", there, last="Bond", title="chief")
        await calm(hub, clock, 3, full=True)
        assert crm.row("people", here)["last"] == "Bond"
        assert ma.row("people", there)["title"] == "chief", "nothing is cleared by a schema change"
        said = " ".join(cycle.troubles.get("crm/people", "") for cycle in cycles)
        said += " ".join(r for stream in (await status(pool, hub.setup)).streams for r in stream.reasons)
        assert "title" in said or "job_title" in said


async def test_writes_of_a_removed_field_park_it_and_tell_the_rest(pool: Pool) -> None:
    """T-38: seen from writing: the vendor refuses the removed field by name; the others land, the state names it."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    here = crm.create("people", email="a@example.org", first="A", last="B", title="old")
    people = {
        "ma": {
            "maps": tuple(
                row if row.field != "job_title" else Map(vendor="title", field="job_title", direction="out")
                for row in PERSON
            )
        }
    }
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, per=people) as hub:
        await calm(hub, clock, 2)
        refused: set[str] = {"title"}
        ma.refuse = lambda write: _refuse(write, refused)
        crm.edit("people", here, title="new", first="Anna")
        await calm(hub, clock, 4)
        assert (ma.row("people", only(ma))["first"], ma.row("people", only(ma))["title"]) == ("Anna", "old")
        [(state, reason)] = (await states(pool, hub, "ma")).values()
        assert state == "failing"
        assert "job_title" in reason
        attempts = len(ma.attempts)
        await calm(hub, clock, 3)
        assert len(ma.attempts) == attempts


def _refuse(write: Any, fields: set[str]) -> Any:
    from zgoda.kit.errors import Refusal, RefusalKind

    unknown = tuple(sorted(fields & write.values.keys()))
    return Refusal(kind=RefusalKind.REJECTED, code="NO_FIELD", fields=unknown) if unknown else None


async def test_other_streams_go_on_when_one_cannot_be_read(pool: Pool) -> None:
    """T-38: what is wrong with people says nothing about companies: those keep flowing, and the trouble is told."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, companies=True) as hub:
        crm.create("companies", name="Acme", domain="acme.example")
        await calm(hub, clock, 2)
        crm.gone_fields = {"phone"}
        crm.create("companies", name="Beta", domain="beta.example")
        cycles = await calm(hub, clock, 2)
        assert ma.find("companies", name="Beta")
        assert "crm/people" in cycles[-1].troubles
        assert [c.status for c in (await status(pool, hub.setup)).connections] == ["active", "active"]


async def test_a_new_mapping_is_backfilled_after_a_plan_of_that_field_alone(pool: Pool) -> None:
    """T-39: a field mapped later is offered as a plan that names this field and counts it, writes nothing before, and
    then goes to the records that have it: one write each, of this field only."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(30):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title=f"T{i}" if i < 20 else None)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=NO_TITLE) as hub:
        await compiled(hub)
        await calm(hub, clock, 3)
        assert ops(ma) == ["create"] * 30
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=PERSON) as hub:
        await compiled(hub)
        plan = await preview(pool, hub, full=True)
        [there] = [stream for stream in plan.streams if stream.connection == "ma"]
        assert (there.creates, there.updates, there.deletes) == (0, 20, 0)
        assert {field.field: field.count for field in there.fields} == {"job_title": 20}
        assert len(ma.writes) == 30
        await calm(hub, clock, 3, full=True)
        after = [(op, row) for _, op, _, row in ma.writes[30:]]
        assert sorted(op for op, _ in after) == ["update"] * 20
        assert all(set(row) == {"title"} for _, row in after)
        assert crm.writes == []


async def test_a_new_mapping_reaches_old_records_without_being_asked(pool: Pool) -> None:
    """T-39: the running hub itself reads everything once more after a mapping was added: it does not wait for the next
    change of each record or for somebody to think of `--full`."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    crm.create("people", email="a@example.org", first="A", last="B", title="old")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=NO_TITLE) as hub:
        await compiled(hub)
        await calm(hub, clock, 3)
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}, people=PERSON) as hub:
        await compiled(hub)
        plan = await preview(pool, hub, full=False)
        assert plan.changes == 1
        await calm(hub, clock, 2)
        assert ma.row("people", only(ma))["title"] == "old"
