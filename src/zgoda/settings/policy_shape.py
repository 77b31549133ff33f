"""What `policies.yaml` may say: the policies' words, what each needs to be told, and the types it makes sense for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zgoda.model.entities import Entity, FieldType
from zgoda.settings.shapes import Duration, Flag, Form, Key, ListOf, OneOf, Shape, Short, Text, Word

T = FieldType

_TEXTS: Final = frozenset({T.TEXT, T.EMAIL, T.PHONE, T.URL, T.COUNTRY, T.CHOICE})
_NUMBERS: Final = frozenset({T.INTEGER, T.DECIMAL})
_ALL: Final = frozenset(FieldType) - {T.CONSENT}

FITS: Final[Mapping[str, frozenset[FieldType]]] = {
    "prefer": _ALL,
    "most_recent": _ALL,
    "ranked": _ALL,
    "fill_blanks": _ALL,
    "longest": _TEXTS,
    "union": frozenset({T.SET}),
    "min": _NUMBERS | {T.DATE, T.INSTANT},
    "max": _NUMBERS | {T.DATE, T.INSTANT},
    "sum": _NUMBERS,
    "ratchet": frozenset({T.CHOICE}),
    "ask": _ALL,
    "expression": _ALL,
}
"""The types of field a policy makes sense for. Consent is in none of them."""

_CONSENT: Final = (
    "consent takes no policy: the most restrictive word wins, and only newer evidence lifts a withdrawal",
    "remove this; the law decides (GDPR Art. 7)",
)


def policies_shape(entities: Mapping[str, Entity], connections: tuple[str, ...]) -> Form:
    """What `policies.yaml` may say."""
    policy = policy_shape(connections)
    return Form(
        of="policies",
        key_of="entity",
        keys=(
            Key(
                name="default",
                shape=policy,
                meaning="For all fields without a policy of their own, where it fits their type",
                default="most_recent with a tolerance of 60s, then rank; sets: union; ordered choices: ratchet",
            ),
            *(
                Key(name=entity.name, shape=_entity_shape(entity, policy), meaning=entity.meaning)
                for entity in entities.values()
            ),
        ),
    )


def _entity_shape(entity: Entity, policy: Shape) -> Form:
    return Form(
        of=entity.name,
        key_of="field",
        refuses=(("consent", *_CONSENT),),
        keys=(
            Key(name="default", shape=policy, meaning=f"For all fields of {entity.name} without a policy of their own"),
            *(Key(name=field.name, shape=policy, meaning=field.meaning) for field in entity.fields.values()),
        ),
    )


def policy_shape(connections: tuple[str, ...]) -> OneOf:
    """One policy. `connections` are the systems it may name; any if unknown."""
    system: Shape = (
        Word(of="connection", options=connections) if connections else Text(of="a connection", example="crm")
    )
    systems = ListOf(item=system, example="[salesforce, mailchimp]")
    return OneOf(
        of="policy",
        bare=frozenset({"most_recent", "fill_blanks", "longest", "union", "min", "max", "sum", "ratchet", "ask"}),
        keys=(
            Key(
                name="prefer",
                shape=Short(
                    main="system",
                    form=Form(
                        of="prefer",
                        keys=(
                            Key(name="system", shape=system, meaning="The master", required=True),
                            Key(
                                name="unless_blank",
                                shape=Flag(),
                                meaning="While the master is blank, others may speak",
                                default="false",
                            ),
                        ),
                    ),
                ),
                meaning="One system is the master: what it holds stands, however late others speak",
            ),
            Key(
                name="most_recent",
                shape=Form(
                    of="most_recent",
                    keys=(
                        Key(
                            name="tolerance",
                            shape=Duration(),
                            meaning="Edits closer together than this count as simultaneous",
                            default="60s",
                        ),
                        Key(
                            name="then",
                            shape=Word(of="way out", options=("rank", "ask")),
                            meaning="Who wins between simultaneous edits: the higher rank, or a person decides",
                            default="rank",
                        ),
                        Key(name="rank", shape=systems, meaning="The rank, if not that of zgoda.yaml"),
                    ),
                ),
                meaning="The later edit wins",
            ),
            Key(name="ranked", shape=systems, meaning="The highest-ranked system that holds a value wins"),
            _word("fill_blanks", "The first value stays; others only fill blanks"),
            _word("longest", "Of two contested texts, the longer"),
            _word("union", "Sets: what either side added stays, what either side removed goes"),
            _word("min", "The smallest number, date or instant"),
            _word("max", "The largest number, date or instant"),
            _word("sum", "A counter: each side's increase is added"),
            Key(
                name="ratchet",
                shape=ListOf(item=Text(of="a choice", example="lead"), example="[lead, customer]"),
                meaning="Ordered choices move forward only",
                default="the order of the field",
            ),
            _word("ask", "A person decides contested values; until then both sides keep their own"),
            Key(
                name="expression",
                shape=Text(of="an expression", example="'offered_by == \"crm\" ? offered : held'"),
                meaning="CEL over held, offered, base, held_by, offered_by, held_at, offered_at (seconds), contested",
            ),
        ),
    )


def _word(name: str, meaning: str) -> Key:
    return Key(name=name, shape=Form(of=name, keys=()), meaning=meaning)
