"""Writing to PostgreSQL: a statement for each kind of step, and halves of it where the server refuses a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import psycopg

from zgoda.connectors.sql.catalogue import Table, possible_id
from zgoda.connectors.sql.postgres_catalogue import lacking_rights
from zgoda.connectors.sql.postgres_line import Connection
from zgoda.connectors.sql.postgres_statements import Query, alike, delete, insert, standing, update
from zgoda.connectors.sql.store import Step
from zgoda.kit.errors import Attention, NeedsAttention, Refusal, RefusalKind
from zgoda.kit.spec import Receipt

_Send: TypeAlias = Callable[[Connection, Table, list[Step]], Awaitable[list[Receipt]]]


class _NotAll(Exception):
    """The server inserted fewer rows than it was given, so nobody knows which id belongs to which."""


async def land(connection: Connection, table: Table, steps: list[Step]) -> list[Receipt]:
    """Do all steps in the open transaction. What breaks the whole call is raised."""
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    key = table.columns[table.told.id]
    receipts: list[Receipt] = []
    creates, updates, deletes = list[Step](), list[Step](), list[Step]()
    for step in steps:
        match step.op:
            case "create" if not step.values:
                receipts.append(refused(step, RefusalKind.REJECTED, "empty"))
            case "create":
                creates.append(step)
            case _ if not possible_id(key, step.id):
                receipts.append(refused(step, RefusalKind.GONE, "no_such_row"))
            case "update":
                updates.append(step)
            case "delete":
                deletes.append(step)
    for part in _alike_columns(table, creates):
        receipts += await _part(connection, table, part, _insert)
    receipts += await _part(connection, table, updates, _update) if updates else []
    receipts += await _part(connection, table, deletes, _delete) if deletes else []
    return receipts


async def _part(connection: Connection, table: Table, part: list[Step], send: _Send) -> list[Receipt]:
    """One statement; if a row is refused, its halves, until the culprit stands alone."""
    try:
        async with connection.transaction():
            return await send(connection, table, part)
    except _NotAll:
        refusal = Refusal(kind=RefusalKind.REJECTED, code="not_inserted", message=WHY["not_inserted"])
    except psycopg.Error as error:
        if not _concerns_row(error):
            raise
        refusal = await _refusal(connection, table, part, error)
    if len(part) == 1:
        return [Receipt(key=part[0].key, id=part[0].id, refusal=refusal)]
    middle = len(part) // 2
    first = await _part(connection, table, part[:middle], send)
    return first + await _part(connection, table, part[middle:], send)


_ROW_ERRORS: Final = frozenset({"22", "23", "44", "P0", "38", "39", "2F", "27", "09", "21"})
"""Classes of SQLSTATE that are about values: bad data, constraints, triggers that object."""

_KINDS: Final = {"55P03": RefusalKind.TEMPORARY, "42501": RefusalKind.RIGHTS}


def _concerns_row(error: psycopg.Error) -> bool:
    code = error.sqlstate or ""
    return code[:2] in _ROW_ERRORS or code in _KINDS


async def _refusal(connection: Connection, table: Table, part: list[Step], error: psycopg.Error) -> Refusal:
    """What a refused statement means for its row, which stands alone if the columns are to be named."""
    code = error.sqlstate or ""
    if code == "42501" and (lacking := await lacking_rights(connection, table)):
        message = f"{table.stream}: {'; '.join(lacking)}"
        raise NeedsAttention(Attention.RIGHTS, message, do="grant it, or take it out of writable", stream=table.stream)
    named, constraint = error.diag.column_name, error.diag.constraint_name
    fields = (named,) if named in table.columns else table.checks.get(constraint or "", ())
    if code == "23505" and part[0].op == "create":
        holder = await _holder(connection, table, part[0], fields) if len(part) == 1 else ""
        return Refusal(kind=RefusalKind.EXISTS, code=code, message=WHY[code], fields=fields, moved_to=holder)
    kind = _KINDS.get(code, RefusalKind.REJECTED)
    return Refusal(kind=kind, code=code, message=WHY.get(code, "the database refused the row"), fields=fields)


async def _holder(connection: Connection, table: Table, step: Step, columns: tuple[str, ...]) -> str:
    """The row that has these unique values already; none if a blank or an expression is part of them."""
    values = {name: step.values.get(name) for name in columns}
    if columns not in table.uniques or any(value is None for value in values.values()):
        return ""
    found = await _rows(connection, alike(table, columns, {0: values}))
    return str(found[-1][1]) if found else ""


WHY: Final = {
    "23502": "the column must not be blank",
    "23503": "it refers to a row that does not exist, or rows refer to it",
    "23505": "there is a row with this value already",
    "23514": "a rule of the table does not allow the value",
    "23P01": "it collides with another row",
    "42501": "a policy of the table does not allow it",
    "55P03": "somebody else holds the row",
    "empty": "no column would be set",
    "no_such_row": "there is no such row",
    "changed": "the row was changed meanwhile",
    "row_locked": "somebody else holds the row",
    "not_applied": "the database did not apply it",
    "not_inserted": "the database ignored the row",
}


def refused(step: Step, kind: RefusalKind, code: str) -> Receipt:
    return Receipt(key=step.key, id=step.id, refusal=Refusal(kind=kind, code=code, message=WHY[code]))


def _alike_columns(table: Table, steps: list[Step]) -> list[list[Step]]:
    """Creates that can share a statement: a column may only be left out by all if the database has a default for it,
    and is blank for those that do not name it otherwise."""
    parts: dict[frozenset[str], list[Step]] = {}
    defaults = {column.name for column in table.columns.values() if column.has_default}
    for step in steps:
        parts.setdefault(frozenset(step.values.keys() & defaults), []).append(step)
    return list(parts.values())


async def _insert(connection: Connection, table: Table, part: list[Step]) -> list[Receipt]:
    ids = [id for (id,) in await _rows(connection, insert(table, _columns(table, part), part))]
    if len(ids) != len(part):
        raise _NotAll
    return [Receipt(key=step.key, id=id) for step, id in zip(part, ids, strict=True)]


async def _update(connection: Connection, table: Table, part: list[Step]) -> list[Receipt]:
    columns = _columns(table, part)
    if not columns:
        return [Receipt(key=step.key, id=step.id) for step in part]
    return await _told(connection, table, part, update(table, columns, part))


async def _delete(connection: Connection, table: Table, part: list[Step]) -> list[Receipt]:
    return await _told(connection, table, part, delete(table, part))


async def _told(connection: Connection, table: Table, part: list[Step], query: Query) -> list[Receipt]:
    """Receipts for the keys that came back; for the others the reason."""
    done = {key for (key,) in await _rows(connection, query)}
    receipts = [Receipt(key=step.key, id=step.id) for step in part if step.key in done]
    left = [step for step in part if step.key not in done]
    if not left:
        return receipts
    rows = {key: (lock, free) for key, lock, free in await _rows(connection, standing(table, left))}
    for step in left:
        match rows.get(step.key):
            case None:
                receipts.append(refused(step, RefusalKind.GONE, "no_such_row"))
            case (lock, _) if step.expected and lock != step.expected:
                receipts.append(refused(step, RefusalKind.STALE, "changed"))
            case (_, False) if table.lockable:
                receipts.append(refused(step, RefusalKind.TEMPORARY, "row_locked"))
            case _:
                receipts.append(refused(step, RefusalKind.REJECTED, "not_applied"))
    return receipts


def _columns(table: Table, part: list[Step]) -> list[str]:
    named = {name for step in part for name in step.values}
    return [name for name in table.columns if name in named]


async def _rows(connection: Connection, query: Query) -> list[tuple[Any, ...]]:
    statement, params = query
    return await (await connection.execute(statement, params)).fetchall()
