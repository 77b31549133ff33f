"""Consent, list memberships and what became of mails, at a real Odoo 11 with mass mailing."""

from __future__ import annotations

import asyncio
import urllib.request
from functools import partial

import pytest

from zgoda.kit.errors import RefusalKind
from zgoda.kit.spec import Lookup, Page

from .conftest import Desk, Office, Opener

pytestmark = pytest.mark.real

CONTACT = "mail.mass_mailing.contact"
LIST = "mail.mass_mailing.list"


async def consent(desk: Desk, person: str) -> str:
    return (await desk.record("people", person)).values["consent:email:marketing"]


def rows_of(pages: list[Page]) -> dict[str, dict[str, object]]:
    return {row["id"]: row for page in pages for row in page.rows}


async def test_a_box_that_is_not_ticked_is_no_consent(desk: Desk, mark: str):
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    assert await consent(desk, person) == "unknown"
    assert (await desk.record("people", person)).evidence == {}


@pytest.mark.parametrize("place", ["person", "contact", "lead"])
async def test_an_opt_out_anywhere_is_a_withdrawal(office: Office, desk: Desk, mark: str, place: str):
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    other = await desk.add("people", given_name=mark, email=f"no{mark}@people.test")
    match place:
        case "person":
            office.change("res.partner", int(person), opt_out=True)
        case "contact":
            office.make(CONTACT, email=f"Anna <{mark.upper()}@People.test>", opt_out=True)
        case _:
            office.make("crm.lead", name=mark, email_from=f"{mark}@people.TEST", opt_out=True)
    assert await consent(desk, person) == "withdrawn"
    assert await consent(desk, other) == "unknown"
    assert ("consent:email:marketing" in (await desk.record("people", person)).evidence) is (place != "person")


async def test_many_addresses_at_once_are_looked_up_like_few(office: Office, desk: Desk, mark: str):
    """Eleven and more are matched in a book of all addresses instead of one search."""
    addresses = [f"{n}{mark}@people.test" for n in range(14)]
    loaded = office.admin.call("res.partner", "load", ["name", "email"], [[mark, f"<{a.upper()}>"] for a in addresses])
    out = {n for n in range(14) if n % 3 == 0}
    office.admin.call(CONTACT, "load", ["email", "opt_out"], [[a, str(n in out)] for n, a in enumerate(addresses)])
    rows = await desk.rows("people", *loaded["ids"])
    assert [row["opted_out"] for row in rows] == [n in out for n in range(14)]
    writes = [desk.updated("people", id, consent="withdrawn") for id in loaded["ids"]]
    assert [receipt.refusal for receipt in await desk.write("people", *writes)] == [None] * 14
    seen = office.admin.call(CONTACT, "search_read", [["email", "in", addresses]], ["opt_out"])
    assert [contact["opt_out"] for contact in seen] == [True] * 14


async def test_a_withdrawal_is_set_in_every_place(office: Office, desk: Desk, mark: str):
    address = f"{mark}@people.test"
    contacts = [office.make(CONTACT, email=f"{mark.upper()}@people.test"), office.make(CONTACT, email=f"A <{address}>")]
    stranger = office.make(CONTACT, email=f"x{address}")
    lead = office.make("crm.lead", name=mark, email_from=address)
    person = await desk.add("people", given_name=mark, email=address)
    await desk.put("people", person, consent="withdrawn")
    held = [office.see("res.partner", int(person), "opt_out"), office.see("crm.lead", lead, "opt_out")]
    held += [office.see(CONTACT, contact, "opt_out") for contact in contacts]
    assert [record["opt_out"] for record in held] == [True] * 4
    assert office.see(CONTACT, stranger, "opt_out")["opt_out"] is False
    assert await consent(desk, person) == "withdrawn"


@pytest.mark.parametrize("state", ["unknown", "granted"])
async def test_a_new_person_lifts_no_opt_out_of_their_address(office: Office, desk: Desk, mark: str, state: str):
    contact = office.make(CONTACT, email=f"{mark}@people.test", opt_out=True)
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test", consent=state)
    assert office.see(CONTACT, contact, "opt_out")["opt_out"] is True
    assert await consent(desk, person) == "withdrawn"


async def test_a_grant_says_nothing_new_where_nothing_was_refused(desk: Desk):
    """So the engine does not write it, and does not wait for an echo Odoo cannot give."""
    write = desk.mapping("people").write
    said = [write({"consent:email:marketing": state}, creating=False) for state in ("granted", "unknown")]
    assert said[0] == said[1] == ({"opted_out": False}, [])


