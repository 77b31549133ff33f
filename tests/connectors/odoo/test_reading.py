"""Reading a real Odoo 11: pages, changes with one stamp, crashes, archived, merged and deleted records."""

from __future__ import annotations

from typing import Any

import pytest

from zgoda.connectors.odoo import CONNECTOR
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Page

from .conftest import Desk, Office, Opener

pytestmark = pytest.mark.real


def ids_of(pages: list[Page]) -> list[str]:
    return [row["id"] for page in pages for row in page.rows]


def people(office: Office, mark: str, number: int) -> list[int]:
    """People made in one transaction: all have the same stamp to the microsecond."""
    rows = [[f"{mark} {n}", f"{mark}{n}@people.test"] for n in range(number)]
    return office.admin.call("res.partner", "load", ["name", "email"], rows)["ids"]


async def test_check_says_who_and_where(office: Office, desk: Desk, opener: Opener):
    identity = await CONNECTOR.check(desk.session)
    assert (identity.account, identity.user, identity.version) == (office.server.database, "hub", "11.0")
    assert identity.notes == ()
    admin = await CONNECTOR.check((await opener(office.settings("admin"))).session)
    assert admin.account == office.admin.call("ir.config_parameter", "get_param", "database.uuid")


async def test_check_notes_missing_rights(office: Office, opener: Opener):
    identity = await CONNECTOR.check((await opener(office.settings("visitor"))).session)
    assert "no right to write, create res.partner" in identity.notes
    assert any("mail.mass_mailing.contact" in note for note in identity.notes)


@pytest.mark.parametrize("size", [1, 4, 5, 6, 200])
async def test_full_read_has_every_record_once_whatever_the_page(office: Office, desk: Desk, mark: str, size: int):
    made = people(office, mark, 5)
    pages = await desk.pages("people", size=max(size, 5) if size > 6 else size, fields=("email",))
    found = ids_of(pages)
    assert len(found) == len(set(found)) == pages[-1].total
    assert {str(id) for id in made} <= set(found)


async def test_only_mapped_columns_are_asked_for(office: Office, desk: Desk, mark: str):
    people(office, mark, 1)
    await desk.pages("people", fields=("name.given", "phone"))
    asked = [body["params"]["args"] for body in desk.sent if body and "search_read" in str(body)]
    columns = {name for args in asked if args[3] == "res.partner" for name in args[6]["fields"]}
    assert columns == {"id", "write_date", "active", "name", "email", "phone"}
    rows = (await desk.pages("people", fields=("phone",)))[0].rows
    assert all(row.keys() == {"id", "write_date", "phone"} for row in rows)


async def test_equal_stamps_are_read_once_each_and_the_pass_ends(office: Office, desk: Desk, mark: str):
    made = people(office, mark, 47)
    cursor = await desk.start("people")
    office.change("res.partner", made, function="changed together")
    pages = await desk.pages("people", "read_changes", cursor, size=10, fields=("email",))
    found = ids_of(pages)
    assert len(found) == len(set(found))
    assert {str(id) for id in made} <= set(found)
    assert max(len(page.rows) for page in pages) <= 10


async def test_crash_after_any_page_loses_nothing(office: Office, desk: Desk, mark: str):
    made = people(office, mark, 12)
    cursor = await desk.start("people")
    office.change("res.partner", made, function="new job")
    whole = set(ids_of(await desk.pages("people", "read_changes", cursor, size=5, fields=("function",))))
    for stop in (1, 2, 3):
        before = await desk.pages("people", "read_changes", cursor, size=5, stop=stop, fields=("function",))
        after = await desk.pages("people", "read_changes", before[-1].cursor, size=5, fields=("function",))
        assert set(ids_of(before)) | set(ids_of(after)) == whole


async def test_crash_in_a_full_read_and_edits_meanwhile(office: Office, desk: Desk, mark: str):
    made = people(office, mark, 8)
    before = await desk.pages("people", size=8, stop=1, fields=("function",))
    first = int(ids_of(before)[0])
    office.change("res.partner", first, function=f"edited {mark}")
    after = await desk.pages("people", cursor=before[-1].cursor, size=3, fields=("function",))
    assert {str(id) for id in made} <= set(ids_of(before)) | set(ids_of(after))
    changes = await desk.pages("people", "read_changes", after[-1].cursor, fields=("function",))
    assert {row["id"]: row["function"] for page in changes for row in page.rows}[str(first)] == f"edited {mark}"


async def test_changes_continue_from_the_end_of_the_full_read(office: Office, desk: Desk, mark: str):
    cursor = await desk.start("people")
    (new,) = people(office, mark, 1)
    pages = await desk.pages("people", "read_changes", cursor)
    assert str(new) in ids_of(pages)
    again = await desk.pages("people", "read_changes", pages[-1].cursor)
    assert len(again) <= len(pages) + 1


async def test_a_transaction_that_commits_late_is_still_seen(office: Office, desk: Desk, mark: str):
    """Its stamp is the time it began, so it is older than what was read before it could be seen."""
    first, second = people(office, mark, 2)
    stamp = office.see("res.partner", first, "write_date")["write_date"]
    cursor = await desk.start("people")
    assert cursor["records"]["since"] < stamp
    assert str(second) in ids_of(await desk.pages("people", "read_changes", cursor))


