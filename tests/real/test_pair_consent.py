"""Consent, mailing lists, the history of mails, and what goes wrong, between a real Tryton and a real Odoo."""

from __future__ import annotations

import json

import pytest
from tools.real.odoo_office import CONTACT, click, open_mail

from tests.real.pair import Day, Pair, somebody, working_day
from zgoda.db import embedded

# The first use installs and prepares both servers.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


class TestConsent:
    async def test_t_02_an_echo_changes_neither_membership_nor_consent(self, pair: Pair, day: Day) -> None:
        who = somebody()
        pair.both(who)
        pair.crm.subscribe(who.email)
        pair.marketing.subscribe(who.email, "Echo", who.name)
        await day.meet()
        pair.quiet()
        pair.crm.subscribe(who.email, "Echo too")
        await day.calm()
        told = pair.written()
        for _ in range(5):
            await day.sync()
        await day.sync(full=True)
        assert pair.written() == told
        assert pair.crm.subscriptions(who.email) == {"E-mail marketing": True, "Echo": True, "Echo too": True}
        assert pair.marketing.members("Echo")[who.email]
        assert pair.marketing.members("Echo too")[who.email]

    @pytest.mark.parametrize("side", ["crm", "marketing"])
    async def test_t_52_an_opt_out_knows_no_filter(self, pair: Pair, day: Day, side: str) -> None:
        """The project keeps people of one town out of marketing: their edits stay, their objections travel."""
        who = somebody()
        party = pair.crm.add_person(who.name, email=who.email, phone="+48 52", city="Elsewhere")
        await day.calm()
        assert pair.marketing.with_address(who.email) == [], "outside the filter"
        partner = pair.marketing.add_person(who.name, email=who.email, city="Elsewhere")
        contact = pair.marketing.subscribe(who.email, "Filtered", who.name)
        await day.calm()
        pair.marketing.edit(partner, phone="+48 52 1")
        if side == "crm":
            pair.crm.subscribe(who.email)
            pair.crm.unsubscribe(who.email)
        else:
            pair.marketing.opt_out(who.email)
        await day.calm()
        assert pair.marketing.calls.call(CONTACT, "read", [contact], ["opt_out"])[0]["opt_out"] is True
        assert pair.crm.subscriptions(who.email)["E-mail marketing"] is False
        assert (pair.contact(party, "phone"), pair.marketing.partner(partner)["phone"]) == ("+48 52", "+48 52 1")

    async def test_t_53_who_has_opted_out_is_created_opted_out(self, pair: Pair, day: Day) -> None:
        """In both directions, and before there is anything that could be mailed."""
        mine, theirs = somebody(), somebody()
        pair.crm.add_person(mine.name, email=mine.email)
        pair.crm.subscribe(mine.email)
        pair.crm.unsubscribe(mine.email)
        pair.marketing.add_person(theirs.name, email=theirs.email, opt_out=True)
        await day.calm()
        assert pair.partner(mine)["opt_out"] is True
        made = [one for one in pair.marketing_wire.about(mine.email) if one.model == "res.partner"]
        assert len(made) == 1
        assert "opt_out" in json.loads(made[0].arguments)[0]["fields" if "fields" in made[0].arguments else 0]
        assert pair.crm.subscriptions(theirs.email) == {"E-mail marketing": False}
        calls = [(one.model, one.method) for one in pair.crm_wire.writes]
        assert calls.index(("marketing.email", "write")) < calls.index(("party.party", "create"))

    async def test_t_55_only_newer_evidence_lifts_an_opt_out(self, pair: Pair, day: Day) -> None:
        who = somebody()
        _, partner = pair.both(who)
        pair.crm.subscribe(who.email)
        await day.meet()
        pair.marketing.edit(partner, opt_out=True)
        await day.sync()
        assert pair.crm.subscriptions(who.email) == {"E-mail marketing": False}
        pair.marketing.edit(partner, opt_out=False)
        await day.sync()
        assert pair.marketing.partner(partner)["opt_out"] is True, "an unticked box is no evidence"
        assert pair.crm.subscriptions(who.email) == {"E-mail marketing": False}
        [record] = pair.crm.find("marketing.email", [["email", "=", who.email], ["active", "=", False]])
        pair.crm.calls.call("model.marketing.email.write", [record["id"]], {"active": True}, {})
        await day.sync()
        assert pair.marketing.partner(partner)["opt_out"] is False, "the person subscribed again"
        assert pair.crm.subscriptions(who.email) == {"E-mail marketing": True}

    async def test_t_57_to_be_off_a_list_is_no_opt_out(self, pair: Pair, day: Day) -> None:
        who = somebody()
        _, partner = pair.both(who)
        pair.crm.subscribe(who.email)
        for name in ("Leaves", "Stays"):
            pair.marketing.subscribe(who.email, name, who.name)
        await day.meet()
        pair.marketing.take_off(who.email, "Leaves")
        await day.calm()
        assert pair.crm.subscriptions(who.email) == {"E-mail marketing": True, "Stays": True}
        assert pair.marketing.partner(partner)["opt_out"] is False
        pair.crm.subscribe(who.email, "Joins")
        await day.calm()
        assert pair.marketing.members("Joins") == {who.email: True}

    async def test_t_43_a_contact_nobody_knows_waits_and_is_told_once_somebody_has_the_address(
        self, pair: Pair, day: Day
    ) -> None:
        who = somebody()
        pair.marketing.subscribe(who.email, "Strangers")
        await day.sync()
        assert pair.crm.subscriptions(who.email) == {}
        pair.crm.add_person(who.name, email=who.email)
        await day.sync()
        await day.calm(full=True)
        assert pair.crm.subscriptions(who.email) == {"Strangers": True}


