"""Reading a list that Mailchimp can only page by offset, while people change it.

Rows come sorted by `last_changed`, and a changed row moves to the end, so those behind it shift towards the front and
an offset would skip one. Hence:

- the walk goes on from the stamp of the last row, not from an offset (`since`, one second back: whether the vendor's
  filter includes its bound is not documented, and stamps are whole seconds);
- only where more rows share a stamp than fit a page does it count offsets, and then in a *closed* window (`since` and
  `until`). Rows can only leave such a window, which shows as a falling `total_items`, so every shift is noticed;
- neighbouring pages of a closed window overlap by `margin` rows. A fall within the margin loses nothing; a larger one
  makes the walk step back. That also allows to ask for several pages at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from zgoda.connectors.mailchimp.exchange import side_by_side
from zgoda.kit.errors import Temporary
from zgoda.kit.spec import Cursor, Row

BEGINNING = datetime(2001, 1, 1, tzinfo=UTC)
"""Before Mailchimp existed."""

PAGE_ROWS = 1000
PAGES_AT_ONCE = 8
"""Two of the ten connections are left to others."""

SECOND = timedelta(seconds=1)
LATE = timedelta(seconds=60)
"""How far back a read starts before the newest stamp seen, for changes that became visible late."""

LAST_YEAR = 9000

CLOCKS_DIFFER = timedelta(minutes=10)
"""How far our clock may be ahead of Mailchimp's without harm."""


class Sheet(msgspec.Struct, frozen=True):
    """One answer: rows, the (stamp, id) of each, and how many rows the whole window has."""

    rows: list[Row]
    marks: list[tuple[datetime, str]]
    total: int


Ask: TypeAlias = Callable[[datetime, datetime | None, int, int], Coroutine[Any, Any, Sheet]]
"""since, until, offset, count -> Sheet. Raises `Temporary` for a sheet that is unsorted, outside the window, or empty
before its end."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a walk is. In a closed window the first `covered` rows were read when it had `left` rows in all.

    `again`: the walk has come to the present, where clocks may differ and rows may still enter a window, which hides
    rows that leave; the next walk starts no later than that.
    """

    since: datetime = BEGINNING
    until: datetime | None = None
    covered: int = 0
    left: int | None = None
    again: datetime | None = None


class Step(msgspec.Struct, frozen=True):
    """What one round brought: the sheets to hand on, and the place after them (None: the end)."""

    sheets: list[Sheet]
    place: Place | None
    margin: int = 0


def whole_seconds(moment: datetime) -> str:
    """As Mailchimp takes it: fractions of a second are said to make it ignore the filter."""
    return moment.isoformat(timespec="seconds")


def resume(cursor: Cursor | None, otherwise: Place) -> Place:
    return otherwise if cursor is None else msgspec.convert(cursor, Place)


def whole(now: datetime) -> Place:
    """The start of a full read: everything until shortly ago in a closed window, then the rest."""
    return Place(until=now - CLOCKS_DIFFER)


