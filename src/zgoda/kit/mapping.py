"""The table between a vendor's fields and the canonical ones, and the machine compiled from it.

A connector ships a default table; a project's `mappings/*.yaml` may change any row. Compiling happens once; reading
and writing a row is then a walk over closures. Field faults never stop a record: the other fields go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from zgoda.kit.convert import Converter, Dialect, Unconvertible, reader, writer
from zgoda.kit.expression import Expression
from zgoda.model.entities import Entity, Field, FieldType
from zgoda.model.values import CONSENT_PREFIX, Values

Direction: TypeAlias = Literal["both", "in", "out"]
Nulls: TypeAlias = Literal["propagate", "ignore", "fill"]
Otherwise: TypeAlias = Literal["keep", "hold", "default", "create"]


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a vendor field (dotted path into the row) and the canonical field it carries.

    `direction` is seen from the hub: `in` reads only, `out` writes only. `nulls`: `propagate` clears both ways,
    `ignore` never carries a blank either way, `fill` writes only where the other side is blank. `values` pairs vendor
    and canonical choices (the first pair wins on the way back); `otherwise` says what becomes of others: keep them as
    they are, hold the field, take `default_in`/`default_out`, or create the option at the vendor. `placeholder` goes
    out only in a create whose field would be blank, and never comes back; without a `required` value nothing is
    created at all. `derived` marks formulas: a change in them
    moves no stamp. `refers_to` names the streams (of the same connection) whose ids a `ref` field holds; `evidence` is
    the path of the stamp that proves a consent. `read`/`write` are CEL expressions over `row` / the canonical fields.
    """

    vendor: str
    field: str
    direction: Direction = "both"
    nulls: Nulls = "propagate"
    values: tuple[tuple[Any, str], ...] = ()
    otherwise: Otherwise = "keep"
    default_in: Any = None
    default_out: Any = None
    placeholder: Any = None
    required: bool = False
    derived: bool = False
    refers_to: tuple[str, ...] = ()
    evidence: str = ""
    read: str = ""
    write: str = ""
    quiet_s: float = 0.0


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    """One field that could not be carried. `option` is set when the vendor lacks a choice that could be created."""

    field: str
    vendor: str
    reason: str
    option: str = ""


class Mapped(msgspec.Struct, kw_only=True):
    """A row in canonical terms. `refs` hold vendor ids still to be resolved: field -> (candidate streams, id).

    Fields with a fault are in neither, so they count as "not known" and nothing is cleared.
    """

    values: Values
    refs: dict[str, tuple[tuple[str, ...], str]]
    faults: list[FieldFault]
    evidence: dict[str, str]


