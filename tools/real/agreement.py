"""Do the two real servers agree? Asked of the servers themselves, by their own field names, without the hub's help."""

from __future__ import annotations

from typing import Any

from tools.real.odoo_office import CONTACT, LIST, OdooOffice
from tools.real.tryton_office import ANY, CONSENT_LIST, EMPLOYED, ORGANIZATION, TrytonOffice

from zgoda.entrypoints.demo.agreement import Agreement, Side, agree, by_key

STAGES = {
    "lead": "New",
    "opportunity": "Qualified",
    "converted": "Proposition",
    "won": "Won",
    "lost": "Lost",
    "cancelled": "Lost",
}


def compare(crm: TrytonOffice, marketing: OdooOffice) -> dict[str, Agreement]:
    """Every field the project maps, by kind of record."""
    return {
        "people": agree(_tryton_people(crm), _odoo_people(marketing)),
        "companies": agree(_tryton_companies(crm), _odoo_companies(marketing)),
        "memberships": agree(_tryton_memberships(crm), _odoo_memberships(marketing)),
        "opportunities": agree(_tryton_deals(crm), _odoo_deals(marketing)),
        "mail events": agree(_tryton_events(crm), _odoo_events(marketing)),
    }


def _tryton_people(crm: TrytonOffice) -> Side:
    companies = {party["id"]: party["name"] for party in crm.parties()}
    out = _tryton_opt_outs(crm)
    return by_key(
        (
            _mechanism(party, "email"),
            {
                **_tryton_contact(party),
                "mobile": _mechanism(party, "mobile"),
                "employer": next((companies.get(to, "") for to in _employers(party)), ""),
                "opted out": (_mechanism(party, "email") or "").casefold() in out,
            },
        )
        for party in crm.parties()
        if not _is_company(party)
    )


def _odoo_people(marketing: OdooOffice) -> Side:
    out = {row["email"].casefold() for row in marketing.find(CONTACT, [["opt_out", "=", True]], "email")}
    companies = {row["id"]: row["name"] for row in marketing.partners(companies=True)}
    return by_key(
        (
            row["email"],
            {
                **_odoo_contact(row),
                "mobile": row["mobile"],
                "employer": companies.get(row["parent_id"][0], "") if row["parent_id"] else "",
                "opted out": row["opt_out"] or (row["email"] or "").casefold() in out,
            },
        )
        for row in marketing.partners(companies=False)
    )


def _tryton_companies(crm: TrytonOffice) -> Side:
    return by_key(
        (party["name"], _tryton_contact(party) | {"email": _mechanism(party, "email")})
        for party in crm.parties()
        if _is_company(party)
    )


def _odoo_companies(marketing: OdooOffice) -> Side:
    rows = marketing.partners(companies=True)
    return by_key((row["name"], _odoo_contact(row) | {"email": row["email"]}) for row in rows)


def _tryton_memberships(crm: TrytonOffice) -> Side:
    rows = crm.find("marketing.email", [["list_.name", "!=", CONSENT_LIST], ANY], "email", "active", "list_.name")
    return {f"{row['email']} in {row['list_.']['name']}": {"subscribed": bool(row["active"])} for row in rows}


def _odoo_memberships(marketing: OdooOffice) -> Side:
    names = {row["id"]: row["name"] for row in marketing.find(LIST, [], "name")}
    return {
        f"{row['email'].lower()} in {names[id]}": {"subscribed": not row["opt_out"]}
        for row in marketing.find(CONTACT, [], "email", "opt_out", "list_ids")
        for id in row["list_ids"]
    }


def _tryton_deals(crm: TrytonOffice) -> Side:
    return by_key(
        (
            row["description"],
            {
                "amount": float(row["amount"]["decimal"]),
                "stage": STAGES[row["state"]],
                "customer": row["party."]["name"],
            },
        )
        for row in crm.deals()
    )


def _odoo_deals(marketing: OdooOffice) -> Side:
    names = {row["id"]: row["name"] for kind in (True, False) for row in marketing.partners(companies=kind)}
    return by_key(
        (
            row["name"],
            {
                "amount": row["planned_revenue"],
                "stage": row["stage_id"][1] if row["active"] else "Lost",
                "customer": names.get(row["partner_id"][0], "") if row["partner_id"] else "",
            },
        )
        for row in marketing.deals()
    )


def _tryton_events(crm: TrytonOffice) -> Side:
    """Notes say what happened in lines of their own; an event that is there twice has no key and shows as missing."""
    addresses = {party["id"]: _mechanism(party, "email") for party in crm.parties()}
    told = [
        (addresses.get(party), dict(line.split(": ", 1) for line in text.splitlines() if ": " in line))
        for party, text in crm.all_notes()
        if "[zgoda:" in text
    ]
    return by_key((f"{address} {said['What']} {said['When']}", {"channel": said["Channel"]}) for address, said in told)


def _odoo_events(marketing: OdooOffice) -> Side:
    addresses = {row["id"]: row["email"] for row in marketing.find(CONTACT, [], "email")}
    return by_key(
        (f"{addresses[row['res_id']]} {kind} {row[kind].replace(' ', 'T')}Z", {"channel": "email"})
        for row in marketing.statistics()
        for kind in ("sent", "opened", "clicked")
        if row[kind]
    )


def _tryton_contact(party: dict[str, Any]) -> dict[str, Any]:
    address: dict[str, Any] = party["addresses."][0] if party["addresses."] else {}
    return {
        "name": _name(party["name"]),
        "telephone": _mechanism(party, "phone"),
        "web page": _bare(_mechanism(party, "website")),
        "street": address.get("street"),
        "city": address.get("city"),
        "postal code": address.get("postal_code"),
        "country": (address.get("country.") or {}).get("name"),
    }


def _odoo_contact(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _name(row["name"]),
        "telephone": row["phone"],
        "web page": _bare(row["website"]),
        "street": row["street"],
        "city": row["city"],
        "postal code": row["zip"],
        "country": row["country_id"][1] if row["country_id"] else "",
    }


def _mechanism(party: dict[str, Any], kind: str) -> str | None:
    return next((row["value"] for row in party["contact_mechanisms."] if row["type"] == kind), None)


def _employers(party: dict[str, Any]) -> list[int]:
    return [row["to"] for row in party["relations."] if row["active"] and row["type."]["name"] == EMPLOYED]


def _is_company(party: dict[str, Any]) -> bool:
    return ORGANIZATION in {category["name"] for category in party["categories."]}


def _tryton_opt_outs(crm: TrytonOffice) -> set[str]:
    rows = crm.find("marketing.email", [["list_.name", "=", CONSENT_LIST], ["active", "=", False]], "email")
    return {row["email"] for row in rows}


def _name(name: str | None) -> str:
    """Both connectors join the words of a part of a name by no-break spaces; nobody sees a difference."""
    return (name or "").replace("\N{NO-BREAK SPACE}", " ")


def _bare(address: str | bool | None) -> str:
    """A web address without what means nothing."""
    return str(address or "").removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
