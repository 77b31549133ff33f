"""Parquet files, through pyarrow, which is an extra of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from zgoda.connectors.files.folder import unreadable
from zgoda.connectors.files.rows import SET_SEPARATOR, Cells, Source, Unfit
from zgoda.kit.convert import Unconvertible, parse_instant, read_boolean, read_date
from zgoda.kit.errors import Attention, NeedsAttention, Temporary

BATCH_ROWS: Final = 2000


def arrow(module: str = "pyarrow") -> Any:
    """The library, untyped. `NeedsAttention` says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        message = "Parquet files need pyarrow, which is not installed"
        raise NeedsAttention(Attention.SETTINGS, message, do="install zgoda[parquet]") from None


@contextmanager
def open_parquet(path: Path) -> Generator[Source]:
    """A file's rows, numbered from 1. A file without its end is being written or was cut."""
    parquet, errors = arrow("pyarrow.parquet"), arrow().lib
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            yield Source(columns=tuple(schema.names), rows=_rows(file, schema))
    except errors.ArrowInvalid:
        raise Temporary(f"{path.name} is no whole Parquet file; is it still being written?") from None
    except OSError as error:
        raise unreadable(path, error) from None


def schema_of(path: Path) -> Any:
    parquet, errors = arrow("pyarrow.parquet"), arrow().lib
    try:
        return parquet.read_schema(path)
    except errors.ArrowInvalid:
        raise Temporary(f"{path.name} is no whole Parquet file; is it still being written?") from None
    except OSError as error:
        raise unreadable(path, error) from None


def text_schema(columns: tuple[str, ...]) -> Any:
    """The schema of a new file: text in every column."""
    library = arrow()
    return library.schema([(name, library.string()) for name in columns])


def _rows(file: Any, schema: Any) -> Iterator[tuple[int, Cells]]:
    library, number = arrow(), 0
    coarse = [_microseconds(library, field) for field in schema]
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        table = library.Table.from_batches([batch]).cast(library.schema(coarse), safe=False)
        for record in table.to_pylist():
            number += 1
            yield number, record


def _microseconds(library: Any, field: Any) -> Any:
    """Nanoseconds are finer than Python's times."""
    if library.types.is_timestamp(field.type) and field.type.unit == "ns":
        return field.with_type(library.timestamp("us", tz=field.type.tz))
    return field


def fitted(schema: Any, column: str, value: Any) -> Any:
    """A value in the type of its column. Raises `Unfit`."""
    if value is None:
        return None
    library = arrow()
    try:
        made = _converted(library.types, schema.field(column).type, value)
        library.array([made], type=schema.field(column).type)
    except (library.lib.ArrowException, Unconvertible, ValueError, TypeError, ArithmeticError):
        raise Unfit("bad_value", column) from None
    return made


def _converted(types: Any, type: Any, value: Any) -> Any:
    if types.is_boolean(type):
        return read_boolean(value)
    if types.is_integer(type):
        return int(str(value))
    if types.is_decimal(type):
        return Decimal(str(value))
    if types.is_floating(type):
        return float(value)
    if types.is_timestamp(type):
        moment = parse_instant(value)
        return moment if type.tz else moment.replace(tzinfo=None)
    if types.is_date(type):
        return date.fromisoformat(read_date(value))
    if types.is_list(type) or types.is_large_list(type):
        return str(value).split(SET_SEPARATOR)  # the dialect joins sets
    text = ("true" if value else "false") if isinstance(value, bool) else value
    if not isinstance(text, str | int | float):
        raise Unconvertible("expected a single value")
    return str(text)


@contextmanager
def new_parquet(target: Path, schema: Any) -> Generator[Callable[[Cells], None]]:
    """Writes a file; the function takes a row in the types of the schema."""
    parquet, library = arrow("pyarrow.parquet"), arrow()
    with parquet.ParquetWriter(target, schema) as writer:
        waiting: list[Cells] = []

        def flush() -> None:
            if waiting:
                writer.write_table(library.Table.from_pylist(waiting, schema=schema))
                waiting.clear()

        def add(cells: Cells) -> None:
            waiting.append({name: cells.get(name) for name in schema.names})
            if len(waiting) >= BATCH_ROWS:
                flush()

        yield add
        flush()
