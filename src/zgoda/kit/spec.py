"""What a connector is: data about a vendor plus a few functions. There is no base class.

The engine asks a stream what it can do (which functions it has) and never which vendor it is. A connector never
retries, sleeps, logs payloads, decides conflicts or knows consent; it reads, writes, erases and discovers.

Rows travel as the vendor sends them (`dict`, JSON types). Everything that turns them into canonical values is in the
mapping, a table the user can change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.kit.convert import Dialect
from zgoda.kit.errors import Refusal
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.model.clock import Clock

Row: TypeAlias = dict[str, Any]
"""One record as the vendor gave it: the stream's id, stamp and mapped fields, possibly nested."""

Cursor: TypeAlias = dict[str, Any]
"""A position in a change feed; JSON, opaque to the engine. Saved only with the effect of what was read up to it."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A record the vendor says is gone; `merged_into` names the survivor of a merge, `stream` another stream's name
    when the record lives on there (a lead that was converted)."""

    id: str
    at: datetime | None = None
    merged_into: str = ""
    stream: str = ""
    erased: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a read. `cursor` is where to go on once this page is safely stored (None: keep the old one).

    `total` is the vendor's word on how many records the whole read has; a full read that ends with fewer proves
    nothing about deletions. `gap`: the vendor no longer knows what happened since our cursor, so everything has to be
    read again.
    """

    rows: list[Row] = msgspec.field(default_factory=list[Row])
    removed: list[Removed] = msgspec.field(default_factory=list[Removed])
    cursor: Cursor | None = None
    total: int | None = None
    gap: bool = False


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gets: the connection's HTTP port (paced, authenticated), its settings, and the clock.

    `resources` holds what `Connector.open` returned for connectors that do not speak HTTP (a database pool, a folder).
    """

    http: Http
    settings: Any
    clock: Clock
    resources: Any = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What to read: the vendor fields the mapping needs (ask for no more: data minimisation) and where to start."""

    fields: tuple[str, ...]
    cursor: Cursor | None = None
    page_size: int | None = None


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One record to write. `key` identifies the try and comes back in the receipt (never the position in the list).

    `values` are vendor values by top-level vendor field, nested where the vendor nests. On update they hold only what
    changes. `expected` is the stamp we last saw, for vendors with optimistic locking. `merge_into`: see `Op`.
    """

    key: str
    op: Op
    id: str = ""
    values: Row = msgspec.field(default_factory=dict[str, Any])
    expected: str = ""


