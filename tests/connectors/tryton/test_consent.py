"""Mailing lists, subscriptions and consent on a real Tryton."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.connectors.tryton.conftest import ANY, Hub, rows_of
from tools.real import Server, TrytonCalls

from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Write

pytestmark = pytest.mark.real


def subscribed(calls: TrytonCalls, email: str) -> dict[int, bool]:
    """List -> active, for an address."""
    domain = [["email", "=", email], ANY]
    found = calls.call("model.marketing.email.search_read", domain, 0, None, None, ["list_", "active"], {})
    return {one["list_"]: bool(one["active"]) for one in found}


def new_list(calls: TrytonCalls, name: str) -> int:
    [id] = calls.call("model.marketing.email.list.create", [{"name": name}], {})
    return id


def subscribe(calls: TrytonCalls, email: str, list_id: int) -> int:
    [id] = calls.call("model.marketing.email.create", [{"email": email, "list_": list_id}], {})
    return id


async def test_granted_and_withdrawn_round_trip(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    email = f"Person-{unique}@example.org"
    id = await hub.create("people", family_name=unique, email=email, email_consent="granted")
    row = await hub.row("people", id)
    mapped = hub.mapping("people").read(row)
    assert mapped.values["consent:email:marketing"] == "granted"
    assert mapped.evidence["consent:email:marketing"].startswith("20")
    assert list(subscribed(calls, email.lower()).values()) == [True]
    news = new_list(calls, f"News {unique}")
    subscribe(calls, email, news)
    start = (await hub.changes("people"))[-1].cursor
    assert (await hub.update("people", id, email_consent="withdrawn")).refusal is None
    assert not any(subscribed(calls, email.lower()).values()), "every list of the address"
    assert rows_of(await hub.changes("people", cursor=start))[id]["email_consent"] == "withdrawn"
    assert (await hub.update("people", id, email_consent="granted")).refusal is None
    assert (await hub.row("people", id))["email_consent"] == "granted"
    assert subscribed(calls, email.lower())[news] is False, "the list they left stays left"


async def test_an_opt_out_without_a_record_is_kept(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    email = f"{unique}@example.org"
    id = await hub.create("people", family_name=unique, email=email, email_consent="withdrawn")
    assert list(subscribed(calls, email).values()) == [False]
    assert (await hub.row("people", id))["email_consent"] == "withdrawn"


async def test_tryton_users_decisions_are_read(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    email, news = f"{unique}@example.org", new_list(calls, f"News {unique}")
    other = new_list(calls, f"Other {unique}")
    id = await hub.create("people", family_name=unique, email=email)
    record = subscribe(calls, email, news)
    assert (await hub.row("people", id))["email_consent"] == "unknown", "a list is no general consent"
    start = (await hub.changes("people"))[-1].cursor
    calls.call("model.marketing.email.write", [record], {"active": False}, {})
    changed = rows_of(await hub.changes("people", cursor=start))
    assert changed[id]["email_consent"] == "withdrawn", "they left every list"
    assert changed[id]["modified"] == changed[id]["email_consent_at"]
    subscribe(calls, email, other)
    assert (await hub.row("people", id))["email_consent"] == "unknown", "they still want one"


async def test_withdrawal_wins_for_a_shared_address(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    email = f"{unique}@example.org"
    values: dict[str, Any] = {"family_name": unique, "email": email}
    receipts = await hub.write(
        "people",
        Write(key="no", op="create", values={**values, "email_consent": "withdrawn"}),
        Write(key="yes", op="create", values={**values, "email_consent": "granted"}),
        Write(key="maybe", op="create", values={**values, "email_consent": "pending"}),
        Write(key="none", op="create", values={"family_name": unique, "email_consent": "withdrawn"}),
    )
    assert all(receipt.refusal is None for receipt in receipts.values())
    assert list(subscribed(calls, email).values()) == [False]


async def test_withdrawal_stops_marketing_scenarios(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    id = await hub.create("people", family_name=unique, email=f"{unique}@example.org")
    scenario = {"name": unique, "model": "party.party", "domain": f'[["id", "=", {id}]]'}
    [running] = calls.call("model.marketing.automation.scenario.create", [scenario], {})
    record = {"scenario": running, "record": f"party.party,{id}"}
    [run] = calls.call("model.marketing.automation.record.create", [record], {})
    assert (await hub.update("people", id, email_consent="withdrawn")).refusal is None
    [party] = calls.call("model.party.party.read", [int(id)], ["marketing_scenario_unsubscribed"], {})
    assert running in party["marketing_scenario_unsubscribed"]
    [stopped] = calls.call("model.marketing.automation.record.read", [run], ["blocked"], {})
    assert stopped["blocked"]


async def test_consent_comes_before_the_person(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """If the person is refused, the withdrawal stands."""
    email = f"{unique}@example.org"
    id = await hub.create("people", family_name=unique, email=email, email_consent="granted")
    calls.call("model.party.party.create", [{"name": unique, "code": f"C-{unique}"}], {})
    refused = await hub.update("people", id, email_consent="withdrawn", code=f"C-{unique}")
    assert refused.refusal is not None
    assert list(subscribed(calls, email).values()) == [False]
    methods = [body["method"] for body in hub.line.asked]
    assert methods.index("model.marketing.email.write") < methods.index("model.party.party.write")


async def test_unconfirmed_addresses_are_pending(hub: Hub, calls: TrytonCalls, server: Server, unique: str) -> None:
    """Tryton's `request_subscribe` makes an archived record, which a call may not; so the table is set to that."""
    email = f"{unique}@example.org"
    id = await hub.create("people", family_name=unique, email=email, email_consent="granted")
    subscribe(calls, email, new_list(calls, f"News {unique}"))
    with closing(sqlite3.connect(server.folder / f"{server.database}.sqlite")) as database, database:
        database.execute("UPDATE marketing_email SET active = 0 WHERE email = ?", [email])
    assert (await hub.row("people", id))["email_consent"] == "pending"
    [row] = [one for one in rows_of(await hub.all("subscriptions")).values() if one["person"] == id]
    assert row["status"] == "pending"


