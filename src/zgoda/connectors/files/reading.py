"""Reading a folder: everything, or the files that changed since the last time.

A file that is not there, is empty or is being written is an error, and so never a deletion. A row that is missing from
the files says something only where the settings say that each file is always complete (`deletions: absence`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from zgoda.connectors.files.csv_file import open_csv
from zgoda.connectors.files.folder import Print, Watch, files_of, name_of, print_of, unchanged
from zgoda.connectors.files.options import Options, TableOptions
from zgoda.connectors.files.parquet_file import open_parquet
from zgoda.connectors.files.rows import Census, Identified, Source, identified, shown, version_of
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.mapping import put
from zgoda.kit.spec import Cursor, Page, Reading, Removed, Row, Session

PAGE_ROWS: Final = 1000
ID, VERSION = "@id", "@version"


class _Walk:
    """One pass over the files, the one that counts most first. `prints` is what they were like, `lost`: an id that was
    there before may be missing. `hollow`: a file had no rows."""

    def __init__(self, told: Options, stream: str, before: dict[str, Print], now: datetime) -> None:
        self.told = told
        self.stream = stream
        self.table = told.tables[stream]
        self.before = before
        self.now = now
        self.prints: dict[str, Print] = {}
        self.lost = False
        self.hollow = False
        self._seen: set[int] = set()

    def pages(self, reading: Reading, *, changed_only: bool) -> Iterator[list[Row]]:
        """Rows, page by page; without `changed_only` all of them. A row that an earlier file had is left out."""
        files = files_of(self.told, self.table, self.stream)
        names = [name_of(self.told, path) for path in files]
        skip = [
            changed_only and unchanged(path, self.before.get(name)) for path, name in zip(files, names, strict=True)
        ]
        if changed_only and self.before.keys() - set(names):
            skip = [False] * len(files)
            self.lost = True
        last = max((number for number, same in enumerate(skip) if not same), default=-1)
        page: list[Row] = []
        for number, (path, name) in enumerate(zip(files, names, strict=True)):
            if number > last:
                self.prints[name] = self.before[name]
                continue
            for row in self._rows(path, name, reading.fields):
                if row.number in self._seen:
                    continue
                self._seen.add(row.number)
                if not skip[number]:
                    page.append(row_of(self.table, reading, row))
                    if len(page) == max(1, reading.page_size or PAGE_ROWS):
                        yield page
                        page = []
        yield page

    def _rows(self, path: Path, name: str, fields: tuple[str, ...]) -> Iterator[Identified]:
        watch, known = Watch(path), self.before.get(name)
        made = print_of(path, self.now)
        census = Census(known.rows, known.ids) if known else Census()
        with open_file(self.told, self.stream, path) as source:
            _check_columns(self.stream, path, source, fields)
            yield from identified(path, self.stream, self.table, source, census)
        watch.ended()
        self.lost = self.lost or not census.kept_all
        self.hollow = self.hollow or not census.rows
        self.prints[name] = msgspec.structs.replace(made, rows=census.rows, ids=census.ids)


async def read_all(stream: str, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """All rows. A read that broke off starts anew: only the last page has a cursor."""
    told: Options = session.settings
    walk = _Walk(told, stream, {}, session.clock.now())
    rows = 0
    held: list[Row] | None = None
    async for page in _in_threads(session, walk.pages(reading, changed_only=False)):
        if held is not None:
            yield Page(rows=held)
        held, rows = page, rows + len(page)
    yield Page(rows=held or [], cursor=_cursor(walk), total=_total(walk, rows))


async def read_changes(stream: str, session: Session, reading: Reading) -> AsyncIterator[Page]:
    """The rows of files that changed; files that did not are not read again. Where a row may be missing from complete
    files, the last page asks for a full compare."""
    told: Options = session.settings
    walk = _Walk(told, stream, prints_of(reading.cursor), session.clock.now())
    held: list[Row] | None = None
    async for page in _in_threads(session, walk.pages(reading, changed_only=True)):
        if held is not None:
            yield Page(rows=held)
        held = page
    gap = walk.lost and told.tables[stream].deletions == "absence"
    yield Page(rows=held or [], cursor=_cursor(walk), gap=gap)


async def read_ids(stream: str, session: Session, reading: Reading, wanted: list[str]) -> Page:
    """The rows with these ids; those that are in no file as `Removed`, where that says something."""
    told: Options = session.settings
    table = told.tables[stream]
    walk = _Walk(told, stream, {}, session.clock.now())
    asked, rows = set(wanted), list[Row]()
    async for page in _in_threads(session, walk.pages(reading, changed_only=False)):
        rows += [row for row in page if row[ID] in asked]
    found = {row[ID] for row in rows}
    tells = table.deletions == "absence" or bool(table.write_to)
    gone = [Removed(id=id) for id in dict.fromkeys(wanted) if id not in found] if tells else []
    return Page(rows=rows, removed=gone)


def _check_columns(stream: str, path: Path, source: Source, fields: tuple[str, ...]) -> None:
    """`NeedsAttention` for fields a file has no column for."""
    heads = {name.partition(".")[0] for name in source.columns} | set(source.columns)
    lacking = tuple(name for name in fields if name not in heads and name.partition(".")[0] not in heads)
    if lacking:
        message = f"{path.name} has no column {', '.join(lacking)}"
        raise NeedsAttention(
            Attention.SCHEMA, message, do="mend the mapping or the file", fields=lacking, stream=stream
        )


@contextmanager
def open_file(told: Options, stream: str, path: Path) -> Generator[Source]:
    """A file of either format."""
    table = told.tables[stream]
    if path.suffix.lower() == ".parquet":
        with open_parquet(path) as source:
            yield source
    else:
        with open_csv(path, stream, table, neutralised=told.neutralise and bool(table.write_to)) as source:
            yield source


def row_of(table: TableOptions, reading: Reading, found: Identified) -> Row:
    """What was asked for. A CSV column may be called like a dotted path; a Parquet column may have fields within."""
    row: Row = {ID: found.id, VERSION: version_of(found.cells)}
    for name in reading.fields:
        if name in found.cells:
            put(row, name, shown(found.cells[name]))
        elif isinstance(found.cells.get(name.partition(".")[0]), dict | None) and "." in name:
            head = name.partition(".")[0]
            row[head] = shown(found.cells.get(head))
    return row


def prints_of(cursor: Cursor | None) -> dict[str, Print]:
    """A cursor that is none of ours knows no file, so that all are read."""
    try:
        return msgspec.convert((cursor or {}).get("files", {}), dict[str, Print])
    except msgspec.ValidationError:
        return {}


async def _in_threads(session: Session, pages: Iterator[list[Row]]) -> AsyncIterator[list[Row]]:
    """Files are read in a thread, page by page, each in its turn."""
    while True:
        async with session.http.admit("read"):
            page = await asyncio.to_thread(next, pages, None)
        if page is None:
            return
        yield page


def _cursor(walk: _Walk) -> dict[str, Any]:
    return {"files": msgspec.to_builtins(walk.prints)}


def _total(walk: _Walk, rows: int) -> int:
    """One more than there are, where a missing row says nothing: there may well be more than the files hold."""
    return rows if walk.table.deletions == "absence" and not walk.hollow else rows + 1
