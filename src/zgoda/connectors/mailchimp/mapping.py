"""How Mailchimp's fields carry the canonical ones.

`status` is the consent for e-mail marketing. `transactional` members never said yes or no, so they are `unknown`. A
birthday is MM/DD without a year and thus no date; an address is all or nothing when written (see README): neither is
mapped. Interests are chosen by the person in Mailchimp's own forms, so they only come in unless the user maps them both
ways.
"""

from __future__ import annotations

from zgoda.kit.mapping import Map

CONSENT = (
    ("subscribed", "granted"),
    ("unsubscribed", "withdrawn"),
    ("transactional", "unknown"),
    ("pending", "pending"),
    ("cleaned", "undeliverable"),
)

MEMBER = (
    Map(vendor="email_address", field="email", required=True),
    Map(vendor="merge_fields.FNAME", field="given_name"),
    Map(vendor="merge_fields.LNAME", field="family_name"),
    Map(vendor="merge_fields.PHONE", field="telephone"),
    Map(
        vendor="language",
        field="language",
        nulls="ignore",
        values=(("pt_PT", "pt-PT"), ("es_ES", "es-ES"), ("fr_CA", "fr-CA")),
    ),
    Map(vendor="interests", field="interests", direction="in"),
    Map(
        vendor="status",
        field="consent:email:marketing",
        values=CONSENT,
        otherwise="hold",
        nulls="ignore",
        evidence="timestamp_opt",
    ),
)

TAG = (
    Map(vendor="name", field="name", required=True),
    Map(vendor="type", field="is_static", direction="in", read='row.type == "static"'),
)

MEMBER_TAG = (
    Map(vendor="person", field="person", required=True, refers_to=("members",)),
    Map(vendor="list", field="list", required=True, refers_to=("tags",)),
)

CAMPAIGN = (
    Map(vendor="settings.title", field="name", direction="in"),
    Map(vendor="settings.subject_line", field="subject", direction="in"),
    Map(
        vendor="status",
        field="status",
        direction="in",
        values=(("save", "draft"), ("schedule", "scheduled"), ("canceled", "cancelled"), ("canceling", "cancelled")),
    ),
    Map(vendor="send_time", field="sent_at", direction="in"),
)

ACTIVITY = (
    Map(vendor="person", field="person", direction="in", refers_to=("members",)),
    Map(vendor="campaign", field="campaign", direction="in", refers_to=("campaigns",)),
    Map(
        vendor="kind",
        field="kind",
        direction="in",
        values=(("open", "opened"), ("click", "clicked"), ("bounce", "bounced"), ("unsubscribe", "unsubscribed")),
    ),
    Map(vendor="occurred_at", field="occurred_at", direction="in"),
    Map(vendor="channel", field="channel", direction="in"),
    Map(vendor="url", field="url", direction="in"),
    Map(vendor="description", field="description", direction="in"),
)
