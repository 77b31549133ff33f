"""JSON Schemas for editors: valid, the same as the loader's shapes, and written where files point to (T-73)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.settings.folders import load
from tests.settings.shaped import fitting
from tests.settings.vendors import VENDORS
from zgoda.app import CONNECTORS
from zgoda.model.entities import ENTITIES
from zgoda.settings.conformity import conform, example_of
from zgoda.settings.connection_file import connection_shape
from zgoda.settings.consent_file import CONSENT_SHAPE
from zgoda.settings.document import parse_document
from zgoda.settings.faults import Faults
from zgoda.settings.identity_file import identity_shape
from zgoda.settings.mapping_shape import mapping_shape
from zgoda.settings.policy_shape import policies_shape
from zgoda.settings.root_file import root_shape
from zgoda.settings.schemas import json_schemas, schema_header, schema_of, write_schemas
from zgoda.settings.shapes import AnyOf, Form, Key, ListOf, MapOf, OneOf, Shape, Short

BIGCRM = VENDORS["bigcrm"]
STREAMS = BIGCRM.streams if isinstance(BIGCRM.streams, tuple) else ()
SHAPES: dict[str, Form] = {
    "zgoda": root_shape(("crm", "news")),
    "connection": connection_shape(VENDORS, BIGCRM, tuple(stream.name for stream in STREAMS)),
    "mapping": mapping_shape(BIGCRM.title, STREAMS),
    "policies": policies_shape(ENTITIES, ("crm", "news")),
    "identity": identity_shape(ENTITIES),
    "consent": CONSENT_SHAPE,
}
VALIDATORS = {name: jsonschema.Draft202012Validator(schema_of(shape)) for name, shape in SHAPES.items()}
FITTING = {name: fitting(shape) for name, shape in SHAPES.items()}


def loader_takes(data: Any, shape: Shape) -> bool:
    faults = Faults()
    node = parse_document(json.dumps(data, ensure_ascii=False), "x.yaml", faults)
    assert node is not None
    assert len(faults) == 0
    conform(node, shape, faults)
    return len(faults) == 0


@pytest.mark.parametrize("connectors", [VENDORS, CONNECTORS], ids=["toys", "real"])
def test_all_schemas_are_valid_schemas(connectors: Any) -> None:
    schemas = json_schemas(connectors)
    assert set(schemas) >= {"zgoda.schema.json", "policies.schema.json", "identity.schema.json", "consent.schema.json"}
    for key in connectors:
        assert {f"connection-{key}.schema.json", f"mapping-{key}.schema.json"} <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_fits_is_taken_by_both(name: str, data: st.DataObject) -> None:
    value = data.draw(FITTING[name])
    if value:
        assert loader_takes(value, SHAPES[name]), value
    VALIDATORS[name].validate(value)


JUNK = st.sampled_from([{"no_such_key": 1}, [["x"]], "no such word", -7, 3.5, {"a": {"b": {"c": []}}}, "${nope}"])


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_schema_is_never_stricter_than_the_loader(name: str, data: st.DataObject) -> None:
    """Whatever is damaged: what the loader's shapes take, the editor must not underline."""
    value = _damaged(data.draw(FITTING[name]), data)
    if value and loader_takes(value, SHAPES[name]):
        VALIDATORS[name].validate(value)


def _damaged(value: Any, data: st.DataObject) -> Any:
    """The value with junk somewhere in it."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _damaged(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [_damaged(value[0], data), *value[1:]]
    return data.draw(JUNK)


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("zgoda", {"order": ["crm"]}),
        ("zgoda", {"name": "a", "ordr": []}),
        ("zgoda", {"name": "a", "merge_window": 60}),
        ("zgoda", {"name": "a", "brakes": {"delete_share": 5}}),
        ("connection", {"connector": "bigcrm", "settings": {"base_url": "x", "token": "literal"}}),
        ("connection", {"connector": "nothing"}),
        ("mapping", {"contacts": {"fields": [{"vendor": "X"}]}}),
        ("mapping", {"contacts": {"may": ["destroy"]}}),
        ("policies", {"person": {"consent:email:marketing": "ask"}}),
        ("policies", {"person": {"email": {"prefer": "crm", "longest": None}}}),
        ("identity", {"person": {"unkeyed": "maybe"}}),
        ("consent", {"channels": "email"}),
    ],
)
def test_what_is_wrong_is_wrong_for_both(file: str, value: Any) -> None:
    assert not loader_takes(value, SHAPES[file])
    with pytest.raises(jsonschema.ValidationError):
        VALIDATORS[file].validate(value)


def test_every_example_is_right() -> None:
    """Hints and the files of `init` quote them."""
    checked = 0
    # examples name connections, so those are left open here
    anybodys = {**SHAPES, "zgoda": root_shape(()), "policies": policies_shape(ENTITIES, ())}
    for shape in anybodys.values():
        for key in _keys(shape):
            text = example_of(key)
            if "…" in text or isinstance(key.shape, Form | OneOf | Short | AnyOf | MapOf):
                continue
            faults = Faults()
            block = parse_document(text, "x.yaml", faults)
            assert block is not None, text
            form = Form(of="it", keys=(key,))
            conform(block, form, faults)
            assert len(faults) == 0, text
            checked += 1
    assert checked > 40


def _keys(shape: Shape) -> Iterator[Key]:
    match shape:
        case Form() | OneOf():
            for key in shape.keys:
                yield key
                yield from _keys(key.shape)
        case ListOf() | AnyOf():
            yield from _keys(shape.item)
        case MapOf():
            yield from _keys(shape.value)
        case Short():
            yield from _keys(shape.form)
        case _:
            return


def test_a_projects_own_words_are_in_its_schemas(tmp_path: Path) -> None:
    custom = "name: a\nentities: {person: {level: {type: text, meaning: Level, category: none}}}\n"
    project = load(tmp_path, {"zgoda.yaml": custom, "consent.yaml": "brands: [kids]\n"})
    schemas = json_schemas(VENDORS, project)
    jsonschema.validate({"person": {"level": {"prefer": "crm"}}}, schemas["policies.schema.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"person": {"level": {"prefer": "bigcrm"}}}, schemas["policies.schema.json"])
    for field in ("level", "consent:email:marketing:kids"):
        row = {"contacts": {"fields": [{"field": field, "vendor": "X"}]}}
        jsonschema.validate(row, schemas["mapping-bigcrm.schema.json"])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(row, json_schemas(VENDORS)["mapping-bigcrm.schema.json"])


def test_schemas_are_written_where_headers_point(tmp_path: Path) -> None:
    place = write_schemas(tmp_path, VENDORS)
    assert place == tmp_path / ".zgoda" / "schema"
    assert json.loads((place / "zgoda.schema.json").read_text()) == json_schemas(VENDORS)["zgoda.schema.json"]
    header = schema_header("connection-bigcrm", depth=1)
    relative = header.removeprefix("# yaml-language-server: $schema=")
    assert (tmp_path / "connections" / relative).resolve() == place / "connection-bigcrm.schema.json"
    write_schemas(tmp_path, VENDORS)
