"""Writing to a real Odoo 11: partial success, replays, lost answers, clearing, names, tags, deals, notes and tasks."""

from __future__ import annotations

import msgspec
import pytest

from zgoda.kit.errors import Attention, NeedsAttention, RefusalKind
from zgoda.kit.spec import Lookup, Write

from .conftest import Desk, Office, Opener

pytestmark = pytest.mark.real


async def test_create_update_archive(office: Office, desk: Desk, mark: str):
    id = await desk.add(
        "people",
        given_name="Łucja",
        family_name="Żak",
        email=f"{mark}@people.test",
        country="PL",
        keywords=[mark, "🦢"],
    )
    seen = office.see("res.partner", int(id), "name", "is_company", "country_id", "category_id", "message_follower_ids")
    assert (seen["name"], seen["is_company"], seen["message_follower_ids"]) == ("Łucja Żak", False, [])
    assert len(seen["category_id"]) == 2
    await desk.put("people", id, telephone="+48 22 123", job_title="CTO")
    record = await desk.record("people", id)
    assert record.values["telephone"] == "+48 22 123"
    assert record.values["keywords"] == sorted([mark, "🦢"])
    (receipt,) = await desk.write("people", desk.deleted(id))
    assert receipt.refusal is None
    assert office.see("res.partner", int(id), "active") == {"id": int(id), "active": False}


async def test_delete_can_unlink_and_what_is_gone_is_fine(office: Office, opener: Opener, mark: str):
    desk: Desk = await opener(office.settings(on_delete="unlink"))
    id = await desk.add("people", given_name=mark)
    for _ in range(2):
        (receipt,) = await desk.write("people", desk.deleted(id))
        assert receipt.refusal is None
    assert office.admin.call("res.partner", "search", [["id", "=", int(id)]], context={"active_test": False}) == []


async def test_one_delete_that_is_refused_does_not_stop_the_others(office: Office, opener: Opener, mark: str):
    desk: Desk = await opener(office.settings("admin", on_delete="unlink"))
    ids = [await desk.add("people", given_name=f"{mark} {n}") for n in range(3)]
    office.admin.call(
        "res.users",
        "create",
        {"name": mark, "login": mark, "partner_id": int(ids[1])},
        context={"no_reset_password": True},
    )
    receipts = await desk.write("people", *(desk.deleted(id) for id in ids))
    assert [receipt.refusal is None for receipt in receipts] == [True, False, True]
    refusal = receipts[1].refusal
    assert refusal is not None
    assert refusal.kind is RefusalKind.REJECTED


async def test_partial_success_in_one_batch(office: Office, desk: Desk, mark: str):
    """Every fault a record can have, among good ones: those land, and each of the others says why it did not."""
    known = await desk.add("people", given_name=f"{mark} known", email=f"{mark}@people.test")
    named = {"given_name": "Fine", "family_name": mark}
    receipts = await desk.write(
        "people",
        desk.created("people", **named, email=f"a{mark}@people.test"),
        desk.created("people", email=None, given_name=None),
        desk.created("people", **named, country="XX"),
        desk.created("people", **named, works_for="999999"),
        desk.created("people", **named, email=f"b{mark}@people.test"),
        desk.updated("people", known, job_title="promoted"),
        desk.updated("people", "999999", job_title="nobody"),
        desk.updated("people", "nonsense", job_title="nobody"),
        desk.updated("people", known, works_for=known),
        desk.deleted("999999"),
    )
    kinds = [receipt.refusal.kind if receipt.refusal else "done" for receipt in receipts]
    rejected, gone = RefusalKind.REJECTED, RefusalKind.GONE
    assert kinds == ["done", rejected, rejected, rejected, "done", "done", gone, gone, rejected, "done"]
    fields = [receipt.refusal.fields for receipt in receipts if receipt.refusal]
    assert fields[:3] == [("name.family",), ("country_id.code",), ("parent_id",)]
    assert mark not in repr([receipt.refusal for receipt in receipts])
    made = [receipt.id for receipt in (receipts[0], receipts[4])]
    assert [row["email"] for row in await desk.rows("people", *made)] == [
        f"a{mark}@people.test",
        f"b{mark}@people.test",
    ]
    assert (await desk.record("people", known)).values["job_title"] == "promoted"
    assert office.admin.call("res.partner", "search_count", [["name", "=", f"Fine {mark}"]]) == 2


