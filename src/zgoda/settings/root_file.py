"""`zgoda.yaml`: the project's name, store, rank of connections, brakes, listen address and custom fields."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from zgoda.model.entities import ENTITIES, Category, Entity, Field, FieldType
from zgoda.settings.expressions import RESERVED_NAMES
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.nodes import Block, Scalar
from zgoda.settings.project import Listen, Store
from zgoda.settings.references import read_reference
from zgoda.settings.shapes import Duration, Form, Key, ListOf, MapOf, Plain, Share, Text, Whole, Word
from zgoda.sync.setup import Brakes

ROOT_FILE: Final = "zgoda.yaml"
DEFAULT_STORE: Final = ".zgoda/db"
ADDRESS: Final = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}"
NAME: Final = r"[a-z][a-z0-9_]{0,62}"


def _brake(name: str, meaning: str) -> Key:
    """A key for an attribute of `Brakes`; durations are written without the attribute's unit."""
    value = getattr(Brakes(), name)
    if name.endswith("_s"):
        return Key(name=name[:-2], shape=Duration(), meaning=meaning, default=f"{value / 60:g}m")
    if isinstance(value, float):
        return Key(name=name, shape=Share(), meaning=meaning, default=f"{value * 100:g}%")
    return Key(name=name, shape=Whole(), meaning=meaning, default=str(value))


BRAKES: Final = (
    _brake("delete_floor", "So many deletions in the window always pass"),
    _brake("delete_share", "Above this part of the known records, all deletions wait"),
    _brake("delete_ceiling", "Never more deletions than this in the window"),
    _brake("delete_of_known", "Never more deletions than this part of the known records"),
    _brake("change_floor", "So many changed records in the window always pass"),
    _brake("change_share", "Above this part of the known records changed, all wait"),
    _brake("field_share", "The same for one field"),
    _brake("optout_share", "The same for people who withdraw consent: what is told waits, what the hub knows does not"),
    _brake("clear_share", "The same for values that are cleared"),
    _brake("one_value_share", "The same for one value that comes into many records"),
    _brake("change_window_s", "The window changes and deletions are counted in"),
    _brake("canary", "Records to try first after a change of the rules"),
    _brake("canary_share", "Then this part of all records"),
    _brake("canary_errors", "More errors than this part among them, and the rest waits"),
    _brake("oscillations", "A field that changes so often in the window waits for a person"),
    _brake("oscillation_window_s", "The window such changes are counted in"),
)

CUSTOM_FIELD: Final = Form(
    of="a custom field",
    keys=(
        Key(
            name="type",
            shape=Word(of="field type", options=tuple(t.value for t in FieldType if t is not FieldType.CONSENT)),
            meaning="How values are held and compared",
            required=True,
        ),
        Key(
            name="meaning",
            shape=Text(of="what the field means", example="Level in the loyalty programme"),
            meaning="One sentence that both sides agree on",
            required=True,
        ),
        Key(
            name="category",
            shape=Word(of="category of personal data", options=tuple(c.value for c in Category)),
            meaning="Kind of personal data, so that erasure and export know it",
            required=True,
        ),
        Key(
            name="order",
            shape=ListOf(item=Text(of="a choice", example="silver"), example="[bronze, silver, gold]"),
            meaning="For a choice with an order: all values, first to last",
        ),
        Key(
            name="refers_to",
            shape=Word(of="entity", options=tuple(ENTITIES)),
            meaning="For a ref: the entity it points at",
        ),
    ),
)


def root_shape(connections: tuple[str, ...]) -> Form:
    """What `zgoda.yaml` may say. `connections` are the names of the files in `connections/`; empty if unknown."""
    connection = (
        Word(of="connection", options=connections) if connections else Text(of="a connection", example="salesforce")
    )
    return Form(
        of="the project",
        keys=(
            Key(
                name="name",
                shape=Text(of="the project's name", example="acme"),
                meaning="A name for the project, shown in the console and in reports",
                required=True,
            ),
            Key(
                name="store",
                shape=Plain(kinds=frozenset({"text"}), references=True, example="postgresql://db.example.com/zgoda"),
                meaning="A folder for the embedded PostgreSQL, or the URL of a server (with password: a reference)",
                default=DEFAULT_STORE,
            ),
            Key(
                name="order",
                shape=ListOf(item=connection, example="[salesforce, mailchimp]"),
                meaning="Rank of the connections: the first wins where policies decide by rank",
                default="CRM systems first, then by name",
            ),
            Key(
                name="time_zone",
                shape=Text(of="a time zone", example="Europe/Warsaw"),
                meaning="For showing times; data is kept in UTC",
                default="UTC",
            ),
            Key(
                name="listen",
                shape=Text(of="host and port", example="127.0.0.1:8420", pattern=r"(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}"),
                meaning="Host and port of the console and the API",
                default="127.0.0.1:8420",
            ),
            Key(
                name="merge_window",
                shape=Duration(),
                meaning="How long a deletion waits for the survivor of a merge, or for the record to come back",
                default="60s",
            ),
            Key(
                name="brakes",
                shape=Form(of="brakes", keys=BRAKES),
                meaning="Limits to what may happen without asking; beyond them everything waits for a person",
            ),
            Key(
                name="entities",
                shape=Form(
                    of="entities",
                    key_of="entity",
                    keys=tuple(
                        Key(
                            name=entity.name,
                            shape=MapOf(key="a field's name", value=CUSTOM_FIELD, pattern=NAME),
                            meaning=entity.meaning,
                        )
                        for entity in ENTITIES.values()
                    ),
                ),
                meaning="Custom fields, by entity",
            ),
        ),
    )


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """What `zgoda.yaml` says."""

    name: str
    store: Store
    order: tuple[str, ...]
    time_zone: str
    listen: Listen
    merge_window_s: float
    brakes: Brakes
    entities: Mapping[str, Entity]