async def test_archived_is_removed_and_comes_back(office: Office, desk: Desk, mark: str):
    (id,) = people(office, mark, 1)
    cursor = await desk.start("people")
    office.change("res.partner", id, active=False)
    pages = await desk.pages("people", "read_changes", cursor)
    assert str(id) in {gone.id for page in pages for gone in page.removed}
    assert str(id) not in ids_of(pages)
    assert [gone.id for gone in (await desk.page("people", id)).removed] == [str(id)]
    office.change("res.partner", id, active=True)
    assert str(id) in ids_of(await desk.pages("people", "read_changes", cursor))


async def test_deleted_and_impossible_ids_are_gone(office: Office, desk: Desk, mark: str):
    kept, deleted = people(office, mark, 2)
    office.admin.call("res.partner", "unlink", [deleted])
    page = await desk.page("people", kept, deleted, "no number", 2**40)
    assert [row["id"] for row in page.rows] == [str(kept)]
    assert page.rows[0]["write_date"] == office.see("res.partner", kept, "write_date")["write_date"]
    assert {gone.id for gone in page.removed} == {str(deleted), "no number", str(2**40)}
    assert not any(gone.merged_into for gone in page.removed)


async def test_merged_people_name_their_survivor(office: Office, desk: Desk, mark: str):
    survivor, loser, third, fourth = people(office, mark, 4)
    office.change("res.partner", [survivor, loser, third, fourth], email=f"{mark}@people.test")
    merge = desk.streams["people"].merge
    assert merge is not None
    await merge(desk.session, str(survivor), [str(loser), str(third), str(fourth)])
    await merge(desk.session, str(survivor), [str(loser)])
    page = await desk.page("people", survivor, loser, fourth)
    assert [row["id"] for row in page.rows] == [str(survivor)]
    assert {gone.id: gone.merged_into for gone in page.removed} == {str(id): str(survivor) for id in (loser, fourth)}


async def test_merge_of_different_addresses_needs_an_administrator(office: Office, desk: Desk, mark: str):
    survivor, loser = people(office, mark, 2)
    merge = desk.streams["people"].merge
    assert merge is not None
    with pytest.raises(NeedsAttention) as raised:
        await merge(desk.session, str(survivor), [str(loser)])
    assert mark not in str(raised.value)


async def test_a_person_turned_company_lives_on_in_the_other_stream(office: Office, desk: Desk, mark: str):
    (id,) = people(office, mark, 1)
    office.change("res.partner", id, is_company=True)
    (gone,) = (await desk.page("people", id)).removed
    assert (gone.id, gone.stream) == (str(id), "companies")
    assert [row["name"] for row in await desk.rows("companies", id)] == [f"{mark} 0"]


async def test_colleagues_and_addresses_are_no_people(office: Office, desk: Desk, opener: Opener, mark: str):
    address = office.make("res.partner", name=mark, type="delivery")
    colleague = office.admin.call("res.users", "read", [office.admin.user_id], ["partner_id"])[0]["partner_id"][0]
    assert (await desk.rows("people", address, colleague)) == []
    generous: Desk = await opener(office.settings(include_colleagues=True))
    assert [row["id"] for row in await generous.rows("people", address, colleague)] == [str(colleague)]


async def test_values_arrive_in_canonical_terms(office: Office, desk: Desk, mark: str):
    poland = office.admin.call("res.country", "search", [["code", "=", "PL"]])[0]
    tags = [office.make("res.partner.category", name=f"{mark} {word}") for word in ("zebra", "łoś")]
    company = office.make("res.partner", name=f"{mark} Spółka", is_company=True)
    id = office.make(
        "res.partner",
        name="Zażółć Gęślą Jaźń 🦢",
        email=f"{mark}@people.test",
        parent_id=company,
        country_id=poland,
        category_id=[[6, 0, tags]],
        comment="two\nlines",
        function="CTO",
    )
    record = await desk.record("people", id)
    assert record.faults == []
    assert record.refs == {"works_for": (("companies",), str(company))}
    wanted: dict[str, Any] = {
        "given_name": "Zażółć Gęślą Jaźń",
        "family_name": "🦢",
        "country": "PL",
        "keywords": [f"{mark} zebra", f"{mark} łoś"],
        "description": "two\nlines",
        "job_title": "CTO",
        "organization_name": f"{mark} Spółka",
        "telephone": None,
    }
    assert {name: record.values[name] for name in wanted} == wanted


async def test_discover_tells_columns_and_what_is_made_of_them(desk: Desk):
    found = await CONNECTOR.discover(desk.session, desk.streams["people"])
    fields = {field.name: field for field in found.fields}
    assert found.creatable
    assert fields["parent_id"].refers_to == ("res.partner",)
    assert ("contact", "Contact") in fields["type"].choices
    assert not fields["display_name"].writable
    assert {"name.given", "country_id.code", "opted_out"} <= fields.keys()
    for stream in desk.streams.values():
        names = {field.name for field in (await CONNECTOR.discover(desk.session, stream)).fields}
        assert {m.vendor for m in stream.mapping} - names <= {"subject"}


async def test_reading_without_the_right_needs_a_person(office: Office, opener: Opener):
    visitor: Desk = await opener(office.settings("visitor"))
    with pytest.raises(NeedsAttention) as raised:
        await visitor.pages("mailing_lists")
    assert raised.value.kind is Attention.RIGHTS
