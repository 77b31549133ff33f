"""The servers run, and their protocols behave as docs/real-servers.md tells connector authors. No product code here."""

from __future__ import annotations

import itertools
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from tools import real

# The first use installs and prepares both servers.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

_NUMBERS = itertools.count(1)
EVER = {"active_test": False}


def unique(name: str) -> str:
    return f"{name} {next(_NUMBERS)}"


class TestTryton:
    PARTY = "model.party.party"

    def party(self, tryton: real.TrytonCalls, email: str = "grace@example.test") -> int:
        mechanisms = [["create", [{"type": "email", "value": email}, {"type": "phone", "value": "+1 202 555 0142"}]]]
        row = {"name": unique("Grace"), "contact_mechanisms": mechanisms}
        [party] = tryton.call(f"{self.PARTY}.create", [row], {})
        return int(party)

    def read(self, tryton: real.TrytonCalls, party: int, *fields: str) -> dict[str, Any]:
        [row] = tryton.call(f"{self.PARTY}.read", [party], fields, {})
        return row

    def test_a_wrong_password_is_a_401(self, tryton_server: real.Server) -> None:
        with pytest.raises(real.CallRefused) as refused:
            real.TrytonCalls(tryton_server.url, tryton_server.database, "nobody", "wrong")
        assert refused.value.status == 401

    def test_a_party_with_contact_mechanisms_is_created_found_changed_and_deleted(
        self, tryton: real.TrytonCalls
    ) -> None:
        email = f"grace{next(_NUMBERS)}@example.test"
        party = self.party(tryton, email)
        by_email = [["contact_mechanisms.value", "=", email]]
        fields = ["email", "phone", "contact_mechanisms.type", "contact_mechanisms.value"]
        [found] = tryton.call(f"{self.PARTY}.search_read", by_email, 0, 10, None, fields, {})
        assert (found["id"], found["email"], found["phone"]) == (party, email, "+1 202 555 0142")
        assert [row["type"] for row in found["contact_mechanisms."]] == ["email", "phone"]
        tryton.call(f"{self.PARTY}.write", [party], {"name": "Grace Brewster"}, {})
        assert self.read(tryton, party, "name")["name"] == "Grace Brewster"
        tryton.call(f"{self.PARTY}.delete", [party], {})
        assert tryton.call(f"{self.PARTY}.search", [["id", "=", party]], 0, 1, None, EVER) == []
        with pytest.raises(real.CallRefused, match=r"UserError.*trying to read records"):
            self.read(tryton, party, "name")

    def test_a_relation_of_a_person_to_a_company_has_two_ends(self, tryton: real.TrytonCalls) -> None:
        person = self.party(tryton)
        [company] = tryton.call(f"{self.PARTY}.create", [{"name": unique("Navy Inc")}], {})
        named = [["name", "=", "employed by"]]
        [kind] = tryton.call("model.party.relation.type.search", named, 0, 1, None, {})
        relation = {"from_": person, "to": company, "type": kind}
        tryton.call("model.party.relation.all.create", [relation], {})
        [back] = tryton.call(
            *("model.party.relation.all.search_read", [["from_", "=", company]], 0, 5, None, ["to", "type.name"], {})
        )
        assert (back["to"], back["type."]["name"]) == (person, "employs")

    def test_an_opportunity_needs_the_company_and_has_no_write_date_at_first(self, tryton: real.TrytonCalls) -> None:
        preferences = tryton.call("model.res.user.get_preferences", True, {})
        context = {"company": preferences["company"], "employee": preferences["employee"]}
        row = {"party": self.party(tryton), "amount": {"__class__": "Decimal", "decimal": "10.50"}}
        with pytest.raises(real.CallRefused, match="Currency"):
            tryton.call("model.sale.opportunity.create", [{**row, "company": context["company"]}], {})
        [deal] = tryton.call("model.sale.opportunity.create", [row], context)
        fields = ["state", "amount", "write_date", "create_date", "last_modified_at"]
        [seen] = tryton.call("model.sale.opportunity.read", [deal], fields, context)
        assert (seen["state"], seen["amount"]) == ("lead", {"__class__": "Decimal", "decimal": "10.50"})
        assert seen["write_date"] is None
        assert seen["last_modified_at"] == seen["create_date"]
        with pytest.raises(real.CallRefused, match="not allowed to modify the field"):
            tryton.call("model.sale.opportunity.write", [deal], {"state": "lost"}, context)
        tryton.call("model.sale.opportunity.lost", [deal], context)
        assert tryton.call("model.sale.opportunity.read", [deal], ["state"], context)[0]["state"] == "lost"

    def test_a_stale_timestamp_is_refused_but_a_change_of_a_child_is_not_seen(self, tryton: real.TrytonCalls) -> None:
        party = self.party(tryton)
        before = self.read(tryton, party, "_timestamp", "contact_mechanisms")
        guard = {"_timestamp": {f"party.party,{party}": before["_timestamp"]}}
        phone = before["contact_mechanisms"][-1:]
        tryton.call("model.party.contact_mechanism.write", phone, {"value": "+1 202 555 0199"}, {})
        tryton.call(f"{self.PARTY}.write", [party], {"name": "First"}, guard)
        with pytest.raises(real.CallRefused, match="ConcurrencyException"):
            tryton.call(f"{self.PARTY}.write", [party], {"name": "Second"}, guard)
        assert self.read(tryton, party, "name")["name"] == "First"

    def test_a_batch_is_all_or_nothing_and_shares_one_stamp(self, tryton: real.TrytonCalls) -> None:
        name = unique("Batch")
        rows = [{"name": f"{name} {number}"} for number in range(5)]
        bad = {"name": f"{name} bad", "code": self.read(tryton, self.party(tryton), "code")["code"]}
        like = [["name", "like", f"{name} %"]]
        with pytest.raises(real.CallRefused, match="must be unique"):
            tryton.call(f"{self.PARTY}.create", [*rows, bad], {})
        assert tryton.call(f"{self.PARTY}.search_count", like, {}) == 0
        ids = tryton.call(f"{self.PARTY}.create", rows, {})
        seen = tryton.call(f"{self.PARTY}.read", ids, ["last_modified_at"], {})
        [stamp] = {str(row["last_modified_at"]): row["last_modified_at"] for row in seen}.values()
        same = ["AND", ["last_modified_at", "=", stamp], ["id", ">", ids[1]]]
        later = [["OR", ["last_modified_at", ">", stamp], same], *like]
        order = [["last_modified_at", "ASC"], ["id", "ASC"]]
        assert tryton.call(f"{self.PARTY}.search", later, 0, 2, order, {}) == ids[2:4]

    def test_a_deletion_is_logged_with_a_resource_that_can_only_be_searched(self, tryton: real.TrytonCalls) -> None:
        party, other = self.party(tryton), self.party(tryton)
        tryton.call(f"{self.PARTY}.delete", [party], {})
        asked = [["event", "=", "delete"], ["resource", "in", [f"party.party,{party}", f"party.party,{other}"]]]
        log = tryton.call("model.ir.model.log.search_read", asked, 0, 10, None, ["resource", "user"], {})
        assert [(row["resource"], row["user"]) for row in log] == [(None, tryton.user_id)]

    def test_a_merge_asks_once_and_leaves_a_pointer_to_the_survivor(self, tryton: real.TrytonCalls) -> None:
        keep, source = self.party(tryton), self.party(tryton, "dup@example.test")
        session, *_ = tryton.call("wizard.party.replace.create", {})
        step: tuple[Any, ...] = (session, {"ask": {"source": source, "destination": keep}}, "replace", {})
        with pytest.raises(real.CallRefused, match="UserWarning") as refused:
            tryton.call("wizard.party.replace.execute", *step)
        _, [name, *_] = refused.value.error
        yes = {"user": tryton.user_id, "name": name, "always": False}
        tryton.call("model.res.user.warning.create", [yes], {})
        tryton.call("wizard.party.replace.execute", *step)
        gone = self.read(tryton, source, "active", "replaced_by", "contact_mechanisms")
        assert (bool(gone["active"]), gone["replaced_by"], gone["contact_mechanisms"]) == (False, keep, [])

    def test_an_erasure_empties_an_archived_party_without_moving_its_stamp(self, tryton: real.TrytonCalls) -> None:
        party = self.party(tryton)
        session, *_ = tryton.call("wizard.party.erase.create", {})
        step: tuple[Any, ...] = (session, {"ask": {"party": party}}, "erase", {})
        with pytest.raises(real.CallRefused, match="still active"):
            tryton.call("wizard.party.erase.execute", *step)
        tryton.call(f"{self.PARTY}.write", [party], {"active": False}, {})
        before = self.read(tryton, party, "last_modified_at", "_timestamp")
        tryton.call("wizard.party.erase.execute", *step)
        after = self.read(tryton, party, "name", "last_modified_at", "_timestamp")
        assert after == {**before, "name": None}
        of_party = [["party", "=", party]]
        rows = tryton.call(
            *("model.party.contact_mechanism.search_read", of_party, 0, 9, None, ["type", "value", "active"], EVER)
        )
        assert [(row["type"], row["value"], bool(row["active"])) for row in rows] == [("other", "****", False)] * 2

    def test_a_list_takes_an_address_once_in_lower_case(self, tryton: real.TrytonCalls) -> None:
        [news] = tryton.call("model.marketing.email.list.create", [{"name": unique("News")}], {})
        [member] = tryton.call("model.marketing.email.create", [{"list_": news, "email": "Ada@Example.test"}], {})
        [seen] = tryton.call("model.marketing.email.read", [member], ["email", "active", "write_date"], {})
        assert (seen["email"], bool(seen["active"]), seen["write_date"]) == ("ada@example.test", True, None)
        with pytest.raises(real.CallRefused, match="only be subscribed once"):
            tryton.call("model.marketing.email.create", [{"list_": news, "email": "ada@example.test"}], {})


