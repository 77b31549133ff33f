"""The default mapping tables. What a project wants otherwise it says in its own mapping files."""

from __future__ import annotations

from typing import Final

import msgspec

from zgoda.connectors.salesforce.countries import COUNTRIES
from zgoda.kit.mapping import Map

UNKNOWN: Final = "[unknown]"
"""For required names that nobody knows; never read back as a name."""

OPTED_OUT: Final = (
    (True, "withdrawn"),
    (False, "unknown"),
    (False, "granted"),
    (False, "pending"),
)
"""A box that is not ticked is no consent, so it reads as `unknown`. `undeliverable` is not the person's word and is not
written."""

_PRIORITY: Final = (("High", "high"), ("Normal", "normal"), ("Low", "low"))


def _address(prefix: str) -> tuple[Map, ...]:
    return (
        Map(vendor=f"{prefix}Street", field="street_address"),
        Map(vendor=f"{prefix}City", field="locality"),
        Map(vendor=f"{prefix}State", field="region"),
        Map(vendor=f"{prefix}PostalCode", field="postal_code"),
        Map(vendor=f"{prefix}Country", field="country", values=COUNTRIES),
    )


def _consent() -> tuple[Map, ...]:
    return (
        Map(vendor="HasOptedOutOfEmail", field="consent:email:marketing", values=OPTED_OUT, otherwise="hold"),
        Map(vendor="DoNotCall", field="consent:phone:marketing", values=OPTED_OUT, otherwise="hold"),
    )


ACCOUNTS: Final = (
    Map(vendor="Name", field="name", placeholder=UNKNOWN),
    Map(vendor="Website", field="url"),
    Map(vendor="Phone", field="telephone"),
    *_address("Billing"),
    Map(vendor="Industry", field="industry"),
    Map(vendor="NumberOfEmployees", field="number_of_employees"),
    Map(vendor="AnnualRevenue", field="annual_revenue"),
    Map(vendor="ParentId", field="parent", refers_to=("accounts",)),
    Map(vendor="Description", field="description"),
)

CONTACTS: Final = (
    Map(vendor="FirstName", field="given_name"),
    Map(vendor="LastName", field="family_name", placeholder=UNKNOWN),
    Map(vendor="Salutation", field="honorific_prefix"),
    Map(vendor="Email", field="email"),
    Map(vendor="Phone", field="telephone"),
    Map(vendor="MobilePhone", field="mobile"),
    Map(vendor="Fax", field="fax_number"),
    Map(vendor="Title", field="job_title"),
    Map(vendor="Department", field="department"),
    *_address("Mailing"),
    Map(vendor="Birthdate", field="birth_date"),
    Map(vendor="LeadSource", field="lead_source"),
    Map(vendor="Description", field="description"),
    Map(vendor="AccountId", field="works_for", refers_to=("accounts",)),
    Map(vendor="Account.Name", field="organization_name", direction="in", derived=True),
    *_consent(),
)

LEADS: Final = (
    Map(vendor="FirstName", field="given_name"),
    Map(vendor="LastName", field="family_name", placeholder=UNKNOWN),
    Map(vendor="Salutation", field="honorific_prefix"),
    Map(vendor="Company", field="organization_name", placeholder=UNKNOWN),
    Map(vendor="Title", field="job_title"),
    Map(vendor="Email", field="email"),
    Map(vendor="Phone", field="telephone"),
    Map(vendor="MobilePhone", field="mobile"),
    Map(vendor="Fax", field="fax_number"),
    Map(vendor="Website", field="url"),
    *_address(""),
    Map(vendor="LeadSource", field="lead_source"),
    Map(vendor="Description", field="description"),
    *_consent(),
)

OPPORTUNITIES: Final = (
    Map(vendor="Name", field="name", placeholder=UNKNOWN),
    Map(vendor="Amount", field="amount"),
    Map(vendor="StageName", field="stage"),
    Map(vendor="Probability", field="probability"),
    Map(vendor="CloseDate", field="close_date", placeholder="2099-12-31"),
    Map(vendor="IsWon", field="is_won", direction="in", derived=True),
    Map(vendor="AccountId", field="organization", refers_to=("accounts",)),
    Map(vendor="ContactId", field="person", refers_to=("contacts",), derived=True),
    Map(vendor="Description", field="description"),
)

CAMPAIGNS: Final = (
    Map(vendor="Name", field="name", placeholder=UNKNOWN),
    Map(vendor="Description", field="description"),
    Map(vendor="Id", field="is_static", direction="in", derived=True, read="true"),
)

CAMPAIGN_MEMBERS: Final = (
    Map(vendor="PersonId", field="person", refers_to=("contacts", "leads")),
    Map(vendor="CampaignId", field="list", refers_to=("campaigns",)),
    Map(vendor="Status", field="status"),
)

TASKS: Final = (
    Map(vendor="Subject", field="subject"),
    Map(
        vendor="Status",
        field="status",
        values=(
            ("Not Started", "open"),
            ("In Progress", "in_progress"),
            ("Waiting on someone else", "waiting"),
            ("Completed", "done"),
            ("Deferred", "cancelled"),
        ),
    ),
    Map(vendor="Priority", field="priority", values=_PRIORITY),
    Map(vendor="ActivityDate", field="due_date"),
    Map(vendor="WhoId", field="person", refers_to=("contacts", "leads")),
    Map(vendor="AccountId", field="organization", refers_to=("accounts",), direction="in", derived=True),
    Map(vendor="DealId", field="deal", refers_to=("opportunities",)),
    Map(vendor="Description", field="description"),
)

ACTIVITIES: Final = (
    Map(vendor="WhoId", field="person", refers_to=("contacts", "leads")),
    Map(
        vendor="TaskSubtype",
        field="channel",
        values=(("Email", "email"), ("Call", "phone"), ("ListEmail", "email")),
        otherwise="hold",
    ),
    Map(vendor="ActivityDate", field="occurred_at"),
    Map(vendor="Subject", field="subject"),
    Map(vendor="Description", field="description"),
)

CASES: Final = (
    Map(vendor="Subject", field="subject"),
    Map(
        vendor="Status",
        field="status",
        values=(
            ("New", "new"),
            ("Working", "open"),
            ("Escalated", "open"),
            ("On Hold", "waiting"),
            ("Closed", "closed"),
        ),
    ),
    Map(
        vendor="Priority",
        field="priority",
        values=(("High", "high"), ("Medium", "normal"), ("Low", "low"), ("Critical", "urgent")),
    ),
    Map(vendor="ContactId", field="person", refers_to=("contacts",)),
    Map(vendor="AccountId", field="organization", refers_to=("accounts",)),
    Map(vendor="CreatedDate", field="opened_at", direction="in"),
    Map(vendor="Description", field="description"),
)


def with_codes(maps: tuple[Map, ...]) -> tuple[Map, ...]:
    """The table for an organisation with state and country picklists: `MailingCountryCode` for `MailingCountry`."""
    return tuple(
        msgspec.structs.replace(m, vendor=f"{m.vendor}Code", values=()) if m.field == "country" else m for m in maps
    )
