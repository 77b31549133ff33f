"""What a Salesforce object and its fields are, read from compact tables in `schema`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

TEXT_TYPES = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "combobox"})
NUMBER_TYPES = frozenset({"int", "double", "currency", "percent"})

_LINE = re.compile(
    r"(?P<name>\w+)\s+(?P<type>\w+)(?:\((?P<size>[\d.]+)\))?\s+(?P<flags>[-cundxiqrmf]+)"
    r"(?:\s*>\s*(?P<refers>[\w,]+)(?:\s+as\s+(?P<relationship>\w+))?)?(?:\s*=\s*(?P<values>.*))?$"
)

_MACROS = {
    "system": """
        Id id(18) di
        IsDeleted boolean d
        CreatedDate datetime d
        CreatedById reference(18) d > User as CreatedBy
        LastModifiedDate datetime d
        LastModifiedById reference(18) d > User as LastModifiedBy
        SystemModstamp datetime d
    """,
    "viewed": """
        LastViewedDate datetime n
        LastReferencedDate datetime n
    """,
    "owner": "OwnerId reference(18) cud > User as Owner",
    "address": """
        %Street textarea(255) cun
        %City string(40) cun
        %State string(80) cun
        %PostalCode string(20) cun
        %Country string(80) cun
        %Latitude double(18.15) cun
        %Longitude double(18.15) cun
        %GeocodeAccuracy picklist(40) cunr = Address|NearAddress|Block|Street|Zip|Neighborhood|City|County|State|Unknown
        %Address address n
    """,
}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field. `stored` is the name its values are kept under; it differs only while a rename fault stands."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    createable: bool = False
    updateable: bool = False
    nillable: bool = False
    defaulted: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    restricted: bool = False
    calculated: bool = False
    name_field: bool = False
    refers: tuple[str, ...] = ()
    relationship: str | None = None
    picklist: tuple[str, ...] = ()
    stored: str = ""

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def required(self) -> bool:
        return self.createable and not (self.nillable or self.defaulted or self.type == "boolean")

    @property
    def key(self) -> bool:
        """Whether records can be found by this field in upserts."""
        return self.external_id or self.id_lookup


@dataclass(frozen=True)
class ObjectSpec:
    """One kind of record. `fields` is keyed by lower-case name, in the order of the describe result."""

    name: str
    prefix: str
    label: str
    plural: str
    fields: dict[str, FieldSpec] = field(repr=False)
    mergeable: bool = False
    undeletable: bool = True
    deletable: bool = True
    createable: bool = True

    @cached_property
    def by_exact_name(self) -> dict[str, FieldSpec]:
        return {field.name: field for field in self.fields.values()}

    @cached_property
    def required(self) -> list[FieldSpec]:
        return [field for field in self.fields.values() if field.required]

    @cached_property
    def unique(self) -> list[FieldSpec]:
        return [field for field in self.fields.values() if field.unique]

    def field(self, name: str) -> FieldSpec | None:
        return self.fields.get(name.lower())

    def relation(self, name: str) -> FieldSpec | None:
        """The reference field behind a relationship name such as `Account`."""
        wanted = name.lower()
        for spec in self.fields.values():
            if spec.relationship is not None and spec.relationship.lower() == wanted:
                return spec
        return None


@dataclass(frozen=True, slots=True)
class Child:
    """A parent's list of children: who points at it by which field, and whether they are deleted with it."""

    parent: str
    child: str
    field: str
    name: str | None
    cascade: bool


def fields_of(table: str) -> dict[str, FieldSpec]:
    """Parses a field table. `@name` lines stand for the macros above, `@address Mailing` fills in the prefix.

    Flags: c createable, u updateable, n nillable, d defaulted on create, x external id, i id lookup, q unique,
    r restricted picklist, m name field, f formula. A line that begins with `|` goes on with the picklist before it.
    """
    specs = [_field(line) for line in _expanded(re.sub(r"\n\s*\|", "|", table).splitlines())]
    return {spec.name.lower(): spec for spec in specs}


def _expanded(lines: Iterable[str]) -> Iterable[str]:
    for line in (raw.strip() for raw in lines):
        if line.startswith("@"):
            macro, _, prefix = line[1:].partition(" ")
            yield from _expanded(_MACROS[macro].replace("%", prefix.strip()).splitlines())
        elif line:
            yield line


def _field(line: str) -> FieldSpec:
    found = _LINE.match(line)
    if found is None:
        raise ValueError(f"not a field line: {line}")
    flags, size = found["flags"], found["size"] or ""
    precision, _, scale = size.partition(".") if "." in size else ("0", "", "0")
    return FieldSpec(
        name=found["name"],
        type=found["type"],
        length=0 if "." in size else int(size or 0),
        precision=int(precision),
        scale=int(scale),
        createable="c" in flags,
        updateable="u" in flags,
        nillable="n" in flags,
        defaulted="d" in flags,
        external_id="x" in flags,
        id_lookup="i" in flags,
        unique="q" in flags,
        restricted="r" in flags,
        calculated="f" in flags,
        name_field="m" in flags,
        refers=tuple((found["refers"] or "").split(",")) if found["refers"] else (),
        relationship=found["relationship"],
        picklist=tuple(value.strip() for value in (found["values"] or "").split("|") if value.strip()),
        stored=found["name"],
    )