async def walk(ask: Ask, place: Place, *, now: datetime, count: int) -> AsyncIterator[tuple[list[Row], Cursor]]:
    """Pages of rows, each row once per stamp, and the cursor that is safe once that page is stored.

    The last cursor is where the next walk starts: a little before the newest stamp, but no more than `CLOCKS_DIFFER`
    before `now`, so that a large import is not read again for ever.
    """
    seen: dict[str, datetime] = {}
    newest = place.since
    least = min(25, count // 4)
    margin = least
    while True:
        if place.until is None:
            step = await _open_round(ask, place, count)
        else:
            step = await _closed_round(ask, place, place.until, count, margin)
        margin = max(least, min(step.margin, count // 2))
        newest = max([newest, *(sheet.marks[-1][0] for sheet in step.sheets if sheet.marks)])
        after = _remember(place, step.place, now) or _rest(place, newest, now)
        for number, sheet in enumerate(step.sheets, start=1):
            rows = [row for row, (stamp, id) in zip(sheet.rows, sheet.marks, strict=True) if seen.get(id) != stamp]
            seen.update((id, stamp) for stamp, id in sheet.marks)
            yield rows, _cursor(after if number == len(step.sheets) else place)
        if step.place is None:
            return
        if after.since > place.since:
            seen = {id: stamp for id, stamp in seen.items() if stamp >= after.since}
        place = after


def _remember(before: Place, after: Place | None, now: datetime) -> Place | None:
    """The next place with `again` carried on, or set where the walk comes to the present."""
    if after is None:
        return None
    known = now - CLOCKS_DIFFER
    again = before.again
    if again is None and (after.since > known or (after.until is not None and after.until > known)):
        again = min(known, after.since)
    return msgspec.structs.replace(after, again=again)


def _rest(place: Place, newest: datetime, now: datetime) -> Place:
    """Where the next walk starts when this one is at its end. A stamp from the future would hide all that follows, so
    it is not believed."""
    known = now - CLOCKS_DIFFER
    since = known if newest > now else max(place.since, newest - LATE, known)
    return Place(since=since if place.again is None else min(since, place.again))


async def _open_round(ask: Ask, place: Place, count: int) -> Step:
    """One page of what changed since; if one second fills it, that second is closed and walked by offset."""
    sheet = await ask(place.since, None, 0, count)
    if len(sheet.rows) >= sheet.total:
        return Step(sheets=[sheet], place=None)
    since = sheet.marks[-1][0] - SECOND
    if since > place.since:
        return Step(sheets=[sheet], place=Place(since=since))
    if since.year > LAST_YEAR:
        raise Temporary("more members than one page holds have an impossible last_changed")
    return Step(sheets=[sheet], place=Place(since=place.since, until=place.since + 3 * SECOND))


async def _closed_round(ask: Ask, place: Place, until: datetime, count: int, margin: int) -> Step:
    """Several pages at once; those that do not join on to what was covered are left for the next round."""
    start = max(0, place.covered - margin)
    pages = 1 if place.left is None else min(PAGES_AT_ONCE, -(-(place.left - start) // (count - margin)))
    offsets = [start + page * (count - margin) for page in range(max(1, pages))]
    asked = await side_by_side([ask(place.since, until, offset, count) for offset in offsets])
    low = min(sheet.total for sheet in asked)
    fall = max([place.left or 0, *(sheet.total for sheet in asked)]) - low
    reach, sheets = place.covered, list[Sheet]()
    for offset, sheet in zip(offsets, asked, strict=True):
        if offset > max(0, reach - fall):
            break
        if sheets and not fall and place.again is None and not _join(sheets[-1], sheet, reach - offset):
            raise Temporary("two neighbouring pages of members do not join")
        reach = max(reach, offset + len(sheet.rows))
        sheets.append(sheet)
    covered = max(0, reach - fall)
    if covered >= low:
        return Step(sheets=sheets or [Sheet([], [], low)], place=Place(since=until - SECOND))
    last = sheets[-1].marks[-1][0] - SECOND if sheets and sheets[-1].marks else place.since
    if last > place.since and fall <= margin:
        ahead = Place(since=last, until=until, left=low - covered)
    else:
        ahead = Place(since=place.since, until=until, covered=covered, left=low)
    return Step(sheets=sheets, place=ahead, margin=2 * fall)


def _join(one: Sheet, next: Sheet, overlap: int) -> bool:
    """Whether the last rows of a page are the first of the next, as they must be in a window of the past that no
    row has left."""
    tail = {id for _, id in one.marks[-overlap:]} if overlap > 0 else set[str]()
    return tail == {id for _, id in next.marks[:overlap]}


def _cursor(place: Place) -> Cursor:
    return msgspec.to_builtins(place)


class Part(msgspec.Struct, frozen=True):
    """One page of a list read by offset; the first `end` rows of `total` have been read."""

    rows: list[Row]
    end: int
    total: int


AskPart: TypeAlias = Callable[[int, int], Awaitable[tuple[list[Row], int]]]
"""offset, count -> rows, total"""


async def by_offset(ask: AskPart, *, start: int = 0, count: int = PAGE_ROWS) -> AsyncIterator[Part]:
    """A list without a usable stamp. Neighbouring pages overlap a little, so a row may come twice; a list that loses
    more rows than the overlap between two pages needs another read."""
    offset = start
    while True:
        rows, total = await ask(offset, count)
        end = offset + len(rows)
        yield Part(rows, end, total)
        if not rows or end >= total:
            return
        offset = end - min(25, len(rows) // 4)
