"""What an audience's members and the other streams are made of, for proposing mappings and noticing drift.

Mailchimp drops unknown merge fields in silence, so a mapped tag that is not listed here loses every value.
"""

from __future__ import annotations

import msgspec

from zgoda.connectors.mailchimp import interests, permissions
from zgoda.connectors.mailchimp.exchange import as_dict, as_list, audience_path, call, decoded
from zgoda.connectors.mailchimp.mapping import CONSENT
from zgoda.connectors.mailchimp.walk import by_offset
from zgoda.kit.spec import Row, Session, Stream, VendorField, VendorObject


class _MergeFields(msgspec.Struct):
    merge_fields: list[Row]
    total_items: int


async def discover(session: Session, stream: Stream) -> VendorObject:
    fields = await _member_fields(session) if stream.name == "members" else _FIELDS[stream.name]
    can = stream.can
    return VendorObject(
        stream=stream.name,
        fields=fields,
        creatable="create" in can,
        updatable="update" in can,
        deletable="delete" in can,
    )


async def _member_fields(session: Session) -> tuple[VendorField, ...]:
    names = ("tag", "name", "type", "required", "options")
    fixed: dict[str, str | int] = {"fields": ",".join([*(f"merge_fields.{name}" for name in names), "total_items"])}

    async def ask(offset: int, count: int) -> tuple[list[Row], int]:
        params = fixed | {"offset": offset, "count": count}
        found = decoded(
            await call(session, "GET", audience_path(session, "/merge-fields"), params=params), _MergeFields
        )
        return found.merge_fields, found.total_items

    merge_fields = {str(row.get("tag")): _merge_field(row) async for part in by_offset(ask) for row in part.rows}
    labels = sorted((await interests.load(session)).values())
    choices = tuple((label, label) for label in labels)
    groups = VendorField(name="interests", label="Groups", type="set", choices=choices, open_choices=False)
    return (*_MEMBER, groups, *merge_fields.values(), *await permissions.described(session))


def _merge_field(row: Row) -> VendorField:
    options = as_dict(row.get("options"))
    size = options.get("size")
    type = str(row.get("type") or "text")
    return VendorField(
        name=f"merge_fields.{row.get('tag')}",
        label=str(row.get("name") or ""),
        type=type,
        required=row.get("required") is True,
        length=size if isinstance(size, int) and size > 0 else None,
        choices=tuple((str(choice), str(choice)) for choice in as_list(options.get("choices"))),
        open_choices=type not in ("radio", "dropdown"),
    )


def _given(name: str, type: str = "text") -> VendorField:
    """A field only Mailchimp sets."""
    return VendorField(name=name, type=type, writable=False, calculated=True)


_STATUS = tuple((vendor, vendor) for vendor, _ in CONSENT)
_MEMBER = (
    _given("contact_id"),
    _given("last_changed", "datetime"),
    VendorField(name="email_address", type="email", required=True, unique=True),
    VendorField(name="status", type="choice", choices=_STATUS, open_choices=False),
    VendorField(name="language"),
    VendorField(name="vip", type="boolean"),
    VendorField(name="timestamp_opt", type="datetime"),
    VendorField(name="timestamp_signup", type="datetime"),
    _given("member_rating", "number"),
    _given("source"),
    _given("location.country_code"),
    _given("unsubscribe_reason"),
)
_FIELDS = {
    "tags": (_given("id"), VendorField(name="name", required=True), _given("type"), _given("member_count", "number")),
    "member_tags": (
        VendorField(name="person", type="reference", required=True, refers_to=("members",)),
        VendorField(name="list", type="reference", required=True, refers_to=("tags",)),
    ),
    "campaigns": tuple(
        _given(name)
        for name in ("id", "type", "status", "create_time", "send_time", "settings.title", "settings.subject_line")
    ),
    "activity": tuple(
        _given(name) for name in ("person", "campaign", "kind", "occurred_at", "channel", "url", "description")
    ),
}
