"""What a file in `mappings/` may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zgoda.kit.spec import Stream
from zgoda.model.entities import ENTITIES, Entity
from zgoda.settings.shapes import (
    AnyOf,
    Duration,
    Flag,
    Form,
    Key,
    ListOf,
    MapOf,
    Plain,
    Shape,
    Text,
    Word,
)

ANY_VALUE: Final = Plain(kinds=frozenset({"text", "number", "boolean", "blank"}), example="Unknown")
VALUE: Final = Plain(example="Unknown")

ROW_KEYS: Final = (
    Key(
        name="vendor",
        shape=Text(of="a vendor's field", example="merge_fields.FNAME"),
        meaning="The vendor's field; a dotted path where the vendor nests",
        default="that of the connector's row for this field",
    ),
    Key(
        name="direction",
        shape=Word(of="direction", options=("both", "in", "out")),
        meaning="Seen from the hub: in only reads, out only writes",
        default="both",
    ),
    Key(
        name="nulls",
        shape=Word(of="null policy", options=("propagate", "ignore", "fill")),
        meaning="What a blank means: propagate clears the other side too, ignore carries no blank, fill writes only "
        "where the other side is blank",
        default="propagate",
    ),
    Key(
        name="values",
        shape=MapOf(
            key="a vendor's choice",
            value=Plain(kinds=frozenset({"text", "number", "boolean"}), example="male"),
            example="{Mr: male, Ms: female}",
            any_key=True,
        ),
        meaning="Vendor's choices and ours; where two vendor's choices mean the same, the first is written",
    ),
    Key(
        name="otherwise",
        shape=Word(of="way out", options=("keep", "hold", "default", "create")),
        meaning="What becomes of choices not in values: keep them as they are, hold the field, take the default, or "
        "create the option at the vendor",
        default="keep",
    ),
    Key(name="default_in", shape=ANY_VALUE, meaning="otherwise: default takes this when reading"),
    Key(name="default_out", shape=ANY_VALUE, meaning="otherwise: default takes this when writing"),
    Key(
        name="placeholder",
        shape=VALUE,
        meaning="Sent when creating a record whose field is blank but required there; never read back",
    ),
    Key(name="required", shape=Flag(), meaning="Create nothing there without a value", default="false"),
    Key(
        name="derived",
        shape=Flag(),
        meaning="The vendor calculates it: a change moves no stamp, and it cannot be written",
        default="false",
    ),
    Key(
        name="refers_to",
        shape=AnyOf(item=Text(of="a stream", example="accounts")),
        meaning="For a ref: the streams of this connection whose ids the field holds",
    ),
    Key(
        name="evidence",
        shape=Text(of="a vendor's field", example="timestamp_opt"),
        meaning="For a consent: the vendor's field with the time of the proof",
    ),
    Key(
        name="read",
        shape=Text(of="an expression", example='row.FirstName + " " + row.LastName'),
        meaning="CEL over row, the vendor's record, instead of the vendor's field itself",
    ),
    Key(
        name="write",
        shape=Text(of="an expression", example="'value == null ? null : value + \" \"'"),
        meaning="CEL over value, our value, for what is sent",
    ),
)


def mapping_shape(title: str, streams: tuple[Stream, ...], entities: Mapping[str, Entity] = ENTITIES) -> Form:
    """The shape of a connection's mapping file. `streams` are those of the connector named `title`."""
    return Form(
        of=title,
        key_of="stream",
        keys=tuple(
            Key(
                name=stream.name,
                shape=stream_shape(stream, entities),
                meaning=f"{stream.title or stream.name}: {stream.entity}",
            )
            for stream in streams
        ),
    )


def stream_shape(stream: Stream, entities: Mapping[str, Entity], fields: tuple[str, ...] = ()) -> Form:
    """The shape of one stream. With `fields`, rows may name only those (for editors; the loader knows more)."""
    return _stream_shape(stream.name, stream.entity, entities, fields)


def generic_stream_shape() -> Form:
    """The shape of a stream nobody knows, for the documentation."""
    return _stream_shape("a stream", "the connector's", {}, ())


def _stream_shape(name: str, entity: str, entities: Mapping[str, Entity], fields: tuple[str, ...]) -> Form:
    field: Shape = Word(of="field", options=fields) if fields else Text(of="a field", example="given_name")
    return Form(
        of=f"the mapping of {name}",
        keys=(
            Key(
                name="entity",
                shape=Word(of="entity", options=tuple(entities)),
                meaning="What a record of this stream is",
                default=entity,
            ),
            Key(
                name="filter",
                shape=Text(of="a condition", example='country == "PL" && email != null'),
                meaning="CEL over our fields: records that do not pass take no part (consent still does)",
                default="all records",
            ),
            Key(
                name="may",
                shape=ListOf(item=Word(of="permission", options=("create", "update", "delete")), example="[update]"),
                meaning="What we may do there; delete only where it is said",
                default="[create, update]",
            ),
            Key(
                name="on_delete",
                shape=Word(of="rule", options=("ask", "propagate", "unlink", "restore")),
                meaning="A record was deleted there: ask a person, delete it elsewhere, only untie it, or create it "
                "again",
                default="ask",
            ),
            Key(
                name="on_leave",
                shape=Word(of="rule", options=("keep", "hold")),
                meaning="A record leaves the filter: it stays as it is, or a person is asked; never deleted",
                default="keep",
            ),
            Key(
                name="delete_wins",
                shape=Flag(),
                meaning="A deletion stands even if somebody edited the record elsewhere meanwhile",
                default="false",
            ),
            Key(
                name="quiet",
                shape=Duration(example="30s"),
                meaning="How long edits rest before they go out, so that half-typed values do not travel",
                default="0",
            ),
            Key(
                name="only", shape=Flag(), meaning="Start from nothing instead of the connector's rows", default="false"
            ),
            Key(
                name="drop",
                shape=ListOf(item=Text(of="a field", example="fax_number"), example="[fax_number]"),
                meaning="Rows of the connector's table to leave out, by our field",
            ),
            Key(
                name="fields",
                shape=ListOf(
                    item=Form(
                        of="a row",
                        keys=(
                            Key(name="field", shape=field, meaning="Our field, or a consent's name", required=True),
                            *ROW_KEYS,
                        ),
                    ),
                    example="[{field: given_name, vendor: FirstName}]",
                ),
                meaning="Rows that change or add to the connector's table",
            ),
        ),
    )
