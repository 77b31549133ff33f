"""Reading fields of rows: plain ones, compound addresses, formulas, and fields of parents such as `Account.Name`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zgoda.twins.salesforce.derive import formula
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.schema import BY_PREFIX
from zgoda.twins.salesforce.table import Row

Getter = Callable[[Row], Any]
_PARTS = ("street", "city", "state", "postalCode", "country", "latitude", "longitude", "geocodeAccuracy")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A field path followed to its end. `parents` are the reference fields on the way."""

    field: FieldSpec
    get: Getter
    parents: tuple[FieldSpec, ...]


def getter(org: Org, spec: ObjectSpec, field: FieldSpec) -> Getter:
    """A function from a row to the field's value, None when it has none."""
    key = field.stored
    if field.calculated:
        return lambda row: formula(org, spec.name, key, row)
    if field.type == "address":
        return _address(key.removesuffix("Address"))
    if field.type == "boolean":
        return lambda row: row.get(key, False)
    return lambda row: row.get(key)


def resolve(org: Org, spec: ObjectSpec, path: tuple[str, ...]) -> Resolved | None:
    """The field a path leads to, None when there is no such field."""
    if len(path) == 1:
        field = spec.field(path[0])
        return None if field is None else Resolved(field, getter(org, spec, field), ())
    relation = spec.relation(path[0])
    if relation is None:
        return None
    steps = {name: resolve(org, org.spec(name), path[1:]) for name in relation.refers}
    found = [step for step in steps.values() if step is not None]
    if not found:
        return None
    key = relation.stored

    def through(row: Row) -> Any:
        id = row.get(key)
        object = BY_PREFIX.get(id[:3]) if id else None
        step = steps.get(object) if object else None
        parent = org.stored_row(id) if id and step is not None else None
        return None if parent is None or step is None else step.get(parent)

    return Resolved(found[0].field, through, (relation, *found[0].parents))


def whole_record(org: Org, spec: ObjectSpec, row: Row, names: list[FieldSpec], version: str) -> dict[str, Any]:
    """A record as row calls show it, with its attributes."""
    return {
        "attributes": {"type": spec.name, "url": f"/services/data/{version}/sobjects/{spec.name}/{row['Id']}"},
        **{field.name: getter(org, spec, field)(row) for field in names},
    }


def _address(prefix: str) -> Getter:
    keys = [(part, prefix + part[0].upper() + part[1:]) for part in _PARTS]

    def read(row: Row) -> dict[str, Any] | None:
        address = {part: row.get(key) for part, key in keys}
        return address if any(value is not None for value in address.values()) else None

    return read
