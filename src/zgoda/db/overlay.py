"""A second copy of some tables, visible to one session only, so that "what would happen" runs the very same code.

Temporary tables of the same names stand in front of the real ones (PostgreSQL looks into `pg_temp` first). Nothing of
what happens there is seen by anyone else, no lock on a real row is taken, and closing the session forgets it all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from psycopg import AsyncConnection, sql

from zgoda.db.database import ConnectionTransaction, Pool, Transaction, Tuple


class Overlay:
    """A database port over one session's shadow tables. One transaction at a time."""

    def __init__(self, connection: AsyncConnection[Tuple]) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        async with self._turn, self._connection.transaction():
            yield ConnectionTransaction(self._connection)


@asynccontextmanager
async def overlay(pool: Pool, tables: Sequence[str]) -> AsyncGenerator[Overlay]:
    """Shadow `tables`, filled with what they hold now, for as long as the block lasts."""
    async with pool.session() as connection:
        async with connection.transaction():
            for table in tables:
                name = sql.Identifier(table)
                await connection.execute(sql.SQL("CREATE TEMP TABLE {0} (LIKE public.{0} INCLUDING ALL)").format(name))
                await connection.execute(sql.SQL("INSERT INTO pg_temp.{0} SELECT * FROM public.{0}").format(name))
                await connection.execute(sql.SQL("ANALYZE pg_temp.{0}").format(name))
        try:
            yield Overlay(connection)
        finally:
            await connection.rollback()
            await connection.execute("DISCARD TEMP")
            await connection.commit()