class TestHistory:
    async def test_t_45_every_event_is_one_note_however_often_it_is_told(self, pair: Pair, day: Day) -> None:
        readers = [somebody() for _ in range(3)]
        parties = [pair.both(who)[0] for who in readers]
        for who in readers:
            pair.marketing.subscribe(who.email, "History", who.name)
        await day.meet()
        pair.sink.clear()
        pair.marketing.send_mailing("Autumn", "History", f"{pair.marketing.url}/web/static/src/img/favicon.ico")
        mails = {mail.recipients[0]: mail for mail in pair.sink.wait_for(3)}
        await day.sync()
        for _ in range(2):
            open_mail(mails[readers[0].email])
            click(mails[readers[0].email])
        await day.sync()
        kinds = [[note.splitlines()[0] for note in pair.crm.notes(party)] for party in parties]
        assert kinds == [["What: sent", "What: opened", "What: clicked"], ["What: sent"], ["What: sent"]]
        assert "Subject: Autumn" in pair.crm.notes(parties[0])[1]
        assert "Address: http" in pair.crm.notes(parties[0])[2]
        await day.calm(full=True)
        assert [len(pair.crm.notes(party)) for party in parties] == [3, 1, 1]

    async def test_t_45_a_hub_that_lost_its_memory_adds_no_note(self, pair: Pair, day: Day) -> None:
        """Another store, the same systems: everything is read and told as for the first time."""
        notes = sorted(pair.crm.all_notes())
        assert notes, "the test before this one made some"
        folder = pair.folder / ".zgoda" / "other"
        text = (pair.folder / "zgoda.yaml").read_text()
        (pair.folder / "zgoda.yaml").write_text(f"{text}store: {folder}\n")
        try:
            async with working_day(pair) as anew:
                await anew.calm()
                [[known]] = await anew.rows("SELECT count(*) FROM golden WHERE entity = 'interaction'")
                assert known == len(notes)
        finally:
            (pair.folder / "zgoda.yaml").write_text(text)
            embedded.stop(folder)
        assert sorted(pair.crm.all_notes()) == notes


class TestTrouble:
    async def test_t_62_a_field_that_is_refused_is_named_and_the_rest_lands(self, pair: Pair, day: Day) -> None:
        """This Tryton knows two countries only."""
        who = somebody()
        pair.marketing.add_person(who.name, email=who.email, phone="+33 1", city="Lyon", country="FR")
        await day.calm()
        party = pair.party(who)
        assert pair.contact(party["id"], "phone") == "+33 1"
        assert party["addresses."][0]["city"] == "Lyon"
        state, reason = await day.state(await day.golden(who.email), "crm/people")
        assert state == "failing"
        assert reason.startswith("country: unknown_choice (address.country)")
        pair.marketing.edit(pair.partner(who)["id"], country="PL")
        await day.calm()
        assert (await day.state(await day.golden(who.email), "crm/people"))[0] == "in sync"

    async def test_t_62_a_run_with_a_refused_row_is_no_success(self, pair: Pair, day: Day) -> None:
        """Odoo 11 cannot say that somebody left one list only."""
        who = somebody()
        pair.both(who)
        await day.meet()
        pair.crm.subscribe(who.email)
        record = pair.crm.subscribe(who.email, "Left before")
        pair.crm.calls.call("model.marketing.email.write", [record], {"active": False}, {})
        run = await day.sync()
        assert (run.cycle.refused, run.result) == (1, "failing rows")
        golden = await day.golden(str(record), "membership")
        state, reason = await day.state(golden, "marketing/subscriptions")
        assert (state, reason.partition(":")[0]) == ("failing", "no_list_opt_out")
        assert pair.marketing.members("Left before") == {}
        pair.quiet()
        await day.calm()
        assert pair.marketing_wire.about(who.email) == [], "and it is not tried for ever"

    async def test_t_64_one_bad_row_does_not_keep_the_others_out(self, pair: Pair, day: Day) -> None:
        """Tryton refuses the whole call for one code that is taken."""
        number = somebody().number
        taken = pair.crm.add_company(f"Taken {number}", city="Sopot")
        [own] = pair.crm.find("party.party", [["id", "=", taken]], "code")
        await day.calm()
        codes = {f"Row {number} {row}": f"R{number}-{row}" for row in range(10)}
        bad = f"Row {number} 4"
        for name, code in codes.items():
            pair.marketing.add_company(name, city="Sopot", ref=own["code"] if name == bad else code)
        await day.calm()
        there = pair.crm.find("party.party", [["name", "in", list(codes)]], "name", "code")
        assert {row["name"]: row["code"] for row in there} == {n: code for n, code in codes.items() if n != bad}
        state, reason = await day.state(await day.golden(bad, "organization"), "crm/organizations")
        assert state == "failing"
        assert "there is a record with such a value already" in reason

    async def test_a_contact_without_a_person_is_no_dead_letter(self, pair: Pair, day: Day) -> None:
        number = somebody().number
        list_id = pair.marketing.list_named(f"Alone {number}")
        contact = pair.marketing.create(CONTACT, email=f"alone{number}@pair.example", list_ids=[[6, 0, [list_id]]])
        await day.calm()
        golden = await day.golden(f"{contact}:{list_id}", "membership")
        assert await day.state(golden, "crm/subscriptions") == ("excluded", "no person")
