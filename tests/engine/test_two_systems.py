"""The thinnest path: two systems agree, edits travel both ways, and then there is silence."""

from __future__ import annotations

from tests.engine.toy import Toy
from tests.engine.world import hub_of
from zgoda.db.database import Pool
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import run_cycle


async def test_first_sync_creates_what_is_missing_and_ties_what_is_there(pool: Pool) -> None:
    """T-03: a first import writes nothing back to where the records came from."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    ada = crm.create(
        "people", email="ada@example.org", first="Ada", last="Lovelace", phone="+44 20 1", title="Countess"
    )
    ma.create("people", email="ADA@example.org ", first="Ada", last="Lovelace")
    crm.create("people", email="alan@example.org", first="Alan", last="Turing")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        clock.advance(1)
        await run_cycle(hub, full=True, run=None)
        assert crm.writes == []
        assert [(stream, op) for stream, op, _, _ in ma.writes] == [("people", "update"), ("people", "create")] or [
            (stream, op) for stream, op, _, _ in ma.writes
        ] == [("people", "create"), ("people", "update")]
        assert len(ma.rows["people"]) == 2
        [there] = ma.find("people", last="Lovelace")
        assert ma.row("people", there)["title"] == "Countess"
        assert ma.row("people", there)["email"] == "ADA@example.org "

        before = len(ma.writes)
        clock.advance(60)
        crm.edit("people", ada, title="Mathematician")
        clock.advance(1)
        await run_cycle(hub, full=False, run=None)
        assert ma.row("people", there)["title"] == "Mathematician"
        assert len(ma.writes) == before + 1
        for _ in range(5):
            clock.advance(60)
            await run_cycle(hub, full=False, run=None)
        assert len(ma.writes) == before + 1
        assert crm.writes == []
