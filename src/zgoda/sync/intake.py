"""The one way in: pages of records and hints become durable lines of the inbox, with the feed's position.

Rows whose content is what we already know stop here (a 64-bit fingerprint against the link), which makes a repeated
read of a large store cheap. A position is saved only in the transaction that stored what was read up to it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.db.database import Database, Transaction, batch
from zgoda.kit.mapping import MISSING, path_getter
from zgoda.kit.spec import Hint, Page, Removed
from zgoda.model.clock import Clock
from zgoda.model.golden import from_us, to_us
from zgoda.sync.desk import SQL
from zgoda.sync.setup import Source

Feed: TypeAlias = Literal["all", "changes", "deletes", "ids"]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Which read a page belongs to. `read_us` is when its request was sent, `started_us` when a full read
    began. `sweep` collects ids for a full compare."""

    feed: Feed
    read_us: int
    backfill: bool
    run: int | None = None
    started_us: int = 0
    sweep: bool = False
    last: bool = False


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a page brought: rows in it, rows that are news (our own writes read back are none), departures."""

    rows: int = 0
    fresh: int = 0
    removed: int = 0


async def take_page(db: Database, clock: Clock, source: Source, page: Page, reading: Reading) -> Taken:
    """Store a page and advance the feed, in one transaction."""
    identified = [(id, row) for row in page.rows if (id := record_id(source, row))]
    prints = {id: source.mapping.fingerprint(row) for id, row in identified}
    async with db.transaction() as tx:
        changed = await _changed(tx, source, prints, reading)
        lines = [_line(source, id, row, prints[id], reading) for id, row in identified if id in changed]
        lines += [_departure(source, removed, reading) for removed in page.removed]
        if lines:
            await tx.run(SQL["put_inbox"], {"batch": batch(lines)})
        if reading.sweep and prints:
            ids = batch([{"i": id} for id in prints])
            await tx.run(SQL["put_sweep"], {"source": source.id, "batch": ids})
        if reading.feed != "ids":
            await _save_feed(tx, clock, source, page, reading)
        if page.gap:
            await tx.run(SQL["forget_full_read"], {"source": source.id})
    return Taken(rows=len(page.rows), fresh=sum(not own for own in changed.values()), removed=len(page.removed))


async def take_hints(db: Database, clock: Clock, hints: list[tuple[Source, Hint]]) -> None:
    """Store webhooks' words durably, before the sender is answered."""
    now_us = to_us(clock.now())
    lines: list[dict[str, Any]] = []
    for source, hint in hints:
        body = {} if hint.removed is None else _removed_body(hint.removed)
        lines.append(_inbox(source, hint.id, "hint", body, None, read_us=now_us, backfill=False, run=None))
    if lines:
        async with db.transaction() as tx:
            await tx.run(SQL["put_inbox"], {"batch": batch(lines)})


def record_id(source: Source, row: dict[str, Any]) -> str:
    """A row's id as text; empty when the row has none (it cannot be tied to anything)."""
    raw = path_getter(source.stream.id)(row)
    return "" if raw is MISSING or raw is None or isinstance(raw, bool | dict | list) else str(raw)


async def _changed(tx: Transaction, source: Source, prints: dict[str, int], reading: Reading) -> dict[str, bool]:
    """The ids of rows to be looked at, and whether each is only our own write, read back. What is there exactly as we
    sent it need not be looked at."""
    if not prints:
        return {}
    asked = batch([{"i": id, "f": print} for id, print in prints.items()])
    among = {"source": source.id, "read_us": reading.read_us}
    rows = await tx.rows(SQL["changed_rows"], {**among, "batch": asked})
    confirmed = [id for id, _own, as_sent in rows if as_sent]
    if confirmed:
        await tx.run(SQL["confirm_links"], {**among, "ids": confirmed})
    return {id: own for id, own, as_sent in rows if not as_sent}


def _line(source: Source, id: str, row: dict[str, Any], print: int, reading: Reading) -> dict[str, Any]:
    return _inbox(source, id, "row", row, print, read_us=reading.read_us, backfill=reading.backfill, run=reading.run)


def _departure(source: Source, removed: Removed, reading: Reading) -> dict[str, Any]:
    body = _removed_body(removed)
    return _inbox(
        source, removed.id, "gone", body, None, read_us=reading.read_us, backfill=reading.backfill, run=reading.run
    )


def _removed_body(removed: Removed) -> dict[str, Any]:
    return {
        "merged_into": removed.merged_into,
        "stream": removed.stream,
        "erased": removed.erased,
        "at": removed.at,
    }


def _inbox(
    source: Source,
    id: str,
    kind: str,
    body: dict[str, Any],
    print: int | None,
    *,
    read_us: int,
    backfill: bool,
    run: int | None,
) -> dict[str, Any]:
    return {
        "source": source.id,
        "vendor_id": id,
        "kind": kind,
        "body": body,
        "fingerprint": print,
        "read_us": read_us,
        "backfill": backfill,
        "run": run,
        "due_us": 0,
        "tries": 0,
    }


async def _save_feed(tx: Transaction, clock: Clock, source: Source, page: Page, reading: Reading) -> None:
    cursor = page.cursor
    if reading.feed == "all" and cursor:
        cursor = {"from": cursor, "started_us": reading.started_us}
    await tx.run(
        SQL["save_feed"],
        {
            "source": source.id,
            "kind": reading.feed,
            "cursor": None if cursor is None else batch(cursor),
            "at": from_us(reading.read_us),
            "complete_at": clock.now() if reading.last else None,
            "total": page.total,
        },
    )
