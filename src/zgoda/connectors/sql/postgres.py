"""PostgreSQL as a store."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from psycopg.conninfo import conninfo_to_dict

from zgoda.connectors.sql.catalogue import UNREADABLE, Column, Kind, Table, instant_of, possible_id
from zgoda.connectors.sql.options import Options
from zgoda.connectors.sql.positions import earlier
from zgoda.connectors.sql.postgres_catalogue import lacking_rights, read_table
from zgoda.connectors.sql.postgres_line import Line
from zgoda.connectors.sql.postgres_statements import alike, newest, select
from zgoda.connectors.sql.postgres_writes import land
from zgoda.connectors.sql.store import Account, Ask, Found, Step
from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Receipt


class Postgres:
    """The port `Store` on PostgreSQL 13 or newer."""

    def __init__(self, told: Options) -> None:
        self._told = told
        self._line = Line(told.url)
        self._tables: dict[str, Table] = {}

    async def table(self, stream: str) -> Table:
        if stream not in self._tables:
            async with self._line.transaction(read_only=True) as connection:
                table = await read_table(connection, stream, self._told.tables[stream], self._told)
            self._tables[stream] = table
        return self._tables[stream]

    def forget(self, stream: str) -> None:
        self._tables.pop(stream, None)

    async def rows(self, table: Table, ask: Ask) -> list[Found]:
        if ask.ids is not None:
            key = table.columns[table.told.id]
            ask = msgspec.structs.replace(ask, ids=tuple(id for id in ask.ids if possible_id(key, id)))
        query, params = select(table, ask)
        try:
            async with self._line.transaction(read_only=True) as connection:
                rows = await (await connection.execute(query, params)).fetchall()
        except NeedsAttention:
            self.forget(table.stream)
            raise
        columns = [table.columns[name] for name in ask.columns]
        return [_found(table, columns, row) for row in rows]

    async def horizon(self, table: Table) -> str:
        query, params = newest(table)
        async with self._line.transaction(read_only=True) as connection:
            row = await (await connection.execute(query, params)).fetchone()
        assert row is not None
        stamp, now = row
        return earlier(stamp, now, table) if stamp else ""

    async def write(self, table: Table, steps: list[Step]) -> list[Receipt]:
        try:
            async with self._line.transaction(read_only=False) as connection:
                return await land(connection, table, steps)
        except NeedsAttention:
            self.forget(table.stream)
            raise

    async def alike(self, table: Table, records: list[dict[str, Any]]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in records]
        kinds: dict[tuple[str, ...], list[int]] = {}
        for number, record in enumerate(records):
            kinds.setdefault(tuple(record), []).append(number)
        async with self._line.transaction(read_only=True) as connection:
            for columns, numbers in kinds.items():
                query, params = alike(table, columns, {number: records[number] for number in numbers})
                for number, id in await (await connection.execute(query, params)).fetchall():
                    found[number].append(id)
        return found

    async def account(self) -> Account:
        async with self._line.transaction(read_only=True) as connection:
            query = "SELECT current_database(), current_user::text, current_setting('server_version')"
            row = await (await connection.execute(query)).fetchone()
        assert row is not None
        database, user, version = row
        told = conninfo_to_dict(self._told.url)
        host = told.get("host") or told.get("hostaddr") or "this machine"
        return Account(name=f"{database} at {host}:{told.get('port') or 5432}", user=user, version=version)

    async def lacks(self, table: Table) -> list[str]:
        async with self._line.transaction(read_only=True) as connection:
            return await lacking_rights(connection, table)

    async def close(self) -> None:
        await self._line.close()


def _found(table: Table, columns: list[Column], row: tuple[Any, ...]) -> Found:
    id, stamp, version, deleted, *values = row
    return Found(
        id=id,
        stamp=stamp or "",
        version=version or "",
        deleted=deleted,
        values=tuple(_shown(table, column, raw) for column, raw in zip(columns, values, strict=True)),
    )


def _shown(table: Table, column: Column, raw: Any) -> Any:
    """What came over the line, as JSON can carry it."""
    if raw is None:
        return None
    match column.kind:
        case Kind.INSTANT | Kind.LOCAL:
            return instant_of(raw, table.zone)
        case Kind.SET:
            return [item for item in raw if item is not None]
        case Kind.JSON:
            return _document(raw)
        case Kind.OTHER if column.type == "bytea":
            return UNREADABLE
        case _:
            return raw


def _document(text: str) -> Any:
    """Numbers with a fraction stay text, so that none is rounded."""
    if "\\u0000" in text:
        return UNREADABLE
    return json.loads(text, parse_float=str)
