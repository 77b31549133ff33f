"""What colleagues do in Tryton's own screens and what they see there. Nothing of the product is used here."""

from __future__ import annotations

from typing import Any

from tools.real.calls import CallRefused, TrytonCalls
from tools.real.instances import Server

PARTY = "model.party.party"
EMAIL = "model.marketing.email"
ANY = ["active", "in", [True, False]]
ORGANIZATION = "Organization"
CONSENT_LIST = "E-mail marketing"
EMPLOYED = "employed by"


class TrytonOffice:
    """One user's day: parties, lists, opportunities. Ids are Tryton's numbers."""

    def __init__(self, server: Server) -> None:
        self.calls = TrytonCalls(server.url, server.database, server.user, server.password)

    def create(self, model: str, context: dict[str, Any] | None = None, /, **values: Any) -> int:
        [id] = self.calls.call(f"model.{model}.create", [values], context or {})
        return int(id)

    def named(self, model: str, name: str) -> int:
        """The record with this name, made where there is none."""
        found = self.calls.call(f"model.{model}.search", [["name", "=", name]], 0, 1, None, {})
        return int(found[0]) if found else self.create(model, name=name)

    def find(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        order = [["id", "ASC"]]
        return self.calls.call(f"model.{model}.search_read", domain, 0, None, order, list(fields), {})

    # people and companies

    def add_person(self, name: str, *, works_for: int | None = None, **contact: str) -> int:
        """`contact`: email, phone, mobile, website by kind; street, city, postal_code, country of the address."""
        party = self.create("party.party", **self._party(name, contact))
        if works_for is not None:
            self.employ(party, works_for)
        return party

    def add_company(self, name: str, **contact: str) -> int:
        category = self.named("party.category", ORGANIZATION)
        return self.create("party.party", categories=[["add", [category]]], **self._party(name, contact))

    def add_people(self, people: list[tuple[str, dict[str, str]]]) -> list[int]:
        rows = [self._party(name, contact) for name, contact in people]
        return [int(id) for id in self.calls.call(f"{PARTY}.create", rows, {})]

    def employ(self, person: int, company: int) -> int:
        [kind] = self.calls.call("model.party.relation.type.search", [["name", "=", EMPLOYED]], 0, 1, None, {})
        return self.create("party.relation.all", from_=person, to=company, type=kind)

    def rename(self, party: int, name: str) -> None:
        self.calls.call(f"{PARTY}.write", [party], {"name": name}, {})

    def set_contact(self, party: int, kind: str, value: str | None) -> None:
        """Change, add or (None) archive the first contact of a kind."""
        held = self.find("party.contact_mechanism", [["party", "=", party], ["type", "=", kind]])
        if held:
            change = {"active": False} if value is None else {"value": value}
            self.calls.call("model.party.contact_mechanism.write", [held[0]["id"]], change, {})
        elif value is not None:
            self.create("party.contact_mechanism", party=party, type=kind, value=value)

    def archive(self, party: int) -> None:
        self.calls.call(f"{PARTY}.write", [party], {"active": False}, {})

    def delete(self, *parties: int) -> None:
        self.calls.call(f"{PARTY}.delete", parties, {})

    def merge(self, source: int, destination: int) -> None:
        """The wizard of Tryton's form; its question about differing names is answered with yes."""
        session, *_ = self.calls.call("wizard.party.replace.create", {})
        step: tuple[Any, ...] = (session, {"ask": {"source": source, "destination": destination}}, "replace", {})
        try:
            self.calls.call("wizard.party.replace.execute", *step)
        except CallRefused as refused:
            kind, [name, *_] = refused.error
            if kind != "UserWarning":
                raise
            self.create("res.user.warning", user=self.calls.user_id, name=name, always=False)
            self.calls.call("wizard.party.replace.execute", *step)

    def party(self, party: int) -> dict[str, Any]:
        """What the party's form shows."""
        [row] = self.find("party.party", [["id", "=", party], ANY], *_FORM)
        return row

    def parties(self) -> list[dict[str, Any]]:
        """All live parties."""
        return self.find("party.party", [], *_FORM)

    def notes(self, party: int) -> list[str]:
        """The texts of a party's notes, oldest first."""
        return [text for holder, text in self.all_notes() if holder == party]

    def all_notes(self) -> list[tuple[int, str]]:
        """(party, text) of all notes on parties."""
        rows = self.find("ir.note", [["resource", "like", "party.party,%"]], "resource", "message")
        return [(int(row["resource"].partition(",")[2]), row["message"]) for row in rows]

    # lists and opt-outs

    def subscribe(self, address: str, list_name: str = CONSENT_LIST) -> int:
        list_id = self.named("marketing.email.list", list_name)
        return self.create("marketing.email", email=address, list_=list_id)

    def unsubscribe(self, address: str, list_name: str = CONSENT_LIST) -> None:
        """What the link at the foot of Tryton's mails does: the record stays, archived."""
        rows = self.find("marketing.email", [["email", "=", address.lower()], ["list_.name", "=", list_name]])
        self.calls.call(f"{EMAIL}.write", [row["id"] for row in rows], {"active": False}, {})

    def subscriptions(self, address: str) -> dict[str, bool]:
        """List name -> whether the address gets its mails."""
        rows = self.find("marketing.email", [["email", "=", address.lower()], ANY], "active", "list_.name")
        return {row["list_."]["name"]: bool(row["active"]) for row in rows}

    # opportunities

    def add_deal(self, party: int, name: str, amount: str) -> int:
        mine = self.calls.call("model.res.user.get_preferences", True, {})
        values = {"party": party, "description": name, "amount": {"__class__": "Decimal", "decimal": amount}}
        return self.create("sale.opportunity", {n: mine[n] for n in ("company", "employee")}, **values)

    def deals(self) -> list[dict[str, Any]]:
        return self.find("sale.opportunity", [], "description", "amount", "state", "party.name")

    def _party(self, name: str, contact: dict[str, str]) -> dict[str, Any]:
        mechanisms = [{"type": kind, "value": contact[kind]} for kind in _KINDS if kind in contact]
        address: dict[str, Any] = {name: contact[name] for name in ("street", "city", "postal_code") if name in contact}
        if "country" in contact:
            found = self.calls.call("model.country.country.search", [["code", "=", contact["country"]]], 0, 1, None, {})
            address["country"] = found[0]
        row: dict[str, Any] = {"name": name, "contact_mechanisms": [["create", mechanisms]]}
        return row | ({"addresses": [["create", [address]]]} if address else {})


_KINDS = ("email", "phone", "mobile", "website")
_FORM = (
    *("name", "active", "replaced_by", "categories.name"),
    *("contact_mechanisms.type", "contact_mechanisms.value"),
    *("addresses.street", "addresses.city", "addresses.postal_code", "addresses.country.name"),
    *("relations.to", "relations.type.name", "relations.active"),
)
