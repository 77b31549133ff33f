"""What is said of a table's columns, from the database's own catalogue."""

from __future__ import annotations

from tests.connectors.sql.conftest import Desk, Opener, Place

from zgoda.connectors.sql import CONNECTOR
from zgoda.settings.vendor_types import types_by_vendor


async def test_columns_with_types_choices_and_rights(place: Place, desk: Desk) -> None:
    described = await CONNECTOR.discover(desk.session, desk.stream())
    fields = {field.name: field for field in described.fields}
    assert fields["family_name"].required is False, "it has a default"
    assert fields["id"].unique
    assert fields["email"].unique
    assert fields["given_name"].length == 20
    assert fields["shout"].calculated
    assert not fields["shout"].writable
    assert not fields["updated_at"].writable
    assert fields["lifecycle_stage"].choices == (("lead", "lead"), ("customer", "customer"))
    assert not fields["lifecycle_stage"].open_choices
    assert fields["email"].writable
    types = {name: str(type) for name, type in types_by_vendor(described).items()}
    assert types["birth_date"] == "date"
    assert types["seen_at"] == types["updated_at"] == "instant"
    assert types["amount"] == "decimal"
    assert types["vip"] == "boolean"
    assert types["keywords"] == "set"
    assert types["score"] == "integer"
    assert types["lifecycle_stage"] == "choice"
    assert described.deletable


async def test_new_columns_are_seen_at_once(place: Place, desk: Desk) -> None:
    await desk.all()
    place.run("ALTER TABLE people ADD COLUMN job_title text")
    described = await CONNECTOR.discover(desk.session, desk.stream())
    assert "job_title" in {field.name for field in described.fields}


async def test_enums_domains_and_views(postgres: Place, desk_of: Opener) -> None:
    postgres.run(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');"
        "CREATE DOMAIN short AS varchar(5) NOT NULL;"
        "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mood mood, name short,"
        " kind varchar(3) CHECK (kind IN ('a''b', 'c')), odd text CHECK (odd <> 'x'));"
        "CREATE VIEW v AS SELECT id, mood, name FROM t"
    )
    told = {"entity": "list", "writable": ["mood", "name", "kind"]}
    desk = await desk_of(postgres, {"t": told, "v": {"entity": "list", "writable": ["mood", "name"]}})
    fields = {field.name: field for field in (await CONNECTOR.discover(desk.session, desk.stream("t"))).fields}
    assert [value for value, _ in fields["mood"].choices] == ["sad", "happy"]
    assert [value for value, _ in fields["kind"].choices] == ["a'b", "c"]
    assert fields["odd"].choices == ()
    assert fields["name"].required
    assert fields["name"].length == 5
    id = await desk.create("v", mood="sad", name="n")
    assert (await desk.update(id, of="v", mood="happy")).refusal is None
    refused = await desk.update(id, of="t", mood="angry")
    assert refused.refusal is not None
    assert refused.refusal.fields == ("mood",)
    assert postgres.run("SELECT mood::text, name FROM t") == [("happy", "n")]
