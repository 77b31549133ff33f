"""A folder as a system: CSV and Parquet files that others write, or that the hub keeps up to date. See the README."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any, Final

from zgoda.connectors.files.account import check, discover
from zgoda.connectors.files.options import SETTINGS, TableOptions, default_mapping, parse, tables_of
from zgoda.connectors.files.reading import ID, VERSION, read_all, read_changes, read_ids
from zgoda.connectors.files.rows import SET_SEPARATOR
from zgoda.connectors.files.writing import find, write
from zgoda.kit.convert import Dialect
from zgoda.kit.http import Http
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Op, Session, Stream
from zgoda.model.clock import Clock

_EVERYTHING: Final[frozenset[Op]] = frozenset({"create", "update", "delete"})


def _streams(settings: Any) -> tuple[Stream, ...]:
    return tuple(_stream(name, told) for name, told in tables_of(settings).items())


def _stream(name: str, told: TableOptions) -> Stream:
    ours = bool(told.write_to)
    return Stream(
        name=name,
        entity=told.entity,
        mapping=default_mapping(told),
        title=", ".join(told.patterns),
        id=ID,
        version=VERSION if ours else "",
        trusted_stamp=False,
        can=_EVERYTHING if ours else frozenset(),
        batch=2000,
        batch_ids=1000,
        read_all=partial(read_all, name),
        read_changes=partial(read_changes, name),
        read_ids=partial(read_ids, name),
        write=partial(write, name) if ours else None,
        find=partial(find, name) if ours else None,
    )


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    told = parse(settings)
    return Session(http=http, settings=told, clock=clock, resources={name: Lock() for name in told.tables})


def _limits(settings: Any) -> Limits:
    """A disk has no quota; a few readers at a time keep the machine usable."""
    return Limits(concurrent=4)


CONNECTOR: Final = Connector(
    key="files",
    title="Files",
    role="generic",
    settings=SETTINGS,
    streams=_streams,
    open=_open,
    check=check,
    discover=discover,
    limits=_limits,
    dialect=Dialect(blank=(None, ""), write_blank=None, decimal="text", set_separator=SET_SEPARATOR),
)

__all__ = ["CONNECTOR"]
