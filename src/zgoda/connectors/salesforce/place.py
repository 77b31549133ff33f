"""Where a read of changes stands, and where the next one must start so that nothing is missed.

Salesforce stamps a record when the transaction writes it, but shows it only when the transaction ends, up to ten
minutes later (the longest a call may take). So a read starts an overlap before the last stamp it knows.

Once a read has begun an overlap later without finding anything newer, the place is settled and the overlap is not read
again; else a bulk load would be read again and again until the next change. A stamp from the future is believed no
further than our own clock: it would hide all that follows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from zgoda.connectors.salesforce.soql import after, literal
from zgoda.kit.convert import Unconvertible, format_instant, parse_instant
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Cursor

OVERLAP_S: Final = 600.0
SKEW: Final = timedelta(days=1)
"""How far a stamp may be ahead of our clock."""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A position in the order (stamp, id); empty is the beginning.

    `began` is set in the middle of a read: our clock when it began. `low` is set between reads that are not settled:
    the stamp where the next one starts. `seen`: our clock when `stamp` was reached. Only differences of our clock are
    used, so it need not agree with the vendor's.
    """

    stamp: str = ""
    id: str = ""
    began: str = ""
    low: str = ""
    seen: str = ""

    @property
    def condition(self) -> str:
        """What is to be read next."""
        if self.low and not self.began:
            return f"SystemModstamp >= {literal(parse_instant(self.low))}"
        if not self.stamp:
            return ""
        if not self.id:
            return f"SystemModstamp >= {literal(parse_instant(self.stamp))}"
        return after(parse_instant(self.stamp), self.id)


def place_in(cursor: Cursor | None) -> Place:
    """The place a cursor holds. A cursor that cannot be read needs a new full read."""
    try:
        place = msgspec.convert(cursor or {}, Place)
        for moment in (place.stamp, place.began, place.low, place.seen):
            if moment:
                parse_instant(moment)
    except (msgspec.ValidationError, Unconvertible):
        do = "start a full read of this stream"
        raise NeedsAttention(Attention.SETTINGS, "the saved position cannot be read", do=do) from None
    return place


def cursor_of(place: Place) -> Cursor:
    return msgspec.to_builtins(place)


def before(stamp: str, overlap_s: float, *, now: datetime) -> Place:
    """Where to read changes after something else was read since `stamp` was the newest."""
    if not stamp:
        return Place()
    low = parse_instant(stamp) - timedelta(seconds=overlap_s)
    return Place(stamp=stamp, low=format_instant(low), seen=format_instant(now))


def believable(stamp: str, now: datetime) -> str:
    """The stamp, or our own time if it lies in the future."""
    return stamp if parse_instant(stamp) <= now + SKEW else format_instant(now)


def middle(stamp: str, id: str, began: datetime) -> Place:
    return Place(stamp=stamp, id=id, began=format_instant(began))


def end(start: Place, last: tuple[str, str], began: datetime, now: datetime, overlap_s: float) -> Place:
    """Where the next read starts, after one from `start` whose last record was `last` (stamp, id; empty: none).

    What was read early in a long read may have been overtaken by late commits since, so its length counts, too.
    """
    stamp, id = last
    if start.seen and not _newer(start, stamp, id):
        settled = (began - parse_instant(start.seen)).total_seconds() >= overlap_s
        return Place(stamp=start.stamp, id=start.id, low="" if settled else start.low, seen=start.seen)
    if not stamp:
        return start
    reached = believable(stamp, now)
    low = parse_instant(reached) - timedelta(seconds=overlap_s) - (now - began)
    return Place(stamp=reached, id=id if reached == stamp else "", low=format_instant(low), seen=format_instant(now))


def _newer(start: Place, stamp: str, id: str) -> bool:
    if not stamp:
        return False
    then, now = parse_instant(start.stamp), parse_instant(stamp)
    return now > then or (now == then and id != start.id)
