"""Checks CEL texts before anything runs: syntax, names and types, with the place of every fault.

Fields may be blank, so they are typed as CEL's nullable wrappers: `country == "PL"` is false for a blank country,
`country == null` may be asked, and `score > "x"` is a fault. CEL's checker refuses to compare whole with decimal
numbers, though its evaluation does it right; that complaint is dropped. https://github.com/google/cel-spec
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from cel_expr_python import cel

from zgoda.kit.expression import EXTENSIONS
from zgoda.model.entities import FieldType
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Scalar

Kind: TypeAlias = Literal["text", "known text", "whole", "number", "boolean", "set", "row", "any"]
"""What a variable holds. All may be null but `known text`, `set` (empty instead) and `row` (a vendor's record)."""


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """A fault within an expression; line and column count from 1."""

    line: int
    column: int
    message: str
    hint: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`gives` is the name of the type the expression gives (`BOOL`, `STRING`, `DYN`, …); empty if it has faults."""

    complaints: tuple[Complaint, ...] = ()
    gives: str = ""


MOST_CHARACTERS: Final = 4000


def examine(text: str, variables: Mapping[str, Kind]) -> Verdict:
    """Check an expression over these variables."""
    if len(text) > MOST_CHARACTERS or _depth(text) > DEEPEST:
        message = f"an expression of more than {MOST_CHARACTERS} characters, or nested deeper than {DEEPEST}"
        return Verdict(complaints=(Complaint(line=1, column=1, message=message),))
    try:
        strict = cel.NewEnv(variables={name: _TYPES[kind] for name, kind in variables.items()}, extensions=EXTENSIONS)
        return Verdict(gives=strict.compile(text).return_type().name())
    except RuntimeError as error:
        complaints = tuple(_complaints(str(error), text, variables))
    if complaints:
        return Verdict(complaints=complaints)
    loose = cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), extensions=EXTENSIONS)
    return Verdict(gives=loose.compile(text).return_type().name())


DEEPEST: Final = 50


def note_complaints(node: Scalar, complaints: Iterable[Complaint], faults: Faults) -> None:
    """Turn places within an expression into places in the file."""
    for complaint in complaints:
        faults.add(node.place(complaint.line, complaint.column), complaint.message, complaint.hint)


def kind_of(type: FieldType) -> Kind:
    """What a canonical value of a type is in an expression that gets numbers as numbers (filters)."""
    match type:
        case FieldType.CONSENT:
            return "known text"
        case FieldType.DECIMAL:
            return "number"
        case _:
            return raw_kind_of(type)


def raw_kind_of(type: FieldType) -> Kind:
    """The same in an expression that gets canonical values as they are: decimals are text there."""
    match type:
        case FieldType.SET:
            return "set"
        case FieldType.INTEGER | FieldType.REF:
            return "whole"
        case FieldType.BOOLEAN:
            return "boolean"
        case _:
            return "text"


_TYPES: Final[Mapping[Kind, cel.Type]] = {
    "text": cel.Type("google.protobuf.StringValue"),
    "known text": cel.Type.STRING,
    "whole": cel.Type("google.protobuf.Int64Value"),
    "number": cel.Type("google.protobuf.DoubleValue"),
    "boolean": cel.Type("google.protobuf.BoolValue"),
    "set": cel.Type.List(cel.Type.STRING),
    "row": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "any": cel.Type.DYN,
}

RESERVED_NAMES: Final = frozenset(
    """as bool break bytes const continue double dyn else false for function if import in int let list loop map
    namespace null null_type package return string true type uint var void while""".split()
)
"""Words CEL keeps for itself (language definition, "Syntax" and "Standard types")."""


def _depth(text: str) -> int:
    """How deep brackets and chains of signs go; CEL's own parser descends once for each."""
    deepest = here = 0
    for c in text:
        here += (c in "([{") - (c in ")]}")
        deepest = max(deepest, here)
    return max([deepest, *(len(run) // 2 for run in re.findall(r"[!\-\s]{2,}", text) if run.strip())])


def _complaints(report: str, text: str, variables: Mapping[str, Kind]) -> Iterable[Complaint]:
    found = re.findall(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)", report)
    for line, column, said in found:
        message, hint = _in_plain_words(said.removesuffix(" [INVALID_ARGUMENT]"), text, variables)
        if message:
            place = _start_of(said, text, int(line), max(1, int(column)))
            yield Complaint(line=int(line), column=place, message=message, hint=hint)
    if not found:
        yield Complaint(line=1, column=1, message="this is no expression")


def _start_of(said: str, text: str, line: int, column: int) -> int:
    """Where a name begins: of `a.b`, CEL gives the place of the dot."""
    dotted = re.match(r"undeclared reference to '([^'.]+)\.", said)
    lines = text.split("\n")
    if dotted is None or line > len(lines):
        return column
    found = lines[line - 1].rfind(dotted[1], 0, column)
    return column if found < 0 else found + 1


def _in_plain_words(said: str, text: str, variables: Mapping[str, Kind]) -> tuple[str, str]:
    """A message and a hint; no message for what is no fault here."""
    if unknown := re.match(r"undeclared reference to '([^'.]*)", said):
        return f"there is no {shown(unknown[1])}", nearest(unknown[1], variables)
    if overload := re.match(r"found no matching overload for '([^']*)' applied to '\((.*)\)'", said):
        return _no_overload(overload[1], re.findall(r"[a-z_A-Z.0-9%]+(?:\([^,]*\))?", overload[2]), text, variables)
    if syntax := re.match(r"(Syntax error: .*?)(?: expecting .*)?$", said):
        return shown(syntax[1].replace("Syntax error", "syntax").replace("'<EOF>'", "the end")), ""
    return shown(said), ""


def _no_overload(operator: str, types: list[str], text: str, variables: Mapping[str, Kind]) -> tuple[str, str]:
    names = [_type_word(t) for t in types]
    sign = "in" if operator == "@in" else operator.strip("_")
    numeric = all(name in ("a whole number", "a number", "a list of numbers") for name in names)
    if numeric and sign in (">", "<", ">=", "<=", "==", "!=", "in"):
        return "", ""
    message = f"{sign} does not go with {' and '.join(names)}"
    if numeric:
        return message, "write decimals on both sides: 1.0 instead of 1, double(x) for a field"
    if sorted(names) == ["a set", "null"]:
        return message, "a set is never null: ask size(x) == 0"
    escaped = [n for n in variables if n.endswith("_") and re.search(rf"\b{n[:-1]}\b(?!\s*\()", text)]
    return message, f"the field {escaped[0][:-1]} is called {escaped[0]} here" if escaped else ""


def _type_word(type: str) -> str:
    bare = type.removeprefix("wrapper(").rstrip(")") if type.startswith("wrapper(") else type
    return _TYPE_WORDS.get(bare, "a word of CEL's own" if bare.startswith("type(") else bare)


_TYPE_WORDS: Final = {
    "string": "a text",
    "int": "a whole number",
    "double": "a number",
    "bool": "true or false",
    "null_type": "null",
    "list(string)": "a set",
    "list(int)": "a list of numbers",
    "list(double)": "a list of numbers",
    "map(string, dyn)": "a record",
}
