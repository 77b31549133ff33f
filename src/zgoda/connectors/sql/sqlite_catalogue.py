"""What an SQLite file says of a table. Types are declared words; what they mean here is in the README."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from zgoda.connectors.sql.catalogue import Column, Kind, Table
from zgoda.connectors.sql.options import Options, TableOptions
from zgoda.connectors.sql.sqlite_statements import quoted
from zgoda.kit.errors import Attention, NeedsAttention


def read_table(db: sqlite3.Connection, stream: str, told: TableOptions, options: Options) -> Table:
    """The table as it is now. `NeedsAttention` if there is none."""
    name = told.table or stream
    found = db.execute("SELECT type, sql FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')", [name])
    row = found.fetchone()
    if row is None or told.schema:
        message = f"{stream}: there is no such table or view"
        raise NeedsAttention(Attention.SCHEMA, message, do="correct table", stream=stream)
    kind, definition = _word(row[0]), _word(row[1])
    columns = [_column(info) for info in db.execute(f"PRAGMA table_xinfo({quoted(name)})") if info[6] != HIDDEN]
    choices = _choices(definition)
    keys = [_word(info[1]) for info in db.execute(f"PRAGMA table_info({quoted(name)})") if info[5]]
    uniques = [(keys[0],)] if len(keys) == 1 else []
    uniques += [
        tuple(_word(part[2]) for part in db.execute(f"PRAGMA index_info({quoted(_word(index[1]))})"))
        for index in db.execute(f"PRAGMA index_list({quoted(name)})").fetchall()
        if index[2] and not index[4]
    ]
    return Table(
        stream=stream,
        told=told,
        name=name,
        columns={column.name: _limited(column, choices.get(column.name.lower(), ())) for column in columns},
        checks=_checks(definition, [column.name for column in columns]),
        uniques=tuple(dict.fromkeys(unique for unique in uniques if all(unique))),
        lockable=kind == "table",
        zone=options.zone,
    )


HIDDEN: Final = 1
"""`table_xinfo` marks hidden columns of virtual tables with 1, generated ones with 2 and 3."""


def _column(info: tuple[Any, ...]) -> Column:
    _number, name, type, not_null, default, primary, hidden = info
    declared = _word(type).upper()
    kind = next((kind for pattern, kind in _KINDS if re.search(pattern, declared)), Kind.OTHER)
    size = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", declared)
    rowid = bool(primary) and declared == "INTEGER"
    return Column(
        name=_word(name),
        type=_word(type),
        kind=Kind.FLOAT if kind is Kind.DECIMAL and size is None else kind,
        nullable=not not_null and not primary,
        has_default=default is not None or rowid,
        generated=hidden != 0,
        length=int(size[1]) if size and kind is Kind.TEXT else 0,
        digits=min(int(size[1]), DECIMAL_DIGITS) if size and kind is Kind.DECIMAL else 0,
        scale=int(size[2] or 0) if size and kind is Kind.DECIMAL else 0,
    )


DECIMAL_DIGITS: Final = 15
"""SQLite keeps decimals as binary numbers, which hold 15 digits for certain."""

_KINDS: Final = (
    (r"BOOL", Kind.BOOLEAN),
    (r"DATETIME|TIMESTAMP", Kind.LOCAL),
    (r"^DATE$", Kind.DATE),
    (r"JSON", Kind.JSON),
    (r"\[\]", Kind.SET),
    (r"INT", Kind.INTEGER),
    (r"NUMERIC|DECIMAL|REAL|FLOA|DOUB", Kind.DECIMAL),
    (r"CHAR|CLOB|TEXT", Kind.TEXT),
)


def _limited(column: Column, choices: tuple[str, ...]) -> Column:
    return msgspec.structs.replace(column, choices=choices, closed=bool(choices) and column.kind is Kind.TEXT)


_IN: Final = re.compile(
    r"CHECK\s*\(\s*[\"\[`]?(\w+)[\"\]`]?\s+IN\s*\(((?:\s*'(?:[^']|'')*'\s*,?)+)\)\s*\)", re.IGNORECASE
)


def _choices(definition: str) -> dict[str, tuple[str, ...]]:
    """The values of `CHECK (column IN (…))`, by column in lower case."""
    return {
        column.lower(): tuple(item.replace("''", "'") for item in re.findall(r"'((?:[^']|'')*)'", items))
        for column, items in _IN.findall(definition)
    }


_CHECK: Final = re.compile(r"CONSTRAINT\s+[\"\[`]?(\w+)[\"\]`]?\s+CHECK\s*\(", re.IGNORECASE)


def _checks(definition: str, names: list[str]) -> dict[str, tuple[str, ...]]:
    """The columns that each named check mentions."""
    found: dict[str, tuple[str, ...]] = {}
    for check in _CHECK.finditer(definition):
        rest, depth, end = definition[check.end() :], 1, 0
        while depth and end < len(rest):
            depth += {"(": 1, ")": -1}.get(rest[end], 0)
            end += 1
        found[check[1]] = mentioned(names, rest[:end])
    return found


def mentioned(names: Iterable[str], text: str) -> tuple[str, ...]:
    """The columns whose names stand in a text."""
    return tuple(name for name in names if re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE))


def _word(raw: Any) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw or "")
