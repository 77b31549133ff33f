"""Reading: everything by id, changes by (stamp, id), single records by id.

Every page is a query of its own that starts after the last record of the page before. Nothing is kept at the vendor, so
a page can be read again days later, and an answer cut short (`done: false`) just makes the page smaller.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from zgoda.connectors.salesforce.call import LARGEST_PAGE, place_of, query
from zgoda.connectors.salesforce.objects import STAMP, SObject, columns, shape
from zgoda.connectors.salesforce.place import OVERLAP_S, Place, before, believable, cursor_of, end, middle, place_in
from zgoda.connectors.salesforce.soql import among_ids, count, is_id, literal, select
from zgoda.kit.convert import parse_instant
from zgoda.kit.errors import Temporary
from zgoda.kit.spec import Page, Reading, Removed, Row, Session

IDS_PER_QUERY = 300
"""Ids and fields must fit into a request line of 16 KiB."""

BY_STAMP = f"{STAMP} ASC, Id ASC"


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """The middle of a full read: the last id, and what was true when it began: newest stamp, number of records."""

    after: str
    stamp: str
    total: int


async def read_all(sobject: SObject, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """All records in the order of their ids, which no change can move. The last page's cursor is for `read_changes`."""
    sweep = _sweep_in(reading) or await _begin(sobject, session)
    size = _size(reading)
    while True:
        records, more = await _page(
            sobject, session, reading.fields, f"Id > {literal(sweep.after)}" if sweep.after else "", "Id ASC", size
        )
        if records:
            sweep = Sweep(after=_progress(records, sweep.after), stamp=sweep.stamp, total=sweep.total)
        cursor = (
            {"sweep": msgspec.to_builtins(sweep)}
            if more
            else cursor_of(before(sweep.stamp, _overlap_s(session), now=session.clock.now()))
        )
        yield Page(rows=_rows(sobject, reading.fields, records), cursor=cursor, total=sweep.total)
        if not more:
            return


