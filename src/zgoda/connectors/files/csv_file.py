"""CSV files (RFC 4180 and its usual relatives), read strictly and written so that they read back the same."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from zgoda.connectors.files.folder import unreadable
from zgoda.connectors.files.options import TableOptions
from zgoda.connectors.files.rows import Cells, Source, Unfit, fault
from zgoda.kit.errors import ConnectorError, Temporary

LARGEST_CELL: Final = 1_000_000
DELIMITERS: Final = ",;\t|"
BOM: Final = b"\xef\xbb\xbf"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is spelled."""

    delimiter: str
    encoding: str
    newline: str = "\r\n"


def style_of(path: Path, table: TableOptions) -> Style:
    """The style of a file that is there."""
    with path.open("rb") as file:
        beginning = file.read(65536)
    encoding = table.encoding
    if beginning.startswith(BOM) and encoding.replace("_", "-").lower() in ("utf-8", "utf8", "utf-8-sig"):
        encoding = "utf-8-sig"
    text = beginning.decode(encoding, errors="replace")
    first = re.split(r"\r\n|\n|\r", text, maxsplit=1)[0]
    plain = re.sub(r'"[^"]*"', "", first)
    delimiter = table.delimiter or max(DELIMITERS, key=plain.count)
    return Style(delimiter=delimiter, encoding=encoding, newline="\r\n" if "\r\n" in text else "\n")


@contextmanager
def open_csv(path: Path, stream: str, table: TableOptions, *, neutralised: bool) -> Generator[Source]:
    """A file with a header row. Errors name the line."""
    try:
        style = style_of(path, table)
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding=style.encoding, newline="") as text:
            csv.field_size_limit(LARGEST_CELL)
            reader = csv.reader(text, delimiter=style.delimiter, strict=True)
            lines = _lines(path, stream, reader, raw)
            _line, header = next(lines, (1, list[str]()))
            columns = _columns(path, stream, header)
            yield Source(columns=columns, rows=_rows(path, stream, columns, lines, raw, neutralised=neutralised))
    except OSError as error:
        raise unreadable(path, error) from None


def _lines(path: Path, stream: str, reader: Any, raw: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they begin at; a blank line is none."""
    while True:
        line = reader.line_num + 1
        try:
            cells: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _csv_fault(path, stream, line, error) from None
        except UnicodeError:
            what = "this is no text in the encoding that is set"
            raise fault(path, stream, line, f"{what}, or a later line close by is not") from None
        if any("\0" in cell for cell in cells):
            raise fault(path, stream, line, "a zero character, which no text has (is it UTF-16?)")
        if cells:
            yield line, cells


def _csv_fault(path: Path, stream: str, line: int, error: csv.Error) -> ConnectorError:
    """An open quotation mark at the end is what a cut file looks like, too."""
    if "unexpected end of data" in str(error):
        return Temporary(f"{path.name}, line {line}: the file ends within quotation marks; is it still being written?")
    if "field larger" in str(error):
        return fault(path, stream, line, "a cell is too large; is a quotation mark missing?")
    return fault(path, stream, line, "a quotation mark stands where none may be")


def _columns(path: Path, stream: str, header: list[str]) -> tuple[str, ...]:
    if not header:
        raise Temporary(f"{path.name} has no header row; is it still being written?")
    columns = tuple(name.strip() for name in header)
    if not all(columns):
        raise fault(path, stream, 1, "a column has no name")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise fault(path, stream, 1, f"two columns are called {', '.join(twice)}")
    return columns


def _rows(
    path: Path,
    stream: str,
    columns: tuple[str, ...],
    lines: Iterator[tuple[int, list[str]]],
    raw: Any,
    *,
    neutralised: bool,
) -> Iterator[tuple[int, Cells]]:
    for line, cells in lines:
        if len(cells) != len(columns):
            if len(cells) < len(columns) and next(lines, None) is None and not _ends_with_newline(raw):
                raise Temporary(f"{path.name}, line {line}: the file ends within a row; is it still being written?")
            raise fault(path, stream, line, f"{len(cells)} cells, but {len(columns)} columns")
        values = map(original, cells) if neutralised else cells
        yield line, dict(zip(columns, values, strict=True))


def _ends_with_newline(raw: Any) -> bool:
    raw.seek(-1, io.SEEK_END)
    return raw.read(1) in (b"\n", b"\r")


_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[\d\s.,()/-]*", re.ASCII)


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe comes before it. Numbers and telephone numbers stay
    as they are. `original` takes just that apostrophe away again."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def original(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and harmless(cell[1:]) == cell else cell


def spelled(table: TableOptions, column: str, value: Any, encoding: str) -> str:
    """A value as a cell's text. Raises `Unfit`."""
    match value:
        case None:
            return ""
        case bool():
            text = "true" if value else "false"
        case str() | int() | float():
            text = str(value)
        case _:
            raise Unfit("bad_value", column)
    try:
        text.encode(encoding)
    except UnicodeError:
        raise Unfit("not_in_encoding", column) from None
    if "\0" in text:
        raise Unfit("bad_value", column)
    return text


@contextmanager
def new_csv(
    target: Path, columns: tuple[str, ...], style: Style, *, neutralise: bool
) -> Generator[Callable[[Cells], None]]:
    """Writes a file; the function takes a row."""
    with target.open("x", encoding=style.encoding, newline="") as file:
        writer = csv.writer(file, delimiter=style.delimiter, lineterminator=style.newline)
        writer.writerow(columns)

        def add(cells: Cells) -> None:
            row = [str(cells.get(name) or "") for name in columns]
            writer.writerow(map(harmless, row) if neutralise else row)

        yield add
