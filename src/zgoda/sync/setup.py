"""The compiled configuration of the sync engine: what may flow where, by which rules. Immutable once made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Literal, TypeAlias

import msgspec

from zgoda.identity.match import CONTACT_FIELDS, IdentityRules, contact_points, keys_of, point_keys
from zgoda.kit.mapping import Mapping as FieldMapping
from zgoda.kit.spec import Op, Stream
from zgoda.model.entities import Entity
from zgoda.model.values import CONSENT_PREFIX, Values
from zgoda.sync.merge import FieldRule, Rules

OnDelete: TypeAlias = Literal["ask", "propagate", "unlink", "restore"]
"""What a deletion in one system means for the others: ask a person (held), delete there too, only forget the tie, or
create it again where it was deleted."""

OnLeave: TypeAlias = Literal["keep", "hold"]
"""What becomes of a record that leaves a filter: it stays as it is, or a person is asked. Never deleted."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one connection, with the user's rules for it.

    `may` is what the user allows here (never more than the stream can). `admits` is the filter: a record that does not
    pass is not created or updated there and its edits are not taken, except consent, which knows no filters.
    `sends_mail`: nobody is created there whose opt-out could not be told.
    """

    id: int
    connection: str
    stream: Stream
    entity: Entity
    mapping: FieldMapping
    may: frozenset[Op]
    admits: Callable[[Values], bool] | None = None
    filter_text: str = ""
    on_delete: OnDelete = "ask"
    on_leave: OnLeave = "keep"
    delete_wins: bool = False
    quiet_s: float = 0.0
    required: tuple[str, ...] = ()
    sends_mail: bool = False
    poll_s: float = 60.0
    sweep_s: float = 24 * 3600.0

    @property
    def name(self) -> str:
        return f"{self.connection}/{self.stream.name}"


class Brakes(msgspec.Struct, frozen=True, kw_only=True):
    """Limits to what may happen unasked (proof.md I-23, I-24, I-26)."""

    delete_floor: int = 20
    delete_share: float = 0.005
    delete_ceiling: int = 500
    delete_of_known: float = 0.20
    change_share: float = 0.05
    field_share: float = 0.20
    clear_share: float = 0.01
    one_value_share: float = 0.01
    change_floor: int = 50
    optout_share: float = 0.05
    change_window_s: float = 3600.0
    canary: int = 50
    canary_share: float = 0.01
    canary_errors: float = 0.02
    oscillations: int = 8
    oscillation_window_s: float = 3600.0


class Setup(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything the engine knows about the user's wishes."""

    sources: Mapping[int, Source]
    entities: tuple[Entity, ...]
    fields: Mapping[str, Mapping[str, FieldRule]]
    identity: Mapping[str, IdentityRules]
    order: tuple[str, ...]
    brakes: Brakes = msgspec.field(default_factory=Brakes)
    merge_window_s: float = 60.0
    version: str = ""

    def of_entity(self, entity: str) -> list[Source]:
        return [source for source in self.sources.values() if source.entity.name == entity]

    def of_connection(self, connection: str) -> list[Source]:
        """In the order parents before children."""
        rank = {entity.name: place for place, entity in enumerate(self.entities)}
        mine = [source for source in self.sources.values() if source.connection == connection]
        return sorted(mine, key=lambda source: rank[source.entity.name])

    def find(self, connection: str, stream: str) -> Source | None:
        for source in self.sources.values():
            if source.connection == connection and source.stream.name == stream:
                return source
        return None

    def rules_for(self, source: Source) -> Rules:
        return self._rules[source.id]

    def keys_for(self, entity: str, fields: Values, identifying: list[str] | None = None) -> set[str]:
        """The keys under which a golden record is found: those that identify it (given, if known already) and, for
        people, the contact points by which consent is held."""
        keys = {key for key, _ in keys_of(self.identity[entity], fields)} if identifying is None else set(identifying)
        if entity == "person" and self._consent_channels:
            for point in contact_points(fields):
                known = point_keys(point)
                if ("email" if "@" in point else "phone") in self._consent_channels and keys.isdisjoint(known):
                    keys.add(known[-1])
        return keys

    @cached_property
    def key_fields(self) -> dict[str, frozenset[str]]:
        """The fields of each entity that keys are made of."""
        return {
            entity.name: frozenset(
                (
                    *(field for rule in self.identity[entity.name].keys for field, _ in rule.parts),
                    *(CONTACT_FIELDS if entity.name == "person" else ()),
                )
            )
            for entity in self.entities
        }

    @cached_property
    def _consent_channels(self) -> frozenset[str]:
        """`email`, and `phone` for every other channel somebody keeps consent for."""
        channels = (name.split(":")[1] for name in self.fields.get("person", ()) if name.startswith(CONSENT_PREFIX))
        return frozenset("email" if channel == "email" else "phone" for channel in channels)

    @cached_property
    def _rules(self) -> dict[int, Rules]:
        return {
            source.id: Rules(
                fields=self.fields[source.entity.name],
                maps=source.mapping.by_field,
                systems={s.id: s.connection for s in self.sources.values()},
                order=self.order,
                flip_limit=self.brakes.oscillations,
                flip_window_us=int(self.brakes.oscillation_window_s * 1e6),
            )
            for source in self.sources.values()
        }


def parents_first(entities: Mapping[str, Entity]) -> tuple[Entity, ...]:
    """Entities ordered so that what is referred to comes before what refers to it."""
    placed: dict[str, Entity] = {}

    def place(name: str, above: frozenset[str]) -> None:
        if name in placed or name in above or name not in entities:
            return
        for parent in sorted(entities[name].parents):
            place(parent, above | {name})
        placed[name] = entities[name]

    for name in sorted(entities):
        place(name, frozenset())
    return tuple(placed.values())
