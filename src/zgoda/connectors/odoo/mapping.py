"""The default mapping: Odoo's columns and what the canonical model calls them.

A dot leads through a relation (`country_id.code`); `name.given`, `opted_out`, `customer`, `person`, `about` and others
are made by the connector, see the README. Fields with values of Odoo's own (regions, salespeople, currencies,
industries) are only read: written, an unknown one would stop the whole record.
"""

from __future__ import annotations

from typing import Any, Final

from zgoda.kit.mapping import Map

ADDRESS: Final = (
    Map(vendor="street", field="street_address"),
    Map(vendor="city", field="locality"),
    Map(vendor="state_id.name", field="region", direction="in"),
    Map(vendor="zip", field="postal_code"),
    Map(vendor="country_id.code", field="country"),
)

MARKETING_EMAIL: Final = Map(
    vendor="opted_out",
    field="consent:email:marketing",
    values=((True, "withdrawn"), (False, "unknown"), (False, "granted")),
    otherwise="hold",
    evidence="opted_out_at",
)
"""Odoo only knows opt-outs: where there is none, `granted` says nothing new; where there is one, it lifts it. Pending
and undeliverable have no place in Odoo."""

OWNER: Final = Map(vendor="user_id.login", field="owner", direction="in")

COMPANIES: Final = (
    Map(vendor="name", field="name"),
    Map(vendor="vat", field="tax_id"),
    Map(vendor="website", field="url"),
    Map(vendor="email", field="email"),
    Map(vendor="phone", field="telephone"),
    *ADDRESS,
    Map(vendor="industry_id.name", field="industry", direction="in"),
    Map(vendor="parent_id", field="parent", refers_to=("companies",)),
    Map(vendor="category_id.name", field="keywords"),
    Map(vendor="comment", field="description"),
    OWNER,
)

PEOPLE: Final = (
    Map(vendor="name.given", field="given_name"),
    Map(vendor="name.family", field="family_name"),
    Map(vendor="title.name", field="honorific_prefix"),
    Map(vendor="email", field="email"),
    Map(vendor="phone", field="telephone"),
    Map(vendor="mobile", field="mobile"),
    Map(vendor="website", field="url"),
    *ADDRESS,
    Map(vendor="function", field="job_title"),
    Map(vendor="parent_id", field="works_for", refers_to=("companies",)),
    Map(vendor="commercial_company_name", field="organization_name", direction="in", derived=True),
    Map(vendor="category_id.name", field="keywords"),
    Map(vendor="comment", field="description"),
    OWNER,
    MARKETING_EMAIL,
)

LEADS: Final = (
    Map(vendor="contact_name.given", field="given_name"),
    Map(vendor="contact_name.family", field="family_name"),
    Map(vendor="title.name", field="honorific_prefix"),
    Map(vendor="email_from", field="email"),
    Map(vendor="phone", field="telephone"),
    Map(vendor="mobile", field="mobile"),
    Map(vendor="website", field="url"),
    *ADDRESS,
    Map(vendor="function", field="job_title"),
    Map(vendor="partner_name", field="organization_name"),
    Map(vendor="source_id.name", field="lead_source", direction="in"),
    Map(vendor="tag_ids.name", field="keywords"),
    Map(vendor="description", field="description"),
    OWNER,
    Map(
        vendor="opted_out",
        field="consent:email:marketing",
        values=MARKETING_EMAIL.values,
        evidence="opted_out_at",
        direction="in",
    ),
)

# Odoo's numbers are never blank, so 0 stands for "not known" (`placeholder`).
OPPORTUNITIES: Final = (
    Map(vendor="name", field="name"),
    Map(vendor="expected_revenue", field="amount", placeholder=0),
    Map(vendor="company_currency.name", field="currency", direction="in"),
    Map(vendor="stage.name", field="stage"),
    Map(vendor="probability", field="probability", placeholder=0),
    Map(vendor="date_deadline", field="close_date"),
    Map(vendor="won", field="is_won", direction="in"),
    Map(vendor="customer.person", field="person", refers_to=("people",)),
    Map(vendor="customer.company", field="organization", refers_to=("companies",)),
    Map(vendor="description", field="description"),
    OWNER,
)

MAILING_LISTS: Final = (Map(vendor="name", field="name"),)

STATUS: Final[tuple[tuple[Any, str], ...]] = ((False, "subscribed"), (True, "unsubscribed"))

SUBSCRIPTIONS: Final = (
    Map(vendor="partner_id", field="person", refers_to=("people",), derived=True, required=True),
    Map(vendor="list_id", field="list", refers_to=("mailing_lists",), required=True),
    Map(vendor="opt_out", field="status", values=STATUS, otherwise="hold"),
)

MAILING_STATES: Final[tuple[tuple[Any, str], ...]] = (
    ("draft", "draft"),
    ("in_queue", "scheduled"),
    ("sending", "sending"),
    ("done", "sent"),
)

MAILINGS: Final = (
    Map(vendor="name", field="name", direction="in"),
    Map(vendor="subject", field="subject", direction="in"),
    Map(vendor="state", field="status", direction="in", values=MAILING_STATES),
    Map(vendor="sent_date", field="sent_at", direction="in"),
)

TRACES: Final = (
    Map(vendor="person", field="person", direction="in", refers_to=("people",)),
    Map(vendor="kind", field="kind", direction="in"),
    Map(vendor="occurred_at", field="occurred_at", direction="in"),
    Map(vendor="channel", field="channel", direction="in"),
    Map(vendor="mass_mailing_id", field="campaign", direction="in", refers_to=("mailings",)),
    Map(vendor="title", field="subject", direction="in"),
    Map(vendor="url", field="url", direction="in"),
)

ACTIVITIES: Final = (
    Map(vendor="person", field="person", refers_to=("people",), required=True),
    Map(vendor="kind", field="kind"),
    Map(vendor="date", field="occurred_at"),
    Map(vendor="title", field="subject"),
    Map(vendor="body", field="description"),
)

TASKS: Final = (
    Map(vendor="summary", field="subject"),
    Map(vendor="note", field="description"),
    Map(vendor="date_deadline", field="due_date"),
    Map(vendor="status", field="status", direction="in"),
    Map(vendor="about.person", field="person", refers_to=("people",)),
    Map(vendor="about.company", field="organization", refers_to=("companies",)),
    Map(vendor="about.deal", field="deal", refers_to=("opportunities",)),
    OWNER,
)
