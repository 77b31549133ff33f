"""What colleagues do in Odoo's screens, and recipients with its mails. Nothing of the product is used here."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import Any

from tools.real.calls import OdooCalls
from tools.real.instances import Server
from tools.real.smtp import Mail

CONTACT = "mail.mass_mailing.contact"
LIST = "mail.mass_mailing.list"
TIMEOUT_S = 60.0


class OdooOffice:
    """One user's day: partners, mailing lists, mailings, opportunities. Ids are Odoo's numbers."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.calls = OdooCalls(server.url, server.database, server.user, server.password)

    def create(self, model: str, **values: Any) -> int:
        return self.calls.call(model, "create", values)

    def change(self, model: str, id: int, **values: Any) -> None:
        self.calls.call(model, "write", [id], values)

    def find(self, model: str, domain: list[Any], *fields: str, **how: Any) -> list[dict[str, Any]]:
        return self.calls.call(model, "search_read", domain, list(fields), order="id", **how)

    # people and companies

    def add_person(self, name: str, **values: Any) -> int:
        """Values by Odoo's columns; `country` by its code."""
        return self.create("res.partner", name=name, is_company=False, **self._with_country(values))

    def add_company(self, name: str, **values: Any) -> int:
        return self.create("res.partner", name=name, is_company=True, **self._with_country(values))

    def edit(self, partner: int, **values: Any) -> None:
        self.change("res.partner", partner, **self._with_country(values))

    def delete(self, partner: int) -> None:
        self.calls.call("res.partner", "unlink", [partner])

    def merge(self, double: int, survivor: int) -> None:
        """The wizard of Odoo's contacts."""
        asked = {"partner_ids": [[6, 0, [survivor, double]]], "dst_partner_id": survivor, "state": "selection"}
        wizard = "base.partner.merge.automatic.wizard"
        self.calls.call(wizard, "action_merge", [self.create(wizard, **asked)])

    def partner(self, partner: int) -> dict[str, Any]:
        """What the partner's form shows, archived ones too."""
        [row] = self.calls.call("res.partner", "read", [partner], list(FORM))
        return row

    def partners(self, *, companies: bool) -> list[dict[str, Any]]:
        """All partners in use that are not Odoo's own users."""
        return self.find("res.partner", [["is_company", "=", companies], ["partner_share", "=", True]], *FORM)

    def with_address(self, address: str) -> list[dict[str, Any]]:
        """Partners with this e-mail address, archived ones too."""
        return self.find("res.partner", [["email", "=ilike", address]], *FORM, context={"active_test": False})

    # lists and opt-outs

    def list_named(self, name: str) -> int:
        found = self.find(LIST, [["name", "=", name]])
        return int(found[0]["id"]) if found else self.create(LIST, name=name)

    def subscribe(self, address: str, list_name: str, name: str = "") -> int:
        """Puts an address on a list: a mailing contact of its own, tied to people by the address alone."""
        list_id = self.list_named(list_name)
        held = self.find(CONTACT, [["email", "=ilike", address]])
        if held:
            self.change(CONTACT, held[0]["id"], list_ids=[[4, list_id]])
            return int(held[0]["id"])
        return self.create(CONTACT, email=address, name=name or address, list_ids=[[6, 0, [list_id]]])

    def take_off(self, address: str, list_name: str) -> None:
        """Removes an address from a list: no opt-out, it is just not on it any more."""
        for held in self.find(CONTACT, [["email", "=ilike", address]]):
            self.change(CONTACT, held["id"], list_ids=[[3, self.list_named(list_name)]])

    def opt_out(self, address: str) -> None:
        """The box "Opt Out" of the mailing contact, as the link at the foot of a mail sets it."""
        for held in self.find(CONTACT, [["email", "=ilike", address]]):
            self.change(CONTACT, held["id"], opt_out=True)

    def members(self, list_name: str) -> dict[str, bool]:
        """Address -> whether it gets the mails of this list."""
        rows = self.find(CONTACT, [["list_ids.name", "=", list_name]], "email", "opt_out")
        return {row["email"]: not row["opt_out"] for row in rows}

    # mailings

    def send_mailing(self, subject: str, list_name: str, link: str) -> int:
        """Writes a mailing with one link to a list and sends it now."""
        list_id = self.list_named(list_name)
        [model] = self.calls.call("ir.model", "search", [["model", "=", LIST]])
        mailing = self.create(
            "mail.mass_mailing",
            name=subject,
            mailing_model_id=model,
            contact_list_ids=[[6, 0, [list_id]]],
            mailing_domain=f"[('list_ids', 'in', [{list_id}]), ('opt_out', '=', False)]",
            campaign_id=self.create("utm.campaign", name=subject),
            email_from="news@example.test",
            reply_to_mode="email",
            reply_to="news@example.test",
            body_html=f'<p><a href="{link}">our offer</a> <a href="/unsubscribe_from_list">unsubscribe</a></p>',
        )
        self.calls.call("mail.mass_mailing", "send_mail", [mailing])
        return mailing

    def statistics(self, mailing: int = 0) -> list[dict[str, Any]]:
        """What became of the mails of one mailing (or all), one row a mailing contact."""
        domain = [["mass_mailing_id", "=", mailing]] if mailing else [["model", "=", CONTACT]]
        return self.find("mail.mail.statistics", domain, "res_id", "sent", "opened", "clicked")

    # opportunities

    def add_deal(self, partner: int, name: str, amount: float, **values: Any) -> int:
        row = {"name": name, "partner_id": partner, "planned_revenue": amount, "type": "opportunity", **values}
        return self.create("crm.lead", **row)

    def deals(self) -> list[dict[str, Any]]:
        columns = ("name", "planned_revenue", "stage_id", "probability", "partner_id", "active")
        return self.find("crm.lead", [["type", "=", "opportunity"]], *columns, context={"active_test": False})

    def _with_country(self, values: dict[str, Any]) -> dict[str, Any]:
        code = values.pop("country", "")
        return values | ({"country_id": self.find("res.country", [["code", "=", code]])[0]["id"]} if code else {})


FORM = (
    *("name", "email", "phone", "mobile", "website", "street", "zip", "city", "country_id", "function", "parent_id"),
    *("is_company", "opt_out", "active", "comment", "write_date"),
)


def open_mail(mail: Mail) -> None:
    """What a mail program does when it shows the pictures: fetch the tracking pixel."""
    _fetch(_address(r'src="([^"]+/mail/track/\d+/blank\.gif[^"]*)"', mail))


def click(mail: Mail) -> None:
    """Follow the first tracked link of the mail as far as the server that counts it."""
    _fetch(_address(r'href="([^"]+/r/[^"]+)"', mail))


def unsubscribe(mail: Mail) -> None:
    """Follow the link at the foot."""
    _fetch(_address(r'href="([^"]+/unsubscribe\?[^"]+)"', mail))


def _address(pattern: str, mail: Mail) -> str:
    found = re.search(pattern, mail.html)
    if not found:
        raise LookupError(f"the mail has nothing like {pattern}")
    return found[1].replace("&amp;", "&")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


def _fetch(url: str) -> None:
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=TIMEOUT_S) as answer:
            answer.read()
    except urllib.error.HTTPError as other:
        with other:
            if other.code not in (301, 302, 303):
                raise
