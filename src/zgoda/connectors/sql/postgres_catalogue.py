"""What PostgreSQL's catalogue says of a table, and what we lack there."""

from __future__ import annotations

import re
from typing import Any, Final, LiteralString, TypeAlias

import msgspec

from zgoda.connectors.sql.catalogue import Column, Kind, Table
from zgoda.connectors.sql.options import Options, TableOptions
from zgoda.connectors.sql.postgres_line import Connection
from zgoda.kit.errors import Attention, NeedsAttention

Tuple: TypeAlias = tuple[Any, ...]

TABLE: Final[LiteralString] = """
    SELECT c.oid, n.nspname, c.relname, c.relkind IN ('r', 'p') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(CASE WHEN %(schema)s = '' THEN quote_ident(%(table)s)
                                   ELSE quote_ident(%(schema)s) || '.' || quote_ident(%(table)s) END)
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""

COLUMNS: Final[LiteralString] = """
    SELECT a.attname, format_type(a.atttypid, -1), b.typname, b.typcategory,
           CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END,
           NOT (a.attnotnull OR t.typnotnull),
           (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
           a.attgenerated <> '' OR a.attidentity = 'a',
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

CONSTRAINTS: Final[LiteralString] = """
    SELECT conname::text, contype = 'c', pg_get_constraintdef(oid),
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = conrelid AND a.attnum = ANY (conkey) ORDER BY a.attnum)
    FROM pg_constraint WHERE conrelid = %(oid)s AND contype IN ('c', 'f', 'x')"""

UNIQUES: Final[LiteralString] = """
    SELECT i.indexrelid::regclass::text, c.relname::text, i.indexprs IS NULL AND i.indpred IS NULL,
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0
                 AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.objid = i.indexrelid
                      AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)) ORDER BY a.attnum)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %(oid)s AND i.indisunique"""

RIGHTS: Final[LiteralString] = """
    SELECT a.attname::text, has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
           has_column_privilege(a.attrelid, a.attnum, 'INSERT'), has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
    FROM pg_attribute a WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

TABLE_RIGHTS: Final[LiteralString] = """
    SELECT has_table_privilege(%(oid)s, 'DELETE'),
           ARRAY(SELECT s.relname::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attidentity = ''
                 WHERE d.refobjid = %(oid)s
                   AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END)"""


async def read_table(connection: Connection, stream: str, told: TableOptions, options: Options) -> Table:
    """The table as it is now. `NeedsAttention` if there is none."""
    schema, name, lockable, oid = await _place(connection, stream, told)
    columns = {c.name: c for c in map(_column, await _rows(connection, COLUMNS, oid))}
    uniques = await _rows(connection, UNIQUES, oid)
    constraints = await _rows(connection, CONSTRAINTS, oid)
    for _name, is_check, definition, on in constraints:
        if is_check and len(on) == 1 and (choices := _choices(definition)):
            columns[on[0]] = _limited(columns[on[0]], choices)
    return Table(
        stream=stream,
        told=told,
        name=f"{schema}\0{name}",
        columns=columns,
        uniques=tuple(tuple(on) for _full, _index, plain, on in uniques if plain),
        checks={
            **{name: tuple(on) for name, _is_check, _definition, on in constraints},
            **{index: tuple(on) for _full, index, _plain, on in uniques},
        },
        lockable=lockable,
        zone=options.zone,
    )


async def lacking_rights(connection: Connection, table: Table) -> list[str]:
    """What we would need for what the settings want, and may not do."""
    told = table.told
    _schema, _name, _lockable, oid = await _place(connection, table.stream, told)
    rights = {name: may for name, *may in await _rows(connection, RIGHTS, oid)}
    [(may_delete, sequences)] = await _rows(connection, TABLE_RIGHTS, oid)
    state = {told.id, told.changed, told.version, told.deleted} - {""}
    written = [*told.writable, *([told.deleted] if told.deleted and told.writable else [])]
    notes = [
        _note("read", [name for name in (*sorted(state), *told.writable) if name in rights and not rights[name][0]]),
        _note("insert", [name for name in told.writable if name in rights and not rights[name][1]]),
        _note("update", [name for name in written if name in rights and not rights[name][2]]),
    ]
    if told.writable and not told.deleted and not may_delete:
        notes.append("no right to delete rows")
    if told.writable and sequences:
        notes.append(f"no right to use the sequence {', '.join(sequences)}")
    return [note for note in notes if note]


def _note(what: str, names: list[str]) -> str:
    return f"no right to {what} {', '.join(dict.fromkeys(names))}" if names else ""


async def _place(connection: Connection, stream: str, told: TableOptions) -> tuple[str, str, bool, int]:
    params = {"schema": told.schema, "table": told.table or stream}
    found = await (await connection.execute(TABLE, params)).fetchone()
    if found is None:
        message = f"{stream}: there is no such table or view"
        raise NeedsAttention(
            Attention.SCHEMA, message, do="correct table and schema, or grant USAGE on the schema", stream=stream
        )
    oid, schema, name, lockable = found
    return schema, name, lockable, oid


async def _rows(connection: Connection, query: LiteralString, oid: int) -> list[Tuple]:
    return await (await connection.execute(query, {"oid": oid})).fetchall()


def _column(row: Tuple) -> Column:
    name, type, base, category, modifier, nullable, has_default, generated, labels = row
    kind = Kind.SET if category == "A" else _KINDS.get(base, Kind.TEXT if category in "SEU" else Kind.OTHER)
    bound = modifier - 4 if modifier >= 4 else 0
    decimal, text = base == "numeric" and bound, base in ("varchar", "bpchar") and bound
    return Column(
        name=name,
        type=type,
        kind=kind,
        nullable=nullable,
        has_default=has_default,
        generated=generated,
        length=bound if text else 0,
        digits=(bound >> 16) & 0xFFFF if decimal else 0,
        scale=((bound & 0x7FF) ^ 0x400) - 0x400 if decimal else 0,
        bits=_BITS.get(base, 64),
        choices=tuple(labels),
        closed=bool(labels),
    )


def _limited(column: Column, choices: tuple[str, ...]) -> Column:
    return msgspec.structs.replace(column, choices=choices, closed=column.kind is Kind.TEXT)


_KINDS: Final = {
    "bool": Kind.BOOLEAN,
    **dict.fromkeys(("int2", "int4", "int8"), Kind.INTEGER),
    "numeric": Kind.DECIMAL,
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    "date": Kind.DATE,
    "timestamptz": Kind.INSTANT,
    "timestamp": Kind.LOCAL,
    **dict.fromkeys(("json", "jsonb"), Kind.JSON),
    "bytea": Kind.OTHER,
}
_BITS: Final = {"int2": 16, "int4": 32, "int8": 64}

_ITEM: Final = r"'(?:[^']|'')*'::[a-z ]+(?:\(\d+\))?"
_ONE_OF: Final = re.compile(
    r"CHECK \(\(\(?[^'=<>]+?\)?(?:::[a-z ]+)? = ANY \(\(?"
    rf"ARRAY\[(?P<items>{_ITEM}(?:, {_ITEM})*)\]"
    r"\)?(?:::[a-z ]+\[\])?\)\)\)"
)


def _choices(definition: str) -> tuple[str, ...]:
    """The values of `CHECK (column IN (…))`, as PostgreSQL spells it; empty for any other check."""
    found = _ONE_OF.fullmatch(definition)
    if found is None:
        return ()
    items = re.findall(r"'((?:[^']|'')*)'::", found["items"])
    return tuple(item.replace("''", "'") for item in items)