async def test_many_good_records_take_one_call(desk: Desk, mark: str):
    await desk.write("people", desk.created("people", given_name=f"{mark} first"))
    before = len(desk.sent)
    writes = [desk.created("people", given_name=f"{mark} {n}", email=f"{mark}{n}@people.test") for n in range(30)]
    receipts = await desk.write("people", *writes)
    assert all(receipt.id and receipt.refusal is None for receipt in receipts)
    assert len(desk.sent) == before + 1
    updates = [desk.updated("people", receipt.id, job_title=f"job {n}") for n, receipt in enumerate(receipts)]
    await desk.write("people", *updates)
    assert len(desk.sent) == before + 2
    assert (await desk.record("people", receipts[7].id)).values["job_title"] == "job 7"


async def test_a_repeated_create_makes_no_second_record(office: Office, desk: Desk, mark: str):
    write = desk.created("people", given_name=mark, email=f"{mark}@people.test")
    (first,) = await desk.write("people", write)
    (second,) = await desk.write("people", write)
    assert first.id == second.id
    other_hub = desk.created("people", given_name=f"{mark} other")
    (third,) = await desk.write("people", msgspec.structs.replace(other_hub, key=write.key))
    assert third.id != first.id
    assert office.admin.call("res.partner", "search_count", [["name", "=", mark]]) == 1


async def test_find_after_a_lost_answer(office: Office, desk: Desk, mark: str):
    nameless = desk.created("people", given_name=mark)
    (receipt,) = await desk.write("people", nameless)
    twin = desk.created("people", given_name="Twin", family_name=mark, email=f"t{mark}@people.test")
    by_hand = office.make("res.partner", name=f"Twin {mark}", email=f"t{mark}@people.test")
    never = desk.created("people", given_name="Never", email=f"n{mark}@people.test")
    find = desk.streams["people"].find
    assert find is not None
    found = await find(desk.session, [Lookup(key=one.key, values=one.values) for one in (nameless, twin, never)])
    assert found == {nameless.key: receipt.id, twin.key: str(by_hand)}
    office.make("res.partner", name=f"Twin {mark}", email=f"t{mark}@people.test")
    assert await find(desk.session, [Lookup(key=twin.key, values=twin.values)]) == {}


async def test_every_field_can_be_cleared(office: Office, desk: Desk, mark: str):
    company = await desk.add("companies", name=f"{mark} Ltd")
    id = await desk.add(
        "people",
        given_name="Anna",
        family_name=mark,
        email=f"{mark}@people.test",
        telephone="1",
        mobile="2",
        street_address="Polna 1",
        locality="Łódź",
        postal_code="90-001",
        country="PL",
        job_title="x",
        works_for=company,
        keywords=[mark],
        description="notes",
        honorific_prefix=f"Dr {mark}",
    )
    before = await desk.record("people", id)
    assert before.values["honorific_prefix"] == f"Dr {mark}"
    assert before.refs["works_for"] == (("companies",), company)
    fields = (
        "given_name telephone mobile street_address locality postal_code country job_title works_for keywords "
        "description honorific_prefix email"
    ).split()
    receipt = await desk.put("people", id, **dict.fromkeys(fields))
    assert receipt.refusal is None
    after = await desk.record("people", id)
    assert {name: after.values[name] for name in fields} == dict.fromkeys(fields)
    assert after.values["family_name"] == mark


async def test_a_record_without_a_name_gets_its_address_for_one(office: Office, desk: Desk, mark: str):
    id = await desk.add("people", email=f"{mark}@people.test", given_name=None, family_name=None)
    assert office.see("res.partner", int(id), "name")["name"] == f"{mark}@people.test"
    assert (await desk.record("people", id)).values["given_name"] is None
    named = await desk.add("people", given_name="Anna", email=f"b{mark}@people.test")
    await desk.put("people", named, given_name=None)
    assert office.see("res.partner", int(named), "name")["name"] == f"b{mark}@people.test"
    assert (await desk.record("people", named)).values["family_name"] is None


