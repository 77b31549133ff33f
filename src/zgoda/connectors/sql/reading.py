"""Reading tables: everything by id, changes and deletions in the order of the change column, and single rows.

Pages begin after the last row of the page before (keyset), so nothing shifts, and a page is all that is held in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import msgspec

from zgoda.connectors.sql.catalogue import Kind, Table, instant_of
from zgoda.connectors.sql.positions import Position, cursor_of, ended, position_of, window
from zgoda.connectors.sql.store import Ask, Found, database, turn
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Cursor, Page, Reading, Removed, Row, Session

PAGE_ROWS: Final = 1000
ID, MODIFIED, VERSION = "@id", "@modified", "@version"
"""Where a row keeps what every row has; columns cannot be called like this."""


async def read_all(stream: str, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """All rows that are not marked as deleted. The last page's cursor is where `read_changes` goes on."""
    table = await table_for(session, stream, reading.fields)
    begun = position_of(reading.cursor)
    horizon = begun.horizon if begun.walking else await _horizon(session, table)
    after = begun.id if begun.walking else None
    size = page_size(reading)
    while True:
        ask = Ask(columns=columns_of(reading), limit=size, after=after, deleted=_unmarked(table))
        found = await _fetch(session, table, reading, ask)
        after = found[-1].id if found else after
        going = len(found) == size
        now = session.clock.now().isoformat()
        next = (
            Position(walking=True, id=after, horizon=horizon)
            if going
            else Position(stamp=horizon, seen_at=now if horizon else "")
        )
        yield Page(rows=[row_of(table, reading, one) for one in found], cursor=cursor_of(next))
        if not going:
            return


async def read_changes(stream: str, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Rows that changed since the cursor and are not marked as deleted; without a cursor all that have a stamp."""
    table = await table_for(session, stream, reading.fields)
    async for found, cursor in _walk(table, session, reading, _unmarked(table)):
        yield Page(rows=[row_of(table, reading, one) for one in found], cursor=cursor)


async def read_deletes(stream: str, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Rows that were marked as deleted since the cursor."""
    table = await table_for(session, stream, ())
    async for found, cursor in _walk(table, session, msgspec.structs.replace(reading, fields=()), True):
        yield Page(removed=[Removed(id=one.id) for one in found], cursor=cursor)


async def read_ids(stream: str, session: Session, reading: Reading, wanted: list[str]) -> Page:
    """The rows that exist; those that do not, or are marked as deleted, as `Removed`."""
    table = await table_for(session, stream, reading.fields)
    asked = tuple(dict.fromkeys(wanted))
    found = await _fetch(session, table, reading, Ask(columns=columns_of(reading), limit=len(asked), ids=asked))
    alive = {one.id: one for one in found if not one.deleted}
    return Page(
        rows=[row_of(table, reading, one) for one in alive.values()],
        removed=[Removed(id=id) for id in asked if id not in alive],
    )


async def table_for(session: Session, stream: str, fields: tuple[str, ...]) -> Table:
    """The table, with every column that is needed. `NeedsAttention` names those that are not there (any more)."""
    async with turn(session, "read") as store:
        table = await store.table(stream)
    told = table.told
    own = {name for name in (told.id, told.changed, told.version, told.deleted) if name}
    asked = {name.partition(".")[0] for name in fields}
    missing = sorted((own | asked) - table.columns.keys())
    if missing:
        store.forget(stream)
        message = f"{stream}: the table has no column {', '.join(missing)}"
        raise NeedsAttention(
            Attention.SCHEMA,
            message,
            do="mend the mapping or the settings",
            fields=tuple(name for name in fields if name.partition(".")[0] in missing),
            stream=stream,
        )
    return table


def columns_of(reading: Reading) -> tuple[str, ...]:
    """The columns that dotted paths begin with, each once."""
    return tuple(dict.fromkeys(name.partition(".")[0] for name in reading.fields))


def row_of(table: Table, reading: Reading, found: Found) -> Row:
    is_time = bool(found.stamp) and table.columns[table.told.changed].kind is not Kind.INTEGER
    return {
        **dict(zip(columns_of(reading), found.values, strict=True)),
        ID: found.id,
        MODIFIED: instant_of(found.stamp, table.zone) if is_time else None,
        VERSION: found.version,
    }


def page_size(reading: Reading) -> int:
    return max(1, reading.page_size or PAGE_ROWS)


_Found: TypeAlias = tuple[list[Found], Cursor]


async def _walk(table: Table, session: Session, reading: Reading, deleted: bool | None) -> AsyncIterator[_Found]:
    """Pages of rows in the order of changes, each with the cursor that is safe once it is stored."""
    told = database(session).told
    before = position_of(reading.cursor)
    horizon = before.horizon if before.walking else await _horizon(session, table)
    start = window(before, table, told)
    last = Position(stamp=before.stamp, id=before.id)
    size = page_size(reading)
    while True:
        ask = Ask(columns=columns_of(reading), limit=size, window=start, deleted=deleted)
        found = await _fetch(session, table, reading, ask)
        if found:
            last = Position(stamp=found[-1].stamp, id=found[-1].id)
            start = window(msgspec.structs.replace(last, walking=True), table, told)
        if len(found) < size:
            yield found, cursor_of(ended(before, last, horizon, session.clock.now(), table, told))
            return
        yield found, cursor_of(msgspec.structs.replace(last, walking=True, horizon=horizon))


async def _fetch(session: Session, table: Table, reading: Reading, ask: Ask) -> list[Found]:
    """Rows; if the table is not what it was, the error names the columns that are gone, so that only they stop."""
    try:
        async with turn(session, "read") as store:
            return await store.rows(table, ask)
    except NeedsAttention as error:
        if error.kind is Attention.SCHEMA:
            await table_for(session, table.stream, reading.fields)
        raise


async def _horizon(session: Session, table: Table) -> str:
    if not table.told.changed:
        return ""
    async with turn(session, "read") as store:
        return await store.horizon(table)


def _unmarked(table: Table) -> bool | None:
    return False if table.told.deleted else None
