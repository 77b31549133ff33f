"""The database port: transactions over batches, one parameter per batch.

A batch travels as one jsonb parameter and is unfolded by `jsonb_to_recordset` in the query; jsonb columns come back
decoded by msgspec. No query is ever issued per record.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, Protocol

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

Tuple = tuple[Any, ...]


def batch(rows: Sequence[Any] | Mapping[str, Any]) -> str:
    """Rows (mappings or structs) as the one jsonb parameter of a query."""
    return msgspec.json.encode(rows).decode()


def ids(numbers: Iterable[int]) -> str:
    """Ids as the one parameter of a query, to be cast to `bigint[]` there."""
    return "{" + ",".join(map(str, numbers)) + "}"


class Transaction(Protocol):
    """What a flow may do inside a transaction."""

    async def rows(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> list[Tuple]: ...

    async def row(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> Tuple | None: ...

    async def run(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> int: ...


class Database(Protocol):
    """Where transactions come from. Leaving the block commits; an exception rolls back."""

    def transaction(self) -> Any: ...


class ConnectionTransaction:
    """A transaction on a psycopg connection."""

    def __init__(self, connection: AsyncConnection[Tuple]) -> None:
        self._connection = connection

    async def rows(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> list[Tuple]:
        cursor = await self._connection.execute(sql, params)
        return await cursor.fetchall()

    async def row(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> Tuple | None:
        cursor = await self._connection.execute(sql, params)
        return await cursor.fetchone()

    async def run(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> int:
        return (await self._connection.execute(sql, params)).rowcount


class Pool:
    """The real database: a pool of connections to one PostgreSQL."""

    def __init__(self, url: str, *, size: int = 8) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[Tuple]] = AsyncConnectionPool(
            url, min_size=1, max_size=size, open=False, configure=prepare_connection, kwargs={"autocommit": False}
        )

    async def __aenter__(self) -> Pool:
        await self._pool.open(wait=True, timeout=30)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        async with self._pool.connection() as connection, connection.transaction():
            yield ConnectionTransaction(connection)

    @asynccontextmanager
    async def report(self) -> AsyncGenerator[Transaction]:
        """A read-only transaction whose plans may scan and hash: for counting and listing whole tables."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = on")
            await connection.execute("SET LOCAL enable_hashjoin = on")
            await connection.execute("SET LOCAL enable_mergejoin = on")
            await connection.execute("SET LOCAL work_mem = '64MB'")
            await connection.execute("SET TRANSACTION READ ONLY")
            yield ConnectionTransaction(connection)

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[AsyncConnection[Tuple]]:
        """A connection of one's own, for LISTEN and for overlays."""
        async with self._pool.connection() as connection:
            yield connection


async def prepare_connection(connection: psycopg.AsyncConnection[Any]) -> None:
    """JSON through msgspec, in both directions; plans by index.

    The engine's queries are look-ups of some hundred keys. A plan made while a table was small would scan it, and stay
    cached while the table grows a thousandfold; so scans and hashes are ruled out (0.2 ms instead of 19 ms a batch
    was measured). Reports turn them on again, see `report`.
    """
    set_json_loads(msgspec.json.decode, connection)
    set_json_dumps(msgspec.json.encode, connection)
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET enable_hashjoin = off")
    await connection.execute("SET enable_mergejoin = off")
    await connection.execute("SET jit = off")
    await connection.commit()
