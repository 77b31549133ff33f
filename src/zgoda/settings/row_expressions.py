"""The CEL texts of mapping rows: `read` over the vendor's record, `write` over our value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from zgoda.model.entities import FieldType
from zgoda.settings.expressions import examine, note_complaints, raw_kind_of
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Scalar
from zgoda.settings.rows import Row
from zgoda.settings.vendor_types import TYPE_WORDS


def check_expressions(row: Row, paths: frozenset[str], faults: Faults) -> None:
    """Syntax, names, types, and that `read` only uses vendor fields that are read at all: `paths`, those mapped."""
    if row.said is None:
        return
    read, write = row.said.get("read"), row.said.get("write")
    if isinstance(read, Scalar) and isinstance(read.value, str):
        gives = _examine(read, {"row": "row"}, faults)
        _check_result(row, read, gives, _READABLE, faults)
        _check_used(read, read.value, paths, faults)
        if row.map.direction == "out":
            faults.add(read.mark, "this row only writes, so nothing is read", "remove read or direction: out")
    if isinstance(write, Scalar) and isinstance(write.value, str):
        gives = _examine(write, {"value": raw_kind_of(row.field.type)}, faults)
        _check_result(row, write, gives, _WRITABLE, faults)
        if row.map.direction == "in":
            faults.add(write.mark, "this row only reads, so nothing is written", "remove write or direction: in")


def _examine(node: Scalar, variables: Mapping[str, str], faults: Faults) -> str:
    verdict = examine(str(node.value), variables)  # pyright: ignore[reportArgumentType]
    note_complaints(node, verdict.complaints, faults)
    return verdict.gives


def _check_result(row: Row, node: Scalar, gives: str, fits: Mapping[FieldType, frozenset[str]], faults: Faults) -> None:
    wanted = fits.get(row.field.type)
    bare = gives.partition("<")[0]
    if row.map.values or wanted is None or bare in ("", "DYN", "NULL", "NULL_TYPE") or bare in wanted:
        return
    message = f"{row.field.name} is {TYPE_WORDS[row.field.type]}, the expression gives {RESULT_WORDS.get(bare, bare)}"
    faults.add(node.mark, message)


def _check_used(node: Scalar, text: str, paths: frozenset[str], faults: Faults) -> None:
    """Connectors are asked only for mapped fields, so an expression cannot see others."""
    mapped = {path.split(".")[0] for path in paths if path}
    for found in re.finditer(r"\brow(?:\.([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])", text):
        name = found[1] or found[2]
        if name not in mapped:
            before = text[: found.start()]
            at = node.place(before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1)
            hint = f"map it too, with direction: in; {nearest(name, mapped)}"
            faults.add(at, f"row.{shown(name)} is not read: no row of this stream maps it", hint)


RESULT_WORDS: Final = {
    "STRING": "a text",
    "INT": "a whole number",
    "UINT": "a whole number",
    "DOUBLE": "a number",
    "BOOL": "true or false",
    "LIST": "a list",
    "MAP": "a record",
    "TIMESTAMP": "a timestamp",
    "DURATION": "a duration",
    "BYTES": "bytes",
    "TYPE": "a type",
}

_TEXT: Final = frozenset({"STRING"})

_READABLE: Final[Mapping[FieldType, frozenset[str]]] = {
    **dict.fromkeys(FieldType, _TEXT),
    FieldType.TEXT: frozenset({"STRING", "INT", "DOUBLE"}),
    FieldType.INTEGER: frozenset({"INT", "DOUBLE", "STRING"}),
    FieldType.DECIMAL: frozenset({"INT", "DOUBLE", "STRING"}),
    FieldType.BOOLEAN: frozenset({"BOOL", "STRING", "INT"}),
    FieldType.SET: frozenset({"LIST"}),
    FieldType.REF: frozenset({"STRING", "INT"}),
}
"""What `read` may give, by what the kit's readers understand (`zgoda.kit.convert`)."""

_WRITABLE: Final[Mapping[FieldType, frozenset[str]]] = {
    FieldType.SET: frozenset({"LIST"}),
    FieldType.INSTANT: _TEXT,
    FieldType.DECIMAL: frozenset({"INT", "DOUBLE", "STRING"}),
}
"""What `write` may give where the kit's writer goes on to convert it; elsewhere anything."""