async def test_the_consent_list_is_no_mailing_list(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """Else a list membership that goes away elsewhere would take the consent with it."""
    email = f"{unique}@example.org"
    lists, subscriptions = (await hub.changes("lists"))[-1].cursor, (await hub.changes("subscriptions"))[-1].cursor
    await hub.create("people", family_name=unique, email=email, email_consent="granted")
    [consent_list] = subscribed(calls, email)
    [name] = [row["name"] for row in calls.call("model.marketing.email.list.read", [consent_list], ["name"], {})]
    assert str(consent_list) not in rows_of(await hub.all("lists"))
    assert str(consent_list) not in rows_of(await hub.changes("lists", cursor=lists))
    everything = [*await hub.all("subscriptions"), *await hub.changes("subscriptions", cursor=subscriptions)]
    assert str(consent_list) not in {row["list"] for row in rows_of(everything).values()}
    second = (await hub.write("lists", Write(key="l", op="create", values={"name": name})))["l"]
    assert second.refusal is not None
    assert (second.refusal.code, second.refusal.fields) == ("consent_list", ("name",))


async def test_nobody_who_withdrew_is_put_on_a_list(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """Tryton mails whoever is on a list; it does not ask for the consent of elsewhere."""
    email = f"{unique}@example.org"
    first, second = new_list(calls, f"First {unique}"), new_list(calls, f"Second {unique}")
    left = str(subscribe(calls, email, first))
    person = await hub.create("people", family_name=unique, email=email, email_consent="withdrawn")
    added = await hub.create("subscriptions", person=person, list=str(second), status="subscribed")
    again = await hub.update("subscriptions", left, status="subscribed")
    assert again.refusal is not None
    assert (again.refusal.code, again.refusal.fields) == ("withdrawn", ("status",))
    assert [row["status"] for row in (await hub.by_id("subscriptions", left, added)).rows] == ["unsubscribed"] * 2
    assert not any(subscribed(calls, email).values())
    assert (await hub.update("people", person, email_consent="granted")).refusal is None
    assert (await hub.update("subscriptions", left, status="subscribed")).refusal is None
    assert subscribed(calls, email)[first] is True


async def test_lists(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    id = await hub.create("lists", name=f"Łist {unique}")
    row = await hub.row("lists", id)
    assert (row["name"], row["is_static"]) == (f"Łist {unique}", True)
    assert (await hub.update("lists", id, name=f"New {unique}", expected=row["version"])).refusal is None
    assert rows_of(await hub.all("lists"))[id]["name"] == f"New {unique}"
    find = hub.stream("lists").find
    assert find is not None
    assert await find(hub.session, [Lookup(key="k", values={"name": f"New {unique}"})]) == {"k": id}
    start = (await hub.changes("lists"))[-1].cursor
    assert (await hub.write("lists", Write(key="d", op="delete", id=id)))["d"].refusal is None
    pages = await hub.changes("lists", cursor=start)
    assert [gone.id for page in pages for gone in page.removed] == [id]
    gone = await hub.update("lists", id, name="x")
    assert gone.refusal is not None
    assert gone.refusal.kind is RefusalKind.GONE


async def test_subscriptions(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    list_id = new_list(calls, f"News {unique}")
    a = await hub.create("people", family_name=unique, email=f"A-{unique}@Example.org")
    b = await hub.create("people", family_name=unique, email=f"b-{unique}@example.org")
    c = await hub.create("people", family_name=unique)
    start = (await hub.changes("subscriptions"))[-1].cursor
    on: dict[str, Any] = {"list": str(list_id), "status": "subscribed"}
    receipts = await hub.write(
        "subscriptions",
        Write(key="a", op="create", values={**on, "person": a}),
        Write(key="b", op="create", values={**on, "person": b, "status": "unsubscribed"}),
        Write(key="c", op="create", values={**on, "person": c}),
    )
    assert receipts["c"].refusal is not None
    assert receipts["c"].refusal.code == "no_email"
    rows = rows_of(await hub.changes("subscriptions", cursor=start))
    first, second = rows[receipts["a"].id], rows[receipts["b"].id]
    assert (first["person"], first["list"], first["status"]) == (a, str(list_id), "subscribed")
    assert (second["person"], second["status"]) == (b, "unsubscribed")
    find = hub.stream("subscriptions").find
    assert find is not None
    lookups = [Lookup(key="a", values={**on, "person": a}), Lookup(key="c", values={**on, "person": c})]
    assert await find(hub.session, lookups) == {"a": receipts["a"].id}
    again = await hub.write(
        "subscriptions",
        Write(key="a", op="create", values={**on, "person": a}),
        Write(key="b", op="create", values={**on, "person": b}),
    )
    assert (again["a"].id, again["a"].created) == (receipts["a"].id, False)
    assert again["b"].refusal is not None, "a create does not undo an opt-out"
    assert (again["b"].refusal.kind, again["b"].refusal.moved_to) == (RefusalKind.EXISTS, receipts["b"].id)
    changed = await hub.write(
        "subscriptions",
        Write(key="off", op="update", id=first["id"], values={"status": "unsubscribed"}, expected=first["version"]),
        Write(key="keep", op="delete", id=second["id"], expected=second["version"]),
        Write(key="gone", op="update", id="999999", values={"status": "subscribed"}),
        Write(key="odd", op="update", id=second["id"], values={"status": "pending"}),
    )
    assert changed["off"].refusal is None
    assert {key: one.refusal.code for key, one in changed.items() if one.refusal} == {
        "gone": "missing_record",
        "odd": "bad_value",
    }
    assert subscribed(calls, f"a-{unique}@example.org")[list_id] is False
    assert (await hub.update("people", a, email_consent="granted")).refusal is None, "they left their only list"
    assert (await hub.update("subscriptions", first["id"], status="subscribed")).refusal is None
    assert (await hub.write("subscriptions", Write(key="d", op="delete", id=first["id"])))["d"].refusal is None
    assert [gone.id for gone in (await hub.by_id("subscriptions", first["id"])).removed] == [first["id"]]
    assert rows_of(await hub.all("subscriptions"))[second["id"]]["status"] == "unsubscribed", "an opt-out is kept"


async def test_t_21_a_subscription_follows_a_merge(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """Its person becomes the survivor, and so does its address: the old one must not be mailed besides."""
    news, offers = new_list(calls, f"News {unique}"), new_list(calls, f"Offers {unique}")
    survivor = await hub.create("people", family_name=unique, email=f"new-{unique}@example.org")
    refusing = await hub.create(
        "people", family_name=unique, email=f"no-{unique}@example.org", email_consent="withdrawn"
    )
    nobody = await hub.create("people", family_name=unique)
    old = {list_id: str(subscribe(calls, f"old-{unique}@example.org", list_id)) for list_id in (news, offers)}
    subscribe(calls, f"new-{unique}@example.org", offers)
    moved = await hub.write(
        "subscriptions",
        Write(key="moved", op="update", id=old[news], values={"person": survivor}),
        Write(key="double", op="update", id=old[offers], values={"person": survivor}),
    )
    assert all(receipt.refusal is None for receipt in moved.values())
    assert subscribed(calls, f"new-{unique}@example.org") == {news: True, offers: True}
    assert subscribed(calls, f"old-{unique}@example.org") == {}
    refused = await hub.update("subscriptions", old[news], person=nobody)
    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.fields) == ("no_email", ("person",))
    assert (await hub.update("subscriptions", old[news], person=refusing)).refusal is None
    assert subscribed(calls, f"no-{unique}@example.org")[news] is False


async def test_a_subscription_of_an_unknown_address_says_nothing_of_its_person(
    hub: Hub, calls: TrytonCalls, unique: str
) -> None:
    id = str(subscribe(calls, f"{unique}@example.org", new_list(calls, f"News {unique}")))
    assert "person" not in await hub.row("subscriptions", id)
