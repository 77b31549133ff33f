"""JSON-2, the blacklist, and subscriptions as records: against a server made from documentation, not a real Odoo 19."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web

from zgoda.connectors.odoo import CONNECTOR
from zgoda.kit.errors import Attention, NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.spec import Lookup
from zgoda.model.clock import FakeClock

from .conftest import Desk, Opener
from .json2_server import DATABASE, KEY, Odoo19

Serve = Callable[[web.Application], Any]
EMAIL = ("name.given", "name.family", "email", "opted_out", "opted_out_at")


@pytest.fixture
def odoo() -> Odoo19:
    return Odoo19()


@pytest.fixture
async def settings(odoo: Odoo19, serve: Serve) -> dict[str, Any]:
    return {"base_url": await serve(odoo.application()), "database": DATABASE, "api_key": KEY}


@pytest.fixture
async def desk(opener: Opener, settings: dict[str, Any]) -> Desk:
    return await opener(settings)


async def consent(desk: Desk, person: str | int) -> str:
    return (await desk.record("people", person)).values["consent:email:marketing"]


async def test_the_version_chooses_json2(desk: Desk, odoo: Odoo19):
    identity = await CONNECTOR.check(desk.session)
    assert (identity.user, identity.version, identity.account) == ("hub", "19.0", DATABASE)
    assert "crm.lead is not installed" in identity.notes
    assert not any("is not installed" in note and "mailing.subscription" in note for note in identity.notes)
    assert all(KEY not in str(body) for body in desk.sent)


@pytest.mark.parametrize("wrong", [{"api_key": "wrong-key"}, {"database": "elsewhere"}])
async def test_wrong_key_or_database_needs_a_person(opener: Opener, settings: dict[str, Any], wrong: dict[str, str]):
    desk: Desk = await opener(settings | wrong)
    with pytest.raises(NeedsAttention) as raised:
        await desk.pages("people")
    expected = Attention.CREDENTIALS if "api_key" in wrong else Attention.SCHEMA
    assert raised.value.kind is expected
    assert "wrong-key" not in str(raised.value)


async def test_write_and_read_people(desk: Desk, odoo: Odoo19):
    tagged = {"country": "PL", "keywords": ["vip"], "description": "a < b\nc"}
    good, nameless, third = await desk.write(
        "people",
        desk.created("people", given_name="Łucja", family_name="van der Żak", email="l@people.test", **tagged),
        desk.created("people", given_name=None, family_name=None, **tagged),
        desk.created("people", given_name="Jan", email="j@people.test", **tagged),
    )
    assert nameless.refusal is not None
    assert nameless.refusal.kind is RefusalKind.REJECTED
    assert odoo.records["res.partner"][int(good.id)]["comment"] == "<p>a &lt; b<br>c</p>"
    record = await desk.record("people", good.id)
    wanted = {"given_name": "Łucja", "family_name": "van der Żak", "country": "PL", "keywords": ["vip"]}
    assert {name: record.values[name] for name in wanted} == wanted
    assert record.values["description"] == "a < b\nc"
    receipt = await desk.put("people", third.id, keywords=None, given_name="Johann")
    assert receipt.refusal is None
    assert odoo.records["res.partner"][int(third.id)]["category_id"] == []
    await desk.write("people", desk.deleted(third.id))
    assert [gone.id for gone in (await desk.page("people", third.id)).removed] == [third.id]


async def test_columns_version_19_lacks_are_left_out(desk: Desk, odoo: Odoo19):
    id = await desk.add("people", given_name="Jan", mobile="1", honorific_prefix="Dr")
    record = await desk.record("people", id)
    assert "mobile" not in record.values
    assert record.faults == []


async def test_partial_success_and_replay(desk: Desk, odoo: Odoo19):
    write = desk.created("people", given_name="Jan", email="j@people.test")
    receipts = await desk.write(
        "people", write, desk.updated("people", 999, email="x"), desk.created("people", given_name="x", works_for="7")
    )
    assert [receipt.refusal and receipt.refusal.kind for receipt in receipts] == [
        None,
        RefusalKind.GONE,
        RefusalKind.REJECTED,
    ]
    assert "Anna" not in repr(receipts)
    (again,) = await desk.write("people", write)
    assert again.id == receipts[0].id
    find = desk.streams["people"].find
    assert find is not None
    assert await find(desk.session, [Lookup(key=write.key, values=write.values)]) == {write.key: again.id}


async def test_pages_and_crashes(desk: Desk, odoo: Odoo19):
    made = [str(odoo.add("res.partner", name=f"p{n}", email=f"p{n}@people.test")) for n in range(11)]
    pages = await desk.pages("people", size=5, fields=EMAIL)
    assert [row["id"] for page in pages for row in page.rows] == made
    assert pages[-1].total == 11
    odoo.pass_time(3600)
    odoo.write("res.partner", [int(id) for id in made], {"phone": "1"})
    before = await desk.pages("people", "read_changes", pages[-1].cursor, size=4, stop=2, fields=EMAIL)
    after = await desk.pages("people", "read_changes", before[-1].cursor, size=4, fields=EMAIL)
    assert [row["id"] for page in before + after for row in page.rows] == made
    odoo.pass_time(3600)
    (again,) = await desk.pages("people", "read_changes", after[-1].cursor, fields=("email",))
    assert {row["id"] for row in again.rows} == set(made)  # within the overlap
    odoo.write("res.partner", [3], {"phone": "2"})
    (moved,) = await desk.pages("people", "read_changes", again.cursor, fields=("email",))
    (last,) = await desk.pages("people", "read_changes", moved.cursor, fields=("email",))
    assert [row["id"] for row in last.rows] == ["3"]


async def test_records_with_the_newest_stamp_are_not_read_for_ever(desk: Desk, odoo: Odoo19):
    """Nobody edits anything after a big import: once its stamp is as old as the overlap, it has been read enough."""
    clock = FakeClock()
    desk.session = msgspec.structs.replace(desk.session, clock=clock)
    for n in range(3):
        odoo.add("res.partner", name=f"p{n}")
    cursor = (await desk.pages("people", fields=("email",)))[-1].cursor
    seen: list[int] = []
    for _ in range(5):
        clock.advance(200)
        (page,) = await desk.pages("people", "read_changes", cursor, fields=("email",))
        cursor = page.cursor
        seen.append(len(page.rows))
    assert seen == [3, 3, 3, 0, 0]
    odoo.pass_time(1)
    odoo.write("res.partner", [2], {"phone": "1"})
    (page,) = await desk.pages("people", "read_changes", cursor, fields=("email",))
    assert [row["id"] for row in page.rows] == ["2"]


async def test_the_blacklist_is_a_withdrawal_and_gets_one(desk: Desk, odoo: Odoo19):
    person = odoo.add("res.partner", name="Anna", email="Anna <Anna@People.test>")
    contact = odoo.add("mailing.contact", email="anna@people.test")
    subscription = odoo.add("mailing.subscription", contact_id=contact, list_id=odoo.add("mailing.list", name="News"))
    assert await consent(desk, person) == "unknown"
    await desk.put("people", person, consent="withdrawn")
    assert [(one["email"], one["active"]) for one in odoo.records["mail.blacklist"].values()] == [
        ("anna@people.test", True)
    ]
    assert odoo.records["mailing.subscription"][subscription]["opt_out"] is True
    record = await desk.record("people", person)
    assert record.values["consent:email:marketing"] == "withdrawn"
    assert record.evidence == {"consent:email:marketing": "2026-01-05 09:00:00"}
    await desk.put("people", person, consent="granted")
    assert [one["active"] for one in odoo.records["mail.blacklist"].values()] == [False]
    assert await consent(desk, person) == "unknown"
    await desk.put("people", person, consent="withdrawn")
    assert [one["active"] for one in odoo.records["mail.blacklist"].values()] == [True]


@pytest.mark.parametrize(("mode", "expected"), [("withdraws", "withdrawn"), ("list_only", "unknown")])
async def test_leaving_one_list_withdraws_only_where_wanted(
    opener: Opener, settings: dict[str, Any], odoo: Odoo19, mode: str, expected: str
):
    desk: Desk = await opener(settings | {"list_opt_out": mode})
    person = odoo.add("res.partner", name="Anna", email="anna@people.test")
    contact = odoo.add("mailing.contact", email="anna@people.test")
    odoo.add("mailing.subscription", contact_id=contact, list_id=odoo.add("mailing.list", name="News"), opt_out=True)
    assert await consent(desk, person) == expected


async def test_a_blacklisting_is_a_change_of_the_person(desk: Desk, odoo: Odoo19):
    person = odoo.add("res.partner", name="Anna", email="anna@people.test")
    cursor = (await desk.pages("people", fields=EMAIL))[-1].cursor
    odoo.pass_time(3600)
    odoo.add("mail.blacklist", email="anna@people.test")
    pages = await desk.pages("people", "read_changes", cursor, fields=EMAIL)
    assert [row["opted_out"] for page in pages for row in page.rows if row["id"] == str(person)][-1] is True
    assert pages[-1].rows or pages[-2].rows


async def test_subscriptions_are_records(desk: Desk, odoo: Odoo19):
    one, two = odoo.add("mailing.list", name="One"), odoo.add("mailing.list", name="Two")
    person = odoo.add("res.partner", name="Anna Kowalska", email="anna@people.test")
    cursor = await desk.start("subscriptions")
    write = desk.created("subscriptions", person=str(person), list=str(one), status="subscribed")
    (receipt,) = await desk.write("subscriptions", write)
    assert receipt.refusal is None
    assert odoo.records["mailing.contact"][1]["name"] == "Anna Kowalska"
    unstamped = odoo.add("mailing.subscription", contact_id=1, list_id=two, unstamped=True)
    pages = await desk.pages("subscriptions", "read_changes", cursor)
    assert {row["id"] for page in pages for row in page.rows} == {receipt.id, str(unstamped)}
    record = await desk.record("subscriptions", receipt.id)
    assert record.refs == {"person": (("people",), str(person)), "list": (("mailing_lists",), str(one))}
    await desk.put("subscriptions", receipt.id, status="unsubscribed")
    assert (await desk.record("subscriptions", receipt.id)).values["status"] == "unsubscribed"
    again = await desk.write("subscriptions", desk.created("subscriptions", person=str(person), list=str(one)))
    assert (again[0].id, again[0].created, again[0].refusal) == (receipt.id, False, None)
    assert odoo.records["mailing.subscription"][int(receipt.id)]["opt_out"] is True
    find = desk.streams["subscriptions"].find
    assert find is not None
    assert await find(desk.session, [Lookup(key="k", values=write.values)]) == {"k": receipt.id}
    await desk.write("subscriptions", desk.deleted(receipt.id))
    assert [gone.id for gone in (await desk.page("subscriptions", receipt.id)).removed] == [receipt.id]


@pytest.mark.parametrize(
    ("status", "name", "error"),
    [
        (403, "odoo.exceptions.AccessError", NeedsAttention),
        (422, "odoo.exceptions.ValidationError", NeedsAttention),
        (500, "psycopg2.errors.SerializationFailure", Temporary),
        (409, "odoo.exceptions.LockError", Temporary),
        (429, "werkzeug.exceptions.TooManyRequests", Quota),
        (401, "", NeedsAttention),
        (502, "", Temporary),
    ],
)
async def test_documented_errors(
    opener: Opener, serve: Serve, odoo: Odoo19, status: int, name: str, error: type[Exception]
):
    async def fail(request: web.Request) -> web.Response:
        text = "Anna Kowalska"
        body = {"name": name, "message": text, "arguments": [text], "context": {}, "debug": text}
        return web.json_response(body, status=status) if name else web.Response(status=status, text=f"<html>{text}")

    app = web.Application()
    app.router.add_get("/web/version", odoo.version)
    app.router.add_post("/{path:.*}", fail)
    desk: Desk = await opener({"base_url": await serve(app), "database": DATABASE, "api_key": KEY})
    with pytest.raises(error) as raised:
        await desk.pages("people")
    assert "Anna" not in str(raised.value)


@pytest.mark.parametrize("info", [["saas~18", 4, 0, "final", 0, ""], [18, 0], [], "x", None])
async def test_before_19_the_older_protocol_is_spoken(opener: Opener, serve: Serve, info: Any):
    asked: list[Any] = []

    async def version(request: web.Request) -> web.Response:
        return web.json_response({"version_info": info, "version": "?"})

    async def jsonrpc(request: web.Request) -> web.Response:
        asked.append((await request.json())["params"]["method"])
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": False})

    app = web.Application()
    app.router.add_get("/web/version", version)
    app.router.add_post("/jsonrpc", jsonrpc)
    desk: Desk = await opener({"base_url": await serve(app), "database": "d", "login": "l", "api_key": "k"})
    with pytest.raises(NeedsAttention) as raised:
        await desk.pages("people")
    assert raised.value.kind is Attention.CREDENTIALS
    assert asked == ["version", "authenticate"]
