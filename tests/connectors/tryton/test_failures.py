"""Everything that goes wrong on the way, sorted by how one recovers; the server behind the line is real."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from tests.connectors.tryton.conftest import Hub, rows_of
from tests.connectors.tryton.line import cut, truncated
from tools.real import Server, TrytonCalls

from zgoda.connectors.tryton import CONNECTOR
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Quota, RefusalKind, Temporary
from zgoda.kit.spec import Lookup, Write

pytestmark = pytest.mark.real

OpenHub = Callable[..., Awaitable[Hub]]


async def failure_of(work: Awaitable[Any]) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await work
    return caught.value


def in_json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")


async def test_check_tells_who_we_are(hub: Hub, server: Server) -> None:
    identity = await CONNECTOR.check(hub.session)
    assert identity.user == server.user
    assert identity.account.startswith(f"{server.database} of 20")
    assert identity.version.startswith("8.")
    assert not any("administrator" in note for note in identity.notes)


async def test_wrong_password_needs_a_person(open_hub: OpenHub) -> None:
    hub = await open_hub(user="nobody", password="wrong-secret-1")
    error = await failure_of(CONNECTOR.check(hub.session))
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.CREDENTIALS
    assert "wrong-secret-1" not in str(error)


async def test_unknown_database_is_a_setting(open_hub: OpenHub) -> None:
    error = await failure_of(CONNECTOR.check((await open_hub(database="no/such")).session))
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.SETTINGS


async def test_bad_settings_name_the_setting_only(open_hub: OpenHub) -> None:
    for wrong in ({"name_order": "upside-down"}, {"password": ["s3cret"]}):
        error = await failure_of(open_hub(**wrong))
        assert isinstance(error, NeedsAttention)
        assert error.kind is Attention.SETTINGS
        assert next(iter(wrong)) in str(error)
        assert "s3cret" not in str(error)


async def test_an_ended_session_is_renewed_once(hub: Hub) -> None:
    await hub.all("lists")
    before = len(hub.line.calls_of("db.login"))
    hub.line.answer_instead("search_count", web.Response(status=401))
    await hub.all("lists")
    assert len(hub.line.calls_of("db.login")) == before + 1
    for _ in range(2):
        hub.line.answer_instead("search_count", web.Response(status=401))
    error = await failure_of(hub.all("lists"))
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.CREDENTIALS


async def test_too_many_log_ins(open_hub: OpenHub) -> None:
    hub = await open_hub()
    hub.line.answer_instead("db.login", web.Response(status=429, text="<html>"))
    error = await failure_of(hub.all("lists"))
    assert isinstance(error, Quota)
    assert error.retry_after_s == 300.0, "as long as failed tries count"


async def test_quota_without_retry_after(hub: Hub) -> None:
    hub.line.answer_instead("search_count", web.Response(status=429))
    error = await failure_of(hub.all("lists"))
    assert isinstance(error, Quota)
    assert error.retry_after_s is None


async def test_a_second_factor_needs_a_person(open_hub: OpenHub) -> None:
    hub = await open_hub()
    asks = {"id": 0, "error": ["LoginException", ["sms_code", "SMS code", "char"]]}
    hub.line.answer_instead("db.login", in_json(asks))
    error = await failure_of(hub.all("lists"))
    assert isinstance(error, NeedsAttention)
    assert error.kind is Attention.CREDENTIALS


async def test_quota_with_retry_after(hub: Hub) -> None:
    hub.line.answer_instead("search_count", web.Response(status=429, headers={"Retry-After": "0"}))
    error = await failure_of(hub.all("lists"))
    assert isinstance(error, Quota)
    assert error.retry_after_s == 0.0


@pytest.mark.parametrize(
    ("answer", "executed"),
    [
        (web.Response(status=503, text="locked"), False),
        (web.Response(status=504, text="<html>"), True),
        (web.Response(status=200, text="<html>Welcome</html>"), True),
        (web.Response(status=200, text="[1, 2]"), True),
        (web.Response(status=200, text='{"id": 1}'), True),
        (web.Response(status=200, text='{"id": 1, "result": "ten"}'), True),
        (web.Response(status=200, text='{"id": 1, "result": [true]}'), True),
        (web.Response(status=200, text='{"id": 1, "error": 7}'), True),
        (web.Response(status=200, text='{"id": 1, "result": [{"__class__": "datetime", "year": "x"}]}'), False),
    ],
)
async def test_nonsense_is_temporary(hub: Hub, unique: str, answer: web.Response, executed: bool) -> None:
    hub.line.answer_instead("party.party.create", answer)
    write = Write(key="k", op="create", values={"family_name": unique})
    error = await failure_of(hub.write("people", write))
    assert isinstance(error, Temporary)
    assert error.executed is executed


@pytest.mark.parametrize(
    "result",
    [
        "text",
        [{"name": "no id"}],
        [{"id": "7"}],
        [7],
        [{"id": 7, "active": 1, "contact_mechanisms.": "none"}],
        [{"id": 7, "active": 1, "categories.": [3]}],
    ],
)
async def test_hostile_rows_are_temporary(hub: Hub, result: Any) -> None:
    hub.line.answer_instead("party.party.search_read", in_json({"id": 1, "result": result}))
    assert isinstance(await failure_of(hub.all("people")), Temporary)


async def test_truncated_and_cut_answers(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    for how in (truncated, cut):
        values = {"family_name": unique, "email": f"{how.__name__}-{unique}@example.org"}
        hub.line.disturb("party.party.create", how)
        error = await failure_of(hub.write("people", Write(key="k", op="create", values=values)))
        assert isinstance(error, Temporary)
        assert error.executed
        find = hub.stream("people").find
        assert find is not None
        found = await find(hub.session, [Lookup(key="k", values=values)])
        assert calls.call("model.party.party.read", [int(found["k"])], ["email"], {})[0]["email"] == values["email"]


async def test_done_receipts_survive_a_later_failure(hub: Hub, unique: str) -> None:
    id = await hub.create("people", family_name=unique)
    hub.line.answer_instead("party.party.write", web.Response(status=503))
    receipts = await hub.write(
        "people",
        Write(key="new", op="create", values={"family_name": unique}),
        Write(key="old", op="update", id=id, values={"given_name": "A"}),
    )
    assert receipts["new"].refusal is None
    assert receipts["old"].refusal is not None
    assert receipts["old"].refusal.kind is RefusalKind.TEMPORARY


async def test_a_lost_create_in_a_split_batch_is_told(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """Some of a refused batch is in already when an answer is lost: nothing may be repeated before it is looked for."""
    calls.call("model.party.party.create", [{"name": unique, "code": f"T-{unique}"}], {})
    values = [{"family_name": f"{unique} {n}", "email": f"{n}-{unique}@example.org"} for n in range(4)]
    writes = [Write(key=str(n), op="create", values=one) for n, one in enumerate(values)]
    writes.append(Write(key="bad", op="create", values={"family_name": unique, "code": f"T-{unique}"}))
    hub.line.disturb("party.party.create", lambda answer: web.Response(body=answer, content_type="application/json"))
    hub.line.disturb("party.party.create", lambda answer: web.Response(body=answer, content_type="application/json"))
    hub.line.disturb("party.party.create", cut)
    error = await failure_of(hub.write("people", *writes))
    assert isinstance(error, Temporary)
    assert error.executed
    find = hub.stream("people").find
    assert find is not None
    found = await find(hub.session, [Lookup(key=str(n), values=one) for n, one in enumerate(values)])
    there = calls.call("model.party.party.search", [["name", "like", f"{unique}_%"]], 0, None, None, {})
    assert sorted(found.values()) == sorted(map(str, there))
    assert found


async def test_nobody_there(open_hub: OpenHub) -> None:
    hub = await open_hub(base_url="http://127.0.0.1:9")
    error = await failure_of(hub.all("people"))
    assert isinstance(error, Temporary)
    assert not error.executed


async def test_missing_rights(open_hub: OpenHub, calls: TrytonCalls, unique: str) -> None:
    login = {"name": unique, "login": unique, "password": f"secret-{unique}-77", "email": f"{unique}@example.org"}
    calls.call("model.res.user.create", [login], {})
    hub = await open_hub(user=unique, password=login["password"])
    identity = await CONNECTOR.check(hub.session)
    assert any("no administrator" in note for note in identity.notes)
    assert any(note.startswith("opportunities: no right to read") for note in identity.notes)
    for work in (hub.all("subscriptions"), hub.deletes("people")):
        error = await failure_of(work)
        assert isinstance(error, NeedsAttention)
        assert error.kind is Attention.RIGHTS
    writes = [Write(key=str(n), op="create", values={"description": unique}) for n in range(8)]
    receipts = await hub.write("opportunities", *writes)
    assert {receipt.refusal.kind for receipt in receipts.values() if receipt.refusal} == {RefusalKind.RIGHTS}
    assert len(hub.line.calls_of("sale.opportunity.create")) == 1, "a missing right is not tried record by record"
    assert rows_of(await hub.all("people", fields=("given_name",)))


async def test_unknown_columns_name_the_field(hub: Hub) -> None:
    error = await failure_of(hub.all("people", fields=("given_name", "shoe_size")))
    assert isinstance(error, NeedsAttention)
    assert (error.kind, error.fields) == (Attention.SCHEMA, ("shoe_size",))


async def test_refusals_quote_no_values(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    calls.call("model.party.party.create", [{"name": unique, "code": f"S-{unique}"}], {})
    secret = f"Geheim-{unique}"
    receipts = await hub.write(
        "people",
        Write(key="a", op="create", values={"family_name": secret, "code": f"S-{unique}"}),
        Write(key="b", op="create", values={"family_name": secret, "language": f"{secret}"}),
        Write(key="c", op="create", values={"family_name": secret, "lang": secret}),
    )
    assert all(receipt.refusal is not None for receipt in receipts.values())
    assert secret not in repr(receipts)
    assert hub.connection.session.settings.password not in repr(receipts)


async def test_discover_describes_fields(hub: Hub) -> None:
    people = await CONNECTOR.discover(hub.session, hub.stream("people"))
    fields = {field.name: field for field in people.fields}
    assert fields["given_name"].writable
    assert fields["works_for"].writable
    assert fields["works_for"].refers_to == ("organizations",)
    assert fields["replaced_by"].writable is False
    assert (people.readable, people.creatable, people.deletable) == (True, True, True)
    deals = await CONNECTOR.discover(hub.session, hub.stream("opportunities"))
    state = next(field for field in deals.fields if field.name == "state")
    assert ("lead", "Lead") in state.choices
    for stream in hub.connection.streams.values():
        known = {field.name for field in (await CONNECTOR.discover(hub.session, stream)).fields}
        assert set(hub.fields(stream.name)) <= known, "the default mapping names only what is there"
