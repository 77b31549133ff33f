"""Merge fields of every type and marketing permissions: there and back again."""

from __future__ import annotations

from typing import Any

import pytest

from zgoda.connectors.mailchimp import CONNECTOR
from zgoda.kit.errors import RefusalKind
from zgoda.kit.mapping import Map, Mapping
from zgoda.kit.spec import Reading, Write
from zgoda.model.entities import ENTITIES

from .conftest import Desk

BIRTHDAY = (
    'value == null ? "" : string(timestamp(value + "T00:00:00Z").getMonth() + 1) + "/"'
    ' + string(timestamp(value + "T00:00:00Z").getDate())'
)


def mapping(*maps: Map) -> Mapping:
    return Mapping(
        (Map(vendor="email_address", field="email", required=True), *maps), ENTITIES["person"], CONNECTOR.dialect
    )


async def read_one(desk: Desk, table: Mapping, id: str) -> dict[str, Any]:
    read_ids = desk.streams["members"].read_ids
    assert read_ids is not None
    return (await read_ids(desk.session, Reading(fields=table.vendor_fields), [id])).rows[0]


@pytest.mark.parametrize(
    ("tag", "field", "value"),
    [
        ("JOBTITLE", "job_title", "Główna księgowa"),
        ("PHONE", "telephone", "+48 601 222 333"),
        ("SCORE", "score", 42),
        ("SCORE", "score", 0),
        ("SCORE", "score", -7),
        ("SINCE", "birth_date", "1980-02-03"),
        ("WEBSITE", "url", "https://example.org/ż?a=b"),
        ("LANGUAGE", "lead_source", "Polish"),
        ("HUBID", "score", 7),
    ],
)
async def test_a_merge_field_of_each_type(desk: Desk, tag: str, field: str, value: Any):
    table = mapping(Map(vendor=f"merge_fields.{tag}", field=field))
    row, faults = table.write({"email": "a@b.example", field: value}, creating=True)
    assert faults == []
    id = await desk.create("members", **row)
    assert table.read(await read_one(desk, table, id)).values[field] == value
    row, _ = table.write({field: None}, creating=False)
    receipt = (await desk.write("members", Write(key="k", op="update", id=id, values=row)))["k"]
    assert receipt.refusal is None
    mapped = table.read(await read_one(desk, table, id))
    assert mapped.faults == []
    assert mapped.values[field] is None


@pytest.mark.parametrize(
    ("tag", "value"),
    [("SCORE", "many"), ("SINCE", "soon"), ("WEBSITE", "nowhere"), ("LANGUAGE", "Klingon"), ("JOBTITLE", "x" * 300)],
)
async def test_a_value_of_the_wrong_kind_is_refused_by_its_field(desk: Desk, tag: str, value: str):
    id = desk.user_adds("a@b.example")
    receipts = await desk.write(
        "members",
        Write(key="old", op="update", id=id, values={"merge_fields": {tag: value}}),
        Write(key="new", op="create", values={"email_address": "c@d.example", "merge_fields": {tag: value}}),
    )
    for receipt in receipts.values():
        assert receipt.refusal is not None
        assert receipt.refusal.kind is RefusalKind.REJECTED
        assert receipt.refusal.fields == (f"merge_fields.{tag}",)
        assert value not in repr(receipt)


async def test_a_birthday_goes_out_as_month_and_day(desk: Desk):
    table = mapping(Map(vendor="merge_fields.BIRTHDAY", field="birth_date", direction="out", write=BIRTHDAY))
    row, faults = table.write({"email": "a@b.example", "birth_date": "1980-02-03"}, creating=True)
    assert faults == []
    id = await desk.create("members", **row)
    assert desk.member(id)["merge_fields"]["BIRTHDAY"] == "02/03"
    row, faults = table.write({"birth_date": None}, creating=False)
    assert faults == []
    await desk.write("members", Write(key="k", op="update", id=id, values=row))
    assert desk.member(id)["merge_fields"]["BIRTHDAY"] == ""


async def boxes(desk: Desk) -> list[str]:
    """Ids of the audience's marketing permissions, as `discover` tells them."""
    desk.user_adds("somebody@x.example")
    described = await CONNECTOR.discover(desk.session, desk.streams["members"])
    found = [field for field in described.fields if field.name.startswith("marketing_permissions.")]
    assert all(field.label and field.writable and field.type == "boolean" for field in found)
    return [field.name.partition(".")[2] for field in found]


def ticked(desk: Desk, id: str) -> set[str]:
    held = desk.member(id)["marketing_permissions"]
    return {box["marketing_permission_id"] for box in held if box["enabled"]}


async def test_marketing_permissions_are_consents_of_their_own(desk: Desk):
    mail, post, ads = await boxes(desk)
    table = mapping(
        Map(
            vendor=f"marketing_permissions.{post}",
            field="consent:post:marketing",
            values=((True, "granted"), (False, "unknown"), (False, "withdrawn")),
            otherwise="hold",
            nulls="ignore",
        )
    )
    row, faults = table.write({"email": "a@b.example", "consent:post:marketing": "granted"}, creating=True)
    assert faults == []
    receipt = (await desk.write("members", Write(key="k", op="create", values=row)))["k"]
    assert ticked(desk, receipt.id) == {post}
    assert receipt.stored is not None
    assert receipt.stored["marketing_permissions"] == {post: True}
    seen = await read_one(desk, table, receipt.id)
    assert seen["marketing_permissions"] == {post: True}
    assert table.read(seen).values["consent:post:marketing"] == "granted"

    desk.twin.edit(
        "update",
        email="a@b.example",
        values={"marketing_permissions": [{"marketing_permission_id": ads, "enabled": True}]},
    )
    row, _ = table.write({"consent:post:marketing": "withdrawn"}, creating=False)
    await desk.write("members", Write(key="k", op="update", id=receipt.id, values=row))
    assert ticked(desk, receipt.id) == {ads}
    seen = await read_one(desk, table, receipt.id)
    assert table.read(seen).values["consent:post:marketing"] == "unknown"
    assert mail not in seen["marketing_permissions"]


async def test_an_unknown_permission_is_refused_and_the_others_land(desk: Desk):
    receipts = await desk.write(
        "members",
        Write(key="odd", op="create", values={"email_address": "a@b.example", "marketing_permissions": {"no": True}}),
        Write(key="good", op="create", values={"email_address": "c@d.example"}),
    )
    assert receipts["good"].refusal is None
    refusal = receipts["odd"].refusal
    assert refusal is not None
    assert refusal.kind is RefusalKind.REJECTED
