"""Deletions, from Tryton's own log.

`ir.model.log` keeps an event for every deletion by a user, but hides which record it was: the reference reads as null
once its target is gone. It can still be searched, and the pattern for one character tells one digit of all ids of a
page at once. So the ids are asked for bit by bit: five searches per digit, whatever the number of deletions. Deletions
by Tryton's own jobs are not in the log; a full compare finds those. Only administrators may search it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from zgoda.connectors.tryton.directory import server_now
from zgoda.connectors.tryton.kinds import ANY, LARGEST_PAGE, Kind
from zgoda.connectors.tryton.options import options
from zgoda.connectors.tryton.rpc import ids, rows
from zgoda.connectors.tryton.values import EPOCH, moment
from zgoda.kit.convert import parse_instant
from zgoda.kit.spec import Cursor, Page, Reading, Removed, Row, Session

LOG: Final = "ir.model.log"
MOST_DIGITS: Final = 18


async def read_deletes(kind: Kind, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Deletions since the cursor (without one: all the log has)."""
    cursor: Cursor = reading.cursor or {}
    since, start, after = cursor.get("since", EPOCH), cursor.get("start"), cursor.get("after", 0)
    start = start or await server_now(session, kind.model)
    overlap_s = options(session).overlap_s if since != EPOCH else 0.0
    logged = kind.logged or kind.model
    window = [["event", "=", "delete"], _like(logged, "%"), ["create_date", ">=", moment(since, earlier_s=overlap_s)]]
    done = False
    while not done:
        found = await rows(session, LOG, [*window, ["id", ">", after]], LARGEST_PAGE, ("create_date",))
        done = len(found) < LARGEST_PAGE
        after = found[-1]["id"] if found else after
        removed = await _removed(kind, session, logged, found)
        yield Page(removed=removed, cursor={"since": start} if done else {**cursor, "start": start, "after": after})


async def _removed(kind: Kind, session: Session, logged: str, found: list[Row]) -> list[Removed]:
    """The log also holds deletions of what was never there or is there again; live records stay."""
    if not found:
        return []
    stamps = {entry["id"]: entry.get("create_date") for entry in found}
    gone = {kind.record_id(id): stamps[entry] for entry, id in (await _ids(session, logged, list(stamps))).items()}
    still: list[Any] = [["id", "in", list(gone)], *([ANY] if kind.archives else [])]
    alive = set(await ids(session, kind.model, still))
    at = {id: parse_instant(stamp) if isinstance(stamp, str) else None for id, stamp in gone.items()}
    return [Removed(id=str(id), at=at[id]) for id in sorted(gone.keys() - alive)]


async def _ids(session: Session, logged: str, entries: list[int]) -> dict[int, int]:
    """Log entry -> the id of the record it speaks of."""
    told = dict.fromkeys(entries, 0)
    among: list[Any] = [["event", "=", "delete"], ["id", "in", entries]]
    for place in range(MOST_DIGITS):
        before = "_" * place
        longer = await ids(session, LOG, [*among, _like(logged, f"{before}_%")])
        if not longer:
            break
        digits = dict.fromkeys(longer, 0)
        for bit in (1, 2, 4, 8):
            having = [_like(logged, f"{before}{digit}%") for digit in range(10) if digit & bit]
            for entry in await ids(session, LOG, [*among, ["OR", *having]]):
                digits[entry] = digits.get(entry, 0) + bit
        for entry, digit in digits.items():
            told[entry] = told.get(entry, 0) * 10 + digit
    return told


def _like(logged: str, pattern: str) -> list[Any]:
    return ["resource", "like", f"{logged},{pattern}"]
