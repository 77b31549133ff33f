"""Fills the org from an invented world: accounts, contacts, leads and opportunities as a CRM would have them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from zgoda.twins.salesforce.consequences import OPPORTUNITY, ROLE, primary_role
from zgoda.twins.salesforce.derive import person_name
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.table import Row
from zgoda.twins.salesforce.values import stamp
from zgoda.twins.world import Company, Deal, Known, World

_STAGES = (
    "Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Id. Decision Makers", "Perception Analysis",
    "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost",
)  # fmt: skip
_LANGUAGES = {"pl": "Polish", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "cs": "Czech"}
_TIERS = ("Gold", "Silver", "Bronze", None)
_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", None)
_HOURS_PER_YEAR = 8760


def fill_org(org: Org, world: World) -> None:
    """Add a world's companies, people and deals to the org."""
    accounts = [org.new_id("001") for _ in world.companies]
    org.tables["Account"].load(
        _account(org, id, company) for id, company in zip(accounts, world.companies, strict=True)
    )
    contacts: dict[int, str] = {}
    leads: list[Row] = []
    org.tables["Contact"].load(_contacts(org, world, accounts, contacts, leads))
    org.tables["Lead"].load(leads)
    opportunities = [
        _opportunity(org, deal, accounts[deal.company % len(accounts)], contacts.get(deal.person))
        for deal in world.deals()
    ]
    org.tables[OPPORTUNITY].load(opportunities)
    org.tables[ROLE].load(primary_role(org, row, row["ContactId"]) for row in opportunities if "ContactId" in row)


def _contacts(org: Org, world: World, accounts: list[str], contacts: dict[int, str], leads: list[Row]) -> Iterator[Row]:
    """Contacts as they come; leads are put aside."""
    for known in world.crm():
        if known.lead and known.person.company >= 0:
            leads.append(_lead(org, known, world.companies[known.person.company % len(accounts)]))
            continue
        row = _contact(org, known, accounts)
        contacts.setdefault(known.person.number, row["Id"])
        yield row


def _contact(org: Org, known: Known, accounts: list[str]) -> Row:
    person = known.person
    row: Row = {
        "Id": org.new_id("003"), "LastName": known.family, "FirstName": known.given, "Email": known.email,
        "Phone": known.phone, "Title": known.title, "Department": person.department, "Birthdate": person.birthday,
        "AccountId": accounts[person.company] if person.company >= 0 else None,
        "Salutation": "Ms." if person.woman else "Mr.", "MailingStreet": person.street, "MailingCity": person.town,
        "MailingPostalCode": person.postcode, "MailingCountry": person.country,
        "HasOptedOutOfEmail": known.opted_out or None, "LeadSource": _SOURCES[person.dice >> 33 & 3],
        "Language__c": _LANGUAGES.get(person.language, "Other"),
    }  # fmt: skip
    row["Name"] = person_name(row)
    return _finished(org, row, known.age_s)


def _lead(org: Org, known: Known, company: Company) -> Row:
    person = known.person
    row: Row = {
        "Id": org.new_id("00Q"), "LastName": known.family, "FirstName": known.given, "Company": company.name,
        "Email": known.email, "Phone": known.phone, "Title": known.title, "Status": "Open - Not Contacted",
        "Street": person.street, "City": person.town, "PostalCode": person.postcode, "Country": person.country,
        "HasOptedOutOfEmail": known.opted_out or None, "IsUnreadByOwner": True,
    }  # fmt: skip
    row["Name"] = person_name(row)
    return _finished(org, row, known.age_s)


def _account(org: Org, id: str, company: Company) -> Row:
    row: Row = {
        "Id": id, "Name": company.name, "Website": f"https://www.{company.domain}", "Phone": company.phone,
        "BillingStreet": company.street, "BillingCity": company.town, "BillingPostalCode": company.postcode,
        "BillingCountry": company.country, "Industry": company.industry, "NumberOfEmployees": company.employees,
        "AnnualRevenue": float(company.revenue), "Tier__c": _TIERS[company.number % len(_TIERS)],
        "AccountNumber": f"A{company.number:06}",
    }  # fmt: skip
    return _finished(org, row, (company.number * 7919 % _HOURS_PER_YEAR) * 3600)


def _opportunity(org: Org, deal: Deal, account: str, contact: str | None) -> Row:
    stage = _STAGES[deal.stage]
    row: Row = {
        "Id": org.new_id("006"), "Name": deal.name, "AccountId": account, "ContactId": contact, "StageName": stage,
        "Amount": float(deal.amount), "CloseDate": (org.moment() + timedelta(days=deal.days)).date().isoformat(),
        "Probability": 100.0 if stage == "Closed Won" else 0.0 if stage == "Closed Lost" else deal.stage * 10.0 + 10,
        "IsClosed": deal.stage >= 8, "IsWon": deal.stage == 8,
    }  # fmt: skip
    return _finished(org, row, (deal.number * 6101 % _HOURS_PER_YEAR) * 3600)


def _finished(org: Org, row: Row, age_s: int) -> Row:
    """Without empty fields, with owner and stamps of `age_s` ago."""
    changed = stamp(org.moment() - timedelta(seconds=age_s))
    full = {name: value for name, value in row.items() if value not in (None, "")}
    return full | {
        "OwnerId": org.sales_user, "CreatedDate": changed, "CreatedById": org.sales_user, "LastModifiedDate": changed,
        "LastModifiedById": org.sales_user, "SystemModstamp": changed,
    }  # fmt: skip