@pytest.mark.parametrize("order", ["given_first", "family_first"])
@pytest.mark.parametrize(
    ("given", "family"),
    [("Jan", "van der Berg"), ("Anna Maria", "García Márquez"), (None, "Kowalska"), ("Ana María", None)],
)
async def test_names_come_back_as_written(
    office: Office, opener: Opener, order: str, given: str | None, family: str | None
):
    desk: Desk = await opener(office.settings(name_order=order))
    id = await desk.add("people", given_name=given, family_name=family)
    record = await desk.record("people", id)
    assert (record.values["given_name"], record.values["family_name"]) == (given, family)


async def test_one_part_of_a_name_leaves_the_other(office: Office, desk: Desk, mark: str):
    id = await desk.add("people", given_name="Anna Maria", family_name=mark)
    await desk.put("people", id, given_name="Ewa")
    assert office.see("res.partner", int(id), "name")["name"] == f"Ewa {mark}"


async def test_missing_rights_are_told(office: Office, opener: Opener, mark: str):
    visitor: Desk = await opener(office.settings("visitor"))
    victim = office.make("res.partner", name=mark)
    receipts = await visitor.write(
        "people", visitor.created("people", given_name=mark), visitor.updated("people", victim, job_title="x")
    )
    assert [receipt.refusal and receipt.refusal.kind for receipt in receipts] == [RefusalKind.RIGHTS] * 2


async def test_a_column_that_is_not_there_needs_a_person(desk: Desk, mark: str):
    with pytest.raises(NeedsAttention) as raised:
        await desk.write("people", Write(key="k", op="create", values={"name": {"given": mark}, "x_score": 1}))
    assert (raised.value.kind, raised.value.fields) == (Attention.SCHEMA, ("x_score",))


async def test_companies_and_their_parents(office: Office, desk: Desk, mark: str):
    parent = await desk.add("companies", name=f"{mark} Holding", tax_id="PL1", url="https://example.test")
    child = await desk.add("companies", name=f"{mark} Ltd", parent=parent, keywords=[mark])
    assert office.see("res.partner", int(child), "is_company", "parent_id")["is_company"] is True
    record = await desk.record("companies", child)
    assert record.refs["parent"] == (("companies",), parent)
    assert record.values["keywords"] == [mark]


async def test_opportunities_keep_customer_stage_and_outcome(office: Office, desk: Desk, mark: str):
    company = await desk.add("companies", name=f"{mark} Ltd")
    person = await desk.add("people", given_name=mark, works_for=company)
    id = await desk.add("opportunities", name=f"Offer {mark}", amount="1234.5", person=person, stage="Qualified")
    assert office.see("crm.lead", int(id), "type")["type"] == "opportunity"
    record = await desk.record("opportunities", id)
    assert record.refs == {"person": (("people",), person), "organization": (("companies",), company)}
    wanted = {"amount": "1234.5", "stage": "Qualified", "is_won": False, "currency": "EUR", "owner": "hub"}
    assert {name: record.values[name] for name in wanted} == wanted
    await desk.put("opportunities", id, stage="Lost")
    office_view = office.see("crm.lead", int(id), "active", "probability", "stage_id")
    assert (office_view["active"], office_view["probability"], office_view["stage_id"][1]) == (False, 0.0, "Qualified")
    assert (await desk.record("opportunities", id)).values["stage"] == "Lost"
    await desk.put("opportunities", id, stage="Proposition", person=None, organization=company, amount=None)
    office.admin.call("crm.lead", "action_set_won", [int(id)])
    record = await desk.record("opportunities", id)
    assert (record.values["stage"], record.values["is_won"]) == ("Won", True)
    assert (record.values["amount"], record.values["person"]) == (None, None)
    assert record.refs == {"organization": (("companies",), company)}
    receipt = await desk.put("opportunities", id, stage="Dreaming")
    assert receipt.refusal is not None
    assert receipt.refusal.fields == ("stage_id.name",)


