"""People and companies of a real Tryton and a real Odoo: loops, identity, values, order and deletions."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.real.pair import Day, Pair, somebody
from zgoda.kit.spec import Hint
from zgoda.sync.intake import take_hints
from zgoda.sync.pull import pull_hints
from zgoda.sync.reconcile import reconcile

# The first use installs and prepares both servers.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


class TestLoops:
    async def test_t_01_one_edit_is_told_once_and_then_there_is_silence(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.quiet()
        pair.crm.set_contact(party, "mobile", "+48 100 000 001")
        await day.calm()
        assert pair.written() == (0, 1)
        pair.marketing.edit(partner, mobile="+48 100 000 002")
        await day.calm()
        for _ in range(10):
            await day.sync()
        assert pair.written() == (1, 1)
        assert pair.contact(party, "mobile") == pair.marketing.partner(partner)["mobile"] == "+48 100 000 002"

    async def test_t_03_a_first_import_writes_nothing_to_its_source(self, pair: Pair, day: Day) -> None:
        people = [somebody() for _ in range(20)]
        firm = pair.crm.add_company(f"Firm {people[0].number}", city="Łódź", country="PL")
        for who in people:
            contact = {"email": who.email, "phone": "+48 1 234 567", "mobile": "+48 600", "website": "who.example"}
            pair.crm.add_person(who.name, works_for=firm, city="Łódź", country="PL", **contact)
        pair.quiet()
        await day.calm()
        await day.calm(full=True)
        assert len(pair.marketing.find("res.partner", [["parent_id.name", "=", f"Firm {people[0].number}"]])) == 20
        assert pair.crm_wire.writes == ()

    async def test_t_05_an_edit_right_after_our_own_write_is_kept(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.crm.set_contact(party, "phone", "+48 500 000 001")
        await day.sync()
        assert pair.marketing.partner(partner)["phone"] == "+48 500 000 001"
        pair.marketing.edit(partner, mobile="+48 500 000 002", name="Given Corrected")
        await day.sync()
        assert pair.contact(party, "mobile") == "+48 500 000 002"
        assert pair.crm.party(party)["name"] == "Given Corrected"

    async def test_t_06_an_edit_leaves_though_our_write_is_younger(self, pair: Pair, day: Day) -> None:
        """Somebody edits in Odoo, and before the hub looks, it writes to the same record: the stamp is ours."""
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.marketing.edit(partner, mobile="+48 600 000 001")
        edited = pair.marketing.partner(partner)["write_date"]
        pair.crm.set_contact(party, "phone", "+48 600 000 002")
        source = day.store.setup.find("crm", "people")
        assert source is not None
        await asyncio.sleep(1.1)
        await take_hints(day.store.pool, day.store.clock, [(source, Hint(stream="people", id=str(party)))])
        await pull_hints(day.store.pool, day.store.clock, day.hub.connections["crm"], source, run=None)
        await reconcile(day.store.pool, day.store.setup, day.store.clock, "person")
        await day.sync()
        assert pair.marketing.partner(partner)["phone"] == "+48 600 000 002"
        assert pair.marketing.partner(partner)["write_date"] > edited
        assert pair.contact(party, "mobile") == "+48 600 000 001"

    async def test_t_08_many_records_of_one_stamp_are_each_read_once(self, pair: Pair, day: Day) -> None:
        """More than a page of them, made in one call. Nothing identifies them, so they wait for a person."""
        who = somebody()
        names = [f"Stamp{who.number} Same{number}" for number in range(620)]
        made = pair.crm.add_people([(name, {}) for name in names])
        run = await day.sync()
        assert run.cycle.fresh == len(names)
        assert (await day.sync()).cycle.fresh == 0
        [[known]] = await day.rows(
            "SELECT count(*) FROM golden WHERE entity = 'person' AND fields->>'given_name' = %(n)s",
            n=f"Stamp{who.number}",
        )
        assert known == len(names)
        assert pair.written() == (0, 0)
        pair.crm.delete(*made)
        await day.calm()

    async def test_t_12_old_and_shuffled_hints_end_at_the_newest_state(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        crm, marketing = (day.store.setup.find(name, "people") for name in ("crm", "marketing"))
        assert crm
        assert marketing
        about = [(crm, Hint(stream="people", id=str(party))), (marketing, Hint(stream="people", id=str(partner)))]
        for number in range(3):
            pair.crm.set_contact(party, "phone", f"+48 12 000 000{number}")
            await take_hints(day.store.pool, day.store.clock, [*reversed(about), *about, about[0]])
            await day.sync()
            await take_hints(day.store.pool, day.store.clock, about)
        await day.sync()
        assert pair.marketing.partner(partner)["phone"] == pair.contact(party, "phone") == "+48 12 000 0002"

    async def test_t_13_what_no_stamp_tells_is_found_by_the_full_compare(self, pair: Pair, day: Day) -> None:
        """Tryton leaves no trace of a contact mechanism that is deleted by itself."""
        who = somebody()
        party, partner = pair.both(who, phone="+48 13 000 000")
        await day.meet()
        await day.store.clock.sleep(1.5)  # out of the overlap of the incremental reads
        await day.sync()
        held = pair.crm.find("party.contact_mechanism", [["party", "=", party], ["type", "=", "phone"]])
        pair.crm.calls.call("model.party.contact_mechanism.delete", [held[0]["id"]], {})
        await day.sync()
        assert pair.marketing.partner(partner)["phone"] == "+48 13 000 000"
        drift = await day.sync(full=True)
        assert drift.cycle.fresh == 1
        assert pair.marketing.partner(partner)["phone"] is False

    async def test_t_70_a_full_resync_sends_only_differences(self, pair: Pair, day: Day) -> None:
        pair.both(somebody(), phone="+48 70")
        await day.meet()
        pair.quiet()
        for _ in range(2):
            run = await day.sync(full=True)
            assert (run.cycle.applied, run.cycle.edits) == (0, 0)
        assert pair.written() == (0, 0)


class TestIdentity:
    async def test_t_17_a_new_address_changes_the_record_and_makes_none(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.quiet()
        pair.crm.set_contact(party, "email", f"new-{who.email}")
        await day.sync()
        assert pair.marketing.partner(partner)["email"] == f"new-{who.email}"
        pair.marketing.edit(partner, email=f"newer-{who.email}")
        await day.sync()
        assert pair.contact(party, "email") == f"newer-{who.email}"
        assert not [written for written in pair.crm_wire.writes if written.method == "create"]
        assert pair.marketing.with_address(who.email) == pair.marketing.with_address(f"new-{who.email}") == []

    async def test_t_18_case_and_spaces_of_an_address_mean_nothing(self, pair: Pair, day: Day) -> None:
        who, other = somebody(), somebody()
        party = pair.crm.add_person(who.name, email=who.email.upper())
        partner = pair.marketing.add_person(who.name, email=f"  {who.email} ")
        for address in (f"x+tag@{other.number}.example", f"x@{other.number}.example"):
            pair.crm.add_person(other.name, email=address)
        await day.meet()
        [one] = await day.rows(
            "SELECT array_agg(l.vendor_id ORDER BY l.source) FROM link l JOIN golden g ON g.id = l.golden_id "
            "WHERE lower(g.fields->>'email') = %(e)s GROUP BY g.id",
            e=who.email,
        )
        assert one[0] == [str(party), str(partner)], "one person, and nobody was made"
        assert pair.contact(party, "email") == who.email.upper(), "left as it was typed"
        assert pair.marketing.partner(partner)["email"] == f"  {who.email} "
        found = pair.marketing.find("res.partner", [["email", "ilike", f"@{other.number}.example"]], "email")
        assert len(found) == 2, "plus-addresses are the owner's business"

    async def test_t_21_a_merge_in_tryton_is_followed(self, pair: Pair, day: Day) -> None:
        survivor, double = somebody(), somebody()
        old, old_there = pair.both(double, phone="+48 21 000 000")
        kept, kept_there = pair.both(survivor)
        pair.crm.subscribe(double.email, "Merged")
        pair.marketing.subscribe(survivor.email, "Other list", survivor.name)
        await day.meet()
        assert double.email in pair.marketing.members("Merged")
        pair.crm.unsubscribe(double.email, "Merged")
        await day.sync()
        assert pair.marketing.partner(old_there)["opt_out"] is True, "who leaves every list has withdrawn"
        pair.crm.merge(old, kept)
        await day.calm()
        golden = await day.golden(survivor.email)
        linked = await day.rows("SELECT vendor_id FROM link WHERE golden_id = %(g)s AND NOT gone", g=golden)
        assert {str(kept), str(kept_there), str(old_there)} <= {id for (id,) in linked}
        assert pair.marketing.partner(kept_there)["phone"] == "+48 21 000 000", "fills the survivor's blank"
        assert pair.marketing.partner(kept_there)["opt_out"] is True, "the stricter word holds for both"
        assert pair.marketing.partner(old_there)["opt_out"] is True
        assert not any(pair.crm.subscriptions(survivor.email).values())


class TestValues:
    @pytest.mark.parametrize("side", ["crm", "marketing"])
    async def test_t_31_a_cleared_field_travels_as_its_null_policy_says(self, pair: Pair, day: Day, side: str) -> None:
        """`telephone` propagates, `mobile` ignores blanks, `url` only fills them."""
        who = somebody()
        party, partner = pair.both(who, phone="+48 31 1", mobile="+48 31 2", website="http://one.example")
        await day.meet()
        for kind in ("phone", "mobile", "website"):
            if side == "crm":
                pair.crm.set_contact(party, kind, None)
            else:
                pair.marketing.edit(partner, **{kind: False})
        await day.sync()
        there = pair.marketing.partner(partner)
        held = [pair.contact(party, kind) or False for kind in ("phone", "mobile", "website")]
        other = [there["phone"], there["mobile"], there["website"]] if side == "crm" else held
        assert other == [False, "+48 31 2", "http://one.example"]
        if side == "crm":
            pair.crm.set_contact(party, "website", "http://two.example")
        else:
            pair.marketing.edit(partner, website="http://two.example")
        await day.sync()
        there = pair.marketing.partner(partner)["website"]
        assert (there if side == "crm" else pair.contact(party, "website")) == "http://one.example", "it is not blank"

    async def test_t_36_a_set_is_a_set_in_any_order(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        names = [f"Tag {who.number} {letter}" for letter in "ABC"]
        categories = [pair.crm.create("party.category", name=name) for name in names]
        pair.crm.calls.call("model.party.party.write", [party], {"categories": [["add", categories]]}, {})
        await day.meet()
        tags = {row["id"]: row["name"] for row in pair.marketing.find("res.partner.category", [], "name")}
        held = pair.marketing.calls.call("res.partner", "read", [partner], ["category_id"])[0]["category_id"]
        assert sorted(tags[id] for id in held) == names
        pair.quiet()
        pair.marketing.edit(partner, category_id=[[5]])
        pair.marketing.edit(partner, category_id=[[6, 0, held[::-1]]])
        await day.sync()
        assert pair.written() == (0, 0)

    async def test_t_37_days_stay_days_in_every_zone(
        self, pair: Pair, day: Day, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hub's clock stands 13 hours before, 11 hours behind, and in a zone with summer time."""
        who = somebody()
        firm = pair.crm.add_company(f"Firm {who.number}", city="Sopot")
        names = [f"Deal {who.number} {side}" for side in ("crm", "marketing")]
        here, other = [pair.crm.add_deal(firm, name, "10") for name in names]
        await day.sync()
        ids = {row["name"]: row["id"] for row in pair.marketing.deals()}
        days = ("2028-02-29", "2028-12-31"), ("2029-01-01", "2029-03-25"), ("2029-10-28", "2030-06-30")
        try:
            for zone, (first, second) in zip(
                ("Pacific/Tongatapu", "Pacific/Pago_Pago", "Europe/Warsaw"), days, strict=True
            ):
                monkeypatch.setenv("TZ", zone)
                time.tzset()
                pair.crm.calls.call("model.sale.opportunity.write", [here], {"end_date": tryton_day(first)}, {})
                pair.marketing.change("crm.lead", ids[names[1]], date_deadline=second)
                await day.sync()
                told = pair.marketing.find("crm.lead", [["name", "=", names[0]]], "date_deadline")
                assert told[0]["date_deadline"] == first
                [told] = pair.crm.find("sale.opportunity", [["id", "=", other]], "end_date")
                assert told["end_date"] == tryton_day(second)
        finally:
            monkeypatch.undo()
            time.tzset()


