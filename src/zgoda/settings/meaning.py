"""Refuses mappings that break meaning: a date written into an instant, a set into a text, half a picklist, a calculated
field that shall be written. Only rows the user wrote are judged; a connector's own are judged by its conformance tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from zgoda.kit.mapping import Map
from zgoda.kit.spec import Stream, VendorField, VendorObject
from zgoda.model.entities import Entity, FieldType
from zgoda.settings.choices import check_choices
from zgoda.settings.faults import Faults, Mark, nearest, shown
from zgoda.settings.row_expressions import check_expressions
from zgoda.settings.rows import Row, is_ref, reads, writes
from zgoda.settings.vendor_types import TYPE_WORDS, carries, types_by_table, types_by_vendor, why_not


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What rows are judged by: their stream, what the streams that take part hold (stream -> entity), and what the
    vendor says of the stream (None: nobody has asked)."""

    stream: Stream
    taking_part: Mapping[str, str]
    vendor: VendorObject | None
    types: Mapping[str, FieldType]


def place_of(
    stream: Stream, taking_part: Mapping[str, str], vendor: VendorObject | None, entities: Mapping[str, Entity]
) -> Place:
    types = types_by_table(stream, entities[stream.entity])
    if vendor is not None:
        types.update(types_by_vendor(vendor))
    return Place(stream=stream, taking_part=taking_part, vendor=vendor, types=types)


def check_rows(rows: Sequence[Row], place: Place, faults: Faults) -> None:
    """Note every fault of a stream's rows."""
    _check_written_once(rows, faults)
    paths = frozenset(row.map.vendor for row in rows) | frozenset(row.map.evidence for row in rows)
    for row in rows:
        if row.said is None:
            continue
        for check in _CHECKS:
            check(row, place, faults)
        check_choices(row, _described(row, place), faults)
        check_expressions(row, paths, faults)


def _check_written_once(rows: Sequence[Row], faults: Faults) -> None:
    written = [row for row in rows if writes(row)]
    for index, row in enumerate(written):
        for other in written[:index]:
            if not _overlap(row.map.vendor, other.map.vendor):
                continue
            if row.said is not None:
                _note_rival(row, row.said.mark_of("vendor"), other, faults)
            elif other.said is not None:
                _note_rival(other, other.said.mark_of("vendor"), row, faults)


def _overlap(a: str, b: str) -> bool:
    return a == b or a.startswith(b + ".") or b.startswith(a + ".")


def _note_rival(row: Row, mark: Mark, rival: Row, faults: Faults) -> None:
    message = f"{row.map.field} and {rival.map.field} both write the vendor's field {shown(row.map.vendor)}"
    faults.add(mark, message, "let one of them only read: direction: in")


def _described(row: Row, place: Place) -> VendorField | None:
    """The vendor's word on the row's field, if there is one."""
    if place.vendor is None:
        return None
    return next((field for field in place.vendor.fields if field.name == row.map.vendor), None)


def _check_exists(row: Row, place: Place, faults: Faults) -> None:
    if place.vendor is None or _described(row, place) is not None:
        return
    known = [field.name for field in place.vendor.fields]
    if row.map.vendor.split(".")[0] not in {name.split(".")[0] for name in known if "." not in name}:
        message = f"{place.stream.name} has no field {shown(row.map.vendor)} at the vendor"
        faults.add(row.mark("vendor"), message, nearest(row.map.vendor, known))


def _check_writable(row: Row, place: Place, faults: Faults) -> None:
    if not writes(row):
        return
    default, found = row.default, _described(row, place)
    connector_says = default is not None and default.vendor == row.map.vendor and _read_only(default)
    says_itself = row.said is not None and row.said.flag("derived", False)
    if connector_says or says_itself or (found is not None and found.calculated):
        why = "is calculated by the vendor, so it cannot be written"
    elif found is not None and not found.writable:
        why = "is not open to us for writing"
    else:
        return
    faults.add(row.mark("direction"), f"{shown(row.map.vendor)} {why}", "write direction: in")


def _read_only(default: Map) -> bool:
    """A formula. A derived row that the connector itself writes is one it writes by another way."""
    return default.derived and default.direction == "in"


def _check_types(row: Row, place: Place, faults: Faults) -> None:
    vendor_type, ours = place.types.get(row.map.vendor), row.field.type
    if vendor_type is None or row.map.values or ours is FieldType.CONSENT:
        return
    theirs = shown(row.map.vendor)
    if reads(row) and not row.map.read and not carries(vendor_type, ours):
        message = f"{theirs} holds {TYPE_WORDS[vendor_type]}, {row.field.name} is {TYPE_WORDS[ours]}"
        hint = "map another field, or say how to make one of the other with read:"
        faults.add(row.mark("vendor"), message + why_not(vendor_type, ours), hint)
    elif writes(row) and not row.map.write and not carries(ours, vendor_type):
        message = f"{row.field.name} is {TYPE_WORDS[ours]}, {theirs} holds {TYPE_WORDS[vendor_type]}"
        hint = "write direction: in, or say how to make one of the other with write:"
        faults.add(row.mark("vendor"), message + why_not(ours, vendor_type), hint)


def _check_refs(row: Row, place: Place, faults: Faults) -> None:
    m = row.map
    if not is_ref(row):
        if m.refers_to:
            faults.add(row.mark("refers_to"), f"{m.field} is no ref, so it refers to nothing", "remove refers_to")
        return
    if not m.refers_to:
        hint = f"for example refers_to: {next(iter(place.taking_part), 'accounts')}"
        faults.add(row.mark("field"), f"{m.field} is a ref: it needs refers_to, the streams it points at", hint)
    for stream in m.refers_to:
        entity = place.taking_part.get(stream)
        if entity is None:
            hint = nearest(stream, place.taking_part)
            faults.add(row.mark("refers_to"), f"no stream {shown(stream)} takes part in this connection", hint)
        elif entity != row.field.refers_to:
            fitting = [name for name, held in place.taking_part.items() if held == row.field.refers_to]
            message = f"{m.field} points at {row.field.refers_to}, but {stream} holds {entity}"
            faults.add(row.mark("refers_to"), message, f"use {', '.join(fitting)}" if fitting else "")


def _check_evidence(row: Row, place: Place, faults: Faults) -> None:
    if row.map.evidence and row.field.type is not FieldType.CONSENT:
        faults.add(row.mark("evidence"), f"{row.map.field} is no consent, so nothing proves it", "remove evidence")


def _check_placeholder(row: Row, place: Place, faults: Faults) -> None:
    if row.map.placeholder is not None and row.field.type in (FieldType.CONSENT, FieldType.REF):
        hint = "remove placeholder; with required: true nothing is created without a value"
        faults.add(row.mark("placeholder"), f"{TYPE_WORDS[row.field.type]} cannot be made up", hint)


_Check: TypeAlias = Callable[[Row, Place, Faults], None]

_CHECKS: Final[tuple[_Check, ...]] = (
    _check_exists,
    _check_writable,
    _check_types,
    _check_refs,
    _check_evidence,
    _check_placeholder,
)