async def read_changes(sobject: SObject, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Records changed since the cursor, oldest first; without a cursor all."""
    async for records, place in walk(sobject, session, reading):
        yield Page(rows=_rows(sobject, reading.fields, records), cursor=cursor_of(place))


async def walk(
    sobject: SObject, session: Session, reading: Reading, *, scope: str | None = None
) -> AsyncIterator[tuple[list[Row], Place]]:
    """Vendor records in the order (stamp, id) from the reading's place, and where to go on after each page."""
    start = place_in(reading.cursor)
    began = parse_instant(start.began) if start.began else session.clock.now()
    last = (start.stamp, start.id) if start.began else ("", "")
    condition = start.condition
    while True:
        records, more = await _page(sobject, session, reading.fields, condition, BY_STAMP, _size(reading), scope=scope)
        if records and place_of(records[-1]) == last:
            raise Temporary(f"a read of {sobject.stream} does not get ahead")
        last = place_of(records[-1]) if records else last
        place = middle(*last, began)
        yield records, place if more else end(start, last, began, session.clock.now(), _overlap_s(session))
        if not more:
            return
        condition = place.condition


async def read_ids(sobject: SObject, session: Session, reading: Reading, ids: list[str]) -> Page:
    """The records with these ids; what is deleted, merged, converted or not of this stream comes as removed."""
    wanted = tuple(dict.fromkeys((*columns(sobject, reading.fields), *end_marks(sobject))))
    scope = "" if sobject.converts_to else sobject.scope
    known = await records_by_id(sobject, session, wanted, ids, scope=scope, asked=reading.fields)
    rows: list[Row] = []
    removed: list[Removed] = []
    for id in ids:
        record = known.get(id[:15])
        gone = removal(sobject, id, record)
        if gone is None and record is not None:
            rows.append(shape(sobject, reading.fields, record))
        elif gone is not None:
            removed.append(gone)
    return Page(rows=rows, removed=removed)


async def records_by_id(
    sobject: SObject,
    session: Session,
    wanted: tuple[str, ...],
    ids: list[str],
    *,
    scope: str = "",
    asked: tuple[str, ...] = (),
) -> dict[str, Row]:
    """Vendor records, deleted ones too, by the first 15 letters of their id: ids come in two lengths."""
    known: dict[str, Row] = {}
    waiting = [id for id in ids if is_id(id)]
    while waiting:
        chunk = waiting[:IDS_PER_QUERY]
        text = select(wanted, sobject.name, where=[among_ids(chunk), scope])
        found = await query(session, text, sobject=sobject, asked=asked, deleted=True)
        known |= {str(record["Id"])[:15]: record for record in found.records}
        whole = found.done and len(found.records) >= found.totalSize
        answered = chunk if whole else [id for id in chunk if id[:15] in known]
        if not answered:
            raise Temporary(f"a read of {sobject.stream} by id does not get ahead")
        waiting = [id for id in chunk if id not in answered] + waiting[IDS_PER_QUERY:]
    return known


def end_marks(sobject: SObject) -> tuple[str, ...]:
    """The columns `removal` needs."""
    merged = ("MasterRecordId",) if sobject.merges else ()
    converted = ("IsConverted", "ConvertedContactId") if sobject.converts_to else ()
    return ("Id", STAMP, "IsDeleted", *merged, *converted)


def removal(sobject: SObject, id: str, record: Row | None) -> Removed | None:
    """What a vendor record says about its own end, None if it lives."""
    if record is None:
        return Removed(id=id)
    at = _moment(record)
    if record.get("IsDeleted"):
        return Removed(id=id, at=at, merged_into=_id_in(record, "MasterRecordId"))
    if record.get("IsConverted"):
        contact = _id_in(record, "ConvertedContactId")
        return Removed(id=id, at=at, merged_into=contact, stream=sobject.converts_to if contact else "")
    return None


async def _begin(sobject: SObject, session: Session) -> Sweep:
    """The vendor's count and newest stamp, taken before reading: changes are then read from that stamp on."""
    newest = select(["Id", STAMP], sobject.name, where=[sobject.scope], order=f"{STAMP} DESC", limit=1)
    found = (await query(session, newest, sobject=sobject)).records
    total = (await query(session, count(sobject.name, sobject.scope), sobject=sobject)).totalSize
    stamp = believable(place_of(found[0])[0], session.clock.now()) if found else ""
    return Sweep(after="", stamp=stamp, total=total)


async def _page(
    sobject: SObject,
    session: Session,
    fields: tuple[str, ...],
    condition: str,
    order: str,
    size: int,
    *,
    scope: str | None = None,
) -> tuple[list[Row], bool]:
    """One page, and whether there may be more."""
    where = [sobject.scope if scope is None else scope, condition]
    text = select(columns(sobject, fields), sobject.name, where=where, order=order, limit=size)
    found = await query(session, text, sobject=sobject, asked=fields)
    short = len(found.records) < min(found.totalSize, size)
    if not found.records and (short or not found.done):
        raise Temporary(f"an empty page of {sobject.stream} promises more")
    return found.records, short or not found.done or len(found.records) >= size


def _rows(sobject: SObject, fields: tuple[str, ...], records: list[Row]) -> list[Row]:
    for record in records:
        place_of(record)
    return [shape(sobject, fields, record) for record in records]


def _progress(records: list[Row], last: str) -> str:
    id = str(records[-1].get("Id"))
    if id == last:
        raise Temporary("a full read does not get ahead")
    return id


def _sweep_in(reading: Reading) -> Sweep | None:
    """The sweep to go on with; any other cursor starts a new one."""
    try:
        return msgspec.convert((reading.cursor or {}).get("sweep"), Sweep | None)
    except msgspec.ValidationError:
        return None


def _size(reading: Reading) -> int:
    return min(max(reading.page_size or LARGEST_PAGE, 1), LARGEST_PAGE)


def _overlap_s(session: Session) -> float:
    return float(session.settings.get("overlap_s") or OVERLAP_S)


def _moment(record: Row) -> datetime:
    return parse_instant(place_of(record)[0])


def _id_in(record: Row, field: str) -> str:
    id = record.get(field)
    return id if isinstance(id, str) and is_id(id) else ""