Op: TypeAlias = Literal["create", "update", "delete"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one `Write`. Either `refusal` is set or it was done.

    `id`: the record's id (needed after create). `stored`: the row as the vendor now holds it, if the answer had it.
    `version`: its new stamp, if the answer had it. `created` is False when the vendor found an existing one instead.
    """

    key: str
    id: str = ""
    refusal: Refusal | None = None
    stored: Row | None = None
    version: str = ""
    created: bool = True


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Asks whether a create whose answer was lost has happened: the vendor values that were sent."""

    key: str
    values: Row


class VendorField(msgspec.Struct, frozen=True, kw_only=True):
    """A field as the vendor describes it. `type` is the vendor's own word; `choices` are (value, label)."""

    name: str
    label: str = ""
    type: str = "text"
    required: bool = False
    writable: bool = True
    calculated: bool = False
    unique: bool = False
    length: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    open_choices: bool = True
    refers_to: tuple[str, ...] = ()


class VendorObject(msgspec.Struct, frozen=True, kw_only=True):
    """What `discover` says of one stream: its fields and what our credentials may do with it."""

    stream: str
    fields: tuple[VendorField, ...]
    readable: bool = True
    creatable: bool = True
    updatable: bool = True
    deletable: bool = True
    count: int | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What `check` says: who we are there. `account` names the vendor's own account or database, so that a connection
    that suddenly points to another one is noticed."""

    account: str
    user: str
    version: str = ""
    notes: tuple[str, ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An incoming webhook request. Header names are lower case."""

    method: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook's word that a record may have changed. The engine reads the record again before it believes it."""

    stream: str
    id: str
    removed: Removed | None = None


ReadFunction: TypeAlias = Callable[[Session, Reading], AsyncIterator[Page]]
ReadIdsFunction: TypeAlias = Callable[[Session, Reading, list[str]], Awaitable[Page]]
WriteFunction: TypeAlias = Callable[[Session, list[Write]], Awaitable[list[Receipt]]]
FindFunction: TypeAlias = Callable[[Session, list[Lookup]], Awaitable[dict[str, str]]]
MergeFunction: TypeAlias = Callable[[Session, str, list[str]], Awaitable[None]]


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of record at a vendor.

    Paths (`id`, `modified`, …) are dotted paths into a row. `modified` must be a stamp users cannot set, else
    `trusted_stamp` is False and the engine compares everything regularly. `stamp_step_s` is the stamp's resolution.
    `version` is the path of the value to send back for optimistic locking. `batch` is how many records one write call
    takes, `batch_ids` how many ids one `read_ids` call takes.
    """

    name: str
    entity: str
    mapping: tuple[Map, ...]
    id: str = "id"
    modified: str = ""
    version: str = ""
    title: str = ""
    trusted_stamp: bool = True
    stamp_step_s: float = 1.0
    can: frozenset[Op] = frozenset()
    immutable: bool = False
    batch: int = 100
    batch_ids: int = 100
    read_all: ReadFunction | None = None
    read_changes: ReadFunction | None = None
    read_deletes: ReadFunction | None = None
    read_ids: ReadIdsFunction | None = None
    write: WriteFunction | None = None
    find: FindFunction | None = None
    merge: MergeFunction | None = None
    erase: Callable[[Session, list[str]], Awaitable[list[Receipt]]] | None = None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a connection, for `zgoda connect`, the JSON Schema and the documentation.

    With `each` it is a mapping from names of the user's choice to these settings (the tables of a database); its
    `example` is then one line of YAML.
    """

    name: str
    meaning: str
    required: bool = False
    secret: bool = False
    default: Any = None
    example: str = ""
    each: tuple[Setting, ...] = ()


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor. `role`: crm, marketing or generic. `settings` are what a connection file may say (strings, numbers,
    booleans, lists, and mappings by `Setting.each`); `base_url` and `token_url` are among them for every vendor that
    has them.

    `streams` may be a function of the settings for connectors whose streams the user declares (SQL, files). It gets
    them unchecked, does no I/O, and raises `NeedsAttention` for settings that describe none.
    `acknowledgement` is the (content type, body) some vendors want as the answer to a webhook. `used_today` reads the
    vendor's own count of today's calls from an answer's headers. `open` prepares the session (auth, resources) and
    `close` releases it. `receive` verifies a webhook's signature where the vendor signs (raise `Forged`) and turns it
    into hints; it does no I/O.
    """

    key: str
    title: str
    role: Literal["crm", "marketing", "generic"]
    settings: tuple[Setting, ...]
    streams: tuple[Stream, ...] | Callable[[Any], tuple[Stream, ...]]
    open: Callable[[Http, Any, Clock], Awaitable[Session]]
    check: Callable[[Session], Awaitable[Identity]]
    discover: Callable[[Session, Stream], Awaitable[VendorObject]]
    limits: Callable[[Any], Limits]
    dialect: Dialect = msgspec.field(default_factory=Dialect)
    close: Callable[[Session], Awaitable[None]] | None = None
    receive: Callable[[Any, Delivery], list[Hint]] | None = None
    subscribe: Callable[[Session, str], Awaitable[None]] | None = None
    scopes: tuple[str, ...] = ()
    acknowledgement: tuple[str, bytes] | None = None
    used_today: Callable[[Mapping[str, str]], int | None] | None = None


class Forged(Exception):
    """A webhook whose signature, secret or age is wrong. Costs nothing further and is never written anywhere."""
