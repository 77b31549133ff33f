"""Credentials, cut lines and nonsense between the connector and a real Odoo 11: each ends in the error that says how to
recover, and none of them says a secret or whom it was about."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from zgoda.connectors.odoo import CONNECTOR
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.spec import Lookup

from .conftest import Desk, Office, Opener

pytestmark = pytest.mark.real

Fault = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


class Gateway:
    """Stands before the real server. `plan` gives, per method of `execute_kw`, what happens to its next calls; None
    lets a call through."""

    def __init__(self, behind: str) -> None:
        self.behind, self.url = behind, ""
        self.plan: dict[str, list[Fault | None]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        args = json.loads(body)["params"]["args"] if body else []
        planned = self.plan.get(str(args[4]) if len(args) > 4 else request.path, [])
        fault = planned.pop(0) if planned else None
        return await fault(request, body) if fault else await self.forward(request, body)

    async def forward(self, request: web.Request, body: bytes) -> web.Response:
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                request.method, self.behind + request.path, data=body, headers={"Content-Type": JSON}
            ) as said,
        ):
            return web.Response(status=said.status, body=await said.read(), content_type=said.content_type)


JSON = "application/json"


def answers(status: int = 200, body: str = "", **headers: str) -> Fault:
    async def fault(request: web.Request, sent: bytes) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type="text/html", headers=headers)

    return fault


def odoo_error(name: str, text: str) -> Fault:
    data = {"name": name, "message": text, "arguments": [text], "debug": text, "exception_type": "internal_error"}
    return answers(body=json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": text, "data": data}}))


def result(value: Any) -> Fault:
    return answers(body=json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}))


@pytest.fixture
async def gateway(office: Office, serve: Callable[[web.Application], Any]) -> Gateway:
    made = Gateway(office.server.url)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    made.url = await serve(app)
    return made


@pytest.fixture
async def desk(office: Office, opener: Opener, gateway: Gateway) -> Desk:
    return await opener(office.settings(base_url=gateway.url))


async def test_wrong_password_needs_a_person(office: Office, opener: Opener):
    for wrong in ({"api_key": "wrong-secret"}, {"login": "stranger"}):
        desk: Desk = await opener(office.settings() | wrong)
        with pytest.raises(NeedsAttention) as raised:
            await CONNECTOR.check(desk.session)
        assert raised.value.kind is Attention.CREDENTIALS
        assert "wrong-secret" not in str(raised.value)


async def test_a_password_changed_meanwhile_needs_a_person(office: Office, opener: Opener):
    desk: Desk = await opener(office.settings("visitor"))
    await CONNECTOR.check(desk.session)
    user = desk.session.resources.uid
    office.change("res.users", user, password="another-secret")
    try:
        with pytest.raises(NeedsAttention) as raised:
            await desk.pages("people")
    finally:
        office.change("res.users", user, password="visitor-secret")
    assert raised.value.kind is Attention.CREDENTIALS
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "missing",
    [
        {"api_key": ""},
        {"database": ""},
        {"login": None},
        {"api_key": 7},
        {"protocol": "soap"},
        {"name_order": "x"},
        {"overlap_s": "x"},
    ],
)
async def test_settings_that_cannot_work_are_named(office: Office, opener: Opener, missing: dict[str, Any]):
    with pytest.raises(NeedsAttention) as raised:
        await (await opener({**office.settings(), "protocol": "jsonrpc"} | missing)).pages("people")
    assert raised.value.kind is Attention.SETTINGS


async def test_a_wrong_address_needs_a_person(office: Office, opener: Opener):
    with pytest.raises(NeedsAttention) as raised:
        await (await opener(office.settings(base_url=office.server.url + "/nowhere"))).pages("people")
    assert raised.value.kind is Attention.SETTINGS


async def test_an_unknown_database_may_only_be_away(office: Office, opener: Opener):
    with pytest.raises(Temporary) as raised:
        await (await opener(office.settings(database="nothere"))).pages("people")
    assert not raised.value.executed


NONSENSE = [
    answers(200, "<html>Welcome to the hotel's wireless network</html>"),
    answers(200, '{"jsonrpc": "2.0", "result": [{"id": 1, "na'),
    answers(200, "[]"),
    answers(200, '{"error": []}'),
    answers(200, '{"error": {"data": {"name": 7}}}'),
    answers(200, "[" * 100_000),
    result("surprise"),
    result([{"name": "no id"}]),
    result([7]),
    result([{"id": True}]),
    result([{"id": 1, "write_date": "yesterday"}]),
]


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_is_temporary(desk: Desk, gateway: Gateway, nonsense: Fault):
    await desk.pages("mailing_lists")
    gateway.plan["search_read"] = [nonsense]
    with pytest.raises(Temporary):
        await desk.pages(
            "mailing_lists", "read_changes", {"records": {"since": "2020-01-01 00:00:00", "top": 0, "after": 0}}
        )


@pytest.mark.parametrize("method", ["fields_get", "search_count", "/web/version"])
@pytest.mark.parametrize("nonsense", [result("x"), result(None), result([]), answers(200, "{}")])
async def test_nonsense_anywhere_is_no_crash(desk: Desk, gateway: Gateway, method: str, nonsense: Fault):
    gateway.plan[method] = [nonsense]
    with suppress(Temporary, NeedsAttention):
        await desk.pages("mailing_lists")
    assert not gateway.plan[method]


async def test_too_many_requests(desk: Desk, gateway: Gateway):
    await desk.pages("mailing_lists")
    gateway.plan["search_read"] = [answers(429), answers(429, **{"Retry-After": "0.2"})]
    for wait_s in (None, 0.2):
        with pytest.raises(Quota) as raised:
            await desk.pages("mailing_lists", "read_changes")
        assert raised.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_failing_server_is_temporary(desk: Desk, gateway: Gateway, status: int):
    await desk.pages("mailing_lists")
    gateway.plan["search_read"] = [answers(status, "<html>Anna is down</html>", **{"Retry-After": "7"})]
    with pytest.raises(Temporary) as raised:
        await desk.pages("mailing_lists")
    assert raised.value.retry_after_s == 7
    assert "Anna" not in str(raised.value)


async def test_a_busy_database_has_done_nothing(desk: Desk, gateway: Gateway, mark: str):
    await desk.pages("people", fields=("email",))
    gateway.plan["load"] = [odoo_error("psycopg2.extensions.TransactionRollbackError", "could not serialize access")]
    with pytest.raises(Temporary) as raised:
        await desk.write("people", desk.created("people", given_name=mark))
    assert not raised.value.executed


async def test_a_locked_row_is_that_records_trouble_only(desk: Desk, gateway: Gateway, mark: str):
    text = "could not serialize access due to concurrent update\nDETAIL: Anna"
    locked = {"ids": False, "messages": [{"type": "error", "record": 0, "rows": {"from": 0, "to": 0}, "message": text}]}
    gateway.plan["load"] = [result(locked), None, result(locked)]
    receipts = await desk.write(
        "people", desk.created("people", given_name=mark), desk.created("people", given_name=f"{mark} b")
    )
    first = receipts[0].refusal
    assert first is not None
    assert first.kind is RefusalKind.TEMPORARY
    assert receipts[1].refusal is None
    assert "Anna" not in repr(first)


async def test_errors_never_quote_odoo(desk: Desk, gateway: Gateway, mark: str):
    """Odoo's texts, arguments and traces carry whole records."""
    await desk.pages("people", fields=("email",))
    secret = f"Failing row contains ({mark}, hub-secret)"
    for name in ("odoo.exceptions.ValidationError", "builtins.KeyError", "odoo.exceptions.AccessError", "X", secret):
        gateway.plan["search_read"] = [odoo_error(name, secret)]
        with pytest.raises(ConnectorError) as raised:
            await desk.pages("people", "read_changes", fields=("email",))
        assert mark not in f"{raised.value} {getattr(raised.value, 'do', '')}"
        assert "secret" not in repr(raised.value)
    gateway.plan["load"] = [result({"ids": False, "messages": [{"type": "error", "message": secret}]})] * 2
    (receipt,) = await desk.write("people", desk.created("people", given_name=mark))
    assert receipt.refusal is not None
    assert mark not in repr(receipt)


