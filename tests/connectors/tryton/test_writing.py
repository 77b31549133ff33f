"""Writing to a real Tryton, each result looked at behind the connector's back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.connectors.tryton.conftest import ANY, Hub, rows_of
from tools.real import TrytonCalls

from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Write

pytestmark = pytest.mark.real

NAME = "Zażółć 🦊 Ångström"


async def test_creates_a_person_in_one_transaction(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    id = await hub.create(
        "people",
        given_name=NAME,
        family_name=f"van der {unique}",
        email=f"{unique}@example.org",
        phone="+48 22 100 20 30",
        website="https://example.org/ą",
        language="de",
        address={"street": "Hauptstr. 1", "postal_code": "10115", "city": "Berlin"},
    )
    creates = hub.line.calls_of("party.party.create")
    assert len(creates) == 1
    row = await hub.row("people", id)
    assert (row["given_name"], row["family_name"]) == (NAME, f"van der {unique}")
    assert (row["email"], row["phone"], row["website"]) == (
        f"{unique}@example.org",
        "+48 22 100 20 30",
        "https://example.org/ą",
    )
    assert row["language"] == "de"
    assert (row["address"]["street"], row["address"]["city"]) == ("Hauptstr. 1", "Berlin")
    [party] = calls.call("model.party.party.read", [int(id)], ["name", "addresses", "contact_mechanisms"], {})
    assert party["name"] == f"{NAME} van\u00a0der\u00a0{unique}"
    assert (len(party["addresses"]), len(party["contact_mechanisms"])) == (1, 3)


async def test_a_given_name_alone_stays_one(hub: Hub, unique: str) -> None:
    id = await hub.create("people", given_name=unique)
    row = await hub.row("people", id)
    assert (row["given_name"], row["family_name"]) == (unique, None)


async def test_updates_and_clears_sub_records(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    id = await hub.create(
        "people", family_name=unique, email=f"a-{unique}@example.org", phone="1", address={"city": "Gdynia"}
    )
    await hub.update(
        "people", id, given_name="Ewa", email=f"b-{unique}@example.org", phone=None, mobile="2", address={"city": None}
    )
    row = await hub.row("people", id)
    assert (row["given_name"], row["family_name"]) == ("Ewa", unique)
    assert (row["email"], row["phone"], row["mobile"]) == (f"b-{unique}@example.org", None, "2")
    assert row["address"]["city"] is None
    domain = [["party", "=", int(id)], ANY]
    kept = calls.call("model.party.contact_mechanism.search_read", domain, 0, None, None, ["type", "active"], {})
    assert {(one["type"], bool(one["active"])) for one in kept} == {("email", True), ("phone", False), ("mobile", True)}
    writes = hub.line.calls_of("party.party.write")
    assert len(writes) == 1


async def test_structured_streets_are_replaced(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    structured = {"street_name": "Old Road", "building_number": "7"}
    [id] = calls.call("model.party.party.create", [{"name": unique, "addresses": [["create", [structured]]]}], {})
    assert "Old Road" in (await hub.row("people", str(id)))["address"]["street"]
    receipt = await hub.update("people", str(id), address={"street": "New Road 8"})
    assert receipt.refusal is None
    assert (await hub.row("people", str(id)))["address"]["street"] == "New Road 8"


async def test_country_goes_by_code(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    code = {"code": "PL", "code3": "POL", "code_numeric": "616"}
    [poland] = calls.call("model.country.country.create", [{"name": "Poland", **code}], {})
    id = await hub.create("people", family_name=unique, address={"country": "PL"})
    [party] = calls.call("model.party.party.read", [int(id)], ["addresses.country"], {})
    assert party["addresses."][0]["country"] == poland
    assert (await hub.row("people", id))["address"]["country"] == "PL"
    refused = await hub.update("people", id, family_name="x", address={"country": "XX"})
    assert refused.refusal is not None
    assert (refused.refusal.kind, refused.refusal.fields) == (RefusalKind.REJECTED, ("address.country",))


async def test_organizations_get_their_category(hub: Hub, unique: str) -> None:
    id = await hub.create("organizations", name=f"Spółka {unique}", email=f"{unique}@example.org")
    assert (await hub.row("organizations", id))["name"] == f"Spółka {unique}"
    assert [gone.id for gone in (await hub.by_id("people", id)).removed] == [id]
    assert id in rows_of(await hub.all("organizations"))
    assert id not in rows_of(await hub.all("people"))


async def test_one_bad_record_does_not_stop_the_others(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    [code] = calls.call("model.party.party.create", [{"name": unique, "code": f"TAKEN-{unique}"}], {})
    writes = [Write(key=f"k{n}", op="create", values={"family_name": f"{unique} {n}"}) for n in range(9)]
    writes[3] = Write(key="twice", op="create", values={"family_name": unique, "code": f"TAKEN-{unique}"})
    writes[7] = Write(key="field", op="create", values={"family_name": unique, "no_such_field": "1"})
    receipts = await hub.write("people", *writes)
    bad = {key: receipt.refusal for key, receipt in receipts.items() if receipt.refusal is not None}
    assert {key: refusal.kind for key, refusal in bad.items()} == {
        "twice": RefusalKind.EXISTS,
        "field": RefusalKind.REJECTED,
    }
    assert bad["field"].fields == ("no_such_field",)
    made = [int(receipt.id) for key, receipt in receipts.items() if key not in bad]
    assert len(set(made)) == 7
    there = calls.call("model.party.party.search", [["name", "like", f"{unique}_%"]], 0, None, None, {})
    assert set(there) == set(made)
    assert code not in made


async def test_mixed_batch_with_gone_and_merged_records(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    a, b, source, target = calls.call("model.party.party.create", [{"name": unique} for _ in range(4)], {})
    stream = hub.stream("people")
    assert stream.merge is not None
    await stream.merge(hub.session, str(target), [str(source)])
    receipts = await hub.write(
        "people",
        Write(key="new", op="create", values={"family_name": unique}),
        Write(key="a", op="update", id=str(a), values={"given_name": "A"}),
        Write(key="b", op="delete", id=str(b)),
        Write(key="gone", op="update", id="8888888", values={"given_name": "A"}),
        Write(key="merged", op="update", id=str(source), values={"given_name": "A"}),
        Write(key="junk", op="update", id="no id", values={"given_name": "A"}),
    )
    refusals = {key: receipt.refusal for key, receipt in receipts.items() if receipt.refusal is not None}
    assert {key: refusal.kind for key, refusal in refusals.items()} == dict.fromkeys(
        ("gone", "merged", "junk"), RefusalKind.GONE
    )
    assert refusals["merged"].moved_to == str(target)
    [kept, archived] = calls.call("model.party.party.read", [a, b], ["name", "active"], {})
    assert (kept["name"], archived["active"]) == (f"A {unique}", 0)


async def test_merge_answers_tryton_when_names_differ(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    source, target = calls.call("model.party.party.create", [{"name": f"S {unique}"}, {"name": f"T {unique}"}], {})
    merge = hub.stream("people").merge
    assert merge is not None
    await merge(hub.session, str(target), [str(source)])
    [old] = calls.call("model.party.party.read", [source], ["active", "replaced_by"], {})
    assert (old["active"], old["replaced_by"]) == (0, target)


@pytest.mark.parametrize("edited", ["party.party", "party.contact_mechanism"])
async def test_stale_writes_are_refused(hub: Hub, calls: TrytonCalls, unique: str, edited: str) -> None:
    id = await hub.create("people", family_name=unique, phone="1")
    other = await hub.create("people", family_name=unique, phone="1")
    row, seen = await hub.row("people", other), (await hub.row("people", id))["version"]
    [party] = calls.call("model.party.party.read", [int(id)], ["contact_mechanisms"], {})
    if edited == "party.party":
        calls.call("model.party.party.write", [int(id)], {"name": "Edited there"}, {})
    else:
        calls.call("model.party.contact_mechanism.write", party["contact_mechanisms"], {"value": "9"}, {})
    receipts = await hub.write(
        "people",
        Write(key="stale", op="update", id=id, values={"phone": "2"}, expected=seen),
        Write(key="fresh", op="update", id=other, values={"phone": "2"}, expected=row["version"]),
        Write(key="nonsense", op="update", id=other, values={"phone": "3"}, expected="yesterday"),
    )
    assert receipts["stale"].refusal is not None
    assert receipts["stale"].refusal.kind is RefusalKind.STALE
    assert receipts["fresh"].refusal is None
    assert receipts["nonsense"].refusal is not None
    assert receipts["nonsense"].refusal.kind is RefusalKind.STALE
    assert (await hub.row("people", other))["phone"] == "2"


async def test_the_server_itself_refuses_a_stale_write(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    """Edited between our look and our write: then only Tryton's own check is left."""
    id = await hub.create("people", family_name=unique)
    seen = (await hub.row("people", id))["version"]

    def edited_meanwhile(answer: bytes) -> None:
        calls.call("model.party.party.write", [int(id)], {"name": "Edited there"}, {})

    hub.line.watch("party.party.search_read", edited_meanwhile)
    receipt = await hub.update("people", id, given_name="Ours", expected=seen)
    assert receipt.refusal is not None
    assert (receipt.refusal.kind, receipt.refusal.code) == (RefusalKind.STALE, "ConcurrencyException")