async def test_granted_lifts_all(office: Office, desk: Desk, mark: str):
    contact = office.make(CONTACT, email=f"{mark}@people.test")
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test", consent="withdrawn")
    assert office.see(CONTACT, contact, "opt_out")["opt_out"] is True
    assert await consent(desk, person) == "withdrawn"
    await desk.put("people", person, consent="granted")
    assert await consent(desk, person) == "unknown"
    assert office.see(CONTACT, contact, "opt_out", "unsubscription_date")["unsubscription_date"] is False


async def test_a_withdrawal_with_a_new_address_covers_both(office: Office, desk: Desk, mark: str):
    old, new = (office.make(CONTACT, email=f"{part}{mark}@people.test") for part in ("old", "new"))
    person = await desk.add("people", given_name=mark, email=f"old{mark}@people.test")
    await desk.put("people", person, email=f"new{mark}@people.test", consent="withdrawn")
    assert [office.see(CONTACT, contact, "opt_out")["opt_out"] for contact in (old, new)] == [True, True]


async def test_consent_states_odoo_cannot_hold_are_not_sent(desk: Desk):
    for state in ("pending", "undeliverable"):
        row, faults = desk.mapping("people").write({"consent:email:marketing": state}, creating=False)
        assert row == {}
        assert [fault.field for fault in faults] == ["consent:email:marketing"]


async def test_an_opt_out_elsewhere_is_a_change_of_the_person(office: Office, desk: Desk, mark: str):
    """The person's own record does not move, so a reader of its stamps alone would mail on."""
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    contact = office.make(CONTACT, email=f"{mark}@people.test")
    cursor = await desk.start("people")
    cursor = cursor | {"records": {**cursor["records"], "since": "2999-01-01 00:00:00"}}  # no person changed since
    unaware = {**cursor, "mailing.contact": None}
    assert person not in rows_of(await desk.pages("people", "read_changes", unaware))
    office.change(CONTACT, contact, opt_out=True)
    pages = await desk.pages("people", "read_changes", cursor)
    assert rows_of(pages)[person]["opted_out"] is True
    office.change(CONTACT, contact, opt_out=False)
    pages = await desk.pages("people", "read_changes", pages[-1].cursor)
    assert rows_of(pages)[person]["opted_out"] is False


async def test_people_are_read_without_opt_outs_where_they_are_not_mapped(desk: Desk, mark: str):
    await desk.pages("people", "read_changes", fields=("email",))
    assert not any("mass_mailing" in str(body) or "crm.lead" in str(body) for body in desk.sent)


async def test_lists_and_memberships(office: Office, desk: Desk, mark: str):
    one, two = [await desk.add("mailing_lists", name=f"{mark} {n}") for n in (1, 2)]
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    cursor = await desk.start("subscriptions")
    write = desk.created("subscriptions", person=person, list=one, status="subscribed")
    (receipt,) = await desk.write("subscriptions", write)
    assert receipt.refusal is None
    record = await desk.record("subscriptions", receipt.id)
    assert record.refs == {"person": (("people",), person), "list": (("mailing_lists",), one)}
    assert record.values["status"] == "subscribed"
    assert await desk.add("subscriptions", person=person, list=one) == receipt.id
    other = await desk.add("subscriptions", person=person, list=two)
    contact = int(receipt.id.partition(":")[0])
    assert sorted(office.see(CONTACT, contact, "list_ids")["list_ids"]) == sorted([int(one), int(two)])
    assert {receipt.id, other} <= rows_of(await desk.pages("subscriptions", "read_changes", cursor)).keys()
    find = desk.streams["subscriptions"].find
    assert find is not None
    assert await find(desk.session, [Lookup(key="k", values=write.values)]) == {"k": receipt.id}


async def test_leaving_a_list_is_seen_at_once(office: Office, desk: Desk, mark: str):
    lists = [office.make(LIST, name=f"{mark} {n}") for n in range(3)]
    contact = office.make(CONTACT, email=f"{mark}@people.test", list_ids=[[6, 0, lists]])
    cursor = await desk.start("subscriptions")
    office.change(CONTACT, contact, list_ids=[[3, lists[1]]])
    pages = await desk.pages("subscriptions", "read_changes", cursor)
    mine = {id for id in rows_of(pages) if id.startswith(f"{contact}:")}
    assert mine == {f"{contact}:{lists[0]}", f"{contact}:{lists[2]}"}
    assert f"{contact}:{lists[1]}" in {gone.id for page in pages for gone in page.removed}
    page = await desk.page("subscriptions", f"{contact}:{lists[1]}", f"{contact}:{lists[0]}", "nonsense", "7")
    assert [row["id"] for row in page.rows] == [f"{contact}:{lists[0]}"]
    assert {gone.id for gone in page.removed} == {f"{contact}:{lists[1]}", "nonsense", "7"}


