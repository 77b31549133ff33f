"""The statements for PostgreSQL. Names are quoted by psycopg, values are parameters; a batch is one jsonb parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, LiteralString, TypeAlias, cast

import msgspec
from psycopg import sql

from zgoda.connectors.sql.catalogue import Column, Kind, Table
from zgoda.connectors.sql.store import Ask, Step

Query: TypeAlias = tuple[sql.Composed, list[Any]]
Part: TypeAlias = sql.Composable

TRUE = sql.SQL("TRUE")


def name(text: str) -> sql.SQL:
    """A quoted name, safe in a query with parameters, where a per cent sign would begin one."""
    return sql.SQL(cast("LiteralString", sql.Identifier(text).as_string(None).replace("%", "%%")))


def place(table: Table) -> Part:
    schema, _, relation = table.name.partition("\0")
    return sql.SQL("{}.{}").format(name(schema), name(relation))


def cast_to(column: Column, *, many: bool = False) -> Part:
    """`::type`. The spelling is the server's own (`format_type`), quoted where it has to be."""
    return sql.SQL(cast("LiteralString", f"::{column.type.replace('%', '%%')}{'[]' if many else ''}"))


def select(table: Table, ask: Ask) -> Query:
    """Rows by id, by window or after an id: (id, stamp, version, deleted, values…)."""
    id = table.columns[table.told.id]
    key = _own(table, id.name)
    wheres: list[Part] = []
    params: list[Any] = []
    order: Part = key
    if ask.deleted is not None:
        wheres.append(marked(table) if ask.deleted else sql.SQL("NOT {}").format(marked(table)))
    if ask.ids is not None:
        wheres.append(sql.SQL("{} = ANY (%s{})").format(key, cast_to(id, many=True)))
        params.append(list(ask.ids))
    elif ask.window is not None:
        changed = table.columns[table.told.changed]
        stamp = _own(table, changed.name)
        order = sql.SQL("{}, {}").format(stamp, key)
        if not ask.window.stamp:
            wheres.append(sql.SQL("{} IS NOT NULL").format(stamp))
        elif ask.window.id is None:
            wheres.append(sql.SQL("{} >= %s{}").format(stamp, cast_to(changed)))
            params.append(ask.window.stamp)
        else:
            wheres.append(sql.SQL("({}, {}) > (%s{}, %s{})").format(stamp, key, cast_to(changed), cast_to(id)))
            params += [ask.window.stamp, ask.window.id]
    elif ask.after is not None:
        wheres.append(sql.SQL("{} > %s{}").format(key, cast_to(id)))
        params.append(ask.after)
    query = sql.SQL("SELECT {} FROM {} t WHERE {} ORDER BY {} LIMIT %s").format(
        _listed([*_head(table), *(_shown(table, table.columns[column]) for column in ask.columns)]),
        place(table),
        sql.SQL(" AND ").join(wheres or [TRUE]),
        order,
    )
    return query, [*params, max(1, ask.limit)]


def newest(table: Table) -> Query:
    """The newest stamp as text, and the server's clock."""
    query = sql.SQL("SELECT max({})::text, clock_timestamp() FROM {} t")
    return query.format(_own(table, table.told.changed), place(table)), []


def insert(table: Table, columns: Sequence[str], steps: Sequence[Step]) -> Query:
    """One statement for rows that set the same columns; it returns ids in the order of the steps.

    Rows are inserted, and returned, in the order the ordered query yields them.
    """
    own = [table.columns[column] for column in columns]
    query = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY d.{} RETURNING {}::text").format(
        place(table),
        _listed(name(column.name) for column in own),
        _listed(sql.SQL("d.{}").format(name(column.name)) for column in own),
        _batch([("@n", "int")], own),
        name("@n"),
        name(table.told.id),
    )
    rows = [{"@n": number, **step.values} for number, step in enumerate(steps)]
    return query, [_json(rows)]


def update(table: Table, columns: Sequence[str], steps: Sequence[Step]) -> Query:
    """One statement for all: a row sets the columns it names and keeps the others. Returns the keys that were done."""
    own = [table.columns[column] for column in columns]
    sets = [
        sql.SQL("{0} = CASE WHEN d.{1} ? {2} THEN d.{0} ELSE t.{0} END").format(
            name(column.name), name("@has"), _text(column.name)
        )
        for column in own
    ]
    query = sql.SQL(
        "WITH d AS MATERIALIZED (SELECT * FROM {}), {}"
        " UPDATE {} t SET {} FROM d JOIN free ON {} WHERE {} RETURNING d.{}"
    )
    rows = [{**_names(step), "@has": list(step.values), **step.values} for step in steps]
    full = query.format(
        _batch([*_NAMES, ("@has", "jsonb")], own),
        _free(table),
        place(table),
        _listed(sets),
        _is_free(table),
        _untouched(table),
        name("@k"),
    )
    return full, [_json(rows)]


def delete(table: Table, steps: Sequence[Step]) -> Query:
    """One statement for all: rows are marked where there is a mark, else they go. Returns the keys that were done."""
    if table.told.deleted:
        mark = sql.SQL("UPDATE {} t SET {} = {} FROM d JOIN free ON {}").format(
            place(table), name(table.told.deleted), _mark(table.columns[table.told.deleted]), _is_free(table)
        )
    else:
        mark = sql.SQL("DELETE FROM {} t USING d JOIN free ON {}").format(place(table), _is_free(table))
    query = sql.SQL("WITH d AS MATERIALIZED (SELECT * FROM {}), {} {} WHERE {} RETURNING d.{}").format(
        _batch(_NAMES, []), _free(table), mark, _untouched(table), name("@k")
    )
    return query, [_json([_names(step) for step in steps])]


