"""`zgoda.yaml`: the project's name, store, rank of connections, brakes, listen address and custom fields."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from zgoda.model.entities import ENTITIES, Category, Entity, Field, FieldType
from zgoda.settings.faults import Faults, nearest, shown
from zgoda.settings.filters import RESERVED_NAMES
from zgoda.settings.nodes import Block, Scalar
from zgoda.settings.project import Listen, Store
from zgoda.settings.references import Reference, read_reference
from zgoda.settings.shapes import Duration, Flag, Form, Key, ListOf, MapOf, Plain, Share, Text, Whole, Word
from zgoda.sync.setup import Brakes

ROOT_FILE: Final = "zgoda.yaml"
DEFAULT_STORE: Final = ".zgoda/db"
NAME: Final = r"[a-z][a-z0-9_]{0,62}"

BRAKES: Final = (
    Key(name="delete_floor", shape=Whole(), meaning="So many deletions in the window always pass", default="20"),
    Key(name="delete_share", shape=Share(), meaning="Above this part of the known records, all wait", default="0.5%"),
    Key(name="delete_ceiling", shape=Whole(), meaning="Never more deletions than this in the window", default="500"),
    Key(name="delete_window", shape=Duration(), meaning="The window deletions are counted in", default="1h"),
    Key(name="delete_of_known", shape=Share(), meaning="Never more than this part of all records", default="20%"),
    Key(name="change_floor", shape=Whole(), meaning="So many changed records in the window always pass", default="50"),
    Key(name="change_share", shape=Share(), meaning="Above this part of records changed, all wait", default="5%"),
    Key(name="field_share", shape=Share(), meaning="The same for one field", default="20%"),
    Key(name="clear_share", shape=Share(), meaning="The same for fields that are cleared", default="1%"),
    Key(name="one_value_share", shape=Share(), meaning="The same for one value written everywhere", default="1%"),
    Key(name="change_window", shape=Duration(), meaning="The window changes are counted in", default="1h"),
    Key(name="canary", shape=Whole(), meaning="Records to try first after a change of the rules", default="50"),
    Key(name="canary_share", shape=Share(), meaning="The same, as a part of all records", default="1%"),
    Key(name="canary_errors", shape=Share(), meaning="More errors than this among them, and all wait", default="2%"),
    Key(name="oscillations", shape=Whole(), meaning="A field that goes to and fro so often waits", default="4"),
    Key(name="oscillation_window", shape=Duration(), meaning="The window that is counted in", default="1h"),
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
                shape=Text(of="an address to listen on", example="127.0.0.1:8420", pattern=r"(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}"),
                meaning="Host and port of the console and the API",
                default="127.0.0.1:8420",
            ),
            Key(
                name="merge_window",
                shape=Duration(),
                meaning="How long after a join of two records another one may follow it without asking",
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
