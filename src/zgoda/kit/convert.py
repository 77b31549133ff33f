"""From a vendor's spelling of a value to the canonical one and back, by canonical type.

A `Dialect` is a vendor's set of spellings; a mapping row may name another converter for one field. Nothing is coerced
by chance: what cannot be read or written exactly raises `Unconvertible`, and the engine parks that one field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.model.entities import FieldType
from zgoda.model.values import clean_text


class Unconvertible(ValueError):
    """A value that has no exact counterpart. The message names the type and the trouble, never the value."""


Converter: TypeAlias = Callable[[Any], Any]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor spells blanks, times, sets and numbers.

    `blank` are the raw values that mean "not set"; `write_blank` is what to send to clear a field. `instant` writes a
    canonical instant in the vendor's form (reading understands all usual ones; naive stamps are taken as UTC).
    `set_separator` is empty where sets are JSON lists. `decimal` says whether amounts travel as numbers or as text.
    """

    blank: tuple[Any, ...] = (None, "")
    write_blank: Any = None
    instant: Literal["iso", "salesforce", "odoo"] = "iso"
    set_separator: str = ""
    decimal: Literal["number", "text"] = "number"


def reader(type: FieldType, dialect: Dialect) -> Converter:
    """The function from a raw, non-blank value to the canonical one."""
    if type is FieldType.SET and dialect.set_separator:
        separator = dialect.set_separator
        return lambda raw: read_set(raw.split(separator) if isinstance(raw, str) else raw)
    return _READERS[type]


def writer(type: FieldType, dialect: Dialect) -> Converter:
    """The function from a canonical, non-blank value to the vendor's."""
    match type:
        case FieldType.SET if dialect.set_separator:
            separator = dialect.set_separator
            return lambda value: _join(value, separator)
        case FieldType.INSTANT:
            return _INSTANT_WRITERS[dialect.instant]
        case FieldType.DECIMAL if dialect.decimal == "number":
            return _write_number
        case _:
            return _as_is


def read_text(raw: Any) -> str | None:
    if isinstance(raw, str):
        return clean_text(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Unconvertible("expected text")
    return str(raw)


def read_integer(raw: Any) -> int:
    if isinstance(raw, bool):
        raise Unconvertible("expected a whole number")
    if isinstance(raw, int):
        return raw
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)
    if isinstance(raw, str) and re.fullmatch(r"[+-]?\d{1,18}", raw.strip(), re.ASCII):
        return int(raw)
    raise Unconvertible("expected a whole number")


def read_decimal(raw: Any) -> str:
    """Plain notation, no exponent, no superfluous zeros: `1e2` and `"100.00"` are both `"100"`."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise Unconvertible("expected a number")
    try:
        number = Decimal(raw.strip() if isinstance(raw, str) else str(raw))
    except InvalidOperation:
        raise Unconvertible("expected a number") from None
    if not number.is_finite() or number.adjusted() > 30:
        raise Unconvertible("expected a finite number")
    text = format(number.normalize(), "f")
    return "0" if text in ("-0", "0") else text


def read_boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    known = _BOOLEANS.get(raw.strip().lower()) if isinstance(raw, str) else None
    if raw == 0 or raw == 1:
        known = bool(raw)
    if known is None:
        raise Unconvertible("expected true or false")
    return known


def read_date(raw: Any) -> str:
    """`YYYY-MM-DD` only. A time of day would need a zone to become a day, so it is refused."""
    if isinstance(raw, datetime):
        raise Unconvertible("expected a date without time")
    if isinstance(raw, date):
        return raw.isoformat()
    if not isinstance(raw, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", raw.strip(), re.ASCII):
        raise Unconvertible("expected a date as YYYY-MM-DD")
    try:
        return date.fromisoformat(raw.strip()).isoformat()
    except ValueError:
        raise Unconvertible("no such day") from None


def read_instant(raw: Any) -> str:
    """Any usual ISO 8601 form; without zone it is UTC."""
    return format_instant(parse_instant(raw))


def parse_instant(raw: Any) -> datetime:
    if isinstance(raw, datetime):
        moment = raw
    elif isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw.strip())
        except ValueError:
            raise Unconvertible("expected a date with time") from None
    else:
        raise Unconvertible("expected a date with time")
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise Unconvertible("date out of range") from None


def format_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_set(raw: Any) -> list[str] | None:
    if isinstance(raw, str) or not isinstance(raw, list | tuple | set):
        raise Unconvertible("expected a list")
    items = {item for part in raw if (item := read_text(part)) is not None}  # pyright: ignore[reportUnknownVariableType]
    return sorted(items) or None


def read_country(raw: Any) -> str:
    text = read_text(raw) or ""
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        raise Unconvertible("expected a two-letter country code")
    return text.upper()


def _join(value: list[str], separator: str) -> str:
    if any(separator in item for item in value):
        raise Unconvertible(f"an item contains the separator {separator!r}")
    return separator.join(value)


def _write_number(value: str) -> int | float:
    number = Decimal(value)
    if number == number.to_integral_value():
        return int(number)
    if Decimal(repr(float(number))) != number:
        raise Unconvertible("more digits than the vendor can hold")
    return float(number)


def _as_is(value: Any) -> Any:
    return value


def _write_salesforce_instant(value: str) -> str:
    moment = parse_instant(value)
    # %Y leaves out leading zeros on some platforms
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _write_odoo_instant(value: str) -> str:
    moment = parse_instant(value)
    return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}"


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "t": True, "f": False}

_INSTANT_WRITERS: dict[str, Converter] = {
    "iso": _as_is,
    "salesforce": _write_salesforce_instant,
    "odoo": _write_odoo_instant,
}

_READERS: dict[FieldType, Converter] = {
    FieldType.TEXT: read_text,
    FieldType.EMAIL: read_text,
    FieldType.PHONE: read_text,
    FieldType.URL: read_text,
    FieldType.CHOICE: read_text,
    FieldType.COUNTRY: read_country,
    FieldType.SET: read_set,
    FieldType.INTEGER: read_integer,
    FieldType.DECIMAL: read_decimal,
    FieldType.BOOLEAN: read_boolean,
    FieldType.DATE: read_date,
    FieldType.INSTANT: read_instant,
    FieldType.REF: read_text,
    FieldType.CONSENT: read_text,
}
