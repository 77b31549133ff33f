"""The statements for SQLite. Names are quoted here and nowhere else, values are parameters."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from zgoda.connectors.sql.catalogue import Column, Kind, Table, possible_id
from zgoda.connectors.sql.store import Ask, Step

Query: TypeAlias = tuple[str, list[Any]]


def quoted(name: str) -> str:
    """A name as SQL. Nothing but a doubled quotation mark ends it."""
    if "\0" in name:
        raise ValueError("a name cannot hold a zero character")
    return '"' + name.replace('"', '""') + '"'


def column(table: Table, name: str) -> str:
    """A column with its table before it: alone, SQLite would take the quoted name of a missing column for a text."""
    return f"{quoted(table.name)}.{quoted(name)}"


def select(table: Table, ask: Ask) -> Query:
    """Rows by id, by window or after an id: (id, stamp, version, deleted, values…)."""
    told = table.told
    key = column(table, told.id)
    wheres: list[str] = []
    params: list[Any] = []
    order = key
    if ask.deleted is not None:
        wheres.append(marked(table) if ask.deleted else f"NOT {marked(table)}")
    if ask.ids is not None:
        known = [_key(table, id) for id in ask.ids if possible_id(table.columns[told.id], id)]
        wheres.append(" ".join((key, "IN (SELECT value FROM json_each(?))")))
        params.append(json.dumps(known))
    elif ask.window is not None:
        stamp = column(table, told.changed)
        order = f"{stamp}, {key}"
        if not ask.window.stamp:
            wheres.append(f"{stamp} IS NOT NULL")
        elif ask.window.id is None:
            wheres.append(f"{stamp} >= ?")
            params.append(stored(table.columns[told.changed], ask.window.stamp))
        else:
            wheres.append(f"({stamp}, {key}) > (?, ?)")
            params += [stored(table.columns[told.changed], ask.window.stamp), _key(table, ask.window.id)]
    elif ask.after is not None:
        wheres.append(f"{key} > ?")
        params.append(_key(table, ask.after))
    names = [key, _or_null(table, told.changed), _or_null(table, told.lock), marked(table)]
    names += [column(table, name) for name in ask.columns]
    where = " AND ".join(wheres) or "TRUE"
    query = " ".join(
        ("SELECT", ", ".join(names), "FROM", quoted(table.name), "WHERE", where, "ORDER BY", order, "LIMIT ?")
    )
    return query, [*params, max(1, ask.limit)]


def newest(table: Table) -> str:
    """The newest stamp, and the clock the database goes by (UTC)."""
    stamp = f"max({column(table, table.told.changed)})"
    return " ".join(("SELECT", stamp, ", strftime('%Y-%m-%d %H:%M:%f', 'now') FROM", quoted(table.name)))


def insert(table: Table, step: Step) -> Query:
    """One row; returns its id."""
    names = ", ".join(map(quoted, step.values))
    marks = ", ".join("?" * len(step.values))
    returned = column(table, table.told.id)
    query = " ".join(("INSERT INTO", quoted(table.name), f"({names}) VALUES ({marks}) RETURNING", returned))
    return query, _values(table, step)


def update(table: Table, step: Step) -> Query:
    """One row, if it is there and as it was read; returns its id."""
    sets = ", ".join(f"{quoted(name)} = ?" for name in step.values)
    where, params = _untouched(table, step)
    query = " ".join(
        ("UPDATE", quoted(table.name), "SET", sets, "WHERE", where, "RETURNING", column(table, table.told.id))
    )
    return query, [*_values(table, step), *params]


def delete(table: Table, step: Step) -> Query:
    """One row, marked where there is a mark, else gone; returns its id."""
    where, params = _untouched(table, step)
    returned = column(table, table.told.id)
    if table.told.deleted:
        mark = f"{quoted(table.told.deleted)} = {_mark(table.columns[table.told.deleted])}"
        parts = ("UPDATE", quoted(table.name), "SET", mark, "WHERE", where, "RETURNING", returned)
    else:
        parts = ("DELETE FROM", quoted(table.name), "WHERE", where, "RETURNING", returned)
    return " ".join(parts), params


def standing(table: Table, step: Step) -> Query:
    """The lock of a row that exists and is not marked as deleted."""
    where = f"{column(table, table.told.id)} = ? AND NOT {marked(table)}"
    query = " ".join(("SELECT", _or_null(table, table.told.lock), "FROM", quoted(table.name), "WHERE", where))
    return query, [_key(table, step.id)]


def alike(table: Table, record: dict[str, Any]) -> Query:
    """Ids of unmarked rows that hold just these values."""
    same = " AND ".join(f"{column(table, name)} = ?" for name in record)
    where = f"{same} AND NOT {marked(table)} ORDER BY {column(table, table.told.id)}"
    query = " ".join(("SELECT", column(table, table.told.id), "FROM", quoted(table.name), "WHERE", where))
    return query, [stored(table.columns[name], value) for name, value in record.items()]


def marked(table: Table) -> str:
    """Whether a row is marked as deleted."""
    if not table.told.deleted:
        return "FALSE"
    mark = column(table, table.told.deleted)
    if table.columns[table.told.deleted].kind in (Kind.BOOLEAN, Kind.INTEGER):
        return f"(COALESCE({mark}, 0) <> 0)"
    return f"({mark} IS NOT NULL)"


def stored(into: Column, value: Any) -> Any:
    """A fitting value in the spelling of the column's declared type."""
    match into.kind, value:
        case _, None:
            return None
        case Kind.BOOLEAN, bool():
            return int(value)
        case Kind.INTEGER, str():
            return int(value)
        case Kind.JSON | Kind.SET, _:
            return json.dumps(value, ensure_ascii=False)
        case _:
            return value


def _mark(column: Column) -> str:
    return "1" if column.kind in (Kind.BOOLEAN, Kind.INTEGER) else "strftime('%Y-%m-%d %H:%M:%f', 'now')"


def _untouched(table: Table, step: Step) -> Query:
    where = f"{column(table, table.told.id)} = ? AND NOT {marked(table)}"
    if not (step.expected and table.told.lock):
        return where, [_key(table, step.id)]
    lock = stored(table.columns[table.told.lock], step.expected)
    return f"{where} AND {column(table, table.told.lock)} = ?", [_key(table, step.id), lock]


def _key(table: Table, id: str) -> Any:
    return stored(table.columns[table.told.id], id)


def _values(table: Table, step: Step) -> list[Any]:
    return [stored(table.columns[name], value) for name, value in step.values.items()]


def _or_null(table: Table, name: str) -> str:
    return column(table, name) if name else "NULL"
