"""What a table looks like, in words both kinds of database share, and what a value must be to fit into a column."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import msgspec

from zgoda.connectors.sql.options import TableOptions
from zgoda.kit.convert import Unconvertible, parse_instant


class Kind(StrEnum):
    """How a column's values travel. `LOCAL` is a time without a zone, `SET` an array, `OTHER` goes as text."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    DATE = "date"
    INSTANT = "datetime"
    LOCAL = "timestamp"
    SET = "set"
    JSON = "json"
    OTHER = "other"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column. `type` is the database's own spelling, for casts. `length` counts characters (0: any number);
    `digits` and `scale` are a decimal's (0: any); `bits` an integer's. `choices` are all it takes, if not empty."""

    name: str
    type: str
    kind: Kind
    nullable: bool = True
    has_default: bool = False
    generated: bool = False
    length: int = 0
    digits: int = 0
    scale: int = 0
    bits: int = 64
    choices: tuple[str, ...] = ()
    closed: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it is, with what was said about it. `uniques` are the columns of each unique constraint, `checks`
    those of each named constraint. `lockable`: single rows can be locked (a table, no view)."""

    stream: str
    told: TableOptions
    name: str
    columns: dict[str, Column]
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: dict[str, tuple[str, ...]] = {}
    lockable: bool = True
    zone: ZoneInfo = msgspec.field(default_factory=lambda: ZoneInfo("UTC"))


class Unfit(Exception):
    """A value that its column cannot hold exactly. `code` says why; the value itself is not repeated."""

    def __init__(self, code: str, column: str) -> None:
        super().__init__(code)
        self.code = code
        self.column = column


WHY: Final = {
    "unknown_column": "there is no such column",
    "read_only": "the column is not among those the hub may write",
    "generated": "the database calculates this column",
    "bad_value": "this is no value for a column of this type",
    "too_long": "the text is longer than the column",
    "too_exact": "more digits than the column can hold",
    "out_of_range": "the number is outside the column's range",
    "no_choice": "the column takes certain values only, and this is none of them",
    "ambiguous_time": "this hour happens twice in the zone of the column",
}


def fitting(table: Table, column: Column, value: Any) -> Any:
    """The value as the database's parameter: text, number, boolean, list or None. Raises `Unfit`."""
    if column.generated:
        raise Unfit("generated", column.name)
    if value is None:
        return None
    try:
        fit = _FITS.get(column.kind, _fit_text)(table, column, value)
    except (Unconvertible, ValueError, InvalidOperation):
        raise Unfit("bad_value", column.name) from None
    if column.closed and fit not in column.choices:
        raise Unfit("no_choice", column.name)
    return fit


def _fit_boolean(table: Table, column: Column, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("bad_value", column.name)
    return value


def _fit_integer(table: Table, column: Column, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unfit("bad_value", column.name)
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d{1,40}", value, re.ASCII):
        raise Unfit("bad_value", column.name)
    number = int(value)
    if not -(2 ** (column.bits - 1)) <= number < 2 ** (column.bits - 1):
        raise Unfit("out_of_range", column.name)
    return number


def _fit_decimal(table: Table, column: Column, value: Any) -> str:
    """Plain notation. What the column would round is refused."""
    number = _number(column, value)
    _sign, digits, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)
    if column.digits:
        if -exponent > column.scale:
            raise Unfit("too_exact", column.name)
        if number and len(digits) + exponent > column.digits - column.scale:
            raise Unfit("out_of_range", column.name)
    return format(number, "f")


def _fit_float(table: Table, column: Column, value: Any) -> str:
    """Binary columns hold 15 digits for certain."""
    number = _number(column, value)
    if Decimal(repr(float(number))) != number or len(number.normalize().as_tuple().digits) > FLOAT_DIGITS:
        raise Unfit("too_exact", column.name)
    return format(number, "f")


FLOAT_DIGITS: Final = 15


def _number(column: Column, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unfit("bad_value", column.name)
    number = Decimal(str(value))
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise Unfit("out_of_range", column.name)
    return number


LARGEST_EXPONENT: Final = 300


def _fit_text(table: Table, column: Column, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit("bad_value", column.name)
    text = str(value)
    text.encode()  # half a surrogate pair is no text
    if "\0" in text:
        raise Unfit("bad_value", column.name)
    if column.length and len(text) > column.length:
        raise Unfit("too_long", column.name)
    return text


def _fit_date(table: Table, column: Column, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise Unfit("bad_value", column.name)
    return date.fromisoformat(value).isoformat()


def _fit_instant(table: Table, column: Column, value: Any) -> str:
    return parse_instant(value).isoformat()


def _fit_local(table: Table, column: Column, value: Any) -> str:
    """The wall clock's time in the zone of the settings; an hour that happens twice cannot be told apart later."""
    moment = parse_instant(value)
    wall = moment.astimezone(table.zone).replace(tzinfo=None)
    if as_instant(wall, table.zone) != moment or as_instant(wall.replace(fold=1), table.zone) != moment:
        raise Unfit("ambiguous_time", column.name)
    return wall.isoformat(sep=" ")


def as_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A wall clock's time as an instant."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _fit_set(table: Table, column: Column, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Unfit("bad_value", column.name)
    item = msgspec.structs.replace(column, length=0)
    return [_fit_text(table, item, one) for one in cast("list[Any]", value)]


def _fit_json(table: Table, column: Column, value: Any) -> Any:
    """Whole documents only: a part of one (a dotted path) would have to be merged into the rest."""
    if isinstance(value, list):
        return _fit_set(table, column, value)
    return value if isinstance(value, bool) else _fit_text(table, column, value)


_FITS: Final[dict[Kind, Callable[[Table, Column, Any], Any]]] = {
    Kind.BOOLEAN: _fit_boolean,
    Kind.INTEGER: _fit_integer,
    Kind.DECIMAL: _fit_decimal,
    Kind.FLOAT: _fit_float,
    Kind.DATE: _fit_date,
    Kind.INSTANT: _fit_instant,
    Kind.LOCAL: _fit_local,
    Kind.SET: _fit_set,
    Kind.JSON: _fit_json,
}


def possible_id(column: Column, id: str) -> bool:
    """Whether a row could have this id at all; the database would take others for a mistake of ours."""
    if column.kind is Kind.INTEGER:
        fits = re.fullmatch(r"0|-?[1-9]\d{0,18}", id, re.ASCII)
        return fits is not None and -(2 ** (column.bits - 1)) <= int(id) < 2 ** (column.bits - 1)
    if column.type == "uuid":
        return re.fullmatch(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", id, re.ASCII) is not None
    return "\0" not in id


UNREADABLE: Final[dict[str, Any]] = {"unreadable": True}
"""Stands for a value no text can be made of (bytes, a zero character): the mapping reports the one field, and the rest
of the row goes on."""


def instant_of(raw: str, zone: ZoneInfo) -> str:
    """A stored time as an instant; what is none ('infinity') stays as it is, for the mapping to report."""
    try:
        moment = datetime.fromisoformat(raw.strip())
        moment = as_instant(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return raw
    return moment.replace(tzinfo=None).isoformat() + "Z"
