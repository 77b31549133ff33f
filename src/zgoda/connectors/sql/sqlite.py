"""SQLite as a store. Every call opens the file anew in a thread, so nothing is shared and a cut call ends by itself."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

from zgoda.connectors.sql.catalogue import UNREADABLE, Column, Kind, Table, instant_of
from zgoda.connectors.sql.options import Options
from zgoda.connectors.sql.positions import earlier
from zgoda.connectors.sql.sqlite_catalogue import read_table
from zgoda.connectors.sql.sqlite_statements import alike, newest, select
from zgoda.connectors.sql.sqlite_writes import land
from zgoda.connectors.sql.store import Account, Ask, Found, Step
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Temporary
from zgoda.kit.spec import Receipt

BUSY_S: Final = 5.0

T = TypeVar("T")


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative/path` or `sqlite:////absolute/path`."""
    beginning, _, path = url.partition(":///")
    if beginning != "sqlite" or not path:
        message = "url is no address of an SQLite file"
        raise NeedsAttention(Attention.SETTINGS, message, do="write sqlite:////absolute/path")
    return Path(unquote(path))


class Sqlite:
    """The port `Store` on SQLite 3.35 or newer."""

    def __init__(self, path: Path, told: Options) -> None:
        self._path = path
        self._told = told
        self._tables: dict[str, Table] = {}

    async def table(self, stream: str) -> Table:
        if stream not in self._tables:
            told = self._told.tables[stream]
            self._tables[stream] = await self._call(lambda db: read_table(db, stream, told, self._told))
        return self._tables[stream]

    def forget(self, stream: str) -> None:
        self._tables.pop(stream, None)

    async def rows(self, table: Table, ask: Ask) -> list[Found]:
        query, params = select(table, ask)
        columns = [table.columns[name] for name in ask.columns]
        found = await self._call(lambda db: db.execute(query, params).fetchall(), of=table)
        return [_found(table, columns, row) for row in found]

    async def horizon(self, table: Table) -> str:
        def ask(db: sqlite3.Connection) -> tuple[Any, ...]:
            return db.execute(newest(table)).fetchone()

        stamp, now = await self._call(ask, of=table)
        if stamp is None:
            return ""
        return earlier(_plain(stamp), datetime.fromisoformat(_plain(now)).replace(tzinfo=UTC), table)

    async def write(self, table: Table, steps: list[Step]) -> list[Receipt]:
        return await self._call(lambda db: land(db, table, steps), of=table, writing=True)

    async def alike(self, table: Table, records: list[dict[str, Any]]) -> list[list[str]]:
        def look(db: sqlite3.Connection) -> list[list[str]]:
            asked = [alike(table, record) for record in records]
            return [[_plain(id) for (id,) in db.execute(query, params)] for query, params in asked]

        return await self._call(look, of=table)

    async def account(self) -> Account:
        await self._call(lambda db: db.execute("SELECT count(*) FROM sqlite_master").fetchone())
        return Account(name=str(self._path.absolute()), user="file", version=f"SQLite {sqlite3.sqlite_version}")

    async def lacks(self, table: Table) -> list[str]:
        """Files know one right only: to be written."""
        if not table.told.writable:
            return []

        def try_to_write(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")

        try:
            await self._call(try_to_write, writing=True)
        except NeedsAttention:
            return ["the file cannot be written"]
        return []

    async def close(self) -> None:
        return

    async def _call(
        self, work: Callable[[sqlite3.Connection], T], *, of: Table | None = None, writing: bool = False
    ) -> T:
        try:
            return await asyncio.to_thread(self._work, work, writing)
        except NeedsAttention:
            if of is not None:
                self.forget(of.stream)
            raise

    def _work(self, work: Callable[[sqlite3.Connection], T], writing: bool) -> T:
        with _sorted_errors(), closing(self._open(writing)) as db:
            return work(db)

    def _open(self, writing: bool) -> sqlite3.Connection:
        """The file must exist: a new, empty database would look like a deletion of everything."""
        if not self._path.is_file():
            raise NeedsAttention(Attention.SETTINGS, "there is no SQLite file at this path", do="correct url")
        uri = f"file:{quote(str(self._path.absolute()))}?mode=rw"
        db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)
        db.text_factory = bytes
        if writing:
            with suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = WAL" if self._told.wal else "PRAGMA journal_mode")
            db.execute("PRAGMA foreign_keys = ON")
        else:
            db.execute("PRAGMA query_only = ON")
        return db


@contextmanager
def _sorted_errors() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise call_error(error) from None


def call_error(error: sqlite3.Error) -> ConnectorError:
    """A failed call by recovery; SQLite's own text names tables and columns but is not repeated."""
    code: str = getattr(error, "sqlite_errorname", "") or type(error).__name__
    match code.split("_")[1] if code.startswith("SQLITE_") else code:
        case "BUSY" | "LOCKED" | "FULL" | "IOERR" | "NOMEM" | "INTERRUPT" | "PROTOCOL" | "SCHEMA":
            return Temporary(f"the database file is busy or failing ({code})")
        case "READONLY" | "PERM" | "AUTH":
            return NeedsAttention(Attention.RIGHTS, f"the database file cannot be written ({code})")
        case "CANTOPEN":
            return NeedsAttention(Attention.SETTINGS, f"the database file cannot be opened ({code})")
        case "NOTADB" | "CORRUPT":
            return NeedsAttention(Attention.SETTINGS, f"the file is no SQLite database, or damaged ({code})")
        case _:
            return NeedsAttention(Attention.SCHEMA, f"a table or column is not what it was ({code})")


def _found(table: Table, columns: list[Column], row: tuple[Any, ...]) -> Found:
    id, stamp, version, deleted, *values = row
    return Found(
        id=_plain(id),
        stamp=_plain(stamp),
        version=_plain(version),
        deleted=bool(deleted),
        values=tuple(_shown(table, column, raw) for column, raw in zip(columns, values, strict=True)),
    )


def _plain(raw: Any) -> str:
    if raw is None:
        return ""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


def _shown(table: Table, column: Column, raw: Any) -> Any:
    """A stored value by the declared type of its column; SQLite itself would take anything anywhere."""
    if isinstance(raw, bytes):
        raw = _text(raw)
    match column.kind, raw:
        case Kind.BOOLEAN, 0 | 1:
            return bool(raw)
        case Kind.DECIMAL | Kind.FLOAT, int() | float():
            return repr(raw)
        case Kind.LOCAL, str():
            return instant_of(raw, table.zone)
        case Kind.JSON | Kind.SET, str():
            with suppress(ValueError, RecursionError):
                return json.loads(raw, parse_float=str)
            return raw
        case _, float():
            return repr(raw)
        case _:
            return raw


def _text(raw: bytes) -> Any:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return UNREADABLE
    return UNREADABLE if "\0" in text else text
