"""A stream as data: the model behind it and how its rows come out of Tryton's records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from zgoda.connectors.tryton.options import Options
from zgoda.connectors.tryton.rpc import children
from zgoda.connectors.tryton.values import EPOCH, moment
from zgoda.kit.mapping import put
from zgoda.kit.spec import Reading, Removed, Row, Session

Domain: TypeAlias = list[Any]

ANY: Final = ["active", "in", [True, False]]
"""The clause that makes Tryton show archived records too."""

_NONE: Final[list[Any]] = ["active", "in", []]
STAMP: Final = "last_modified_at"
LOCK: Final = "_timestamp"
LARGEST_PAGE: Final = 500

_CHILD_STAMPS: Final[dict[str, tuple[str, ...]]] = {
    "contact_mechanisms": (STAMP, LOCK),
    "addresses": (STAMP, LOCK),
}
_CHILD_MODELS: Final = {"contact_mechanisms": "party.contact_mechanism", "addresses": "party.address"}


class Virtual(msgspec.Struct, frozen=True):
    """A field Tryton does not have as such: the columns it is made of, and how. An optional one is "not known" where
    the server lacks the columns, as their module is not active."""

    columns: tuple[str, ...]
    value: Callable[[Row, Options], Any]
    optional: bool = False


class Found(msgspec.Struct, frozen=True):
    """A piece of a feed: records in the order of `after`, the place to go on from, and whether it was the last."""

    records: list[Row]
    after: int
    done: bool


Feed: TypeAlias = Callable[[Session, "Kind", Reading, str, int], Awaitable[Found]]
"""Session, kind, reading, stamp from which on, id after which -> records that changed."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's model. `base` columns are always read. `only` narrows full reads; `changed` is the domain of what
    changed since a stamp (given the columns asked for); `feeds` are the sources of an incremental read. `removed` tells
    that a record is none of this stream (any more); `enrich` fills in what other models know. `logged` is the model's
    name in the log of deletions. `absent` are virtual values that are left out as "not known" (see `ABSENT`)."""

    stream: str
    model: str
    module: str
    virtual: Mapping[str, Virtual] = {}
    base: tuple[str, ...] = (STAMP, LOCK)
    archives: bool = False
    only: Callable[[Options], Domain] = lambda told: []
    changed: Callable[[Domain, tuple[str, ...]], Domain] = lambda since, columns: since
    feeds: tuple[Feed, ...] = ()
    removed: Callable[[Row, Options], Removed | None] = lambda record, told: None
    enrich: Callable[[Session, list[tuple[Row, Row]], Reading], Awaitable[None]] | None = None
    logged: str = ""
    record_id: Callable[[int], int] = lambda logged_id: logged_id


class _Absent:
    """A value that this record cannot tell; the field stays out of the row."""


ABSENT: Final = _Absent()


def any_of(*clauses: list[Any]) -> Domain:
    """An OR that finds archived records too. Tryton adds "is active" to every level of a domain that does not speak of
    `active` itself (ModelStorage._search_domain_active), so this one does, without finding more. Not for relations,
    whose `active` is computed from dates: there `in []` finds all of them."""
    return ["OR", _NONE, *clauses]


def columns(kind: Kind, reading: Reading) -> tuple[str, ...]:
    """The Tryton columns to ask for: what the fields need, nothing else but ids and stamps."""
    wanted = dict.fromkeys(kind.base)
    for name in reading.fields:
        virtual = kind.virtual.get(name)
        wanted |= dict.fromkeys(virtual.columns if virtual else (name,))
    for child in {name.partition(".")[0] for name in wanted} & _CHILD_STAMPS.keys():
        wanted |= dict.fromkeys(f"{child}.{stamp}" for stamp in _CHILD_STAMPS[child])
    return tuple(name for name in wanted if name != "id")


def row_of(kind: Kind, record: Row, reading: Reading, told: Options) -> Row:
    """The row of a record: id, `modified`, `version` and the fields asked for."""
    row: Row = {"id": str(record["id"])}
    if STAMP in kind.base:
        row |= {"modified": modified(record), "version": version(kind, record)}
    for name in reading.fields:
        virtual = kind.virtual.get(name)
        value = virtual.value(record, told) if virtual else record.get(name, ABSENT)
        if value is not ABSENT:
            put(row, name, value)
    return row


def modified(record: Row) -> str:
    """The newest stamp of a record and of the sub-records that were read with it."""
    kin = [record, *(child for name in _CHILD_STAMPS for child in children(record, name))]
    return max((stamp for one in kin if isinstance(stamp := one.get(STAMP), str)), default="")


def version(kind: Kind, record: Row) -> str:
    """What `_timestamp` in a context compares, as JSON: the record's own stamp and its sub-records', which are edited
    without touching it."""
    return msgspec.json.encode(locks(kind, record), order="sorted").decode()


def locks(kind: Kind, record: Row) -> dict[str, str]:
    """`model,id` -> stamp for a record and the sub-records that were read with it."""
    own = [(kind.model, record)]
    below = [(model, child) for name, model in _CHILD_MODELS.items() for child in children(record, name)]
    return {f"{model},{one['id']}": one[LOCK] for model, one in own + below if isinstance(one.get(LOCK), str)}


def stamped(since: str, overlap_s: float) -> Domain:
    """The clause for records whose stamp is not older than `since`, less the overlap."""
    return [STAMP, ">=", moment(since, earlier_s=overlap_s if since != EPOCH else 0.0)]