def read_root(block: Block, folder: Path, faults: Faults) -> Root:
    """Type what the shape could not: the store, the time zone, the port, and custom fields. `block` conforms."""
    return Root(
        name=block.text("name"),
        store=_store(block, folder, faults),
        order=_order(block, faults),
        time_zone=_time_zone(block, faults),
        listen=_listen(block, faults),
        merge_window_s=block.number("merge_window", 60.0),
        brakes=_brakes(block.block("brakes")),
        entities=_entities(block.block("entities"), faults),
    )


def _store(block: Block, folder: Path, faults: Faults) -> Store:
    text = block.text("store", DEFAULT_STORE)
    if (reference := read_reference(text)) is not None:
        return Store(folder=None, url=reference)
    if "://" not in text:
        return Store(folder=folder / text)
    if not text.startswith(("postgresql://", "postgres://")):
        faults.add(block.mark_of("store"), "the store is a PostgreSQL server or a folder", "postgresql://host/database")
    return Store(folder=None, url=text)


def _order(block: Block, faults: Faults) -> tuple[str, ...]:
    seen: list[str] = []
    for item in block.items("order"):
        name = item.value if isinstance(item, Scalar) else None
        if name in seen:
            faults.add(item.mark, f"{shown(name)} has two ranks", "keep one")
        elif isinstance(name, str):
            seen.append(name)
    return tuple(seen)


def _time_zone(block: Block, faults: Faults) -> str:
    name = block.text("time_zone", "UTC")
    known = zoneinfo.available_timezones()
    if name not in known:
        cities = {zone.rpartition("/")[2].casefold(): zone for zone in known}
        hint = nearest(name, known) if name.casefold() not in cities else f"did you mean {cities[name.casefold()]}?"
        faults.add(block.mark_of("time_zone"), f"there is no time zone {shown(name)}", hint)
    return name


def _listen(block: Block, faults: Faults) -> Listen:
    if "listen" not in block:
        return Listen()
    host, _, port = block.text("listen").rpartition(":")
    if not 0 < int(port) < 65536:
        faults.add(block.mark_of("listen"), "a port is a number from 1 to 65535", "for example 127.0.0.1:8420")
    return Listen(host=host.strip("[]"), port=int(port))


def _brakes(block: Block) -> Brakes:
    """The keys are those of `Brakes`, durations without their unit."""
    said = {
        f"{key.name}_s" if isinstance(key.shape, Duration) else key.name: block.plain(key.name)
        for key in BRAKES
        if key.name in block
    }
    return msgspec.convert({**msgspec.to_builtins(Brakes()), **said}, Brakes)


def _entities(block: Block, faults: Faults) -> dict[str, Entity]:
    entities = dict(ENTITIES)
    for name, fields in block:
        if not isinstance(fields, Block):
            continue
        entity = ENTITIES[name]
        custom = {f: field for f in dict(fields) if (field := _custom_field(f, entity, fields, faults)) is not None}
        entities[name] = msgspec.structs.replace(entity, fields={**entity.fields, **custom})
    return entities


def _custom_field(name: str, entity: Entity, fields: Block, faults: Faults) -> Field | None:
    said = fields.block(name)
    if name in entity.fields:
        faults.add(said.mark, f"{entity.name} has a field {name} already", "custom fields need names of their own")
        return None
    if name in RESERVED_NAMES or name in ("default", "consent") or name.startswith("consent_"):
        faults.add(said.mark, f"{name} cannot be a field's name", f"for example {entity.name}_{name}")
        return None
    if any(key not in said for key in ("type", "meaning", "category")):
        return None
    type = FieldType(said.text("type"))
    if type is FieldType.REF and "refers_to" not in said:
        faults.add(said.mark, "a ref needs refers_to", "for example refers_to: organization")
        return None
    for key, wanted in (("refers_to", FieldType.REF), ("order", FieldType.CHOICE)):
        if key in said and type is not wanted:
            faults.add(said.mark_of(key), f"{key} is for fields of type {wanted}", f"this one is {type}")
    return Field(
        name=name,
        type=type,
        meaning=said.text("meaning"),
        category=Category(said.text("category")),
        refers_to=said.text("refers_to"),
        order=said.words("order"),
    )
