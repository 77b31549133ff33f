"""Reading: everything, what changed, and records by id.

Pages go by id, which never changes; an incremental read takes all records whose stamp is not older than the start of
the read before (less an overlap), so any number of records may share one stamp and nothing shifts between pages. The
next read starts from the server's clock as it was before this one's first page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from zgoda.connectors.tryton.directory import columns_of, server_now
from zgoda.connectors.tryton.kinds import ANY, LARGEST_PAGE, Domain, Found, Kind, columns, row_of, stamped
from zgoda.connectors.tryton.options import options
from zgoda.connectors.tryton.rpc import call, rows
from zgoda.connectors.tryton.values import EPOCH
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import Attention, NeedsAttention, Temporary
from zgoda.kit.spec import Cursor, Page, Reading, Removed, Row, Session


async def read_all(kind: Kind, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """All live records. The last page's cursor is where `read_changes` goes on."""
    reading = await available(kind, session, reading)
    start, after = await _begin(kind, session, reading.cursor)
    domain = kind.only(options(session))
    total = await call(session, f"model.{kind.model}.search_count", domain)
    done = False
    while not done:
        found = await page_of(kind, session, reading, domain, after)
        after, done = found.after, found.done
        page = await present(kind, session, found.records, reading)
        cursor: Cursor = {"since": start} if done else {"start": start, "after": after}
        yield Page(rows=page.rows, cursor=cursor, total=total if isinstance(total, int) else None)


async def read_changes(kind: Kind, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """What changed since the cursor, archived and merged records as `Removed`; without a cursor everything."""
    reading = await available(kind, session, reading)
    since = _stamp(reading.cursor, "since") or EPOCH
    start, after = await _begin(kind, session, reading.cursor)
    feeds = kind.feeds or (changed_records,)
    at = min(_number(reading.cursor, "feed"), len(feeds) - 1)
    while at < len(feeds):
        found = await feeds[at](session, kind, reading, since, after)
        at, after = (at + 1, 0) if found.done else (at, found.after)
        page = await present(kind, session, found.records, reading)
        ended: Cursor = {"since": start}
        going: Cursor = {"since": since, "start": start, "feed": at, "after": after}
        yield Page(rows=page.rows, removed=page.removed, cursor=ended if at == len(feeds) else going)


async def read_ids(kind: Kind, session: Session, reading: Reading, wanted: list[str]) -> Page:
    """The records that exist; the others as `Removed`."""
    reading = await available(kind, session, reading)
    numbers = [int(id) for id in wanted if id.isascii() and id.isdecimal()]
    found = await records_by_id(kind, session, numbers, columns(kind, reading))
    page = await present(kind, session, found, reading)
    told = {row["id"] for row in page.rows} | {gone.id for gone in page.removed}
    gone = [Removed(id=id) for id in dict.fromkeys(wanted) if id not in told]
    return Page(rows=page.rows, removed=page.removed + gone)


async def available(kind: Kind, session: Session, reading: Reading) -> Reading:
    """The reading without the optional fields that this server cannot tell. A missing model needs a person."""
    known = await columns_of(session, kind.model)
    if not known:
        why = f"{kind.stream}: the module {kind.module} is not active"
        raise NeedsAttention(Attention.SCHEMA, why, do="activate it, or leave this stream out", stream=kind.stream)
    optional = {name: one for name, one in kind.virtual.items() if one.optional}
    lacking = {name for name, one in optional.items() if one.columns[0].partition(".")[0] not in known}
    fields = tuple(name for name in reading.fields if name not in lacking)
    return msgspec.structs.replace(reading, fields=fields)


async def changed_records(session: Session, kind: Kind, reading: Reading, since: str, after: int) -> Found:
    """The usual feed: records with a young stamp of their own (or of their sub-records)."""
    clause = stamped(since, options(session).overlap_s)
    domain: Domain = [kind.changed(clause, columns(kind, reading))]
    return await page_of(kind, session, reading, [*domain, ANY] if kind.archives else domain, after)


async def page_of(kind: Kind, session: Session, reading: Reading, domain: Domain, after: int) -> Found:
    """The next records of a domain in the order of their ids."""
    size = page_size(reading)
    found = await rows(session, kind.model, [*domain, ["id", ">", after]], size, columns(kind, reading))
    if found and found[0]["id"] <= after:
        raise Temporary(f"{kind.model}: a page repeats what was read")
    return Found(found, found[-1]["id"] if found else after, len(found) < size)


async def records_by_id(kind: Kind, session: Session, numbers: list[int], wanted: tuple[str, ...]) -> list[Row]:
    """Records, archived ones too; a plain `read` would fail for all if one were gone."""
    if not numbers:
        return []
    domain: Domain = [["id", "in", numbers]]
    return await rows(session, kind.model, [*domain, ANY] if kind.archives else domain, None, wanted)


async def present(kind: Kind, session: Session, found: list[Row], reading: Reading) -> Page:
    """Rows for the records of this stream and `Removed` for those that are none of it any more."""
    told = options(session)
    removed = {record["id"]: gone for record in found if (gone := kind.removed(record, told))}
    pairs = [(record, row_of(kind, record, reading, told)) for record in found if record["id"] not in removed]
    if kind.enrich is not None and pairs:
        await kind.enrich(session, pairs, reading)
    return Page(rows=[row for _, row in pairs], removed=list(removed.values()))


def page_size(reading: Reading) -> int:
    return max(1, min(reading.page_size or LARGEST_PAGE, LARGEST_PAGE))


async def _begin(kind: Kind, session: Session, cursor: Cursor | None) -> tuple[str, int]:
    """When this read began by the server's clock, and the id to go on after."""
    start = _stamp(cursor, "start")
    if start:
        return start, _number(cursor, "after")
    return await server_now(session, kind.model), 0


def _stamp(cursor: Cursor | None, name: str) -> str:
    held: Any = (cursor or {}).get(name)
    try:
        parse_instant(held)
    except Unconvertible:
        return ""
    return str(held)


def _number(cursor: Cursor | None, name: str) -> int:
    held: Any = (cursor or {}).get(name)
    return held if isinstance(held, int) and held > 0 else 0
