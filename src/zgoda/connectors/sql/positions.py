"""Positions in the order of changes: what a change column says, and how far back a read has to begin.

A transaction may commit after younger ones were read. So a position is taken back by an overlap before it is used,
until the overlap has passed without anything new; only then it is exact ("quiet").
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import msgspec

from zgoda.connectors.sql.catalogue import Kind, Table
from zgoda.connectors.sql.options import Options
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Cursor

REPEATED_HOURS_S: Final = 2 * 3600.0
"""A wall clock may go back by an hour (by two in one place); stamps without a zone then repeat."""

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(\.\d{1,6})?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE
)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Where to read from: after the row (`stamp`, `id`), or from `stamp` on with it (no id). No stamp: from the first.
    Stamps are the database's own text for them."""

    stamp: str = ""
    id: str | None = None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What a cursor of the change feed holds. `walking` is set within a read, with the `horizon` the read began at;
    `seen_at` is our clock when a stamp was first the newest."""

    stamp: str = ""
    id: str | None = None
    walking: bool = False
    horizon: str = ""
    seen_at: str = ""
    quiet: bool = False


def position_of(cursor: Cursor | None) -> Position:
    """A cursor that is none of ours starts from the beginning, which misses nothing."""
    try:
        return msgspec.convert(cursor or {}, Position)
    except msgspec.ValidationError:
        return Position()


def cursor_of(position: Position) -> Cursor:
    return msgspec.to_builtins(position)


def window(position: Position, table: Table, told: Options) -> Window:
    """Where a read that starts at a position has to begin."""
    if position.walking or (position.quiet and not _repeats(table)):
        return Window(stamp=position.stamp, id=position.id)
    return Window(stamp=rewound(position.stamp, table, told))


def ended(before: Position, last: Position, horizon: str, now: datetime, table: Table, told: Options) -> Position:
    """The position after a read that began at `horizon` and whose last row was `last`."""
    reached = last.stamp and not _later(last.stamp, horizon, table)
    stamp, id = (last.stamp, last.id) if reached else (horizon, None)
    if not stamp:
        return Position()
    if stamp != before.stamp or not before.seen_at:
        return Position(stamp=stamp, id=id, seen_at=now.isoformat())
    waited_s = (now - datetime.fromisoformat(before.seen_at)).total_seconds()
    quiet = id is not None and waited_s > told.overlap_s
    return Position(stamp=stamp, id=id, seen_at=before.seen_at, quiet=quiet)


def rewound(stamp: str, table: Table, told: Options) -> str:
    """A stamp less the overlap, spelled like the stamp."""
    if not stamp:
        return ""
    if _counts(table):
        return str(int(stamp) - told.overlap_count)
    back_s = told.overlap_s + (REPEATED_HOURS_S if _repeats(table) else 0.0)
    return spelled_like(stamp, moment_of(stamp, table) - timedelta(seconds=back_s))


def earlier(stamp: str, now: datetime, table: Table) -> str:
    """The stamp, but none from the future: it would hide all changes until then. `now` is the database's own clock."""
    if not stamp or _counts(table):
        return stamp
    newest = moment_of(stamp, table)
    wall = newest.tzinfo is None
    present = now.astimezone(table.zone).replace(tzinfo=None) if wall else now.astimezone(newest.tzinfo)
    return stamp if newest <= present else spelled_like(stamp, present)


def moment_of(stamp: str, table: Table) -> datetime:
    """A stamp as a time, naive where it has no zone."""
    if not _TIME.fullmatch(stamp.strip()):
        message = f"{table.stream}: the column {table.told.changed} holds something that is neither a time nor a number"
        column = (table.told.changed,)
        raise NeedsAttention(
            Attention.SCHEMA, message, do="mend it or name another column", fields=column, stream=table.stream
        )
    return datetime.fromisoformat(stamp.strip())


def spelled_like(stamp: str, moment: datetime) -> str:
    """A time in the spelling of another stamp, so that texts compare as times do."""
    found = _TIME.fullmatch(stamp.strip())
    assert found is not None
    _day, separator, _time, fraction, zone = found.groups()
    text = f"{moment:%Y-%m-%d}{separator}{moment:%H:%M:%S}"
    if fraction:
        text += f".{moment.microsecond:06d}"[: len(fraction)]
    return text + (zone or "")


def _later(stamp: str, other: str, table: Table) -> bool:
    if not other:
        return True
    if _counts(table):
        return int(stamp) > int(other)
    return moment_of(stamp, table) > moment_of(other, table)


def _counts(table: Table) -> bool:
    return table.columns[table.told.changed].kind is Kind.INTEGER


def _repeats(table: Table) -> bool:
    """Whether stamps are a wall clock's that may go back."""
    return table.columns[table.told.changed].kind is Kind.LOCAL and table.zone.key != "UTC"
