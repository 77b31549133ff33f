"""A file's rows, whatever its format: what every format gives, and what is checked of all of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import quote

import msgspec

from zgoda.connectors.files.options import TableOptions
from zgoda.kit.convert import format_instant
from zgoda.kit.errors import Attention, NeedsAttention

Cells: TypeAlias = dict[str, Any]
"""A row by column."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An open file: its columns, and its rows with the line (or number) each begins at."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Cells]]


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """A row that has an id no other row of the file has. `number` is its digest."""

    line: int
    id: str
    number: int
    cells: Cells


class Census:
    """Counts a file's rows and remembers which ids they had, and whether those of an earlier time came first."""

    def __init__(self, rows_before: int = 0, ids_before: str = "") -> None:
        self._chain = hashlib.blake2b(digest_size=16)
        self._rows_before = rows_before
        self._ids_before = ids_before
        self._seen: set[int] = set()
        self.rows = 0
        self.kept_all = rows_before == 0

    def take(self, number: int) -> bool:
        """False if the id was there before."""
        if number in self._seen:
            return False
        self._seen.add(number)
        self._chain.update(number.to_bytes(8, "big"))
        self.rows += 1
        if self.rows == self._rows_before:
            self.kept_all = self.ids == self._ids_before
        return True

    @property
    def ids(self) -> str:
        return self._chain.hexdigest()


def identified(path: Path, stream: str, table: TableOptions, source: Source, census: Census) -> Iterator[Identified]:
    """The rows with their ids. `NeedsAttention` names the line of a row without one, or with another row's."""
    missing = [name for name in table.ids if name not in source.columns]
    if missing:
        raise fault(path, stream, 1, f"there is no column {', '.join(missing)}", fields=tuple(missing))
    for line, cells in source.rows:
        id = id_of(table, cells)
        if id is None:
            raise fault(path, stream, line, f"the row has no {' or '.join(table.ids)}")
        number = int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big")
        if not census.take(number):
            raise fault(path, stream, line, "another row has the same id")
        yield Identified(line=line, id=id, number=number, cells=cells)


def id_of(table: TableOptions, cells: Cells) -> str | None:
    """A row's id: the cell, or the cells in one text that no other cells make; None where one is blank."""
    parts = ["" if cells.get(name) is None else str(shown(cells[name])).strip() for name in table.ids]
    if not all(parts):
        return None
    return parts[0] if len(parts) == 1 else "/".join(quote(part, safe="") for part in parts)


def version_of(cells: Cells) -> str:
    """A digest of a row, to tell whether it is still as it was read."""
    raw = msgspec.json.encode(
        sorted((name, str(shown(value))) for name, value in cells.items() if value not in (None, ""))
    )
    return hashlib.blake2b(raw, digest_size=8).hexdigest()


def fault(path: Path, stream: str, line: int, what: str, *, fields: tuple[str, ...] = ()) -> NeedsAttention:
    """A mistake in a file, with its place. No row is ever skipped without a word."""
    message = f"{path.name}, line {line}: {what}"
    return NeedsAttention(Attention.SCHEMA, message, do="mend the file", fields=fields, stream=stream)


def shown(value: Any) -> Any:
    """A stored value as JSON can carry it: decimals and fractions as text, times as instants, days as days. The cells
    of CSV files are text already."""
    match value:
        case str():
            return value
        case datetime():
            return format_instant(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value) if math.isfinite(value) else None
        case list():
            return [shown(item) for item in cast("list[Any]", value) if item is not None]
        case bytes():
            return UNREADABLE
        case _:
            return value


UNREADABLE: Final[dict[str, Any]] = {"unreadable": True}
"""Stands for bytes, which are no value of a record; the mapping reports the field."""


class Unfit(Exception):
    """A value that cannot be spelled in a column."""

    def __init__(self, code: str, column: str) -> None:
        super().__init__(code)
        self.code = code
        self.column = column


SET_SEPARATOR: Final = ";"
"""Between the items of a set in one cell."""
