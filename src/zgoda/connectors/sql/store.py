"""What the connector asks of a database, whichever it is. PostgreSQL and SQLite each answer in modules of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from zgoda.connectors.sql.catalogue import Table
from zgoda.connectors.sql.options import Options, TableOptions
from zgoda.connectors.sql.positions import Window
from zgoda.kit.spec import Op, Receipt, Session


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A row as the database holds it: `stamp` and `version` in the database's own text, empty where there is none;
    `values` in the order that was asked for, as JSON can carry them."""

    id: str
    stamp: str
    version: str
    deleted: bool
    values: tuple[Any, ...]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: one of `ids`, a `window` of the order of changes, or those after an id in the order of ids (None:
    from the first). `deleted`: only marked or only unmarked rows (None: both)."""

    columns: tuple[str, ...]
    limit: int
    ids: tuple[str, ...] | None = None
    window: Window | None = None
    after: str | None = None
    deleted: bool | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A write whose values fit the columns. `expected` is the lock column's text as it was read, empty for any."""

    key: str
    op: Op
    id: str = ""
    values: dict[str, Any] = {}
    expected: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where we are and as whom."""

    name: str
    user: str
    version: str


class Store(Protocol):
    """An open database. Methods raise errors sorted by recovery and put nothing into them but names and codes.

    `table` knows the table as it was first seen, until `forget`. `horizon` is the newest stamp, but none from the
    future. `write` takes steps of distinct ids and gives a receipt for each, all of them in one transaction. `alike`
    gives, for each record, the ids of the rows with just these values, the newest last.
    """

    async def table(self, stream: str) -> Table: ...

    def forget(self, stream: str) -> None: ...

    async def rows(self, table: Table, ask: Ask) -> list[Found]: ...

    async def horizon(self, table: Table) -> str: ...

    async def write(self, table: Table, steps: list[Step]) -> list[Receipt]: ...

    async def alike(self, table: Table, records: list[dict[str, Any]]) -> list[list[str]]: ...

    async def account(self) -> Account: ...

    async def lacks(self, table: Table) -> list[str]: ...

    async def close(self) -> None: ...


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A session's resources."""

    told: Options
    store: Store

    def options(self, stream: str) -> TableOptions:
        return self.told.tables[stream]


def database(session: Session) -> Database:
    held: Database = session.resources
    return held


@asynccontextmanager
async def turn(session: Session, of: str) -> AsyncGenerator[Store]:
    """The store, when it is our turn: one call by the connection's pace, lane and kill switch."""
    async with session.http.admit(of):
        yield database(session).store