class TestOrder:
    async def test_t_43_a_person_waits_for_the_employer(self, pair: Pair, day: Day) -> None:
        """The hub hears of the person before it has ever seen the company."""
        who = somebody()
        firm = pair.marketing.add_company(f"Firm {who.number}", city="Sopot")
        partner = pair.marketing.add_person(who.name, email=who.email, parent_id=firm)
        source = day.store.setup.find("marketing", "people")
        assert source is not None
        await take_hints(day.store.pool, day.store.clock, [(source, Hint(stream="people", id=str(partner)))])
        await pull_hints(day.store.pool, day.store.clock, day.hub.connections["marketing"], source, run=None)
        early = await reconcile(day.store.pool, day.store.setup, day.store.clock, "person")
        assert (early.new, early.waiting) == (1, 1)
        await day.sync()
        [relation] = [row for row in pair.party(who)["relations."] if row["active"]]
        assert pair.crm.party(relation["to"])["name"] == f"Firm {who.number}"
        assert (await day.rows("SELECT count(*) FROM orphan"))[0][0] == 0


class TestDeletions:
    async def test_t_46_a_deletion_is_propagated_and_stays(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.crm.delete(party)
        await day.calm()
        assert pair.marketing.partner(partner)["active"] is False
        await day.calm(full=True)
        assert pair.crm.find("party.party", [["contact_mechanisms.value", "=", who.email]]) == []
        assert pair.marketing.partner(partner)["active"] is False

    async def test_t_46_delete_against_edit_restores(self, pair: Pair, day: Day) -> None:
        who = somebody()
        party, partner = pair.both(who)
        await day.meet()
        pair.crm.delete(party)
        pair.marketing.edit(partner, mobile="+48 46 000 000")
        await day.calm()
        assert pair.marketing.partner(partner)["active"] is True
        assert pair.contact(pair.party(who)["id"], "mobile") == "+48 46 000 000"

    async def test_t_46_odoo_leaves_no_trace_but_the_full_compare_finds_it(self, pair: Pair, day: Day) -> None:
        """The project says: what is deleted in Odoo is made there again."""
        who = somebody()
        _, partner = pair.both(who, phone="+48 46 1")
        await day.meet()
        pair.marketing.delete(partner)
        await day.calm()
        assert pair.marketing.with_address(who.email) == []
        await day.calm(full=True)
        again = pair.partner(who)
        assert again["id"] != partner
        assert again["phone"] == "+48 46 1"

    async def test_t_48_a_deleted_record_breaks_nothing_else(self, pair: Pair, day: Day) -> None:
        """It vanishes in Odoo between two runs; the others of the same batch get their edits."""
        people = [somebody() for _ in range(6)]
        made = [pair.both(who) for who in people]
        await day.meet()
        pair.marketing.delete(made[2][1])
        for party, _ in made:
            pair.crm.set_contact(party, "phone", "+48 48 000 000")
        await day.calm()
        others = [partner for number, (_, partner) in enumerate(made) if number != 2]
        assert {pair.marketing.partner(partner)["phone"] for partner in others} == {"+48 48 000 000"}
        assert (await day.state(await day.golden(people[3].email), "marketing/people"))[0] == "in sync"
        await day.calm(full=True)
        assert pair.partner(people[2])["phone"] == "+48 48 000 000", "made there again"


def tryton_day(text: str) -> dict[str, Any]:
    year, month, day = map(int, text.split("-"))
    return {"__class__": "date", "year": year, "month": month, "day": day}