async def test_a_person_leaves_one_list_only(office: Office, desk: Desk, mark: str):
    """Odoo 11 has one opt-out for all lists, so unsubscribing from one takes the person off it and no other."""
    lists = [office.make(LIST, name=f"{mark} {n}") for n in range(2)]
    contact = office.make(CONTACT, email=f"{mark}@people.test", list_ids=[[6, 0, lists]])
    receipt = await desk.put("subscriptions", f"{contact}:{lists[0]}", status="unsubscribed")
    assert receipt.refusal is None
    seen = office.see(CONTACT, contact, "list_ids", "opt_out")
    assert (seen["list_ids"], seen["opt_out"]) == ([lists[1]], False)
    for _ in range(2):
        (receipt,) = await desk.write("subscriptions", desk.deleted(f"{contact}:{lists[1]}"))
        assert receipt.refusal is None
    assert office.see(CONTACT, contact, "list_ids")["list_ids"] == []
    (receipt,) = await desk.write("subscriptions", desk.deleted(f"999999:{lists[1]}"))
    assert receipt.refusal is None


async def test_memberships_that_cannot_be(office: Office, desk: Desk, mark: str):
    list_id = str(office.make(LIST, name=mark))
    nobody = await desk.add("people", given_name=mark)
    somebody = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    receipts = await desk.write(
        "subscriptions",
        desk.created("subscriptions", person=nobody, list=list_id),
        desk.created("subscriptions", person=somebody, list=list_id, status="unsubscribed"),
        desk.created("subscriptions", person=somebody, list=list_id),
    )
    assert [receipt.refusal and (receipt.refusal.kind, receipt.refusal.fields) for receipt in receipts] == [
        (RefusalKind.REJECTED, ("partner_id",)),
        (RefusalKind.REJECTED, ()),
        None,
    ]


async def test_t_57_who_opted_out_of_everything_stays_on_their_lists(office: Office, desk: Desk, mark: str):
    """Odoo 11 then shows them as unsubscribed, so there is nothing to take away, and nothing looks like a removal."""
    held, added = [office.make(LIST, name=f"{mark} {n}") for n in range(2)]
    contact = office.make(CONTACT, email=f"{mark}@people.test", list_ids=[[6, 0, [held]]], opt_out=True)
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    receipts = await desk.write(
        "subscriptions",
        desk.updated("subscriptions", f"{contact}:{held}", status="unsubscribed"),
        desk.created("subscriptions", person=person, list=str(added), status="unsubscribed"),
    )
    assert [receipt.refusal for receipt in receipts] == [None, None]
    rows = await desk.rows("subscriptions", *(receipt.id for receipt in receipts))
    assert [(row["list_id"], row["opt_out"]) for row in rows] == [(held, True), (added, True)]


async def test_a_contact_whose_address_nobody_has_says_nothing_of_its_person(office: Office, desk: Desk, mark: str):
    list_id = office.make(LIST, name=mark)
    contact = office.make(CONTACT, email=f"{mark}@people.test", list_ids=[[6, 0, [list_id]]])
    record = await desk.record("subscriptions", f"{contact}:{list_id}")
    assert "person" not in record.values
    assert "person" not in record.refs


async def test_what_became_of_a_real_mailing(office: Office, desk: Desk, mark: str):
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    list_id = office.make(LIST, name=mark)
    contact = office.make(CONTACT, email=f"{mark}@people.test", list_ids=[[6, 0, [list_id]]])
    model = office.admin.call("ir.model", "search", [["model", "=", LIST]])[0]
    mailing = office.make(
        "mail.mass_mailing",
        name=f"Letter {mark}",
        body_html="<p>Hello</p>",
        email_from="shop@hub.test",
        mailing_model_id=model,
        reply_to_mode="email",
        reply_to="shop@hub.test",
        contact_list_ids=[[6, 0, [list_id]]],
        mailing_domain=f"[('list_ids', 'in', [{list_id}]), ('opt_out', '=', False)]",
    )
    cursor = await desk.start("traces")
    office.admin.call("mail.mass_mailing", "send_mail", [mailing])
    (mail,) = [mail for mail in office.sink.wait_for(1) if mark in str(mail.recipients)]
    assert mail.message["subject"] == f"Letter {mark}"
    (trace,) = office.admin.call(
        "mail.mail.statistics", "search_read", [["res_id", "=", contact]], ["mail_mail_id_int"]
    )
    pixel = f"{office.server.url}/mail/track/{trace['mail_mail_id_int']}/blank.gif?db={office.server.database}"
    (await asyncio.to_thread(urllib.request.urlopen, pixel)).read()
    pages = await desk.pages("traces", "read_changes", cursor)
    events = {row["kind"]: desk.mapping("traces").read(row) for page in pages for row in page.rows}
    assert {"sent", "opened"} <= events.keys()
    opened = events["opened"]
    assert opened.refs == {"person": (("people",), person), "campaign": (("mailings",), str(mailing))}
    assert (opened.values["channel"], opened.values["subject"], opened.faults) == ("email", f"Letter {mark}", [])
    assert opened.values["url"] is None
    assert opened.values["occurred_at"].startswith("20")
    campaign = await desk.record("mailings", mailing)
    assert (campaign.values["name"], campaign.values["status"]) == (f"Letter {mark}", "sent")