async def test_a_lost_answer_is_found_again(office: Office, desk: Desk, gateway: Gateway, mark: str):
    """Odoo has made the record, the line is cut before it says so; neither look-up nor repetition makes a second."""

    async def cut(request: web.Request, body: bytes) -> web.StreamResponse:
        await gateway.forward(request, body)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    await desk.pages("people", fields=("email",))
    write = desk.created("people", given_name=mark)
    gateway.plan["load"] = [cut]
    with pytest.raises(Temporary) as raised:
        await desk.write("people", write)
    assert raised.value.executed
    find = desk.streams["people"].find
    assert find is not None
    found = await find(desk.session, [Lookup(key=write.key, values=write.values)])
    assert found.keys() == {write.key}
    (receipt,) = await desk.write("people", write)
    assert receipt.id == found[write.key]
    assert office.admin.call("res.partner", "search_count", [["name", "=", mark]]) == 1


async def test_what_was_done_before_a_failure_keeps_its_receipt(desk: Desk, gateway: Gateway, mark: str):
    """Different columns go in different calls; the second fails."""
    await desk.pages("people", fields=("email",))
    gateway.plan["load"] = [None, answers(503)]
    done, lost = await desk.write(
        "people",
        desk.created("people", given_name=mark, email=f"{mark}@people.test"),
        desk.created("people", given_name=mark, telephone="1"),
    )
    assert done.id
    assert done.refusal is None
    assert lost.refusal is not None
    assert lost.refusal.kind is RefusalKind.TEMPORARY


async def test_the_first_failure_is_the_whole_calls(desk: Desk, gateway: Gateway, mark: str):
    await desk.pages("people", fields=("email",))
    gateway.plan["load"] = [answers(503)]
    with pytest.raises(Temporary):
        await desk.write("people", desk.created("people", given_name=mark), desk.created("people", telephone="1"))


async def test_a_complaint_without_a_row_is_halved(desk: Desk, gateway: Gateway, mark: str):
    nobody = result({"ids": False, "messages": [{"type": "error", "message": "?"}]})
    gateway.plan["load"] = [nobody]
    writes = [desk.created("people", given_name=f"{mark} {n}") for n in range(4)]
    assert all(receipt.refusal is None and receipt.id for receipt in await desk.write("people", *writes))


@pytest.mark.parametrize("odd", [result({"ids": [1, 2]}), result({"ids": ["x"]}), result("x"), result({"ids": [None]})])
async def test_an_odd_receipt_is_an_unknown_outcome(desk: Desk, gateway: Gateway, mark: str, odd: Fault):
    await desk.pages("people", fields=("email",))
    gateway.plan["load"] = [odd]
    with pytest.raises(Temporary) as raised:
        await desk.write("people", desk.created("people", given_name=mark))
    assert raised.value.executed


async def test_a_model_that_is_not_installed_is_named(desk: Desk, gateway: Gateway):
    gateway.plan["fields_get"] = [odoo_error("odoo.exceptions.UserError", "Object doesn't exist")]
    with pytest.raises(NeedsAttention) as raised:
        await desk.pages("mailing_lists")
    assert "mailing.list" in str(raised.value)
