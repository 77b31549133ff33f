"""The day's budget of calls outlives a process: what was spent today is spent, however often the hub starts."""

from __future__ import annotations

from collections.abc import Mapping

from zgoda.db.database import Database, batch
from zgoda.kit.connection import Connection
from zgoda.model.clock import Clock
from zgoda.sync.desk import SQL


async def spent_today(db: Database, clock: Clock) -> dict[str, int]:
    """Calls each connection has made today, as far as they were remembered."""
    async with db.transaction() as tx:
        return dict(await tx.rows(SQL["load_budgets"], {"today": clock.now().date()}))


async def remember_spent(db: Database, clock: Clock, connections: Mapping[str, Connection]) -> None:
    """Save what was spent; the larger number stays."""
    lines = [{"c": name, "n": connection.pacer.used_today} for name, connection in connections.items()]
    if lines:
        async with db.transaction() as tx:
            await tx.run(SQL["save_budgets"], {"batch": batch(lines), "today": clock.now().date()})
