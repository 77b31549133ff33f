"""Value maps (picklists): each choice must be one that exists, and where others are held, none may be missing."""

from __future__ import annotations

from typing import Any, Final

from zgoda.kit.convert import Dialect, Unconvertible, reader
from zgoda.kit.spec import VendorField
from zgoda.model.entities import FieldType
from zgoda.privacy.consent import STATUSES, TRAVELS
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Scalar, data_of
from zgoda.settings.rows import Row, reads, writes
from zgoda.settings.vendor_types import TYPE_WORDS


def check_choices(row: Row, vendor: VendorField | None, faults: Faults) -> None:
    """Judge a row's `values`, `otherwise` and defaults. `vendor` is the vendor's word on the field, if known."""
    _check_ours(row, faults)
    _check_theirs(row, vendor, faults)
    _check_otherwise(row, faults)
    if row.map.otherwise == "hold" and row.map.values:
        _check_total(row, vendor, faults)
    untranslated = (reads(row) and not row.map.read) or (writes(row) and not row.map.write)
    if row.field.type is FieldType.CONSENT and not row.map.values and untranslated:
        hint = "for example values: {true: withdrawn, false: unknown}"
        faults.add(row.mark("field"), "a consent needs values: which choice means which status", hint)


def _check_ours(row: Row, faults: Faults) -> None:
    """The canonical side: of the right type, and one of the choices where these are known."""
    if row.said is None:
        return
    if row.field.type is FieldType.REF and "values" in row.said:
        faults.add(row.mark("values"), f"{row.field.name} is a ref; ids are not translated", "remove values")
        return
    for entry in row.said.block("values").entries:
        _check_one(row, entry.value, faults)
    default = row.said.get("default_in")
    if isinstance(default, Scalar) and default.value is not None:
        _check_one(row, default, faults)


def _check_one(row: Row, node: Any, faults: Faults) -> None:
    value, known = data_of(node), _our_choices(row)
    if known:
        if value not in known:
            faults.add(node.mark, f"{row.field.name} has no choice {shown(value)}", nearest(str(value), known))
        return
    kind = FieldType.TEXT if row.field.type is FieldType.SET else row.field.type
    if row.field.type is FieldType.REF:
        return
    try:
        read = reader(kind, Dialect())(value)
        fits = read == value and type(read) is type(value)  # 1 is not true
    except Unconvertible:
        fits = False
    if not fits:
        faults.add(node.mark, f"{row.field.name} is {TYPE_WORDS[kind]}, which this is not", _EXAMPLES.get(kind, ""))


def _our_choices(row: Row) -> tuple[str, ...]:
    return STATUSES if row.field.type is FieldType.CONSENT else row.field.order


_EXAMPLES: Final = {
    FieldType.BOOLEAN: "write true or false",
    FieldType.COUNTRY: "two capital letters, for example PL",
    FieldType.DATE: "for example 2026-01-31",
    FieldType.DECIMAL: 'in quotes, for example "10.5"',
    FieldType.TEXT: "put it in quotes",
    FieldType.CHOICE: "put it in quotes",
}


def _check_theirs(row: Row, vendor: VendorField | None, faults: Faults) -> None:
    """The vendor's side: one of its choices, where it says that there are no others."""
    if row.said is None or vendor is None or vendor.open_choices or not vendor.choices:
        return
    known = [value for value, _ in vendor.choices]
    for entry in row.said.block("values").entries:
        if isinstance(entry.key.value, str) and entry.key.value not in known:
            message = f"{shown(row.map.vendor)} has no choice {shown(entry.key.value)}"
            faults.add(entry.key.mark, message, nearest(entry.key.value, known))


def _check_otherwise(row: Row, faults: Faults) -> None:
    m = row.map
    if row.said is None:
        return
    if m.otherwise == "default":
        wanted = [key for key, used in (("default_in", reads(row)), ("default_out", writes(row))) if used]
        missing = [key for key in wanted if not _has(row, key)]
        if missing:
            message = f"otherwise: default needs {' and '.join(missing)}"
            faults.add(row.mark("otherwise"), message, f"for a blank write {missing[0]}: null")
    elif "default_in" in row.said or "default_out" in row.said:
        key = "default_in" if "default_in" in row.said else "default_out"
        faults.add(row.mark(key), f"{key} is only used with otherwise: default", "add otherwise: default")
    if not m.values and "otherwise" in row.said and m.otherwise != "keep":
        hint = "for example values: {Mr: male, Ms: female}"
        faults.add(row.mark("otherwise"), f"otherwise: {m.otherwise} needs values", hint)


def _has(row: Row, key: str) -> bool:
    """A blank default counts, if it is written."""
    return (row.said is not None and key in row.said) or getattr(row.map, key) is not None


def _check_total(row: Row, vendor: VendorField | None, faults: Faults) -> None:
    """`hold` is for choices nobody thought of; what is known today must have its pair, in each direction used."""
    m, mark = row.map, row.mark("values")
    ours = {canonical for _, canonical in m.values}
    theirs = {value for value, _ in m.values}
    if writes(row):
        wanted = set(TRAVELS) if row.field.type is FieldType.CONSENT else set(row.field.order) or _canonical_of(row)
        if missing := sorted(str(value) for value in wanted - ours):
            message = f"values lack our {', '.join(missing)}, which would be held and never written"
            faults.add(mark, message, "add the pairs, or write otherwise: default or keep")
    if reads(row) and (missing := sorted(str(value) for value in _vendor_of(row, vendor) - theirs)):
        message = f"values lack the vendor's {', '.join(missing)}, which would be held and never read"
        faults.add(mark, message, "add the pairs, or write otherwise: default or keep")


def _canonical_of(row: Row) -> set[Any]:
    return {canonical for _, canonical in row.default.values} if row.default else set()


def _vendor_of(row: Row, vendor: VendorField | None) -> set[Any]:
    if vendor is not None and vendor.choices and not vendor.open_choices:
        return {value for value, _ in vendor.choices}
    same_field = row.default is not None and row.default.vendor == row.map.vendor
    if same_field and row.default is not None and row.default.values:
        return {value for value, _ in row.default.values}
    return {True, False} if {type(value) for value, _ in row.map.values} == {bool} else set()
