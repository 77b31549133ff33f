"""The database port: transactions over batches, one parameter per batch.

A batch travels as one jsonb parameter and is unfolded by `jsonb_to_recordset` in the query; jsonb columns come back
decoded by msgspec. No query is ever issued per record.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
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
    async def session(self) -> AsyncGenerator[AsyncConnection[Tuple]]:
        """A connection of one's own, for LISTEN and for overlays."""
        async with self._pool.connection() as connection:
            yield connection


async def prepare_connection(connection: psycopg.AsyncConnection[Any]) -> None:
    """JSON through msgspec, in both directions."""
    set_json_loads(msgspec.json.decode, connection)
    set_json_dumps(msgspec.json.encode, connection)