class TestOdoo:
    def partner(self, odoo: real.OdooCalls, **values: Any) -> int:
        return odoo.call("res.partner", "create", {"name": unique("Grace"), **values})

    def contact(self, odoo: real.OdooCalls, email: str, lists: list[int], **values: Any) -> int:
        row = {"name": email, "email": email, "list_ids": [(6, 0, lists)], **values}
        return odoo.call("mail.mass_mailing.contact", "create", row)

    def error_of(self, odoo: real.OdooCalls, *call: Any) -> tuple[str, str]:
        with pytest.raises(real.CallRefused) as refused:
            odoo.call(*call)
        data = refused.value.error["data"]
        return data["name"], data["exception_type"]

    def test_a_wrong_password_is_false_at_login_and_an_error_in_a_call(self, odoo: real.OdooCalls) -> None:
        assert odoo.ask("common", "authenticate", odoo.database, "admin", "wrong", {}) is False
        with pytest.raises(real.CallRefused) as refused:
            odoo.ask("object", "execute_kw", odoo.database, odoo.user_id, "wrong", "res.partner", "search", [[]])
        data = refused.value.error["data"]
        assert (data["name"], data["exception_type"]) == ("odoo.exceptions.AccessDenied", "access_denied")

    def test_a_person_of_a_company(self, odoo: real.OdooCalls) -> None:
        company = self.partner(odoo, name="Navy Inc", is_company=True)
        person = self.partner(odoo, parent_id=company, email="grace@example.test")
        [seen] = odoo.call("res.partner", "read", [person], ["parent_id", "company_type", "email", "phone"])
        assert seen["parent_id"] == [company, "Navy Inc"]
        assert (seen["company_type"], seen["email"], seen["phone"]) == ("person", "grace@example.test", False)

    def test_a_lead_is_won_and_lost_by_methods(self, odoo: real.OdooCalls) -> None:
        lead = odoo.call("crm.lead", "create", {"name": unique("Deal"), "planned_revenue": 100.5})
        state = ["probability", "active"]
        odoo.call("crm.lead", "action_set_won", [lead])
        assert odoo.call("crm.lead", "read", [lead], state) == [{"id": lead, "probability": 100.0, "active": True}]
        odoo.call("crm.lead", "action_set_lost", [lead])
        assert odoo.call("crm.lead", "read", [lead], state) == [{"id": lead, "probability": 0.0, "active": False}]

    def test_stamps_are_read_in_seconds_but_compared_in_microseconds(self, odoo: real.OdooCalls) -> None:
        partner = self.partner(odoo)
        [shown] = odoo.call("res.partner", "read", [partner], ["write_date"])
        [meta] = odoo.call("res.partner", "get_metadata", [partner])
        assert meta["write_date"].startswith(shown["write_date"] + ".")

        def found(operator: str, stamp: str) -> bool:
            return bool(odoo.call("res.partner", "search", [["id", "=", partner], ["write_date", operator, stamp]]))

        assert not found("=", shown["write_date"])
        assert found(">", shown["write_date"])
        assert found("=", meta["write_date"])
        assert not found(">", meta["write_date"])

    def test_a_stale_write_is_refused_by_the_exact_stamp(self, odoo: real.OdooCalls) -> None:
        partner = self.partner(odoo)
        exact = odoo.call("res.partner", "get_metadata", [partner])[0]["write_date"]

        def write(name: str, stamp: str) -> None:
            guard = {"__last_update": {f"res.partner,{partner}": stamp}}
            odoo.call("res.partner", "write", [partner], {"name": name}, context=guard)

        write("First", exact)
        with pytest.raises(real.CallRefused, match="was modified since you last viewed it"):
            write("Second", exact)
        shown = odoo.call("res.partner", "read", [partner], ["name", "write_date"])[0]
        assert shown["name"] == "First"
        with pytest.raises(real.CallRefused, match="was modified since you last viewed it"):
            write("Third", shown["write_date"])

    def test_archived_rows_hide_and_deleted_rows_leave_nothing(self, odoo: real.OdooCalls) -> None:
        partner = self.partner(odoo, active=False)
        here = [["id", "=", partner]]
        assert odoo.call("res.partner", "search", here) == []
        assert odoo.call("res.partner", "search", [*here, ["active", "in", [True, False]]]) == []
        assert odoo.call("res.partner", "search", here, context=EVER) == [partner]
        assert odoo.call("res.partner", "unlink", [partner]) is True
        assert odoo.call("res.partner", "search", here, context=EVER) == []
        assert odoo.call("res.partner", "read", [partner], ["name"]) == []
        assert odoo.call("res.partner", "unlink", [partner]) is True

    def test_errors_by_kind(self, odoo: real.OdooCalls) -> None:
        gone = self.partner(odoo)
        odoo.call("res.partner", "unlink", [gone])
        kinds = "odoo.exceptions."
        assert self.error_of(odoo, "res.partner", "write", [gone], {"name": "x"})[0] == kinds + "MissingError"
        assert self.error_of(odoo, "res.partner", "create", {"email": "x@y.test"})[0] == kinds + "ValidationError"
        assert self.error_of(odoo, "no.such", "search", [])[0] == kinds + "UserError"
        assert self.error_of(odoo, "res.partner", "_write", [gone], {})[0] == kinds + "AccessError"
        assert self.error_of(odoo, "res.partner", "search", [["nope", "=", 1]])[0] == "builtins.ValueError"
        assert odoo.call("res.partner", "read", [self.partner(odoo)], ["nope"])[0].keys() == {"id"}

    def test_a_merge_keeps_the_chosen_partner_and_deletes_the_other(self, odoo: real.OdooCalls) -> None:
        keep, source = self.partner(odoo, email="k@example.test"), self.partner(odoo, email="d@example.test", phone="1")
        lead = odoo.call("crm.lead", "create", {"name": unique("Deal"), "partner_id": source})
        wizard = "base.partner.merge.automatic.wizard"
        asked = {"partner_ids": [(6, 0, [keep, source])], "dst_partner_id": keep, "state": "selection"}
        odoo.call(wizard, "action_merge", [odoo.call(wizard, "create", asked)])
        assert odoo.call("res.partner", "search", [["id", "=", source]], context=EVER) == []
        [left] = odoo.call("res.partner", "read", [keep], ["email", "phone"])
        assert (left["email"], left["phone"]) == ("k@example.test", "1")
        assert odoo.call("crm.lead", "read", [lead], ["partner_id"])[0]["partner_id"][0] == keep
        about = [["model", "=", "res.partner"], ["res_id", "=", keep], ["body", "like", f"(ID {source})"]]
        assert odoo.call("mail.message", "search_count", about) == 1

    def test_a_mailing_reaches_the_sink_and_its_pixel_and_link_make_statistics(
        self, odoo: real.OdooCalls, odoo_server: real.Server, mails: real.Sink
    ) -> None:
        assert odoo.call("ir.model", "search_count", [["model", "like", "blacklist"]]) == 0
        news = odoo.call("mail.mass_mailing.list", "create", {"name": unique("News")})
        address = f"ada{next(_NUMBERS)}@example.test"
        contact = self.contact(odoo, address, [news])
        self.contact(odoo, f"out-{address}", [news], opt_out=True)
        mailing = self.send_mailing(odoo, news, f"{odoo_server.url}/web/static/src/img/favicon.ico?x=1")
        [mail] = mails.wait_for(1)
        assert (mail.sender, mail.recipients) == ("hub@example.test", (address,))

        pixel = re.search(r'src="([^"]+/mail/track/\d+/blank\.gif[^"]*)"', mail.html)
        link = re.search(r'href="([^"]+/r/[^"]+)"', mail.html)
        bye = re.search(r'href="([^"]+/unsubscribe\?[^"]+)"', mail.html)
        assert pixel
        assert link
        assert bye
        assert pixel[1].startswith(odoo_server.url)
        events = ["opened", "clicked", "sent", "res_id", "model"]
        of_contact = [["mass_mailing_id", "=", mailing], ["res_id", "=", contact]]
        [before] = odoo.call("mail.mail.statistics", "search_read", of_contact, events)
        assert before["sent"]
        assert (before["opened"], before["clicked"]) == (False, False)
        assert fetch(pixel[1])[0] == 200
        [opened] = odoo.call("mail.mail.statistics", "search_read", of_contact, events)
        assert opened["opened"]
        assert not opened["clicked"]
        status, location = fetch(link[1])
        assert (status, "utm_campaign=" in location) == (301, True)
        [clicked] = odoo.call("mail.mail.statistics", "search_read", of_contact, events)
        assert clicked["clicked"]
        assert odoo.call("link.tracker.click", "search_count", [["mail_stat_id", "=", before["id"]]]) == 1
        assert fetch(bye[1])[0] == 200
        [left] = odoo.call("mail.mass_mailing.contact", "read", [contact], ["opt_out", "unsubscription_date"])
        assert left["opt_out"] is True
        assert left["unsubscription_date"]

    def send_mailing(self, odoo: real.OdooCalls, news: int, target: str) -> int:
        """Sends to everybody on the list; the domain says nothing of opt-outs, Odoo has to."""
        [lists] = odoo.call("ir.model", "search", [["model", "=", "mail.mass_mailing.list"]])
        campaign = odoo.call("utm.campaign", "create", {"name": unique("Spring")})
        row = {
            "name": "Spring letter",
            "mailing_model_id": lists,
            "contact_list_ids": [(6, 0, [news])],
            "mailing_domain": f"[('list_ids', 'in', [{news}])]",
            "campaign_id": campaign,
            "email_from": "hub@example.test",
            "reply_to_mode": "email",
            "reply_to": "hub@example.test",
            "body_html": f'<p><a href="{target}">offer</a> <a href="/unsubscribe_from_list">bye</a></p>',
        }
        mailing = odoo.call("mail.mass_mailing", "create", row)
        odoo.call("mail.mass_mailing", "send_mail", [mailing])
        return mailing


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


def fetch(url: str) -> tuple[int, str]:
    """The status and the location a recipient's mail program gets from this link."""
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=60) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as other:
        with other:
            return other.code, other.headers.get("Location", "")
