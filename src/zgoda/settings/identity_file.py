"""`identity.yaml`: by which values a new record is recognised as one we know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from zgoda.identity.match import DEFAULT_RULES, IdentityRules, KeyRule, keys_of
from zgoda.model.entities import Entity, FieldType
from zgoda.settings.faults import Faults, shown
from zgoda.settings.nodes import Block, Node, Scalar
from zgoda.settings.shapes import Flag, Form, Key, ListOf, Text, Word

IDENTITY_FILE: Final = "identity.yaml"

WAYS: Final = ("email", "phone", "name", "company", "domain", "id", "exact")
"""How a value is folded before it is compared; see `zgoda.identity.match`."""


def identity_shape(entities: Mapping[str, Entity]) -> Form:
    """What `identity.yaml` may say."""
    return Form(
        of="identity",
        key_of="entity",
        keys=tuple(
            Key(name=entity.name, shape=_rules_shape(entity), meaning=entity.meaning) for entity in entities.values()
        ),
    )


def _rules_shape(entity: Entity) -> Form:
    way = Word(of="way to compare", options=WAYS)
    return Form(
        of=f"identity of {entity.name}",
        keys=(
            Key(
                name="match",
                shape=ListOf(
                    item=Form(
                        of="a rule",
                        keys=(
                            Key(
                                name="fields",
                                shape=Form(
                                    of=entity.name,
                                    key_of="field",
                                    keys=tuple(
                                        Key(name=f.name, shape=way, meaning=f.meaning) for f in entity.fields.values()
                                    ),
                                ),
                                meaning="Fields that together identify, each with the way it is compared",
                                required=True,
                            ),
                            Key(
                                name="name",
                                shape=Text(of="a name", example="mobile+name", pattern=r"[a-z][a-z0-9_+]{0,40}"),
                                meaning="What reports call the rule",
                                default="the fields, joined with +",
                            ),
                            Key(
                                name="guarded",
                                shape=Flag(),
                                meaning="For people: only if the names do not contradict each other",
                                default="false",
                            ),
                        ),
                    ),
                    example=_example(entity),
                ),
                meaning="Rules, strongest first; the first that finds anybody decides. Replaces the built-in rules",
            ),
            Key(
                name="blocked",
                shape=ListOf(item=Text(of="a value in quotes", example="info@example.com")),
                meaning="Values that identify nobody, such as a shared address",
            ),
            Key(
                name="unkeyed",
                shape=Word(of="rule", options=("hold", "create")),
                meaning="A record that nothing identifies: wait for a person, or create it elsewhere",
                default="hold for people, create for the rest",
            ),
        ),
    )


def _example(entity: Entity) -> str:
    """A rule that is right for this entity: its strongest built-in one, else its first field."""
    built_in = DEFAULT_RULES.get(entity.name, IdentityRules()).keys
    parts = built_in[0].parts if built_in else ((next(iter(entity.fields)), "exact"),)
    return "[{fields: {" + ", ".join(f"{name}: {way}" for name, way in parts) + "}}]"


def read_identity(block: Block, entities: Mapping[str, Entity], faults: Faults) -> dict[str, IdentityRules]:
    """The rules of every entity: the user's, else the built-in ones. `block` conforms."""
    return {name: _rules(entity, block.block(name), faults) for name, entity in entities.items()}


def _rules(entity: Entity, said: Block, faults: Faults) -> IdentityRules:
    built_in = DEFAULT_RULES.get(entity.name, IdentityRules())
    keys = built_in.keys
    if "match" in said:
        read = [_key(entity, node, faults) for node in said.items("match") if isinstance(node, Block)]
        keys = tuple(key for key in read if key is not None)
        _check_names(said.items("match"), read, faults)
    create = said.text("unkeyed", "create" if built_in.create_unkeyed else "hold") == "create"
    return IdentityRules(
        keys=keys, blocked=_blocked(said.words("blocked"), keys), create_unkeyed=create, twins=built_in.twins
    )


def _key(entity: Entity, said: Block, faults: Faults) -> KeyRule | None:
    fields = said.block("fields")
    parts = tuple((name, str(node.value)) for name, node in fields if isinstance(node, Scalar))
    if not parts:
        return None
    for name, node in fields:
        if entity.fields[name].type is FieldType.SET:
            faults.add(node.mark, f"{name} is a set of items, which identifies nobody", "choose another field")
    guarded = said.flag("guarded", False)
    if guarded and entity.name != "person":
        faults.add(said.mark_of("guarded"), "only people have names to guard by", "remove guarded")
    return KeyRule(name=said.text("name", "+".join(name for name, _ in parts)), parts=parts, guarded=guarded)


def _check_names(nodes: Iterable[Node], keys: Iterable[KeyRule | None], faults: Faults) -> None:
    seen: set[str] = set()
    for node, key in zip(nodes, keys, strict=False):
        if key is not None and key.name in seen:
            faults.add(node.mark, f"two rules are called {shown(key.name)}", "give one of them another name")
        seen.add(key.name if key else "")


def _blocked(values: Iterable[str], keys: Iterable[KeyRule]) -> frozenset[str]:
    """The values as each rule sees them: blocked values are compared after folding."""
    ways = {way for key in keys for _, way in key.parts}
    return frozenset(folded for value in values for way in ways if (folded := _fold(value, way)))


def _fold(value: str, way: str) -> str:
    rules = IdentityRules(keys=(KeyRule(name="it", parts=(("value", way),)),))
    return next((key.removeprefix("it:") for key, _ in keys_of(rules, {"value": value})), "")