async def test_leads_only_where_wanted_and_where_converted_ones_went(office: Office, opener: Opener, mark: str):
    desk: Desk = await opener(office.settings(leads_as_people=True))
    assert "leads" not in (await opener(office.settings())).streams
    lead = office.make(
        "crm.lead",
        name="Asks",
        type="lead",
        contact_name="Jan Maria Rokita",
        email_from=f"{mark}@leads.test",
        opt_out=True,
    )
    record = await desk.record("leads", lead)
    assert (record.values["given_name"], record.values["family_name"]) == ("Jan Maria", "Rokita")
    assert record.values["consent:email:marketing"] == "withdrawn"
    await desk.put("leads", lead, family_name="Nowak", telephone="1")
    assert office.see("crm.lead", lead, "contact_name")["contact_name"] == "Jan Maria Nowak"
    person = office.make("res.partner", name=mark)
    office.change("crm.lead", lead, type="opportunity", partner_id=person)
    (gone,) = (await desk.page("leads", lead)).removed
    assert (gone.merged_into, gone.stream) == (str(person), "people")


async def test_notes_in_the_chatter_are_written_once(office: Office, desk: Desk, mark: str):
    person = await desk.add("people", given_name=mark)
    told = {"person": person, "kind": "call", "occurred_at": "2026-01-02T03:04:05Z", "subject": f"Asked, {mark}"}
    first = await desk.add("activities", **told, description="a < b\n\nż 🦢")
    assert await desk.add("activities", **told, description="a < b\n\nż 🦢") == first
    record = await desk.record("activities", first)
    assert record.refs == {"person": (("people",), person)}
    assert record.values == {name: v for name, v in told.items() if name != "person"} | {"description": "a < b\n\nż 🦢"}
    seen = office.see("mail.message", int(first), "subject", "subtype_id", "needaction_partner_ids")
    assert (seen["subject"], seen["subtype_id"][1]) == (f"[call] Asked, {mark}", "Note")
    assert seen["needaction_partner_ids"] == []
    by_hand = office.admin.call("res.partner", "message_post", [int(person)], body="<p>hi</p>", message_type="comment")
    assert (await desk.record("activities", by_hand)).values["kind"] == "note"
    (receipt,) = await desk.write("activities", desk.created("activities", kind="call", subject="nobody"))
    assert receipt.refusal is not None
    assert receipt.refusal.fields == ("person",)


async def test_notes_about_companies_are_left_out(office: Office, desk: Desk, mark: str):
    company = await desk.add("companies", name=mark)
    note = office.admin.call("res.partner", "message_post", [int(company)], body="<p>x</p>", message_type="comment")
    assert await desk.rows("activities", note) == []
    assert str(note) not in [row["id"] for page in await desk.pages("activities", size=3) for row in page.rows]


async def test_tasks_are_about_something(desk: Desk, mark: str):
    person = await desk.add("people", given_name=mark)
    deal = await desk.add("opportunities", name=mark, person=person)
    task = await desk.add("tasks", subject="Call back", due_date="2026-12-01", person=person, description="x\ny")
    record = await desk.record("tasks", task)
    assert record.refs == {"person": (("people",), person)}
    assert record.values["description"] == "x\ny"
    assert record.values["status"] == "open"
    other = await desk.add("tasks", subject="Send offer", due_date="2026-12-02", deal=deal, person=person)
    assert (await desk.record("tasks", other)).refs == {"deal": (("opportunities",), deal)}
    await desk.put("tasks", task, due_date="2026-12-24")
    assert (await desk.record("tasks", task)).values["due_date"] == "2026-12-24"
    (receipt,) = await desk.write("tasks", desk.deleted(task))
    assert receipt.refusal is None
    assert await desk.rows("tasks", task) == []
    (lost,) = await desk.write("tasks", desk.created("tasks", subject="about nothing", due_date="2026-12-01"))
    assert lost.refusal is not None
    assert lost.refusal.fields == ("about.person",)
