"""Leases: loops that only one worker may run at a time, with tokens that fence late ones off.

A worker that was stopped longer than its lease (SIGSTOP, a long pause, a cut line) finds its token outdated in the very
transaction that would take effect, and nothing of it happens.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from zgoda.db.database import Database, Transaction
from zgoda.model.clock import Clock

TAKE: Final = """
    INSERT INTO lease (name, holder, token, until) VALUES (%(name)s, %(holder)s, 1, %(until)s)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until,
        token = lease.token + (lease.holder <> excluded.holder OR lease.until < %(now)s)::int
    WHERE lease.holder = excluded.holder OR lease.until < %(now)s
    RETURNING token"""

CHECK: Final = "SELECT 1 FROM lease WHERE name = %(name)s AND holder = %(holder)s AND token = %(token)s FOR SHARE"

GIVE_BACK: Final = (
    "UPDATE lease SET until = %(now)s WHERE name = %(name)s AND holder = %(holder)s AND token = %(token)s"
)


class Fenced(Exception):
    """Somebody else runs this loop now; what was under way has no effect."""


class Lease:
    """One worker's hold on a named loop."""

    def __init__(self, db: Database, clock: Clock, name: str, holder: str, ttl_s: float = 15.0) -> None:
        self._db = db
        self._clock = clock
        self.name = name
        self.holder = holder
        self.ttl_s = ttl_s
        self.token = 0

    async def take(self) -> bool:
        """Take or renew it. False while somebody else has it."""
        now = self._clock.now()
        params = {"name": self.name, "holder": self.holder, "now": now, "until": now + timedelta(seconds=self.ttl_s)}
        async with self._db.transaction() as tx:
            row = await tx.row(TAKE, params)
        if row is None:
            self.token = 0
            return False
        self.token = row[0]
        return True

    async def give_back(self) -> None:
        params = {"name": self.name, "holder": self.holder, "token": self.token, "now": self._clock.now()}
        async with self._db.transaction() as tx:
            await tx.run(GIVE_BACK, params)
        self.token = 0

    def fence(self) -> FencedDatabase:
        """The database as this lease's holder may use it."""
        return FencedDatabase(self._db, self)


class FencedDatabase:
    """A database port whose transactions only take effect while the lease is held by the same token."""

    def __init__(self, db: Database, lease: Lease) -> None:
        self._db = db
        self._lease = lease

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        lease = self._lease
        async with self._db.transaction() as tx:
            params = {"name": lease.name, "holder": lease.holder, "token": lease.token}
            if await tx.row(CHECK, params) is None:
                raise Fenced(f"{lease.name} is run by another worker now")
            yield tx
