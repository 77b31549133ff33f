"""What Salesforce fills in by itself: defaults at creation, fields that follow from others, formulas.

Derived fields are kept with the row when it is saved. Formulas are worked out when they are read, which is why their
value can change while the record's SystemModstamp stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zgoda.twins.salesforce.table import Row

if TYPE_CHECKING:
    from zgoda.twins.salesforce.org import Org

_WON, _LOST = "Closed Won", "Closed Lost"
_PROBABILITY = {
    "Prospecting": 10.0, "Qualification": 10.0, "Needs Analysis": 20.0, "Value Proposition": 50.0,
    "Id. Decision Makers": 60.0, "Perception Analysis": 70.0, "Proposal/Price Quote": 75.0, "Negotiation/Review": 90.0,
    _WON: 100.0, _LOST: 0.0,
}  # fmt: skip

DEFAULTS: dict[str, Row] = {
    "Lead": {"Status": "Open - Not Contacted", "IsUnreadByOwner": True},
    "Case": {"Status": "New", "Priority": "Medium"},
    "Task": {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
    "Event": {"ShowAs": "Busy", "EventSubtype": "Event"},
    "Campaign": {"Status": "Planned"},
    "CampaignMember": {"Status": "Sent"},
    "ContactPointTypeConsent": {"PrivacyConsentStatus": "NotSeen"},
    "EmailMessage": {"Status": "0"},
    "User": {"IsActive": True},
}


def derive(org: Org, object: str, row: Row, now: str) -> None:
    """Fill in what follows from the other fields of a row that is about to be saved."""
    rule = _RULES.get(object)
    if rule is not None:
        rule(org, row, now)


def formula(org: Org, object: str, field: str, row: Row) -> Any:
    """A formula field's value at this moment."""
    return _FORMULAS[object, field](org, row)


def person_name(row: Row) -> str:
    return " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)


def _named(org: Org, row: Row, now: str) -> None:
    row["Name"] = person_name(row)


def _contact(org: Org, row: Row, now: str) -> None:
    row["Name"] = person_name(row)
    row["IsEmailBounced"] = "EmailBouncedReason" in row


def _opportunity(org: Org, row: Row, now: str) -> None:
    stage = row.get("StageName", "")
    before = org.tables["Opportunity"].rows.get(row["Id"])
    if before is None or before.get("StageName") != stage:
        row["LastStageChangeDate"] = now
        row["Probability"] = (
            row["Probability"] if before is None and "Probability" in row else _PROBABILITY.get(stage, 10.0)
        )
    row["IsClosed"] = stage in (_WON, _LOST)
    row["IsWon"] = stage == _WON
    row["ForecastCategoryName"] = "Closed" if stage == _WON else "Omitted" if stage == _LOST else "Pipeline"
    if "Amount" in row:
        row["ExpectedRevenue"] = round(row["Amount"] * row.get("Probability", 0.0) / 100, 2)


def _case(org: Org, row: Row, now: str) -> None:
    if "CaseNumber" not in row:
        row["CaseNumber"] = f"{org.next_number('CaseNumber') + 1000:08}"
    closed = row.get("Status") == "Closed"
    if closed and not row.get("IsClosed"):
        row["ClosedDate"] = now
    elif not closed:
        row.pop("ClosedDate", None)
    row["IsClosed"] = closed


def _task(org: Org, row: Row, now: str) -> None:
    closed = row.get("Status") == "Completed"
    if closed and not row.get("IsClosed"):
        row["CompletedDateTime"] = now
    row["IsClosed"] = closed
    row["IsHighPriority"] = row.get("Priority") == "High"
    _activity_account(org, row, now)


def _event(org: Org, row: Row, now: str) -> None:
    start = row.get("StartDateTime") or row.get("ActivityDateTime")
    if start:
        row["StartDateTime"] = row["ActivityDateTime"] = start
        row["ActivityDate"] = start[:10]
    _activity_account(org, row, now)


def _activity_account(org: Org, row: Row, now: str) -> None:
    who = org.tables["Contact"].rows.get(row.get("WhoId", ""))
    what = row.get("WhatId", "")
    account = what if what.startswith("001") else who.get("AccountId") if who else None
    if account:
        row["AccountId"] = account


def _member(org: Org, row: Row, now: str) -> None:
    responded = row.get("Status") in ("Responded", "Clicked", "Attended")
    if responded and not row.get("HasResponded"):
        row["FirstRespondedDate"] = now[:10]
    row["HasResponded"] = responded


def _account_tier(org: Org, row: Row) -> str:
    account = org.tables["Account"].rows.get(row.get("AccountId", ""))
    return (account or {}).get("Tier__c", "None")


def _campaign_contacts(org: Org, row: Row) -> int:
    members = org.tables["CampaignMember"]
    return sum("ContactId" in members.rows[id] for id in members.children("CampaignId", row["Id"]))


def _of_contact(field: str) -> Callable[[Org, Row], Any]:
    return lambda org, row: (org.tables["Contact"].rows.get(row.get("ContactId", "")) or {}).get(field)


_RULES: dict[str, Callable[[Org, Row, str], None]] = {
    "Contact": _contact,
    "Lead": _named,
    "User": _named,
    "Individual": _named,
    "Opportunity": _opportunity,
    "Case": _case,
    "Task": _task,
    "Event": _event,
    "CampaignMember": _member,
}

_FORMULAS: dict[tuple[str, str], Callable[[Org, Row], Any]] = {
    ("Contact", "Account_Tier__c"): _account_tier,
    ("Campaign", "NumberOfContacts"): _campaign_contacts,
    ("Case", "ContactEmail"): _of_contact("Email"),
    ("Case", "ContactPhone"): _of_contact("Phone"),
}
