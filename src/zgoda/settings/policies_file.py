"""`policies.yaml`: which value prevails when systems say different things, by entity and field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from zgoda.kit.expression import BadExpression
from zgoda.model.entities import Entity, Field, FieldType
from zgoda.settings.expressions import Kind, examine, note_complaints, raw_kind_of
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Block, Scalar
from zgoda.settings.policy_shape import FITS
from zgoda.settings.row_expressions import RESULT_WORDS
from zgoda.settings.vendor_types import TYPE_WORDS
from zgoda.sync.policy import (
    Ask,
    Extreme,
    FillBlanks,
    Formula,
    Longest,
    MostRecent,
    Policy,
    Prefer,
    Ranked,
    Ratchet,
    Sum,
    Union,
    formula,
)

POLICIES_FILE: Final = "policies.yaml"

Policies: TypeAlias = Mapping[str, Mapping[str, Policy]]
"""Entity -> field -> policy, for every field but consents."""


def read_policies(block: Block, entities: Mapping[str, Entity], faults: Faults) -> Policies:
    """The policy of every field: its own, else the entity's default, else the overall one (each only where it suits the
    field), else the built-in one. `block` conforms."""
    overall = _checked_default(block, faults)
    return {name: _of_entity(entity, block.block(name), overall, faults) for name, entity in entities.items()}


def built_in(field: Field) -> Policy:
    """What holds where nobody said anything."""
    if field.type is FieldType.SET:
        return Union()
    return Ratchet(order=field.order) if field.order else MostRecent()


def _of_entity(entity: Entity, block: Block, overall: Block | None, faults: Faults) -> dict[str, Policy]:
    default = _checked_default(block, faults)
    policies: dict[str, Policy] = {}
    for name, field in entity.fields.items():
        said = block.get(name)
        if isinstance(said, Block):
            policies[name] = _own(said, field, faults)
        else:
            suiting = (d for d in (default, overall) if d is not None and _suits(_word(d), field))
            chosen = next(suiting, None)
            policies[name] = built_in(field) if chosen is None else _BUILDERS[_word(chosen)](chosen, field)
    return policies


def _checked_default(block: Block, faults: Faults) -> Block | None:
    """A default policy; an expression in it must do for fields of every type."""
    found = block.get("default")
    if not isinstance(found, Block):
        return None
    node = found.get("expression")
    if isinstance(node, Scalar):
        gives = _examined(node, "any", faults)
        if gives not in ("", "DYN"):
            message = f"a default holds for all types of fields, but this gives {RESULT_WORDS.get(gives, gives)}"
            faults.add(node.mark, message, "give held, offered or base")
            return None
        return found if gives else None
    return found


def _own(said: Block, field: Field, faults: Faults) -> Policy:
    word = _word(said)
    if not _fits(word, field):
        fitting = ", ".join(name for name in FITS if _fits(name, field))
        kind = "a choice without an order" if word == "ratchet" and not field.order else TYPE_WORDS[field.type]
        faults.add(said.mark, f"{word} makes no sense for {field.name}: it is {kind}", f"choose one of {fitting}")
        return built_in(field)
    node = said.get(word)
    if word == "expression" and isinstance(node, Scalar):
        gives = _examined(node, raw_kind_of(field.type), faults)
        if gives.partition("<")[0] not in ("", "DYN", "NULL", *_GIVES.get(raw_kind_of(field.type), ())):
            message = f"{field.name} is {TYPE_WORDS[field.type]}, the expression gives {RESULT_WORDS.get(gives, gives)}"
            faults.add(node.mark, message, _CANONICAL.get(field.type, ""))
    if word == "ratchet":
        _check_steps(said, field, faults)
    return _BUILDERS[word](said, field)


def _word(said: Block) -> str:
    return str(said.entries[0].key.value)


def _fits(word: str, field: Field) -> bool:
    return field.type in FITS[word]


def _suits(default: str, field: Field) -> bool:
    """Whether a default holds for a field. `most_recent` leaves sets and ordered choices their built-in policies, which
    lose less."""
    special = field.type is FieldType.SET or bool(field.order)
    return (
        _fits(default, field)
        and not (default == "most_recent" and special)
        and (default != "ratchet" or bool(field.order))
    )


def _check_steps(said: Block, field: Field, faults: Faults) -> None:
    steps = said.items("ratchet")
    if not steps and not field.order:
        hint = "for example ratchet: [first, second, third]"
        faults.add(said.mark, f"{field.name} has no order of its own, so ratchet needs one", hint)
    seen: set[object] = set()
    for step in steps:
        value = step.value if isinstance(step, Scalar) else None
        if value in seen:
            faults.add(step.mark, f"{shown(value)} is here twice", "each step has one place")
        elif field.order and value not in field.order:
            faults.add(step.mark, f"{field.name} has no choice {shown(value)}", nearest(str(value), field.order))
        seen.add(value)


def _examined(node: Scalar, kind: Kind, faults: Faults) -> str:
    """The name of the type an expression gives; empty if it has faults, which are noted."""
    text = str(node.value)
    verdict = examine(text, {**dict.fromkeys(("held", "offered", "base"), kind), **_AROUND})
    note_complaints(node, verdict.complaints, faults)
    if not verdict.complaints:
        try:
            formula(text)
        except BadExpression as bad:
            faults.add(node.place(1, bad.column), str(bad))
            return ""
    return verdict.gives


_AROUND: Final[Mapping[str, Kind]] = {
    "held_by": "known text",
    "offered_by": "known text",
    "held_at": "whole",
    "offered_at": "whole",
    "contested": "boolean",
}

_GIVES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "text": ("STRING",),
    "whole": ("INT",),
    "boolean": ("BOOL",),
    "set": ("LIST",),
}

_CANONICAL: Final = {
    FieldType.DECIMAL: 'decimal numbers are text here: string(double(held) + 1.0), for example "10.5"',
    FieldType.INSTANT: 'instants are text here, for example "2026-01-31T10:00:00Z"',
}


def _prefer(said: Block, field: Field) -> Policy:
    inner = said.block("prefer")
    return Prefer(system=inner.text("system"), unless_blank=inner.flag("unless_blank", False))


def _most_recent(said: Block, field: Field) -> Policy:
    inner = said.block("most_recent")
    return MostRecent(
        tolerance_s=inner.number("tolerance", 60.0), rank=inner.words("rank"), ask=inner.text("then") == "ask"
    )


_BUILDERS: Final[Mapping[str, Callable[[Block, Field], Policy]]] = {
    "prefer": _prefer,
    "most_recent": _most_recent,
    "ranked": lambda said, field: Ranked(systems=said.words("ranked")),
    "fill_blanks": lambda said, field: FillBlanks(),
    "longest": lambda said, field: Longest(),
    "union": lambda said, field: Union(),
    "min": lambda said, field: Extreme(largest=False),
    "max": lambda said, field: Extreme(largest=True),
    "sum": lambda said, field: Sum(),
    "ratchet": lambda said, field: Ratchet(order=said.words("ratchet") or field.order),
    "ask": lambda said, field: Ask(),
    "expression": lambda said, field: Formula(text=said.text("expression")),
}