async def test_finds_what_a_lost_answer_made(hub: Hub, unique: str) -> None:
    values = {"given_name": "Jan", "family_name": unique, "email": f"{unique}@example.org"}
    old = await hub.create("people", given_name="Jan", family_name=unique)
    made = await hub.create("people", **values)
    find = hub.stream("people").find
    assert find is not None
    lookups = [
        Lookup(key="a", values=values),
        Lookup(key="b", values={"given_name": "Jan", "family_name": unique}),
        Lookup(key="c", values={"given_name": "Jan", "family_name": f"not {unique}"}),
        Lookup(key="d", values={**values, "email": "other@example.org"}),
    ]
    assert await find(hub.session, lookups) == {"a": made, "b": old}


async def test_opportunities(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    person = await hub.create("people", family_name=unique)
    firm = await hub.create("organizations", name=f"Firm {unique}")
    values: dict[str, Any] = {
        "description": f"Deal {unique}",
        "amount": "1234.5",
        "currency": "EUR",
        "probability": "25",
        "end_date": "2027-03-01",
        "organization": firm,
        "person": person,
    }
    id = await hub.create("opportunities", **values)
    row = await hub.row("opportunities", id)
    assert row["organization"] == firm
    assert "person" not in row, "an opportunity has one party only: the other is not known"
    mapped = hub.mapping("opportunities").read(row).values
    assert (mapped["amount"], mapped["currency"], mapped["probability"]) == ("1234.5", "EUR", "25")
    assert (mapped["close_date"], mapped["stage"], mapped["is_won"]) == ("2027-03-01", "lead", False)
    assert hub.mapping("opportunities").fingerprint(row) == hub.mapping("opportunities").fingerprint(
        rows_of(await hub.all("opportunities"))[id]
    )
    assert (await hub.update("opportunities", id, amount=None, expected=row["version"])).refusal is None
    assert (await hub.row("opportunities", id))["amount"] is None
    stale = await hub.update("opportunities", id, amount="1", expected=row["version"])
    assert stale.refusal is not None
    assert stale.refusal.kind is RefusalKind.STALE
    digits = await hub.update("opportunities", id, amount="1.23456")
    assert digits.refusal is not None
    assert (digits.refusal.kind, digits.refusal.fields) == (RefusalKind.REJECTED, ("amount",))
    deleted = (await hub.write("opportunities", Write(key="d", op="delete", id=id)))["d"]
    assert deleted.refusal is not None, "only cancelled ones may be deleted"
    calls.call("model.sale.opportunity.cancel", [int(id)], {"company": 1})
    assert (await hub.write("opportunities", Write(key="d", op="delete", id=id)))["d"].refusal is None
    find = hub.stream("opportunities").find
    assert find is not None
    again = await hub.create("opportunities", **values)
    assert await find(hub.session, [Lookup(key="k", values=values)]) == {"k": again}


async def test_an_employer_is_a_relation(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    first, second = [await hub.create("organizations", name=f"House {unique} {n}") for n in (1, 2)]
    person = await hub.create("people", family_name=unique, works_for=first)
    assert (await hub.row("people", person))["works_for"] == first
    for employer in (second, second, None, None):
        assert (await hub.update("people", person, works_for=employer)).refusal is None
        assert (await hub.row("people", person))["works_for"] == employer
    history = calls.call(
        *("model.party.relation.all.search_read", [["from_", "=", int(person)], ANY], 0, None, [["id", "ASC"]]),
        *(["to", "active", "end_date"], {}),
    )
    assert [(str(one["to"]), bool(one["active"]), one["end_date"] is None) for one in history] == [
        (first, False, False),
        (second, False, False),
    ]


async def test_an_employment_yet_to_begin_is_deleted_not_ended(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    firm = await hub.create("organizations", name=f"House {unique}")
    person = await hub.create("people", family_name=unique)
    today = calls.call("model.ir.date.today", {})
    day = f"{today['year']}-{today['month']:02d}-{today['day']:02d}"
    begun = await hub.create("employments", person=person, organization=firm, start_date=day)
    assert (await hub.update("people", person, works_for=None)).refusal is None
    assert [gone.id for gone in (await hub.by_id("employments", begun)).removed] == [begun]


async def test_an_employer_that_cannot_be(hub: Hub, open_hub: Callable[..., Awaitable[Hub]], unique: str) -> None:
    firm = await hub.create("organizations", name=f"House {unique}")
    person = await hub.create("people", family_name=unique)
    other = await open_hub(employment_relation="No such relation")
    for there, value, code in ((hub, "no id", "bad_value"), (other, firm, "unknown_choice")):
        receipt = await there.update("people", person, works_for=value)
        assert receipt.refusal is not None
        assert (receipt.refusal.code, receipt.refusal.fields) == (code, ("works_for",))


async def test_employments(hub: Hub, unique: str) -> None:
    person = await hub.create("people", family_name=unique)
    firm = await hub.create("organizations", name=f"Firm {unique}")
    id = await hub.create("employments", person=person, organization=firm)
    assert (await hub.row("people", person))["works_for"] == firm
    start = (await hub.changes("employments"))[-1].cursor
    assert (await hub.update("employments", id, end_date="2020-12-31")).refusal is None
    assert rows_of(await hub.changes("employments", cursor=start))[id]["end_date"] == "2020-12-31"
    assert (await hub.row("people", person))["works_for"] is None, "it ended"
    find = hub.stream("employments").find
    assert find is not None
    ends = {"person": person, "organization": firm}
    assert await find(hub.session, [Lookup(key="k", values=ends)]) == {"k": id}
    assert (await hub.write("employments", Write(key="d", op="delete", id=id)))["d"].refusal is None
    assert [gone.id for gone in (await hub.by_id("employments", id)).removed] == [id]


async def test_interactions_are_notes_written_once(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    person = await hub.create("people", family_name=unique)
    values = {
        "person": person,
        "kind": "clicked",
        "occurred_at": "2026-11-20T10:00:00Z",
        "channel": "email",
        "subject": f"News {unique}",
        "url": "https://example.org/?a=b",
        "description": "First line\n\n[zgoda:0123456789abcdef0123456789abcdef]\nlast line",
    }
    receipts = await hub.write(
        "activities",
        Write(key="a", op="create", values=values),
        Write(key="same", op="create", values=values),
        Write(key="b", op="create", values={**values, "kind": "opened"}),
    )
    assert receipts["a"].id == receipts["same"].id != receipts["b"].id
    again = (await hub.write("activities", Write(key="z", op="create", values=values)))["z"]
    assert (again.id, again.created) == (receipts["a"].id, False)
    notes = calls.call(
        "model.ir.note.search_read", [["resource", "=", f"party.party,{person}"]], 0, 9, None, ["message"], {}
    )
    assert len(notes) == 2
    row = await hub.row("activities", receipts["a"].id)
    assert {name: row[name] for name in values} == values
    nobody = (await hub.write("activities", Write(key="n", op="create", values={"kind": "opened"})))["n"]
    assert nobody.refusal is not None


async def test_erase_empties_the_party_and_its_subscriptions(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    email = f"{unique}@example.org"
    person = await hub.create("people", family_name=unique, email=email, email_consent="granted")
    await hub.write("activities", Write(key="n", op="create", values={"person": person, "kind": "opened"}))
    erase = hub.stream("people").erase
    assert erase is not None
    [receipt, missing] = await erase(hub.session, [person, "7777777"])
    assert receipt.refusal is None
    assert missing.refusal is None
    [party] = calls.call("model.party.party.read", [int(person)], ["name", "active"], {})
    assert (party["name"], party["active"]) == (None, 0)
    assert calls.call("model.marketing.email.search_count", [["email", "=", email], ANY], {}) == 0
    assert calls.call("model.ir.note.search_count", [["resource", "=", f"party.party,{person}"]], {}) == 0
    left = calls.call("model.party.contact_mechanism.search_count", [["value", "=", email], ANY], {})
    assert left == 0
