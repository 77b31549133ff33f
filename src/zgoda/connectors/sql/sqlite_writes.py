"""Writing to SQLite: one transaction for all; a statement that fails undoes itself and leaves the others alone."""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Final

from zgoda.connectors.sql.catalogue import Table, possible_id
from zgoda.connectors.sql.sqlite_catalogue import mentioned
from zgoda.connectors.sql.sqlite_statements import alike, delete, insert, standing, update
from zgoda.connectors.sql.store import Step
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Receipt


def land(db: sqlite3.Connection, table: Table, steps: list[Step]) -> list[Receipt]:
    """Do all steps. Raises `sqlite3.Error` for what breaks the whole call; then nothing was done."""
    try:
        return _together(db, table, steps)
    except sqlite3.IntegrityError:
        # a deferred constraint speaks up at the commit only, and does not say for which row
        return [receipt for step in steps for receipt in _alone(db, table, step)]


def _together(db: sqlite3.Connection, table: Table, steps: list[Step]) -> list[Receipt]:
    db.execute("BEGIN IMMEDIATE")
    try:
        receipts = [_receipt(db, table, step) for step in steps]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return receipts


def _alone(db: sqlite3.Connection, table: Table, step: Step) -> list[Receipt]:
    try:
        return _together(db, table, [step])
    except sqlite3.IntegrityError as error:
        return [_refused(step, _refusal(db, table, step, error))]


def _receipt(db: sqlite3.Connection, table: Table, step: Step) -> Receipt:
    if step.op == "create" and not step.values:
        return _refused(step, Refusal(kind=RefusalKind.REJECTED, code="empty", message="no column would be set"))
    if step.op != "create" and not possible_id(table.columns[table.told.id], step.id):
        return _refused(step, _NOWHERE)
    try:
        return _done(db, table, step)
    except sqlite3.IntegrityError as error:
        return _refused(step, _refusal(db, table, step, error))


def _done(db: sqlite3.Connection, table: Table, step: Step) -> Receipt:
    match step.op:
        case "create":
            query, params = insert(table, step)
        case "update" if not step.values:
            return Receipt(key=step.key, id=step.id)
        case "update":
            query, params = update(table, step)
        case "delete":
            query, params = delete(table, step)
    found = db.execute(query, params).fetchall()
    if not found:
        return _refused(step, _why_not(db, table, step))
    return Receipt(key=step.key, id=_plain(found[0][0]))


def _why_not(db: sqlite3.Connection, table: Table, step: Step) -> Refusal:
    if step.op == "create":
        return Refusal(kind=RefusalKind.REJECTED, code="not_inserted", message="the database ignored the row")
    query, params = standing(table, step)
    row = db.execute(query, params).fetchone()
    if row is None:
        return _NOWHERE
    if step.expected and _plain(row[0]) != step.expected:
        return Refusal(kind=RefusalKind.STALE, code="changed", message="the row was changed meanwhile")
    return Refusal(kind=RefusalKind.REJECTED, code="not_applied", message="the database did not apply it")


_NOWHERE: Final = Refusal(kind=RefusalKind.GONE, code="no_such_row", message="there is no such row")


def _refusal(db: sqlite3.Connection, table: Table, step: Step, error: sqlite3.IntegrityError) -> Refusal:
    """SQLite's message names the columns (`table.column`) or the broken rule, and no values."""
    code = error.sqlite_errorname
    fields = _named(table, str(error))
    if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY") and step.op == "create":
        holder = _holder(db, table, step, fields)
        return Refusal(kind=RefusalKind.EXISTS, code=code, message=WHY[code], fields=fields, moved_to=holder)
    message = WHY.get(code, "the database refused the row")
    return Refusal(kind=RefusalKind.REJECTED, code=code, message=message, fields=fields)


def _named(table: Table, message: str) -> tuple[str, ...]:
    rest = message.partition(": ")[2]
    prefixed = [
        name for name in table.columns if re.search(rf"(?:^|, ){re.escape(f'{table.name}.{name}')}(?:,|$)", rest)
    ]
    if prefixed or not message.startswith("CHECK"):
        return tuple(prefixed)
    return table.checks.get(rest) or mentioned(table.columns, rest)


def _holder(db: sqlite3.Connection, table: Table, step: Step, columns: tuple[str, ...]) -> str:
    """The row that has these unique values already."""
    values: dict[str, Any] = {name: step.values.get(name) for name in columns}
    if not values or any(value is None for value in values.values()):
        return ""
    query, params = alike(table, values)
    found = db.execute(query, params).fetchall()
    return _plain(found[-1][0]) if found else ""


WHY: Final = {
    "SQLITE_CONSTRAINT_NOTNULL": "the column must not be blank",
    "SQLITE_CONSTRAINT_UNIQUE": "there is a row with this value already",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "there is a row with this value already",
    "SQLITE_CONSTRAINT_CHECK": "a rule of the table does not allow the value",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "it refers to a row that does not exist, or rows refer to it",
    "SQLITE_CONSTRAINT_DATATYPE": "this is no value for a column of this type",
    "SQLITE_CONSTRAINT_TRIGGER": "a trigger of the table does not allow it",
}


def _refused(step: Step, refusal: Refusal) -> Receipt:
    return Receipt(key=step.key, id=step.id, refusal=refusal)


def _plain(raw: Any) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
