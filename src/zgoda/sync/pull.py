"""Reading a system: everything, what changed, what is gone, or single records again.

The next page is fetched while the current one is stored. A full read that ends without a gap proves which records are
missing; one that does not proves nothing, and no deletion is ever inferred from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

import msgspec

from zgoda.db.database import Database, ids
from zgoda.kit.connection import Connection
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention
from zgoda.kit.pace import Lane
from zgoda.kit.spec import Cursor, Page, ReadFunction, Removed
from zgoda.kit.spec import Reading as Asked
from zgoda.model.clock import Clock
from zgoda.model.golden import to_us
from zgoda.sync.desk import SQL
from zgoda.sync.intake import Feed, Reading, Taken, take_page
from zgoda.sync.lost_fields import reading_around
from zgoda.sync.setup import Source


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """What a read brought. `missing` are records a complete full read no longer met, `lost` fields that could not be
    read."""

    rows: int = 0
    fresh: int = 0
    removed: int = 0
    missing: int = 0
    complete: bool = False
    lost: tuple[str, ...] = ()


Progress = Callable[[Source, int], None]


async def pull_all(
    db: Database, clock: Clock, connection: Connection, source: Source, *, run: int | None, told: Progress | None = None
) -> Pulled:
    """Read everything (first sync, resync, drift). Nothing that follows from it starts a journey or a send."""
    if connection.streams[source.stream.name].read_all is None:
        raise NeedsAttention(Attention.SETTINGS, f"{source.name} cannot be read in full")

    async def read(fields: tuple[str, ...]) -> Pulled:
        return await _pull_all(db, clock, connection, source, fields, run=run, told=told)

    pulled, lost = await reading_around(db, clock, source, read, hopeful=True)
    async with db.transaction() as tx:
        await tx.run(SQL["lift_own_pause"], {"name": f"pause:{source.name}"})
    return msgspec.structs.replace(pulled, lost=tuple(lost))


async def _pull_all(
    db: Database,
    clock: Clock,
    connection: Connection,
    source: Source,
    fields: tuple[str, ...],
    *,
    run: int | None,
    told: Progress | None,
) -> Pulled:
    read_all = connection.streams[source.stream.name].read_all
    assert read_all is not None
    cursor, started_us = await _start(db, clock, source)
    total, expected, position = Pulled(), 0, cursor
    pages = read_all(connection.in_lane(Lane.BACKFILL), Asked(fields=fields, cursor=cursor))
    async for page, read_us in _gathered(_ahead(pages, clock)):
        expected = page.total if page.total is not None else expected
        position = page.cursor or position
        reading = Reading(feed="all", read_us=read_us, backfill=True, run=run, started_us=started_us, sweep=True)
        total = _add(total, await take_page(db, clock, source, page, reading))
        if told:
            told(source, total.rows)
    return await _finish(db, clock, source, total, expected, position, started_us, run)


async def _start(db: Database, clock: Clock, source: Source) -> tuple[Cursor | None, int]:
    """Where to go on with an interrupted full read and when it began; else a fresh start."""
    async with db.transaction() as tx:
        row = await tx.row(SQL["load_feed"], {"source": source.id, "kind": "all"})
        if row and row[0] and row[0].get("from"):
            return row[0]["from"], row[0]["started_us"]
        await tx.run(SQL["start_sweep"], {"source": source.id})
    return None, to_us(clock.now())


async def _finish(
    db: Database,
    clock: Clock,
    source: Source,
    total: Pulled,
    expected: int,
    position: Cursor | None,
    started_us: int,
    run: int | None,
) -> Pulled:
    """What a complete sweep did not meet is a departure, to be believed with the usual care; then the change feed
    starts where the full read began."""
    async with db.transaction() as tx:
        swept, known = await tx.row(SQL["sweep_counts"], {"source": source.id}) or (0, 0)
        complete = swept >= expected and (swept > 0 or known == 0)
        missing: list[str] = []
        if complete:
            params = {"source": source.id, "before_us": started_us}
            missing = [id for (id,) in await tx.rows(SQL["missing_after_sweep"], params)]
    removed = Page(removed=[Removed(id=id) for id in missing], cursor=position)
    departures = Reading(feed="changes", read_us=to_us(clock.now()), backfill=True, run=run)
    await take_page(db, clock, source, removed, departures)
    ended = Reading(feed="all", read_us=started_us, backfill=True, last=True)
    await take_page(db, clock, source, Page(cursor={}, total=swept), ended)
    return msgspec.structs.replace(total, missing=len(missing), complete=complete)


async def pull_changes(
    db: Database, clock: Clock, connection: Connection, source: Source, *, run: int | None
) -> Pulled:
    """Read what changed and what is gone since the last time."""

    async def read(fields: tuple[str, ...]) -> Pulled:
        return await _pull_changes(db, clock, connection, source, fields, run=run)

    pulled, lost = await reading_around(db, clock, source, read, hopeful=False)
    return msgspec.structs.replace(pulled, lost=tuple(lost))


async def _pull_changes(
    db: Database, clock: Clock, connection: Connection, source: Source, fields: tuple[str, ...], *, run: int | None
) -> Pulled:
    stream = connection.streams[source.stream.name]
    total = Pulled(complete=True)
    feeds: list[tuple[Feed, ReadFunction | None]] = [("changes", stream.read_changes), ("deletes", stream.read_deletes)]
    for feed, read in feeds:
        if read is None:
            continue
        async with db.transaction() as tx:
            row = await tx.row(SQL["load_feed"], {"source": source.id, "kind": feed})
        asked = Asked(fields=fields, cursor=(row[0] if row else None) or None)
        pages = read(connection.in_lane(Lane.LIVE), asked)
        async for page, read_us in _ahead(pages, clock):
            reading = Reading(feed=feed, read_us=read_us, backfill=False, run=run)
            total = _add(total, await take_page(db, clock, source, page, reading))
    return total


async def pull_hints(db: Database, clock: Clock, connection: Connection, source: Source, *, run: int | None) -> Pulled:
    """Read the records webhooks spoke of. The hints are gone only once what was read is stored."""
    stream = connection.streams[source.stream.name]
    total = Pulled(complete=True)
    async with db.transaction() as tx:
        params = {"source": source.id, "now_us": to_us(clock.now()), "limit": stream.batch_ids}
        hints = await tx.rows(SQL["peek_hints"], params)
    if not hints:
        return total
    vendor_ids = list(dict.fromkeys(vendor_id for _seq, vendor_id, _body in hints))
    read_us = to_us(clock.now())
    page, lost = await _read_ids(db, clock, connection, source, vendor_ids)
    told_gone = [
        Removed(id=vendor_id, merged_into=body["merged_into"], stream=body["stream"], erased=body["erased"])
        for _seq, vendor_id, body in hints
        if body and body.get("merged_into")
    ]
    page = Page(rows=page.rows, removed=[*page.removed, *told_gone])
    total = _add(total, await take_page(db, clock, source, page, Reading(feed="ids", read_us=read_us, backfill=False)))
    async with db.transaction() as tx:
        await tx.run(SQL["drop_hints"], {"ids": ids(seq for seq, _id, _body in hints)})
    return msgspec.structs.replace(total, lost=tuple(lost))


async def _read_ids(
    db: Database, clock: Clock, connection: Connection, source: Source, vendor_ids: list[str]
) -> tuple[Page, list[str]]:
    read_ids = connection.streams[source.stream.name].read_ids
    if read_ids is None:
        return Page(), []

    async def read(fields: tuple[str, ...]) -> Page:
        return await read_ids(connection.in_lane(Lane.LIVE), Asked(fields=fields), vendor_ids)

    return await reading_around(db, clock, source, read, hopeful=False)


async def _ahead(pages: AsyncIterator[Page], clock: Clock) -> AsyncGenerator[tuple[Page, int]]:
    """Pages with the time their request was sent (µs), fetched one ahead of their storing."""
    iterator = aiter(pages)
    sent_us = to_us(clock.now())
    upcoming = asyncio.ensure_future(_next(iterator))
    try:
        while (page := await upcoming) is not None:
            page_sent_us, sent_us = sent_us, to_us(clock.now())
            upcoming = asyncio.ensure_future(_next(iterator))
            yield page, page_sent_us
    finally:
        if not upcoming.done():
            upcoming.cancel()


GATHERED: Final = 1000


async def _gathered(pages: AsyncIterator[tuple[Page, int]]) -> AsyncGenerator[tuple[Page, int]]:
    """Pages put together to some thousand rows, as of the first one's request: storing costs by the transaction. What
    was read before a failure is still stored."""
    held: Page | None = None
    held_us = 0
    try:
        async for page, read_us in pages:
            held, held_us = (page, read_us) if held is None else (_joined(held, page), held_us)
            if len(held.rows) >= GATHERED:
                yield held, held_us
                held = None
    except ConnectorError:
        if held is not None:
            yield held, held_us
        raise
    if held is not None:
        yield held, held_us


def _joined(page: Page, later: Page) -> Page:
    return Page(
        rows=page.rows + later.rows,
        removed=page.removed + later.removed,
        cursor=page.cursor if later.cursor is None else later.cursor,
        total=page.total if later.total is None else later.total,
        gap=page.gap or later.gap,
    )


async def _next(iterator: AsyncIterator[Page]) -> Page | None:
    return await anext(iterator, None)


def _add(total: Pulled, taken: Taken) -> Pulled:
    return msgspec.structs.replace(
        total, rows=total.rows + taken.rows, fresh=total.fresh + taken.fresh, removed=total.removed + taken.removed
    )
