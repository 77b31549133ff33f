"""Tryton's JSON spelling of dates, stamps and decimals, and back.

Objects with a `__class__` stand for what JSON lacks (trytond/protocols/jsonrpc.py). Rows leave this connector with ISO
8601 text in UTC and decimals as text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.errors import Temporary

_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "microsecond")
EPOCH: Final = "1970-01-01T00:00:00.000000Z"


def plain(value: Any) -> Any:
    """A decoded answer with every `__class__` object turned into text. Impossible ones are `Temporary`."""
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    parts = cast("dict[str, Any]", value)
    spell = _READ.get(str(parts.get("__class__")))
    if spell is None:
        return {name: plain(item) for name, item in parts.items()}
    try:
        return spell(parts)
    except (KeyError, TypeError, ValueError):
        raise Temporary("a date or number of the answer is none") from None


def vendor_value(type: str, value: Any) -> Any:
    """A canonical value in the spelling of a Tryton field type; `Unconvertible` if it cannot be."""
    if value is None:
        return None
    spell = _WRITE.get(type)
    if spell is None:
        return value
    try:
        return spell(value)
    except (TypeError, ValueError, InvalidOperation):
        raise Unconvertible(f"this is no {type}") from None


def moment(stamp: str, *, earlier_s: float = 0.0) -> dict[str, Any]:
    """A stamp for a domain."""
    return _spell_moment(max(parse_instant(stamp) - timedelta(seconds=earlier_s), parse_instant(EPOCH)))


def whole(value: Any) -> int:
    """A record id from what a mapping or a row holds."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isascii():
        raise ValueError("no id")
    return int(value)


def _read_moment(parts: dict[str, Any]) -> str:
    found = datetime(*(parts[name] for name in _PARTS), tzinfo=UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spell_moment(at: datetime) -> dict[str, Any]:
    return {
        "__class__": "datetime",
        **{name: getattr(at, name) for name in _PARTS},
    }


def _spell_day(text: str) -> dict[str, Any]:
    day = date.fromisoformat(text)
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


_READ: dict[str, Callable[[dict[str, Any]], str]] = {
    "datetime": _read_moment,
    "date": lambda parts: date(parts["year"], parts["month"], parts["day"]).isoformat(),
    "time": lambda parts: f"{parts['hour']:02d}:{parts['minute']:02d}:{parts['second']:02d}",
    "timedelta": lambda parts: str(float(parts["seconds"])),
    "bytes": lambda parts: str(parts["base64"]),
    "Decimal": lambda parts: str(parts["decimal"]),
}

_WRITE: dict[str, Callable[[Any], Any]] = {
    "date": _spell_day,
    "datetime": lambda text: _spell_moment(parse_instant(text)),
    "timestamp": lambda text: _spell_moment(parse_instant(text)),
    "numeric": lambda number: {"__class__": "Decimal", "decimal": str(Decimal(str(number)))},
    "float": lambda number: float(Decimal(str(number))),
    "many2one": whole,
}
