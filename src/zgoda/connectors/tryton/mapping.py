"""The default mapping. Names on the left are Tryton's own fields or the ones this connector makes (see the README)."""

from __future__ import annotations

from typing import Final

from zgoda.kit.mapping import Map

_LANGUAGES: Final = (
    *("en", "bg", "ca", "cs", "de", "es", "es-419", "et", "fa", "fi", "fr", "hu", "id", "it", "lo", "lt", "nl", "pl"),
    *("pt", "ro", "ru", "sl", "tr", "uk", "zh-CN"),
)
"""The languages of `ir.lang` in Tryton 8.2; others cannot be set and are held back."""

_ADDRESS: Final = (
    Map(vendor="address.street", field="street_address"),
    Map(vendor="address.city", field="locality"),
    Map(vendor="address.postal_code", field="postal_code"),
    Map(vendor="address.country", field="country"),
    # subdivisions are records of Tryton's own lists; free text of other systems would be refused
    Map(vendor="address.subdivision", field="region", direction="in"),
)

ORGANIZATION: Final = (
    Map(vendor="name", field="name"),
    Map(vendor="website", field="url"),
    Map(vendor="email", field="email"),
    Map(vendor="phone", field="telephone"),
    *_ADDRESS,
    Map(vendor="tax_code", field="tax_id", direction="in"),
    Map(vendor="category_names", field="keywords", direction="in"),
)

PERSON: Final = (
    Map(vendor="given_name", field="given_name"),
    Map(vendor="family_name", field="family_name"),
    Map(vendor="email", field="email"),
    Map(vendor="phone", field="telephone"),
    Map(vendor="mobile", field="mobile"),
    Map(vendor="fax", field="fax_number"),
    Map(vendor="website", field="url"),
    *_ADDRESS,
    Map(
        vendor="language",
        field="language",
        values=tuple((code, code) for code in _LANGUAGES),
        otherwise="hold",
    ),
    Map(vendor="works_for", field="works_for", refers_to=("organizations",)),
    Map(vendor="category_names", field="keywords", direction="in"),
    Map(
        vendor="email_consent",
        field="consent:email:marketing",
        values=tuple((state, state) for state in ("granted", "withdrawn", "unknown", "pending")),
        otherwise="hold",
        evidence="email_consent_at",
    ),
)

EMPLOYMENT: Final = (
    Map(vendor="person", field="person", refers_to=("people",), required=True),
    Map(vendor="organization", field="organization", refers_to=("organizations",), required=True),
    Map(vendor="start_date", field="start_date"),
    Map(vendor="end_date", field="end_date"),
)

DEAL: Final = (
    Map(vendor="description", field="name"),
    Map(vendor="amount", field="amount"),
    Map(vendor="currency", field="currency"),
    # the stage moves by Tryton's own buttons, which make sales and ask for an employee
    Map(vendor="state", field="stage", direction="in"),
    Map(vendor="is_won", field="is_won", direction="in", derived=True),
    Map(vendor="probability", field="probability"),
    Map(vendor="end_date", field="close_date"),
    Map(vendor="person", field="person", refers_to=("people",)),
    Map(vendor="organization", field="organization", refers_to=("organizations",)),
    Map(vendor="comment", field="description"),
    Map(vendor="employee", field="owner", direction="in"),
)

LIST: Final = (
    Map(vendor="name", field="name"),
    Map(vendor="is_static", field="is_static", direction="in"),
)

MEMBERSHIP: Final = (
    Map(vendor="person", field="person", refers_to=("people",), required=True),
    Map(vendor="list", field="list", refers_to=("lists",), required=True),
    Map(
        vendor="status",
        field="status",
        values=tuple((state, state) for state in ("subscribed", "unsubscribed", "pending")),
        otherwise="hold",
    ),
)

INTERACTION: Final = (
    Map(vendor="person", field="person", refers_to=("people",), required=True),
    Map(vendor="kind", field="kind"),
    Map(vendor="occurred_at", field="occurred_at"),
    Map(vendor="channel", field="channel"),
    Map(vendor="subject", field="subject"),
    Map(vendor="url", field="url"),
    Map(vendor="description", field="description"),
)
