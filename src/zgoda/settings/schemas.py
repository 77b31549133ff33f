"""JSON Schemas of the project files, for editors that complete and check while one types.

Made from the same shapes the loader checks with. Editors find them by the line `# yaml-language-server: $schema=…` at
the top of a file. Schemas say less than the loader: not whether expressions compile or mappings keep their meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from zgoda.kit.spec import Connector, Stream
from zgoda.model.entities import ENTITIES, Entity
from zgoda.privacy.consent import is_consent
from zgoda.settings.conformity import MOST_WHOLE
from zgoda.settings.connection_file import connection_shape, streams_of
from zgoda.settings.consent_file import CONSENT_SHAPE, read_consents
from zgoda.settings.identity_file import identity_shape
from zgoda.settings.mapping_shape import stream_shape
from zgoda.settings.policy_shape import policies_shape
from zgoda.settings.project import Project
from zgoda.settings.quantities import DURATION, PERCENT
from zgoda.settings.root_file import root_shape
from zgoda.settings.shapes import (
    AnyOf,
    Duration,
    Flag,
    Form,
    Key,
    ListOf,
    MapOf,
    OneOf,
    Plain,
    Secret,
    Shape,
    Share,
    Short,
    Text,
    Whole,
    Word,
)

Schema: TypeAlias = dict[str, Any]

SCHEMA_FOLDER: Final = Path(".zgoda") / "schema"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schemas(connectors: Mapping[str, Connector], project: Project | None = None) -> dict[str, Schema]:
    """File name -> schema: one for each file of the root, and two for each connector (connection and mapping).

    With a project, they know its connections and custom fields too.
    """
    entities = project.entities if project else ENTITIES
    names = tuple(project.connections) if project else ()
    consents = project.consents.fields if project else read_consents(None).fields
    shapes: dict[str, Form] = {
        "zgoda": root_shape(names),
        "policies": policies_shape(entities, names),
        "identity": identity_shape(entities),
        "consent": CONSENT_SHAPE,
    }
    for key, connector in connectors.items():
        streams = _usual_streams(connector)
        shapes[f"connection-{key}"] = connection_shape({key: connector}, connector, tuple(s.name for s in streams))
        shapes[f"mapping-{key}"] = _mapping_shape(connector, streams, entities, consents)
    return {
        f"{name}.schema.json": {"$schema": DIALECT, "title": shape.of, **schema_of(shape)}
        for name, shape in shapes.items()
    }


def write_schemas(folder: Path, connectors: Mapping[str, Connector], project: Project | None = None) -> Path:
    """Write all schemas into `.zgoda/schema/` of a project folder, replacing older ones. Returns where they are."""
    place = folder / SCHEMA_FOLDER
    place.mkdir(parents=True, exist_ok=True)
    for name, schema in json_schemas(connectors, project).items():
        (place / name).write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return place


def schema_header(name: str, *, depth: int = 0) -> str:
    """The line that ties a file, `depth` folders below the project, to its schema."""
    return f"# yaml-language-server: $schema={'../' * depth}{SCHEMA_FOLDER.as_posix()}/{name}.schema.json"


def _usual_streams(connector: Connector) -> tuple[Stream, ...]:
    """The streams without any settings; none for connectors whose streams the user declares."""
    try:
        return streams_of(connector, {})
    except Exception:  # a connector's own code, without the settings it wants
        return ()


def _mapping_shape(
    connector: Connector, streams: tuple[Stream, ...], entities: Mapping[str, Entity], consents: tuple[str, ...]
) -> Form:
    """Rows may name the fields of any entity: a stream may be told to hold another than its usual one."""
    everything = sorted({name for entity in entities.values() for name in entity.fields})
    carried = {m.field for stream in streams for m in stream.mapping if is_consent(m.field)}
    fields = (*everything, *sorted({*consents, *carried}))
    return Form(
        of=connector.title,
        key_of="stream",
        keys=tuple(
            Key(name=stream.name, shape=stream_shape(stream, entities, fields), meaning=stream.title or stream.name)
            for stream in streams
        ),
    )


def schema_of(shape: Shape) -> Schema:
    """The schema of a shape. What would be repeated (policies, long lists of words) stands once, under `$defs`."""
    shared = _Shared()
    schema = shared.schema(shape)
    return {**schema, "$defs": shared.definitions} if shared.definitions else schema


class _Shared:
    """Builds a schema and keeps its shared parts."""

    def __init__(self) -> None:
        self.definitions: Schema = {}
        self._names: dict[Shape, str] = {}

    def schema(self, shape: Shape) -> Schema:
        match shape:
            case Form():
                return self._form(shape)
            case MapOf():
                names: Schema = (
                    {} if shape.any_key else {"propertyNames": {"pattern": f"^(?:{shape.pattern or '.+'})$"}}
                )
                return {"type": ["object", "null"], "additionalProperties": self.schema(shape.value), **names}
            case ListOf():
                return {"type": ["array", "null"], "items": self.schema(shape.item)}
            case OneOf():
                return self._once(shape)
            case Word() if len(shape.options) > SHORTEST_SHARED:
                return self._once(shape)
            case Short():
                main = shape.form.find(shape.main)
                return {"anyOf": [self.schema(main.shape if main else Text()), self._form(shape.form)]}
            case AnyOf():
                return {"anyOf": [self.schema(shape.item), {"type": "array", "items": self.schema(shape.item)}]}
            case _:
                return _single(shape)

    def _once(self, shape: OneOf | Word) -> Schema:
        if shape not in self._names:
            self._names[shape] = f"{shape.of} {len(self._names) + 1}".replace(" ", "_")
            self.definitions[self._names[shape]] = (
                self._one_of(shape) if isinstance(shape, OneOf) else {"enum": list(shape.options)}
            )
        return {"$ref": f"#/$defs/{self._names[shape]}"}

    def _form(self, form: Form) -> Schema:
        required = [key.name for key in form.keys if key.required]
        return {
            # a key with nothing but comments below it is blank
            "type": "object" if required else ["object", "null"],
            "properties": {key.name: {"description": _described(key), **self.schema(key.shape)} for key in form.keys},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def _one_of(self, shape: OneOf) -> Schema:
        properties: Schema = {}
        for key in shape.keys:
            value = self.schema(key.shape)
            blank_too: Schema = {"anyOf": [value, {"type": "null"}]}
            properties[key.name] = {"description": _described(key), **(blank_too if key.name in shape.bare else value)}
        told = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [{"enum": sorted(shape.bare)}, told]}


SHORTEST_SHARED: Final = 6


def _described(key: Key) -> str:
    return f"{key.meaning}. Default: {key.default}" if key.default else key.meaning


def _single(shape: Shape) -> Schema:
    match shape:
        case Word():
            return {"enum": list(shape.options)}
        case Flag():
            return {"type": "boolean"}
        case Whole():
            return {"type": "integer", "minimum": 0, "maximum": MOST_WHOLE}
        case Duration():
            return {"anyOf": [{"type": "string", "pattern": DURATION}, {"const": 0}]}
        case Share():
            return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": PERCENT}]}
        case Secret():
            return {"type": "string", "pattern": r"^\s*\$\{(env|file):[^${}]+\}\s*$"}
        case Plain():
            kinds = {"text": "string", "number": "number", "boolean": "boolean", "blank": "null"}
            return {"type": [kinds[kind] for kind in sorted(shape.kinds)]}
        case Text():
            return {
                "type": "string",
                "minLength": 1,
                **({"pattern": f"^(?:{shape.pattern})$"} if shape.pattern else {}),
            }
        case _:
            return {}
