"""One list member as it is kept, and as the API shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from zgoda.twins.mailchimp.paging import Tree, kept, plain_json

if TYPE_CHECKING:
    from zgoda.twins.mailchimp.audience import Audience

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")


class Member(msgspec.Struct, kw_only=True, gc=False):
    """`merge` holds only fields with a value, by tag. `hash` and `unique_id` follow from the address; `contact_id`
    stays the same when it changes.

    `was` is the status before archiving. Times are in the API's form; `last_changed` has no finer grain than a second.
    """

    email: str
    hash: str
    unique_id: str
    contact_id: str
    web_id: int
    status: str
    last_changed: str
    merge: dict[str, Any]
    interests: list[str] = []
    tags: list[int] = []
    permissions: list[str] = []
    email_type: str = "html"
    language: str = ""
    vip: bool = False
    ip_signup: str = ""
    timestamp_signup: str = ""
    ip_opt: str = ""
    timestamp_opt: str = ""
    source: str = "API - Generic"
    unsubscribe_reason: str = ""
    unsubscribed_at: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    was: str = ""


@lru_cache(maxsize=4096)
def hash_of(email: str) -> str:
    """The subscriber hash: MD5 of the lower-case address."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def unique_id_of(email: str) -> str:
    """The same for one address in all lists."""
    return hash_of("unique " + email)[:10]


def renderer(
    audience: Audience, keys: Sequence[str], inside: Mapping[str, Tree] | None = None
) -> Callable[[Member], dict[str, Any]]:
    """A function that shows members with these top-level keys. `inside` says what of a key's value is wanted, for keys
    whose value is not wanted whole."""
    within = inside or {}
    plain = [key for key in keys if key in _ATTRIBUTES and key not in within]
    fixed = {key: _FIXED[key] for key in keys if key in _FIXED and key not in within}
    parts = [(key, _part(audience, key, within.get(key, {}))) for key in keys if key not in plain and key not in fixed]
    read = attrgetter(*(_ATTRIBUTES[key] for key in plain)) if len(plain) > 1 else None

    def show(member: Member) -> dict[str, Any]:
        shown = (
            dict(zip(plain, read(member), strict=True)) if read else {k: getattr(member, _ATTRIBUTES[k]) for k in plain}
        )
        shown.update(fixed)
        for key, part in parts:
            shown[key] = part(member)
        return shown

    return show


def _part(audience: Audience, key: str, wanted: Tree) -> Callable[[Member], Any]:
    if key in _CUTTABLE:
        return _CUTTABLE[key](audience, wanted)
    whole = renderer(audience, [key]) if wanted else _PARTS[key](audience)
    return (lambda member: kept(plain_json(whole(member)[key]), wanted)) if wanted else whole


def _full_name(audience: Audience) -> Callable[[Member], Any]:
    return lambda member: " ".join(part for tag in ("FNAME", "LNAME") if (part := member.merge.get(tag)))


def _merge_fields(audience: Audience, wanted: Tree) -> Callable[[Member], Any]:
    """Every wanted merge field of the list, empty text where the member has none."""
    fields = [(field.tag, field.stored) for field in audience.merge_fields_now() if not wanted or field.tag in wanted]
    blank = dict.fromkeys((tag for tag, _ in fields), "")
    deeper = {tag: inner for tag, inner in wanted.items() if inner}
    straight = all(tag == stored for tag, stored in fields) and not wanted

    def show(member: Member) -> dict[str, Any]:
        merge = member.merge
        if straight and merge.keys() <= blank.keys():
            return blank | merge
        return {tag: kept(merge.get(stored, ""), deeper.get(tag, {})) for tag, stored in fields}

    return show


def _interests(audience: Audience, wanted: Tree) -> Callable[[Member], Any]:
    none = {interest.id: False for interest in audience.interests.values() if not wanted or interest.id in wanted}

    def show(member: Member) -> dict[str, bool]:
        shown = none.copy()
        for id in member.interests:
            if id in shown:
                shown[id] = True
        return shown

    return show


def _permissions(audience: Audience) -> Callable[[Member], Any]:
    def of(permissions: list[str]) -> list[dict[str, Any]]:
        return [
            {"marketing_permission_id": id, "text": text, "enabled": id in permissions}
            for id, text in audience.permissions.items()
        ]

    none = of([])
    return lambda member: of(member.permissions) if member.permissions else none


def _tags(audience: Audience) -> Callable[[Member], Any]:
    segments = audience.segments
    return lambda member: [{"id": id, "name": segments[id].name} for id in member.tags]


def _last_note(audience: Audience) -> Callable[[Member], Any]:
    def show(member: Member) -> dict[str, Any]:
        notes = audience.notes.get(member.contact_id)
        if not notes:
            return {}
        last = notes[-1]
        return {
            "note_id": last["id"], "created_at": last["created_at"], "created_by": last["created_by"],
            "note": last["note"],
        }  # fmt: skip

    return show


def _location(audience: Audience) -> Callable[[Member], Any]:
    rest = {"gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": "", "region": ""}
    nowhere = {"latitude": 0, "longitude": 0, **rest}
    return lambda member: (
        {"latitude": member.latitude, "longitude": member.longitude, **rest} if member.latitude else nowhere
    )


def _links(audience: Audience) -> Callable[[Member], Any]:
    """Ready-made JSON with the hash put in: building ten small objects for each of a thousand members is slow."""
    parts = audience.member_links_around_hash()
    return lambda member: msgspec.Raw(member.hash.encode().join(parts))


_STATS = msgspec.Raw(
    b'{"avg_open_rate":0,"avg_click_rate":0,"ecommerce_data":{"total_revenue":0,"number_of_orders":0,"currency_code":"EUR"}}'
)

_ATTRIBUTES: dict[str, str] = {
    "id": "hash",
    "email_address": "email",
    "unique_email_id": "unique_id",
    **{
        name: name
        for name in (
            "contact_id",
            "web_id",
            "email_type",
            "status",
            "unsubscribe_reason",
            "ip_signup",
            "timestamp_signup",
            "ip_opt",
            "timestamp_opt",
            "last_changed",
            "language",
            "vip",
            "source",
        )
    },
}

_FIXED: dict[str, Any] = {
    "consents_to_one_to_one_messaging": True,
    "stats": _STATS,
    "member_rating": 2,
    "email_client": "",
}

_CUTTABLE: dict[str, Callable[[Audience, Tree], Callable[[Member], Any]]] = {
    "merge_fields": _merge_fields,
    "interests": _interests,
}

_PARTS: dict[str, Callable[[Audience], Callable[[Member], Any]]] = {
    "full_name": _full_name,
    "location": _location,
    "marketing_permissions": _permissions,
    "last_note": _last_note,
    "tags_count": lambda _: lambda member: len(member.tags),
    "tags": _tags,
    "list_id": lambda audience: lambda member: audience.id,
    "_links": _links,
}

MEMBER_KEYS: tuple[str, ...] = (*_ATTRIBUTES, *_FIXED, *_CUTTABLE, *_PARTS)