class Mapping:
    """A compiled table for one stream of one connection."""

    def __init__(self, maps: tuple[Map, ...], entity: Entity, dialect: Dialect) -> None:
        self.maps = maps
        self.by_field: dict[str, Map] = {m.field: m for m in maps}
        self.readable: frozenset[str] = frozenset(m.field for m in maps)
        self.inward: frozenset[str] = frozenset(m.field for m in maps if m.direction != "out")
        self.outward: frozenset[str] = frozenset(m.field for m in maps if m.direction != "in")
        self.vendor_fields: tuple[str, ...] = _vendor_fields(maps)
        self.version = _version(maps, dialect)
        self._salt = self.version.encode()
        self._blank = dialect.write_blank
        self._getters = tuple(path_getter(path) for path in self.vendor_fields)
        self._columns = tuple(_column(m, field_of(entity, m.field), dialect) for m in maps)
        self._uncertain = tuple(
            (m.field, column)
            for m, column in zip(maps, self._columns, strict=True)
            if _may_read_back_differently(m, field_of(entity, m.field), dialect)
        )
        self._writers = {m.field: _writer(m, field_of(entity, m.field), dialect) for m in maps}

    def fingerprint(self, row: dict[str, Any]) -> int:
        """64 bits over the mapped raw values: equal means "nothing to look at". Changes with the mapping itself."""
        return self._digest([get(row) for get in self._getters])

    def fingerprint_of_new(self, row: dict[str, Any]) -> int:
        """The fingerprint of a record that holds what we send and, in the other fields, the vendor's blank."""
        return self._digest([self._blank if (raw := get(row)) is MISSING else raw for get in self._getters])

    def _digest(self, values: list[Any]) -> int:
        raw = msgspec.msgpack.encode(values, enc_hook=_encode_missing)
        return int.from_bytes(hashlib.blake2b(raw, digest_size=8, key=self._salt).digest(), "big", signed=True)

    def read(self, row: dict[str, Any]) -> Mapped:
        """Canonical values of a row; unknown fields stay away, blanks are `None`."""
        mapped = Mapped(values={}, refs={}, faults=[], evidence={})
        for column in self._columns:
            column(row, mapped)
        return mapped

    def echo(self, row: dict[str, Any], sent: Values) -> Values:
        """What fields of a row we send will read as, where that is not what was sent: a default taken for a choice the
        vendor lacks, a number that means "not set" there, seconds for microseconds. It must not be taken for an edit.
        """
        mapped = Mapped(values={}, refs={}, faults=[], evidence={})
        for name, column in self._uncertain:
            if name in sent:
                column(row, mapped)
        return {name: value for name, value in mapped.values.items() if value != sent[name]}

    def write(self, values: Values, *, creating: bool) -> tuple[dict[str, Any], list[FieldFault]]:
        """The vendor's row for canonical values (refs already as vendor ids), and the fields that could not go.

        On create, required fields that would be blank get their placeholder.
        """
        row: dict[str, Any] = {}
        faults: list[FieldFault] = []
        for name, value in values.items():
            self._writers[name](value, row, faults)
        if creating:
            for m in self.maps:
                if m.placeholder is not None and values.get(m.field) is None:
                    put(row, m.vendor, m.placeholder)
        return row, faults


class _Missing:
    """The field is not in the row at all: not known, which is not the same as blank."""


MISSING: Final = _Missing()


@cache
def path_getter(path: str) -> Callable[[dict[str, Any]], Any]:
    """A function that follows a dotted path; `MISSING` when a step is absent, `None` when a step is null."""
    first, *rest = path.split(".")
    if not rest:
        return lambda row: row.get(first, MISSING)

    def get(row: dict[str, Any]) -> Any:
        here: Any = row.get(first, MISSING)
        for step in rest:
            if here is None or here is MISSING:
                return here
            here = cast("dict[str, Any]", here).get(step, MISSING) if isinstance(here, dict) else MISSING
        return here

    return get


