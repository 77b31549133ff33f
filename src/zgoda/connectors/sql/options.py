"""The settings of a database connection: where it is, and which of its tables take part as what."""

from __future__ import annotations

import zoneinfo
from typing import Any, Final

import msgspec

from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Setting
from zgoda.model.entities import ENTITIES, FieldType


class TableOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table or view and how it takes part. Names are those of columns; empty means there is none.

    `changed` moves with every change, over the whole table; `immutable` says that only the database sets it.
    """

    entity: str
    table: str = ""
    schema: str = ""
    id: str = "id"
    changed: str = ""
    immutable: bool = False
    version: str = ""
    deleted: str = ""
    writable: list[str] = []
    natural_key: list[str] = []

    @property
    def lock(self) -> str:
        """The column whose value a write may rely on."""
        return self.version or self.changed


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `SETTINGS` mean; `url` is the resolved secret."""

    url: str
    tables: dict[str, TableOptions]
    time_zone: str = "UTC"
    overlap_s: float = 60.0
    overlap_count: int = 1000
    wal: bool = True

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)


_TABLE: Final = (
    Setting(name="entity", meaning="What a row is", required=True, example="person"),
    Setting(name="table", meaning="The table or view, where it is not called like the stream", example="customers"),
    Setting(name="schema", meaning="Its schema (PostgreSQL), where the search path does not lead there", example="crm"),
    Setting(name="id", meaning="The column that identifies a row for ever", default="id"),
    Setting(
        name="changed",
        meaning="The column that moves with every change: a time, or a number counted over the whole table",
        example="updated_at",
    ),
    Setting(
        name="immutable",
        meaning="Whether only the database sets that column (a trigger); else everything is compared regularly",
        default=False,
    ),
    Setting(
        name="version",
        meaning="The column that tells whether a row is still as it was read (else the one named by changed)",
        example="version",
    ),
    Setting(
        name="deleted",
        meaning="The column that marks deleted rows: true or false, 1 or 0, or the time of the deletion",
        example="deleted_at",
    ),
    Setting(name="writable", meaning="Columns the hub may write; without any the table is only read", default=[]),
    Setting(
        name="natural_key",
        meaning="Columns that tell rows apart besides the id, to find a row whose creation was never confirmed",
        default=[],
    ),
)

SETTINGS: Final = (
    Setting(
        name="url",
        meaning="postgresql://user:password@host/database, or sqlite:////absolute/path",
        required=True,
        secret=True,
        example="${env:CRM_DATABASE}",
    ),
    Setting(
        name="tables",
        meaning="The tables that take part, by the stream's name",
        required=True,
        each=_TABLE,
        example="{people: {entity: person, table: customers, changed: updated_at, writable: [email, given_name]}}",
    ),
    Setting(name="time_zone", meaning="The zone of times that are stored without one", default="UTC"),
    Setting(
        name="overlap_s",
        meaning="How far back each incremental read starts, for transactions that commit late",
        default=60.0,
    ),
    Setting(
        name="overlap_count", meaning="The same for change columns that count: how many numbers back", default=1000
    ),
    Setting(name="wal", meaning="Turn on write-ahead logging in an SQLite file that is written to", default=True),
)


def parse(settings: Any) -> Options:
    """The settings as `Options`. `NeedsAttention` names the setting that is wrong, never its value."""
    try:
        told = msgspec.convert(settings, Options, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(f"the settings of the database are wrong: {error}") from None
    if told.time_zone not in zoneinfo.available_timezones():
        raise _wrong("time_zone is no time zone", do="for example Europe/Warsaw")
    return told


def tables_of(settings: Any) -> dict[str, TableOptions]:
    """The tables alone, for which no secret is needed. `NeedsAttention` says what is wrong with them."""
    try:
        tables = msgspec.convert(settings.get("tables") or {}, dict[str, TableOptions])
    except msgspec.ValidationError as error:
        raise _wrong(f"the tables are described wrongly: {error}") from None
    for stream, told in tables.items():
        _check(stream, told)
    return tables


def _check(stream: str, told: TableOptions) -> None:
    if told.entity not in ENTITIES:
        raise _wrong(f"{stream}: there is no entity of that name", do=f"one of {', '.join(ENTITIES)}")
    names = (told.id, told.changed, told.version, told.deleted, *told.writable, *told.natural_key)
    if not told.id or any("." in name or "\0" in name or name.startswith("@") for name in names):
        raise _wrong(f"{stream}: a column's name must not be empty, begin with @ or have a dot in it")
    if told.immutable and not told.changed:
        raise _wrong(f"{stream}: immutable says something about the column changed, and there is none")
    kept = {told.changed, told.version, told.deleted} - {""}
    if both := sorted(kept & set(told.writable)):
        raise _wrong(f"{stream}: {', '.join(both)} cannot be writable, as the row's state is read from it")


def default_mapping(told: TableOptions) -> tuple[Map, ...]:
    """Writable columns that are called like our fields carry them; all else is said in the mapping file."""
    fields = ENTITIES[told.entity].fields
    return tuple(
        Map(vendor=name, field=name)
        for name in dict.fromkeys(told.writable)
        if name in fields and fields[name].type is not FieldType.REF
    )


def _wrong(message: str, *, do: str = "") -> NeedsAttention:
    return NeedsAttention(Attention.SETTINGS, message, do=do)
