"""Credentials, rights, limits, and answers that are none: each ends in the error that says how to recover."""

from __future__ import annotations

from typing import Any

import pytest

from zgoda.connectors.mailchimp import CONNECTOR
from zgoda.connectors.mailchimp.account import base_url
from zgoda.kit.connection import open_connection
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, Temporary
from zgoda.kit.spec import Write
from zgoda.model.clock import FakeClock

from .conftest import Desk, Opener, rows_of

ADDRESS = "very.private@person.example"


async def read(desk: Desk) -> None:
    await desk.read("members", "read_changes")


async def make(desk: Desk) -> None:
    await desk.write("members", Write(key="k", op="create", values={"email_address": ADDRESS}))


async def change(desk: Desk) -> None:
    row = desk.members()[0]
    write = Write(key="k", op="update", id=row["contact_id"], values={"merge_fields": {"FNAME": ADDRESS}})
    await desk.write("members", write)


async def archive(desk: Desk) -> None:
    await desk.write("members", Write(key="k", op="delete", id=desk.members()[0]["contact_id"]))


async def look(desk: Desk) -> None:
    await desk.read_ids("members", desk.members()[0]["contact_id"])


LIMITS = ("too_many_seconds", "too_many_date", "too_many_bare", "too_many_far", "too_many_garbage", "too_many_html")
DOWN = ("status_500", "status_502", "status_503", "status_503_html", "status_504", "reset_before", "failed_after")
NONSENSE = (
    "reset_after",
    "cut_body",
    "html_200",
    "truncated_json",
    "invalid_json",
    "json_nan",
    "json_deep",
    "json_lone_surrogate",
    "json_other_charset",
)


@pytest.mark.parametrize("deed", [read, make, change, archive, look])
@pytest.mark.parametrize(
    ("fault", "error"),
    [(name, Quota) for name in (*LIMITS, "quota_gone")]
    + [(name, Temporary) for name in DOWN]
    + [("rights_missing", NeedsAttention)],
)
async def test_failures_by_recovery(desk: Desk, deed: Any, fault: str, error: type[ConnectorError]):
    desk.user_adds("known@person.example")
    desk.twin.arm(fault)
    with pytest.raises(error) as raised:
        await deed(desk)
    silent(raised.value, desk)


@pytest.mark.parametrize("fault", NONSENSE)
@pytest.mark.parametrize("deed", [read, make, change, look])
async def test_answers_that_are_none(desk: Desk, deed: Any, fault: str):
    desk.user_adds("known@person.example")
    desk.twin.arm(fault)
    with pytest.raises(Temporary) as raised:
        await deed(desk)
    assert raised.value.executed is (deed in (make, change))
    silent(raised.value, desk)


@pytest.mark.parametrize("fault", ["empty_page", "half_page", "repeated_page", "shifted_page"])
async def test_pages_that_lie_lose_nobody_silently(desk: Desk, fault: str):
    """Either the read fails, or what it brought is told to be less than the vendor's total, or it is all."""
    desk.twin.fill(60)
    desk.twin.arm(fault, skip=2, times=1)
    try:
        pages = await desk.read("members", "read_all", size=10)
    except Temporary:
        return
    met = {row["contact_id"] for row in rows_of(pages)}
    assert met == {row["contact_id"] for row in desk.members()} or len(met) < (pages[-1].total or 0)


async def test_a_vendor_that_never_gets_on_ends(desk: Desk):
    desk.twin.fill(60)
    desk.twin.arm("cursor_loop")
    with pytest.raises(Temporary):
        await desk.read("members", "read_all", size=10)


async def test_an_empty_answer_is_no_empty_audience(desk: Desk):
    desk.twin.arm("list_204")
    with pytest.raises(Temporary):
        await read(desk)


async def test_retry_after_is_the_vendors_word(desk: Desk):
    desk.twin.arm("too_many_seconds", retry_after_s=7)
    with pytest.raises(Quota) as raised:
        await read(desk)
    assert raised.value.retry_after_s == 7
    desk.clock.advance(10)
    desk.twin.clear_faults()
    desk.twin.arm("too_many_bare")
    with pytest.raises(Quota) as raised:
        await read(desk)
    assert raised.value.retry_after_s is None


@pytest.mark.parametrize("wrong", [{"api_key": "0" * 32 + "-us1"}, {"api_key": "", "access_token": "wrong"}])
async def test_wrong_credentials_need_a_person(opener: Opener, wrong: dict[str, str]):
    desk = await opener(**wrong)
    with pytest.raises(NeedsAttention) as raised:
        await read(desk)
    assert raised.value.kind is Attention.CREDENTIALS
    silent(raised.value, desk)


@pytest.mark.parametrize("missing", ["audience", "base_url", "api_key"])
async def test_missing_settings_are_told_before_any_call(desk: Desk, clock: FakeClock, missing: str):
    settings = {"audience": "a", "base_url": "http://127.0.0.1:9", "api_key": "k-us7", missing: ""}
    with pytest.raises(NeedsAttention) as raised:
        async with open_connection("news", CONNECTOR, settings, clock):
            pass
    assert raised.value.kind is Attention.SETTINGS


def test_the_key_tells_the_address():
    assert base_url({"api_key": "0" * 32 + "-us21"}) == "https://us21.api.mailchimp.com/3.0"
    assert base_url({"api_key": "x-us21", "base_url": "http://here"}) == "http://here"
    for odd in ("", "nodash", "x-us21.evil.example", "x-us21/"):
        with pytest.raises(NeedsAttention):
            base_url({"api_key": odd})


async def test_check_tells_who_we_are(desk: Desk, opener: Opener):
    identity = await CONNECTOR.check(desk.session)
    assert identity.account.endswith("/" + desk.twin.list_id)
    assert identity.notes == ()
    bare = await opener(webhook_secret="")
    assert any("webhook_secret" in note for note in (await CONNECTOR.check(bare.session)).notes)
    elsewhere = await opener(audience="ffffffffff")
    with pytest.raises(NeedsAttention) as raised:
        await CONNECTOR.check(elsewhere.session)
    assert raised.value.kind is Attention.SETTINGS


async def test_a_dropped_field_shows_in_the_schema(desk: Desk):
    stream = desk.streams["members"]
    fields = {field.name: field for field in (await CONNECTOR.discover(desk.session, stream)).fields}
    assert desk.mapping("members").vendor_fields
    assert set(desk.mapping("members").vendor_fields) <= fields.keys()
    assert fields["email_address"].required
    assert not fields["contact_id"].writable
    assert fields["status"].open_choices is False
    assert "merge_fields.NOPE" not in fields
    receipt = await desk.create("members", email_address="a@b.example", merge_fields={"NOPE": "x", "FNAME": "Ann"})
    assert "NOPE" not in desk.member(receipt)["merge_fields"]


async def test_every_stream_can_be_described(desk: Desk):
    for stream in desk.streams.values():
        described = await CONNECTOR.discover(desk.session, stream)
        assert set(desk.mapping(stream.name).vendor_fields) <= {field.name for field in described.fields}
        assert described.creatable is ("create" in stream.can)


def silent(error: ConnectorError, desk: Desk) -> None:
    """No secret and no personal data in what people may read."""
    text = f"{error} {error!r} {getattr(error, 'do', '')}"
    for word in (desk.twin.connection()["api_key"], ADDRESS, "known@person.example", "person.example"):
        assert word not in text