async def test_traces_have_one_id_for_each_thing_that_happened(office: Office, desk: Desk, mark: str):
    lead = office.make("crm.lead", name=mark, email_from=f"{mark}@people.test")
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    company = await desk.add("companies", name=mark)
    moments = {kind: f"2026-01-0{day} 10:00:00" for day, kind in enumerate(("sent", "opened", "clicked", "replied"), 1)}
    make = partial(office.admin.call, "mail.mail.statistics", "create")
    full = make({"model": "crm.lead", "res_id": lead, **moments})
    bounced = make({"model": "res.partner", "res_id": int(company), "bounced": "2026-01-05 10:00:00"})
    ids = [f"{full}:{kind}" for kind in moments]
    page = await desk.page("traces", *ids, f"{bounced}:bounced", f"{bounced}:opened", "x:sent", "999999:sent")
    assert [row["id"] for row in page.rows] == [*ids, f"{bounced}:bounced"]
    assert [row["person"] for row in page.rows] == [int(person)] * 4 + [False]
    assert {gone.id for gone in page.removed} == {f"{bounced}:opened", "x:sent", "999999:sent"}
    found = [row["id"] for page in await desk.pages("traces", size=1) for row in page.rows]
    assert len(found) == len(set(found))
    assert {*ids, f"{bounced}:bounced"} <= set(found)


async def test_a_click_tells_the_address_behind_the_link(office: Office, desk: Desk, mark: str):
    person = await desk.add("people", given_name=mark, email=f"{mark}@people.test")
    target = f"{office.server.url}/web/static/src/img/favicon.ico?{mark}"
    link = office.make("link.tracker", url=target)
    moments = {"sent": "2026-01-01 10:00:00", "clicked": "2026-01-01 11:00:00"}
    about = {"model": "res.partner", "res_id": int(person)}
    trace = office.admin.call("mail.mail.statistics", "create", about | moments)
    office.make("link.tracker.click", link_id=link, mail_stat_id=trace)
    read = desk.mapping("traces").read
    events = {row["kind"]: read(row) for row in await desk.rows("traces", f"{trace}:sent", f"{trace}:clicked")}
    assert {kind: event.values["url"] for kind, event in events.items()} == {"sent": None, "clicked": target}
    assert events["clicked"].faults == []


async def test_erasure_deletes_or_empties(office: Office, opener: Opener, mark: str):
    desk: Desk = await opener(office.settings("admin"))
    address = f"{mark}@people.test"
    person = await desk.add("people", given_name=mark, email=address)
    contact = office.make(CONTACT, email=address)
    shared = await desk.add("people", given_name=mark, email=f"family{address}")
    await desk.add("people", given_name="Somebody else", email=f"family{address}")
    family = office.make(CONTACT, email=f"family{address}")
    lead = office.make("crm.lead", name=f"From {mark}", contact_name=mark, email_from=address, phone="1")
    user = office.admin.call("res.users", "create", {"name": mark, "login": mark, "email": f"u{address}"})
    kept = office.admin.call("res.users", "read", [user], ["partner_id"])[0]["partner_id"][0]
    erase = desk.streams["people"].erase
    assert erase is not None
    receipts = await erase(desk.session, [person, shared, str(kept), "999999"])
    assert [receipt.refusal for receipt in receipts] == [None] * 4
    assert office.admin.call(CONTACT, "search", [["id", "=", family]]) == [family]
    assert office.admin.call("res.partner", "search", [["id", "=", int(person)]]) == []
    assert office.admin.call(CONTACT, "search", [["id", "=", contact]]) == []
    assert mark not in str(office.admin.call("crm.lead", "read", [lead], []))
    seen = office.see("res.partner", kept, "name", "email", "active")
    assert (seen["name"], seen["email"], seen["active"]) == ("erased", False, False)
