"""Who we are in the database, what we may do there, and what its tables look like."""

from __future__ import annotations

from typing import Final

from zgoda.connectors.sql.catalogue import Column, Kind, Table
from zgoda.connectors.sql.store import database, turn
from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Identity, Session, Stream, VendorField, VendorObject


async def check(session: Session) -> Identity:
    """Log in and look at every table that takes part. The account is the server and the database."""
    async with turn(session, "read") as store:
        account = await store.account()
    notes: list[str] = []
    for stream in database(session).told.tables:
        store.forget(stream)
        try:
            async with turn(session, "read") as store:
                table = await store.table(stream)
                lacking = await store.lacks(table)
        except NeedsAttention as error:
            notes.append(str(error))
            continue
        notes += [f"{stream}: {what}" for what in (*_wrong(table), *lacking)]
    return Identity(account=account.name, user=account.user, version=account.version, notes=tuple(notes))


async def discover(session: Session, stream: Stream) -> VendorObject:
    """The table's columns as they are now."""
    async with turn(session, "read") as store:
        store.forget(stream.name)
        table = await store.table(stream.name)
    return VendorObject(
        stream=stream.name,
        fields=tuple(_field(table, column) for column in table.columns.values()),
        creatable="create" in stream.can,
        updatable="update" in stream.can,
        deletable="delete" in stream.can,
    )


def _field(table: Table, column: Column) -> VendorField:
    told = table.told
    state = column.name in (told.changed, told.version, told.deleted)
    return VendorField(
        name=column.name,
        type=_WORDS.get(column.kind, column.type) if not column.choices else "choice",
        required=not column.nullable and not column.has_default and not column.generated,
        writable=column.name in told.writable and not column.generated,
        calculated=column.generated or state,
        unique=(column.name,) in table.uniques or column.name == told.id,
        length=column.length or None,
        choices=tuple((choice, choice) for choice in column.choices),
        open_choices=not column.choices,
    )


_WORDS: Final = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "integer",
    Kind.DECIMAL: "decimal",
    Kind.FLOAT: "decimal",
    Kind.TEXT: "text",
    Kind.DATE: "date",
    Kind.INSTANT: "datetime",
    Kind.LOCAL: "datetime",
    Kind.SET: "set",
}
"""Words the hub knows as types; a column of another kind keeps the database's own word."""


def _wrong(table: Table) -> list[str]:
    """What the settings say that the table does not bear out."""
    told, notes = table.told, list[str]()
    named = {told.id, told.changed, told.version, told.deleted, *told.writable, *told.natural_key} - {""}
    if missing := sorted(named - table.columns.keys()):
        notes.append(f"there is no column {', '.join(missing)}")
    if generated := [name for name in told.writable if name in table.columns and table.columns[name].generated]:
        notes.append(f"{', '.join(generated)} cannot be written: the database calculates it")
    if (told.id,) not in table.uniques and table.lockable:
        notes.append(f"nothing makes {told.id} unique")
    changed = table.columns.get(told.changed)
    if changed is not None and changed.nullable:
        notes.append(f"{told.changed} may be empty; changes of such rows are found by full compares only")
    if changed is not None and changed.kind in (Kind.DATE, Kind.BOOLEAN, Kind.SET, Kind.JSON):
        notes.append(f"{told.changed} is neither a time nor a number that counts changes")
    return notes
