"""A database as a system: tables of PostgreSQL or SQLite that the user describes. See the README beside this file."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from zgoda.connectors.sql.account import check, discover
from zgoda.connectors.sql.finding import find
from zgoda.connectors.sql.options import SETTINGS, TableOptions, default_mapping, parse, tables_of
from zgoda.connectors.sql.postgres import Postgres
from zgoda.connectors.sql.reading import ID, MODIFIED, VERSION, read_all, read_changes, read_deletes, read_ids
from zgoda.connectors.sql.sqlite import Sqlite, sqlite_path
from zgoda.connectors.sql.store import Database, database
from zgoda.connectors.sql.writing import write
from zgoda.kit.convert import Dialect
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.http import Http
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Op, Session, Stream
from zgoda.model.clock import Clock

_EVERYTHING: Final[frozenset[Op]] = frozenset({"create", "update", "delete"})
CONCURRENT: Final = 4


def _streams(settings: Any) -> tuple[Stream, ...]:
    return tuple(_stream(name, told) for name, told in tables_of(settings).items())


def _stream(name: str, told: TableOptions) -> Stream:
    follows = bool(told.changed)
    return Stream(
        name=name,
        entity=told.entity,
        mapping=default_mapping(told),
        title=told.table or name,
        id=ID,
        modified=MODIFIED if follows else "",
        version=VERSION if told.lock else "",
        trusted_stamp=told.immutable,
        stamp_step_s=0.000001,
        can=_EVERYTHING if told.writable else frozenset(),
        batch=500,
        batch_ids=1000,
        read_all=partial(read_all, name),
        read_changes=partial(read_changes, name) if follows else None,
        read_deletes=partial(read_deletes, name) if follows and told.deleted else None,
        read_ids=partial(read_ids, name),
        write=partial(write, name) if told.writable else None,
        find=partial(find, name) if told.writable else None,
    )


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    """No connection is made before the first call."""
    told = parse(settings)
    scheme = told.url.partition("://")[0]
    match scheme:
        case "postgresql" | "postgres":
            store = Postgres(told)
        case "sqlite":
            store = Sqlite(sqlite_path(told.url), told)
        case _:
            message = "url begins with neither postgresql:// nor sqlite://"
            raise NeedsAttention(Attention.SETTINGS, message)
    return Session(http=http, settings=told, clock=clock, resources=Database(told=told, store=store))


async def _close(session: Session) -> None:
    await database(session).store.close()


def _limits(settings: Any) -> Limits:
    """A database has no quota; this leaves its other users their connections."""
    return Limits(concurrent=CONCURRENT)


CONNECTOR: Final = Connector(
    key="sql",
    title="SQL database",
    role="generic",
    settings=SETTINGS,
    streams=_streams,
    open=_open,
    close=_close,
    check=check,
    discover=discover,
    limits=_limits,
    dialect=Dialect(blank=(None,), write_blank=None, decimal="text"),
)

__all__ = ["CONNECTOR"]
