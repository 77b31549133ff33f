"""Reading a real Tryton: pages, changes, deletions, and what belongs to which stream."""

from __future__ import annotations

import pytest
from tests.connectors.tryton.conftest import EMPLOYED, Hub, removed_in, rows_of
from tools.real import TrytonCalls

pytestmark = pytest.mark.real


async def test_reads_a_person_with_sub_records(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    [id] = calls.call(
        "model.party.party.create",
        [
            {
                "name": f"Łucja {unique}",
                "lang": calls.call("model.ir.lang.search", [["code", "=", "pl"]], 0, 1, None, {})[0],
                "contact_mechanisms": [
                    [
                        "create",
                        [
                            {"type": "email", "value": f"second-{unique}@example.org", "sequence": 2},
                            {"type": "email", "value": f"First-{unique}@example.org", "sequence": 1},
                            {"type": "mobile", "value": "+48 600 100 200"},
                        ],
                    ]
                ],
                "addresses": [["create", [{"street": "Długa 1\nm. 2", "postal_code": "00-001", "city": "Łódź"}]]],
            }
        ],
        {},
    )
    row = await hub.row("people", str(id))
    assert row["given_name"] == "Łucja"
    assert row["family_name"] == unique
    assert row["email"] == f"First-{unique}@example.org"
    assert row["mobile"] == "+48 600 100 200"
    assert row["phone"] is None
    assert row["language"] == "pl"
    assert row["address"]["street"] == "Długa 1\nm. 2"
    assert row["email_consent"] == "unknown"
    mapped = hub.mapping("people").read(row)
    assert not mapped.faults
    assert mapped.values["locality"] == "Łódź"
    assert mapped.values["consent:email:marketing"] == "unknown"


async def test_full_read_has_page_edges_total_and_a_cursor(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    ids = calls.call("model.party.party.create", [{"name": f"P{n} {unique}"} for n in range(7)], {})
    everyone = calls.call("model.party.party.search_count", [["categories", "=", None]], {})
    pages = await hub.all("people", page_size=7)
    found = rows_of(pages)
    assert {str(id) for id in ids} <= found.keys()
    assert len(found) == sum(len(page.rows) for page in pages), "no row twice"
    assert pages[0].total == everyone == len(found)
    assert all(len(page.rows) == 7 for page in pages[:-1])
    assert pages[-1].cursor is not None
    assert pages[-1].cursor.keys() == {"since"}
    assert not rows_of(await hub.changes("people", cursor=pages[-1].cursor)), "nothing changed since"


async def test_full_read_resumes_after_a_crash(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    calls.call("model.party.party.create", [{"name": f"C{n} {unique}"} for n in range(9)], {})
    whole = await hub.all("people", page_size=4)
    for stop in range(len(whole) - 1):
        rest = await hub.all("people", page_size=4, cursor=whole[stop].cursor)
        assert rows_of(whole[: stop + 1]).keys() | rows_of(rest).keys() == rows_of(whole).keys()
        assert not rows_of(whole[: stop + 1]).keys() & rows_of(rest).keys()


async def test_changes_of_equal_stamps_are_read_once(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    start = (await hub.changes("people"))[-1].cursor
    ids = calls.call("model.party.party.create", [{"name": f"E{n} {unique}"} for n in range(25)], {})
    pages = await hub.changes("people", cursor=start, page_size=10)
    assert [row["id"] for page in pages for row in page.rows] == [str(id) for id in ids]
    stamps = {row["modified"] for row in rows_of(pages).values()}
    assert len(stamps) == 1, "one call, one stamp"
    for stop in range(len(pages) - 1):
        rest = await hub.changes("people", cursor=pages[stop].cursor, page_size=10)
        assert rows_of(pages[: stop + 1]).keys() | rows_of(rest).keys() == rows_of(pages).keys()
    assert not rows_of(await hub.changes("people", cursor=pages[-1].cursor))


async def test_overlap_reads_late_commits(open_hub, calls: TrytonCalls, unique: str) -> None:
    wide = await open_hub(overlap_s=60)
    start = (await wide.all("people"))[-1].cursor
    [id] = calls.call("model.party.party.create", [{"name": unique}], {})
    first = await wide.changes("people", cursor=start)
    again = await wide.changes("people", cursor=first[-1].cursor)
    assert str(id) in rows_of(first)
    assert str(id) in rows_of(again)


async def test_edits_of_sub_records_count_as_changes(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    sub = {"contact_mechanisms": [["create", [{"type": "phone", "value": "1"}]]], "addresses": [["create", [{}]]]}
    mechanism, address, relation = calls.call(
        "model.party.party.create", [{"name": unique, **sub} for _ in range(3)], {}
    )
    [employer] = calls.call("model.party.party.create", [{"name": f"House {unique}"}], {})
    [type] = calls.call("model.party.relation.type.search", [["name", "=", EMPLOYED]], 0, 1, None, {})
    start = (await hub.changes("people"))[-1].cursor
    party = calls.call("model.party.party.read", [mechanism, address], ["contact_mechanisms", "addresses"], {})
    by_id = {row["id"]: row for row in party}
    calls.call("model.party.contact_mechanism.write", by_id[mechanism]["contact_mechanisms"], {"value": "2"}, {})
    calls.call("model.party.address.write", by_id[address]["addresses"], {"active": False}, {})
    calls.call("model.party.relation.all.create", [{"from_": relation, "to": employer, "type": type}], {})
    changed = rows_of(await hub.changes("people", cursor=start))
    assert changed.keys() == {str(mechanism), str(address), str(relation), str(employer)}
    assert changed[str(mechanism)]["phone"] == "2"
    assert changed[str(mechanism)]["modified"] > changed[str(address)]["modified"][:10]
    assert changed[str(relation)]["works_for"] == str(employer)


async def test_categories_tell_organizations(open_hub, calls: TrytonCalls, unique: str) -> None:
    name = f"Firms {unique}"
    hub: Hub = await open_hub(organization_category=name, person_category=f"Humans {unique}", unclassified="neither")
    [firms, humans] = calls.call("model.party.category.create", [{"name": name}, {"name": f"Humans {unique}"}], {})
    firm, human, neither = calls.call(
        "model.party.party.create",
        [
            {"name": f"Firm {unique}", "categories": [["add", [firms]]]},
            {"name": f"Human {unique}", "categories": [["add", [humans]]]},
            {"name": f"Thing {unique}"},
        ],
        {},
    )
    assert rows_of(await hub.all("organizations")).keys() == {str(firm)}
    people = await hub.all("people")
    assert rows_of(people).keys() == {str(human)}
    calls.call("model.party.party.write", [human], {"categories": [["add", [firms]]]}, {})
    changes = await hub.changes("people", cursor=people[-1].cursor)
    assert str(human) in removed_in(changes), "it is no person any more"
    assert str(human) in rows_of(await hub.changes("organizations", cursor=people[-1].cursor))
    assert str(neither) not in rows_of(changes)


async def test_archived_and_merged_parties_are_removed(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    archived, source, target = calls.call("model.party.party.create", [{"name": unique} for _ in range(3)], {})
    start = (await hub.changes("people"))[-1].cursor
    calls.call("model.party.party.write", [archived], {"active": False}, {})
    session, *_ = calls.call("wizard.party.replace.create", {})
    ask = {"ask": {"source": source, "destination": target}}
    calls.call("wizard.party.replace.execute", session, ask, "replace", {})
    gone = removed_in(await hub.changes("people", cursor=start))
    assert gone[str(archived)].merged_into == ""
    assert gone[str(source)].merged_into == str(target)
    assert (await hub.by_id("people", str(source))).removed[0].merged_into == str(target)


async def test_deletions_are_read_from_the_log(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    start = (await hub.deletes("people"))[-1].cursor
    doomed = calls.call("model.party.party.create", [{"name": f"D{n} {unique}"} for n in range(12)], {})
    kept = doomed.pop(5)
    for id in doomed[:4]:
        calls.call("model.party.party.delete", [id], {})
    calls.call("model.party.party.delete", doomed[4:], {})
    calls.call("model.party.party.delete", [987654321], {})  # never was there, but is logged
    pages = await hub.deletes("people", cursor=start)
    gone = removed_in(pages)
    assert gone.keys() == {*map(str, doomed), "987654321"}
    assert str(kept) not in gone
    assert all(one.at is not None for one in gone.values())
    assert not removed_in(await hub.deletes("people", cursor=pages[-1].cursor))


async def test_deleted_relations_have_the_id_of_the_row(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    person, firm = calls.call("model.party.party.create", [{"name": unique}, {"name": f"F {unique}"}], {})
    id = await hub.create("employments", person=str(person), organization=str(firm), start_date="2026-01-31")
    row = (await hub.by_id("employments", id)).rows[0]
    assert (row["person"], row["organization"], row["start_date"]) == (str(person), str(firm), "2026-01-31")
    assert rows_of(await hub.all("employments"))[id] == row
    start = (await hub.deletes("employments"))[-1].cursor
    calls.call("model.party.relation.all.delete", [int(id) + 1], {})  # the way back
    assert removed_in(await hub.deletes("employments", cursor=start)).keys() == {id}


async def test_read_ids_tells_the_gone(hub: Hub, calls: TrytonCalls, unique: str) -> None:
    [id] = calls.call("model.party.party.create", [{"name": unique}], {})
    page = await hub.by_id("people", str(id), "999999", "no id")
    assert [row["id"] for row in page.rows] == [str(id)]
    assert {gone.id for gone in page.removed} == {"999999", "no id"}


async def test_only_asked_columns_are_requested(hub: Hub) -> None:
    await hub.all("people", fields=("given_name",))
    [[*_, columns, _context]] = hub.line.calls_of("party.party.search_read")
    assert set(columns) == {
        *("id", "name", "last_modified_at", "_timestamp", "active", "replaced_by", "categories.name")
    }
    assert not hub.line.calls_of("marketing.email.search_read")


async def test_compare_has_no_deletions(open_hub) -> None:
    hub: Hub = await open_hub(deletions="compare")
    assert hub.stream("people").read_deletes is None
    assert hub.stream("people").read_changes is not None
