"""The rows of a stream's mapping: the connector's table with the user's rows laid over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from zgoda.kit.mapping import Map, field_of
from zgoda.kit.spec import Stream
from zgoda.model.entities import Entity, Field, FieldType
from zgoda.privacy.consent import is_consent
from zgoda.settings.faults import Faults, Mark, nearest, shown
from zgoda.settings.nodes import Block, Node, Scalar, data_of


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row with what is needed to judge it. `said` is what the user wrote (None: it is the connector's row);
    `default` is the connector's row for the same field."""

    map: Map
    field: Field
    said: Block | None = None
    default: Map | None = None

    def mark(self, key: str) -> Mark:
        """Where the user wrote a key, else the row."""
        return Mark(file="") if self.said is None else self.said.mark_of(key)


def rows_of(stream: Stream, entity: Entity, said: Block, consents: Iterable[str], faults: Faults) -> list[Row]:
    """All rows that hold for a stream. `said` is its part of the mapping file, empty if there is none."""
    own = {m.field: m for m in stream.mapping} if stream.entity == entity.name else {}
    dropped = set(own) if said.flag("only", False) else _dropped(said, own, faults)
    table = {name: m for name, m in own.items() if name not in dropped}
    known = [*entity.fields, *(consents if entity.name == "person" else ())]
    rows = {
        name: Row(map=m, field=field_of(entity, name), default=m)
        for name, m in table.items()
        if is_consent(name) or name in entity.fields
    }
    seen: dict[str, Mark] = {}
    for node in said.items("fields"):
        row = _row(node, entity, table, own, known, faults)
        if row is None:
            continue
        name = row.map.field
        if name in seen:
            message = f"{name} has two rows; the first is in line {seen[name].line}"
            faults.add(node.mark, message, "one field has one row for each stream")
            continue
        seen[name] = node.mark
        rows[name] = row
    return list(rows.values())


def _dropped(said: Block, own: Mapping[str, Map], faults: Faults) -> set[str]:
    for item in said.items("drop"):
        if isinstance(item, Scalar) and item.value not in own:
            faults.add(item.mark, f"the connector has no row for {shown(item.value)}", nearest(str(item.value), own))
    return set(said.words("drop"))


def _row(
    node: Node, entity: Entity, table: Mapping[str, Map], own: Mapping[str, Map], known: list[str], faults: Faults
) -> Row | None:
    if not isinstance(node, Block) or "field" not in node:
        return None
    name = node.text("field")
    if name not in known:
        faults.add(node.mark_of("field"), *_unknown_field(name, entity, known))
        return None
    default = own.get(name)
    base = _base(node, table.get(name), name)
    if base is None:
        faults.add(node.mark, f"the row for {name} needs vendor", "say which of the vendor's fields it is")
        return None
    changes = {key: _given(node, key) for key in _SAYABLE if key in node}
    return Row(
        map=msgspec.structs.replace(base, **changes),
        field=field_of(entity, name),
        said=node,
        default=default,
    )


def _unknown_field(name: str, entity: Entity, known: list[str]) -> tuple[str, str]:
    if is_consent(name) and entity.name != "person":
        return "only people give consent", f"this stream holds the entity {entity.name}"
    if is_consent(name):
        return (
            f"there is no consent {shown(name)}",
            f"{nearest(name, [k for k in known if is_consent(k)])}; see consent.yaml",
        )
    return f"{entity.name} has no field {shown(name)}", nearest(name, known)


def _base(node: Block, default: Map | None, name: str) -> Map | None:
    """What the user's keys are laid over. Another vendor field is another thing: nothing of the old row holds for
    it."""
    vendor = node.text("vendor")
    if default is not None and vendor in ("", default.vendor):
        return default
    return Map(vendor=vendor, field=name) if vendor else None


def _given(node: Block, key: str) -> Any:
    value = node.get(key)
    if value is None:
        return None
    match key:
        case "values" if isinstance(value, Block):
            return tuple((entry.key.value, data_of(entry.value)) for entry in value.entries)
        case "refers_to":
            return (value.value,) if isinstance(value, Scalar) else node.words(key)
        case _:
            return data_of(value)


_SAYABLE: Final = frozenset(
    """vendor direction nulls values otherwise default_in default_out placeholder required derived refers_to evidence
    read write""".split()
)
"""The keys of a row that are attributes of `Map`."""


def writes(row: Row) -> bool:
    return row.map.direction != "in"


def reads(row: Row) -> bool:
    return row.map.direction != "out"


def is_ref(row: Row) -> bool:
    return row.field.type is FieldType.REF