def put(row: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path, making the steps on the way."""
    *steps, last = path.split(".")
    for step in steps:
        row = row.setdefault(step, {})
    row[last] = value


def field_of(entity: Entity, name: str) -> Field:
    """The canonical field a mapping row means; consent is a field of people by convention."""
    if name.startswith(CONSENT_PREFIX):
        return Field(name=name, type=FieldType.CONSENT, meaning="Consent")
    return entity.fields[name]


def _vendor_fields(maps: tuple[Map, ...]) -> tuple[str, ...]:
    wanted: dict[str, None] = {}
    for m in maps:
        wanted[m.vendor] = None
        if m.evidence:
            wanted[m.evidence] = None
    return tuple(wanted)


def _version(maps: tuple[Map, ...], dialect: Dialect) -> str:
    return hashlib.blake2b(msgspec.json.encode([maps, dialect]), digest_size=8).hexdigest()


def _encode_missing(value: Any) -> Any:
    if value is MISSING:
        return msgspec.msgpack.Ext(1, b"")
    raise TypeError(f"cannot fingerprint a {type(value).__name__}")


def _may_read_back_differently(m: Map, field: Field, dialect: Dialect) -> bool:
    return bool(
        m.values
        or m.read
        or m.write
        or m.placeholder is not None
        or field.type is FieldType.INSTANT
        or any(raw not in (None, "") for raw in dialect.blank)
    )


def _column(m: Map, field: Field, dialect: Dialect) -> Callable[[dict[str, Any], Mapped], None]:
    get = _reading(m)
    convert = _reader(m, field, dialect)
    blank = _blanks(field, dialect)
    is_ref = field.type is FieldType.REF
    evidence = path_getter(m.evidence) if m.evidence else None

    def column(row: dict[str, Any], into: Mapped) -> None:
        try:
            raw = get(row)
            if raw is MISSING:
                return
            if _is_blank(raw, blank) and not _maps_value(m, raw):
                into.values[m.field] = None
                return
            value = convert(raw)
        except Unconvertible as fault:
            into.faults.append(FieldFault(field=m.field, vendor=m.vendor, reason=str(fault)))
            return
        if m.placeholder is not None and raw == m.placeholder:
            value = None
        if is_ref and value is not None:
            into.refs[m.field] = (m.refers_to, value)
            return
        into.values[m.field] = value
        if evidence is not None:
            proof = evidence(row)
            if isinstance(proof, str) and proof:
                into.evidence[m.field] = proof

    return column


def _blanks(field: Field, dialect: Dialect) -> frozenset[Any]:
    """What means "not set" in this field. Where `false` does, it still is a plain no in a boolean field."""
    blanks = (raw for raw in dialect.blank if not isinstance(raw, list))
    return frozenset(raw for raw in blanks if not (field.type is FieldType.BOOLEAN and isinstance(raw, bool)))


def _is_blank(raw: Any, blank: frozenset[Any]) -> bool:
    if raw is None or type(raw) is str:
        return raw in blank
    if isinstance(raw, list | dict):
        return not raw
    # `0 == False` in Python, but a vendor's "false means blank" says nothing about the number zero
    if raw is False or raw is True:
        return any(raw is b for b in blank)
    return any(raw == b and b is not False and b is not True for b in blank)


def _maps_value(m: Map, raw: Any) -> bool:
    return any(vendor == raw and type(vendor) is type(raw) for vendor, _ in m.values)


def _reading(m: Map) -> Callable[[dict[str, Any]], Any]:
    if not m.read:
        return path_getter(m.vendor)
    expression = Expression(m.read, {"row": "map"})
    return lambda row: expression.value({"row": row})


def _reader(m: Map, field: Field, dialect: Dialect) -> Converter:
    convert = reader(field.type, dialect)
    if not m.values:
        return convert
    table = [(vendor, canonical) for vendor, canonical in m.values]

    def translate(raw: Any) -> Any:
        if isinstance(raw, list):
            return convert([translate_one(item) for item in raw])  # pyright: ignore[reportUnknownVariableType]
        return translate_one(raw)

    def translate_one(raw: Any) -> Any:
        for vendor, canonical in table:
            if vendor == raw and type(vendor) is type(raw):
                return canonical
        match m.otherwise:
            case "hold":
                raise Unconvertible("a choice that the value map does not know")
            case "default":
                return m.default_in
            case _:
                return convert(raw)

    return translate


def _writer(m: Map, field: Field, dialect: Dialect) -> Callable[[Any, dict[str, Any], list[FieldFault]], None]:
    convert = writer(field.type, dialect)
    expression = Expression(m.write, {"value": "dyn"}) if m.write else None
    known = {canonical: vendor for vendor, canonical in reversed(m.values)}

    def write(value: Any, row: dict[str, Any], faults: list[FieldFault]) -> None:
        try:
            if expression is not None:
                value = expression.value({"value": value})
            put(row, m.vendor, dialect.write_blank if value is None else translate(value))
        except Unconvertible as fault:
            option = value if m.otherwise == "create" and isinstance(value, str) else ""
            faults.append(FieldFault(field=m.field, vendor=m.vendor, reason=str(fault), option=option))

    def translate(value: Any) -> Any:
        if not known:
            return convert(value)
        if isinstance(value, list):
            return convert([translate_one(item) for item in value])  # pyright: ignore[reportUnknownVariableType]
        return translate_one(value)

    def translate_one(value: Any) -> Any:
        if value in known:
            return known[value]
        match m.otherwise:
            case "hold" | "create":
                raise Unconvertible("the value map has no counterpart for this choice")
            case "default":
                return m.default_out
            case _:
                return convert(value)

    return write
