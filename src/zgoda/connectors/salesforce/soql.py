"""SOQL text. Every value goes through `literal`, every name through `name`: nothing else is put into a query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from zgoda.kit.errors import Attention, NeedsAttention

_NAME = re.compile(r"[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79}){0,5}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", re.ASCII)
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def select(
    columns: Iterable[str], source: str, *, where: Iterable[str] = (), order: str = "", limit: int | None = None
) -> str:
    """A query; the conditions all hold, empty ones are left out."""
    conditions = [condition for condition in where if condition]
    text = f"SELECT {', '.join(name(column) for column in columns)} FROM {name(source)}"  # noqa: S608 - names checked
    if conditions:
        text += " WHERE " + " AND ".join(f"({condition})" for condition in conditions)
    if order:
        text += f" ORDER BY {order}"
    return text if limit is None else f"{text} LIMIT {limit}"


def count(source: str, scope: str) -> str:
    return f"SELECT COUNT() FROM {name(source)}" + (f" WHERE {scope}" if scope else "")  # noqa: S608 - names checked


def name(path: str) -> str:
    """A field or object name, possibly a path; anything else is a mistake in the mapping."""
    if not _NAME.fullmatch(path):
        raise NeedsAttention(Attention.SCHEMA, "the mapping names a field that cannot be a Salesforce name")
    return path


def literal(value: str | bool | int | float | date | datetime) -> str:
    """A literal of the query language; texts are quoted and escaped, dates are not quoted."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return stamp_text(value)
        case date():
            return value.isoformat()
        case str():
            return "'" + "".join(_escaped(c) for c in value) + "'"


def is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text))


def among_ids(ids: Iterable[str]) -> str:
    """A condition on `Id`. The caller has sorted out what is no id."""
    return f"Id IN ({', '.join(literal(id) for id in ids)})"


def after(stamp: datetime, id: str) -> str:
    """The condition for what comes after a record in the order (stamp, id)."""
    moment = literal(stamp)
    return f"SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > {literal(id)})"


def stamp_text(moment: datetime) -> str:
    """`2026-01-31T10:00:00Z`, with milliseconds only where there are any."""
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if ord(character) >= 32 else f"\\u{ord(character):04x}"
