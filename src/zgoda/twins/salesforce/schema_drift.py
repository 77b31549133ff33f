"""The schema as armed schema faults make it look: fields gone, renamed, of another type, picklists grown or shrunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zgoda.twins.faults import Fault
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec

Fields = dict[str, FieldSpec]


def drifted(spec: ObjectSpec, faults: list[Fault]) -> ObjectSpec:
    """The object as clients see it while these faults stand. A fault about a field it lacks changes nothing."""
    fields = dict(spec.fields)
    for fault in faults:
        name = str(fault.option("field", "")).lower()
        if name in fields:
            fields = _DRIFTS[fault.name](fields, name, fault)
    return replace(spec, fields=fields)


def _removed(fields: Fields, name: str, fault: Fault) -> Fields:
    return {key: field for key, field in fields.items() if key != name}


def _renamed(fields: Fields, name: str, fault: Fault) -> Fields:
    to = str(fault.option("to", f"{fields[name].name}_New"))
    return {
        (to.lower() if key == name else key): (replace(f, name=to) if key == name else f) for key, f in fields.items()
    }


def _retyped(fields: Fields, name: str, fault: Fault) -> Fields:
    changed = replace(fields[name], type=str(fault.option("type", "string")), length=fields[name].length or 255)
    return {**fields, name: changed}


def _grown(fields: Fields, name: str, fault: Fault) -> Fields:
    field = fields[name]
    return {**fields, name: replace(field, picklist=(*field.picklist, str(fault.option("value", "New value"))))}


def _shrunk(fields: Fields, name: str, fault: Fault) -> Fields:
    field = fields[name]
    gone = str(fault.option("value", field.picklist[0] if field.picklist else ""))
    return {**fields, name: replace(field, picklist=tuple(value for value in field.picklist if value != gone))}


_DRIFTS: dict[str, Callable[[Fields, str, Fault], Fields]] = {
    "field_removed": _removed,
    "field_renamed": _renamed,
    "field_retyped": _retyped,
    "picklist_value_added": _grown,
    "picklist_value_removed": _shrunk,
}
