"""What is special about each vendor object: which records belong to the stream, and fields that are none there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from zgoda.kit.spec import Row

STAMP: Final = "SystemModstamp"
VERSION: Final = "LastModifiedDate"

CONTACT_PREFIX: Final = "003"
LEAD_PREFIX: Final = "00Q"
DEAL_PREFIX: Final = "006"


class Virtual(msgspec.Struct, frozen=True, kw_only=True):
    """A field of our rows made of vendor fields (`parts`), because a dotted path cannot say it."""

    parts: tuple[str, ...]
    read: Callable[[Row], Any]
    write: Callable[[Any], Row]


class SObject(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor object as a stream reads and writes it.

    `scope` is the SOQL condition that makes a record belong to the stream. `merges`: merging leaves losers with a
    `MasterRecordId`. `converts_to` names the stream where a converted record lives on. `sought_by` are sets of fields
    by which a create whose answer was lost is found; the first set whose fields were all sent counts. `keyed` objects
    are created with the external id field of the setting `interaction_key_field`, when it is given. `needs` are fields
    without which a created record would not belong to the stream; `born_with` are values every created record gets.
    """

    name: str
    stream: str
    scope: str = ""
    merges: bool = False
    converts_to: str = ""
    virtual: dict[str, Virtual] = msgspec.field(default_factory=dict[str, Virtual])
    sought_by: tuple[tuple[str, ...], ...] = ()
    keyed: bool = False
    needs: tuple[str, ...] = ()
    born_with: Row = msgspec.field(default_factory=dict[str, Any])


def columns(sobject: SObject, fields: tuple[str, ...]) -> tuple[str, ...]:
    """The vendor columns to ask for so that `shape` can give the fields."""
    wanted: dict[str, None] = {"Id": None, STAMP: None, VERSION: None}
    for name in fields:
        virtual = sobject.virtual.get(name)
        wanted.update(dict.fromkeys(virtual.parts if virtual else (name,)))
    return tuple(wanted)


def shape(sobject: SObject, fields: tuple[str, ...], record: Row) -> Row:
    """The row for a vendor record: virtual fields filled, the vendor's own decoration and unasked columns dropped."""
    row = _plain(record)
    made = {name: virtual.read(row) for name, virtual in sobject.virtual.items() if name in fields}
    tops = {path.partition(".")[0] for path in (*fields, "Id", STAMP, VERSION)}
    return {name: value for name, value in row.items() if name in tops} | made


def record_of(sobject: SObject, values: Row) -> Row:
    """The vendor's columns for values that may hold virtual fields."""
    record: Row = {}
    for name, value in values.items():
        virtual = sobject.virtual.get(name)
        record.update(virtual.write(value) if virtual else {name: value})
    return record


def named_by_us(sobject: SObject, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Vendor columns in an error, by the names our mapping knows them under."""
    ours = {part: name for name, virtual in sobject.virtual.items() for part in virtual.parts}
    return tuple(dict.fromkeys(ours.get(field, field) for field in fields))


def _plain(record: Row) -> Row:
    return {
        name: _plain(value) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
        for name, value in record.items()
        if name != "attributes"
    }


def _person(row: Row) -> Any:
    """A member is a contact or a lead; once the lead is converted both are set and the contact counts."""
    return row.get("ContactId") or row.get("LeadId")


def _write_person(value: Any) -> Row:
    return {"LeadId" if isinstance(value, str) and value.startswith(LEAD_PREFIX) else "ContactId": value}


def _deal(row: Row) -> Any:
    """`WhatId` points to records of many kinds; only opportunities are deals."""
    what = row.get("WhatId")
    return what if isinstance(what, str) and what.startswith(DEAL_PREFIX) else None


def _write_day(value: Any) -> Row:
    """`ActivityDate` is a day; interactions have a moment."""
    return {"ActivityDate": value[:10] if isinstance(value, str) else value}


_DEAL = Virtual(parts=("WhatId",), read=_deal, write=lambda value: {"WhatId": value})
_PERSON = Virtual(parts=("ContactId", "LeadId"), read=_person, write=_write_person)
_DAY = Virtual(parts=("ActivityDate",), read=lambda row: row.get("ActivityDate"), write=_write_day)

ACCOUNT = SObject(
    name="Account",
    stream="accounts",
    merges=True,
    sought_by=(("Name", "Website"), ("Name", "BillingCity"), ("Name", "Phone"), ("Name",)),
)
CONTACT = SObject(
    name="Contact",
    stream="contacts",
    merges=True,
    sought_by=(("Email", "LastName"), ("FirstName", "LastName", "MobilePhone"), ("FirstName", "LastName", "Phone")),
)
LEAD = SObject(
    name="Lead",
    stream="leads",
    scope="IsConverted = false",
    merges=True,
    converts_to="contacts",
    sought_by=(("Email", "LastName"), ("LastName", "Company", "MobilePhone"), ("LastName", "Company", "Phone")),
)
OPPORTUNITY = SObject(
    name="Opportunity",
    stream="opportunities",
    sought_by=(("Name", "AccountId", "CloseDate"), ("Name", "CloseDate")),
)
CAMPAIGN = SObject(name="Campaign", stream="campaigns", sought_by=(("Name",),))
CAMPAIGN_MEMBER = SObject(
    name="CampaignMember",
    stream="campaign_members",
    virtual={"PersonId": _PERSON},
    sought_by=(("CampaignId", "ContactId"), ("CampaignId", "LeadId")),
)
TASK = SObject(
    name="Task",
    stream="tasks",
    scope="TaskSubtype NOT IN ('Email', 'Call', 'ListEmail')",
    virtual={"DealId": _DEAL},
    sought_by=(("Subject", "WhoId", "ActivityDate"), ("Subject", "WhatId", "ActivityDate")),
)
ACTIVITY = SObject(
    name="Task",
    stream="activities",
    scope="TaskSubtype IN ('Email', 'Call', 'ListEmail') AND IsClosed = true",
    virtual={"ActivityDate": _DAY},
    sought_by=(("Subject", "WhoId", "ActivityDate", "TaskSubtype"),),
    keyed=True,
    needs=("TaskSubtype",),
    born_with={"Status": "Completed"},
)
CASE = SObject(name="Case", stream="cases", merges=True, sought_by=(("Subject", "ContactId"), ("Subject", "AccountId")))
