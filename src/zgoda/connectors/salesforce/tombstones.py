"""What is gone: deleted, merged into another record, or converted from a lead to a contact.

`/deleted/` keeps its log for 15 days and may purge it sooner; a full read after a longer pause finds the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from zgoda.connectors.salesforce.call import HEADERS, LARGEST_PAGE, decoded, root
from zgoda.connectors.salesforce.objects import SObject
from zgoda.connectors.salesforce.place import cursor_of
from zgoda.connectors.salesforce.reads import end_marks, records_by_id, removal, walk
from zgoda.connectors.salesforce.recovery import accept, faults_of
from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.convert import Unconvertible, format_instant, parse_instant
from zgoda.kit.errors import Attention, NeedsAttention, Temporary
from zgoda.kit.spec import Cursor, Page, Reading, Removed, Session

KEPT: Final = timedelta(days=15) - timedelta(minutes=10)
"""How far back the vendor's log of deletions reaches, less a margin for the two clocks."""

WINDOW: Final = timedelta(days=1)
SHORTEST: Final = timedelta(minutes=1)
"""The vendor ignores seconds, so a shorter window would be none."""


class _Deleted(msgspec.Struct, frozen=True):
    id: str
    deletedDate: str  # noqa: N815 - the vendor's spelling


class _DeletedAnswer(msgspec.Struct, frozen=True):
    deletedRecords: list[_Deleted]  # noqa: N815 - the vendor's spelling
    latestDateCovered: str  # noqa: N815 - the vendor's spelling


async def read_deletes(sobject: SObject, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Removed records since the cursor; without one since the log begins."""
    oldest = session.clock.now() - KEPT
    cursor = dict(reading.cursor or {})
    start = max(_until(cursor) or oldest, oldest)
    converted: Cursor = cursor.get("converted") or {"stamp": format_instant(start)}
    async for deleted, covered in _deletions(sobject, session, start):
        for first in range(0, len(deleted), LARGEST_PAGE):
            yield Page(removed=await _tell(sobject, session, deleted[first : first + LARGEST_PAGE]))
        start = covered
        yield Page(cursor={"until": format_instant(start), "converted": converted})
    if not sobject.converts_to:
        return
    until = format_instant(start)
    async for removed, place in _conversions(sobject, session, converted):
        yield Page(removed=removed, cursor={"until": until, "converted": place})


async def _deletions(
    sobject: SObject, session: Session, start: datetime
) -> AsyncIterator[tuple[list[_Deleted], datetime]]:
    """Windows of the log, halved where one holds more ids than the vendor gives at once (600,000)."""
    width = WINDOW
    while True:
        stop = min(start + width, session.clock.now())
        if stop - start < SHORTEST:
            return
        answer = await _ask(sobject, session, start, stop)
        if answer is None:
            width /= 2
            if width < SHORTEST:
                raise Temporary(f"too many deletions of {sobject.stream} within a minute")
            continue
        covered = _moment(answer.latestDateCovered)
        if covered is None:
            raise Temporary("the log of deletions does not say how far it goes")
        covered = min(covered, stop)
        yield answer.deletedRecords, max(covered, start)
        if covered <= start or stop - covered >= SHORTEST:
            return
        start = covered


async def _ask(sobject: SObject, session: Session, start: datetime, stop: datetime) -> _DeletedAnswer | None:
    """The log of a window; None if it is too large."""
    path = f"{root(session)}/sobjects/{sobject.name}/deleted/"
    params = {"start": start.isoformat(timespec="seconds"), "end": stop.isoformat(timespec="seconds")}
    answer = await session.http.request("GET", path, params=params, headers=HEADERS, of="query")
    if any(fault.code == "EXCEEDED_ID_LIMIT" for fault in faults_of(answer)):
        return None
    return decoded(accept(answer, sobject), _DeletedAnswer)


async def _tell(sobject: SObject, session: Session, deleted: list[_Deleted]) -> list[Removed]:
    """Deletions with the survivor of a merge. What was brought back from the recycle bin is not told."""
    ids = [record.id for record in deleted if is_id(record.id)]
    known = await records_by_id(sobject, session, end_marks(sobject), ids)
    told: list[Removed] = []
    for record in deleted:
        gone = removal(sobject, record.id, known.get(record.id[:15]))
        if gone is not None:
            told.append(Removed(id=record.id, at=_moment(record.deletedDate), merged_into=gone.merged_into))
    return told


async def _conversions(
    sobject: SObject, session: Session, cursor: Cursor
) -> AsyncIterator[tuple[list[Removed], Cursor]]:
    reading = Reading(fields=("IsConverted", "ConvertedContactId"), cursor=cursor)
    async for records, place in walk(sobject, session, reading, scope="IsConverted = true"):
        told = [gone for record in records if (gone := removal(sobject, str(record["Id"]), record))]
        yield told, cursor_of(place)


def _until(cursor: Cursor) -> datetime | None:
    raw = cursor.get("until")
    until = _moment(raw)
    if raw is not None and until is None:
        do = "start a full read of this stream"
        raise NeedsAttention(Attention.SETTINGS, "the saved position cannot be read", do=do)
    return until


def _moment(raw: Any) -> datetime | None:
    try:
        return parse_instant(raw)
    except Unconvertible:
        return None