def standing(table: Table, steps: Sequence[Step]) -> Query:
    """Why steps were not done: (key, the row's lock as text, whether it is free to be locked) for rows that exist."""
    lock = sql.SQL("t.{}::text").format(name(table.told.lock)) if table.told.lock else sql.SQL("NULL")
    query = sql.SQL(
        "WITH d AS MATERIALIZED (SELECT * FROM {}), {}"
        " SELECT d.{}, {}, free.i IS NOT NULL FROM d JOIN {} t ON t.{} = d.{}{}"
        " LEFT JOIN free ON free.i = t.{} WHERE NOT {}"
    ).format(
        _batch(_NAMES, []),
        _free(table),
        name("@k"),
        lock,
        place(table),
        name(table.told.id),
        name("@id"),
        cast_to(table.columns[table.told.id]),
        name(table.told.id),
        marked(table),
    )
    return query, [_json([_names(step) for step in steps])]


def alike(table: Table, columns: Sequence[str], records: dict[int, dict[str, Any]]) -> Query:
    """(number, id) of unmarked rows that hold just these values."""
    own = [table.columns[column] for column in columns if table.columns[column].kind is not Kind.JSON]
    same = [sql.SQL("t.{0} = d.{0}").format(name(column.name)) for column in own]
    query = sql.SQL("SELECT d.{0}, t.{1}::text FROM {2} JOIN {3} t ON {4} WHERE NOT {5} ORDER BY d.{0}, t.{1}").format(
        name("@n"),
        name(table.told.id),
        _batch([("@n", "int")], own),
        place(table),
        sql.SQL(" AND ").join(same or [sql.SQL("FALSE")]),
        marked(table),
    )
    return query, [_json([{"@n": number, **record} for number, record in records.items()])]


def marked(table: Table) -> Part:
    """Whether a row is marked as deleted."""
    if not table.told.deleted:
        return sql.SQL("FALSE")
    mark = _own(table, table.told.deleted)
    match table.columns[table.told.deleted].kind:
        case Kind.BOOLEAN:
            return sql.SQL("COALESCE({}, FALSE)").format(mark)
        case Kind.INTEGER:
            return sql.SQL("(COALESCE({}, 0) <> 0)").format(mark)
        case _:
            return sql.SQL("({} IS NOT NULL)").format(mark)


def _mark(column: Column) -> Part:
    match column.kind:
        case Kind.BOOLEAN:
            return TRUE
        case Kind.INTEGER:
            return sql.SQL("1")
        case _:
            return sql.SQL("now(){}").format(cast_to(column))


_NAMES: Final[list[tuple[str, LiteralString]]] = [("@k", "text"), ("@id", "text"), ("@v", "text")]


def _names(step: Step) -> dict[str, Any]:
    return {"@k": step.key, "@id": step.id, "@v": step.expected or None}


def _free(table: Table) -> Part:
    """The rows we need not wait for: one that somebody else holds is left for later."""
    lock = sql.SQL(" FOR UPDATE OF t SKIP LOCKED") if table.lockable else sql.SQL("")
    return sql.SQL(
        "free AS MATERIALIZED (SELECT t.{0} AS i FROM {1} t WHERE t.{0} IN (SELECT d.{2}{3} FROM d){4})"
    ).format(name(table.told.id), place(table), name("@id"), cast_to(table.columns[table.told.id]), lock)


def _is_free(table: Table) -> Part:
    return sql.SQL("free.i = d.{}{}").format(name("@id"), cast_to(table.columns[table.told.id]))


def _untouched(table: Table) -> Part:
    """It is the row, still alive, and as it was read where the step relies on that."""
    parts: list[Part] = [sql.SQL("t.{} = free.i AND NOT {}").format(name(table.told.id), marked(table))]
    if table.told.lock:
        lock = table.columns[table.told.lock]
        parts.append(sql.SQL("(d.{0} IS NULL OR t.{1} = d.{0}{2})").format(name("@v"), name(lock.name), cast_to(lock)))
    return sql.SQL(" AND ").join(parts)


def _batch(names: list[tuple[str, LiteralString]], columns: Iterable[Column]) -> Part:
    """The one parameter, unfolded into typed columns."""
    own: list[Part] = [sql.SQL("{} {}").format(name(column), sql.SQL(type)) for column, type in names]
    own += [
        sql.SQL("{} {}").format(name(c.name), sql.SQL(cast("LiteralString", c.type.replace("%", "%%"))))
        for c in columns
    ]
    return sql.SQL("jsonb_to_recordset(%s::jsonb) AS d({})").format(_listed(own))


def _head(table: Table) -> list[Part]:
    told = table.told
    stamp, lock = (
        sql.SQL("{}::text").format(_own(table, one)) if one else sql.SQL("NULL") for one in (told.changed, told.lock)
    )
    return [sql.SQL("{}::text").format(_own(table, told.id)), stamp, lock, marked(table)]


def _shown(table: Table, column: Column) -> Part:
    """Everything but truth and whole numbers travels as text, so that nothing is rounded on the way."""
    own = _own(table, column.name)
    match column.kind:
        case Kind.BOOLEAN | Kind.INTEGER:
            return own
        case Kind.SET:
            return sql.SQL("{}::text[]").format(own)
        case Kind.LOCAL:
            return sql.SQL("({} AT TIME ZONE {})::text").format(own, _text(table.zone.key))
        case _:
            return sql.SQL("{}::text").format(own)


def _own(table: Table, column: str) -> Part:
    return sql.SQL("t.{}").format(name(column))


def _text(text: str) -> Part:
    return sql.SQL(cast("LiteralString", sql.Literal(text).as_string(None).replace("%", "%%")))


def _listed(parts: Iterable[Part]) -> Part:
    return sql.SQL(", ").join(parts)


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
