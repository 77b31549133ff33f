"""Adding, changing, archiving and forgetting members, with the vendor's rules about who may be mailed again."""

from __future__ import annotations

import re
from typing import Any, cast

from zgoda.twins.mailchimp.account import Account, Author
from zgoda.twins.mailchimp.audience import Audience, Event
from zgoda.twins.mailchimp.member import STATUSES, Member, hash_of, unique_id_of
from zgoda.twins.mailchimp.merge_values import checked
from zgoda.twins.mailchimp.problems import (
    forgotten,
    in_compliance_state,
    invalid,
    invalid_fields,
    member_exists,
    not_among,
    wrong_method,
)
from zgoda.twins.mailchimp.tags import tag_ids
from zgoda.twins.mailchimp.webhooks import announce, announce_member
from zgoda.twins.record_faults import Struck, strike_record

_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")
_FAR_FUTURE = "9999-12-31T23:59:59+00:00"
_GIVEN_AS_THEY_ARE = ("email_type", "language", "vip", "ip_signup", "timestamp_signup", "ip_opt", "timestamp_opt")
_NOT_MAILABLE = ("unsubscribed", "cleaned")
_NOT_ARCHIVABLE = ("archived", "cleaned", "pending")


def add_member(
    account: Account, audience: Audience, author: Author, body: dict[str, Any], skip: bool = False
) -> Member:
    """A new member; tags may come along. Raises Problem, Member Exists among others."""
    email = checked_email(body.get("email_address"))
    status = _checked_status(body.get("status"), required=True)
    if audience.find(email) is not None:
        raise member_exists(email)
    if hash_of(email) in audience.forgotten and author.source != "user":
        raise forgotten(email)
    struck = _struck(account, author, body)
    body = struck.values
    merge, errors = checked(audience, body.get("merge_fields", {}), {}, skip)
    if errors:
        raise invalid("Your merge fields were invalid.", errors)
    now = author.at or account.now()
    member = Member(
        email=email, hash=hash_of(email), unique_id=unique_id_of(email),
        contact_id=account.new_id("contact", 32), web_id=account.web_id(),
        status=status,
        last_changed=_FAR_FUTURE if struck.far_future else now, merge=merge,
        timestamp_opt=now if status == "subscribed" else "",
        source="API - Generic" if author.source == "api" else "Hosted Signup Form",
        unsubscribed_at=now if status == "unsubscribed" else "",
    )  # fmt: skip
    for name, value in _plain_changes(audience, member, body).items():
        setattr(member, name, value)
    audience.forgotten.discard(member.hash)
    audience.add(member)
    if names := body.get("tags"):
        member = audience.replace(member, tags=tag_ids(account, audience, member, cast(list[Any], names)))
    audience.note_event(member.contact_id, Event(at=now, kind="signup"))
    if status == "subscribed":
        announce_member(account, audience, author, "subscribe", member)
    return member


def change_member(
    account: Account, audience: Audience, author: Author, member: Member, body: dict[str, Any], skip: bool = False
) -> Member:
    """Change a member; what is not given stays. Raises Problem. `last_changed` moves only when something differs."""
    struck = _struck(account, author, body)
    body = struck.values
    changes = _plain_changes(audience, member, body)
    if "status" in body:
        changes |= _status_changes(account, author, member, _checked_status(body["status"]))
    if "email_address" in body:
        changes |= _address_changes(audience, author, member, checked_email(body["email_address"]))
    if "merge_fields" in body:
        merge, errors = checked(audience, body["merge_fields"], member.merge, skip)
        if errors:
            raise invalid("Your merge fields were invalid.", errors)
        changes["merge"] = merge
    changes = {name: value for name, value in changes.items() if getattr(member, name) != value}
    if not changes:
        return member
    now = author.at or account.now()
    changed = audience.replace(member, **changes, last_changed=_FAR_FUTURE if struck.far_future else now)
    _announce_changes(account, audience, author, member, changed)
    return changed


def set_member(
    account: Account, audience: Audience, author: Author, key: str, body: dict[str, Any], skip: bool = False
) -> tuple[Member, bool]:
    """Change the member at `key` or add one. Says whether it was added. Raises Problem."""
    member = audience.find(key)
    if member is not None:
        return change_member(account, audience, author, member, body, skip), False
    status = body.get("status_if_new") or body.get("status")
    if status is None:
        raise invalid_fields([{"field": "status_if_new", "message": not_among(STATUSES)}])
    fresh = {name: value for name, value in body.items() if name not in ("status_if_new", "tags")}
    return add_member(account, audience, author, {**fresh, "status": status}, skip), True


def archive_member(account: Account, audience: Audience, author: Author, member: Member) -> Member:
    """What DELETE does. Raises Problem 405 for members that cannot be archived."""
    if member.status in _NOT_ARCHIVABLE and author.source == "api":
        raise wrong_method()
    now = author.at or account.now()
    archived = audience.replace(member, status="archived", was=member.status, last_changed=now)
    announce_member(account, audience, author, "unsubscribe", member, action="delete", reason="manual")
    return archived


def forget_member(account: Account, audience: Audience, author: Author, member: Member) -> None:
    """Erase a member. The address can come back only by an act of the person."""
    audience.remove(member)
    audience.forgotten.add(member.hash)
    audience.notes.pop(member.contact_id, None)
    audience.events.pop(member.contact_id, None)


def checked_email(value: Any) -> str:
    """Raises Problem for what is no address."""
    if not isinstance(value, str) or _EMAIL.fullmatch(value) is None:
        shown = value if isinstance(value, str) and value else None
        if shown is None:
            raise invalid_fields([{"field": "email_address", "message": "This value should not be blank."}])
        raise invalid(f"{shown} looks fake or invalid, please enter a real email address.")
    return value


def _checked_status(value: Any, required: bool = False) -> str:
    if value not in STATUSES:
        if value is None and not required:
            return "subscribed"
        raise invalid_fields([{"field": "status", "message": not_among(STATUSES)}])
    return str(value)


def _struck(account: Account, author: Author, body: dict[str, Any]) -> Struck:
    """The body after record faults. Merge fields can be rewritten, every field can be dropped."""
    if not account.around.faults.any("record"):
        return Struck(body)
    merge = cast(dict[str, Any], body.get("merge_fields", {}))
    struck = strike_record(account.around.faults, author.call, "members", {**dict.fromkeys(body), **merge})
    if struck.refused is not None:
        field = str(struck.refused.option("field", "FNAME"))
        message = str(struck.refused.option("message", "This value is not valid."))
        raise invalid("Your merge fields were invalid.", [{"field": field, "message": message}])
    kept = {name: value for name, value in body.items() if name in struck.values}
    if "merge_fields" in kept:
        kept["merge_fields"] = {tag: struck.values[tag] for tag in merge if tag in struck.values}
    struck.values = kept
    return struck


def _plain_changes(audience: Audience, member: Member, body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: body[name] for name in _GIVEN_AS_THEY_ARE if name in body}
    if "interests" in body:
        changes["interests"] = _interests(audience, member, body["interests"])
    if "marketing_permissions" in body:
        changes["permissions"] = _permissions(audience, member, body["marketing_permissions"])
    if "location" in body:
        place = body["location"]
        changes |= {"latitude": float(place.get("latitude", 0)), "longitude": float(place.get("longitude", 0))}
    return changes


def _interests(audience: Audience, member: Member, given: dict[str, Any]) -> list[str]:
    if unknown := set(given) - set(audience.interests):
        raise invalid(f"Invalid interest ID: '{sorted(unknown)[0]}'.")
    left = {id for id, on in given.items() if not on}
    wanted = (set(member.interests) | set(given)) - left
    return [id for id in audience.interests if id in wanted]


def _permissions(audience: Audience, member: Member, given: list[Any]) -> list[str]:
    wanted = set(member.permissions)
    for item in given:
        id = cast(dict[str, Any], item).get("marketing_permission_id") if isinstance(item, dict) else None
        if id not in audience.permissions:
            raise invalid(f"Invalid marketing permission ID: '{id}'.")
        (wanted.add if item.get("enabled") else wanted.discard)(id)
    return [id for id in audience.permissions if id in wanted]


def _status_changes(account: Account, author: Author, member: Member, status: str) -> dict[str, Any]:
    """Whoever unsubscribed, bounced or was archived after that cannot be subscribed again by the API."""
    before = member.was or member.status
    if author.source == "api" and before in _NOT_MAILABLE and status == "subscribed":
        raise in_compliance_state(member.email)
    if author.source == "api" and before == "cleaned" and status == "pending":
        raise in_compliance_state(member.email)
    if status == member.status:
        return {}
    now = author.at or account.now()
    changes: dict[str, Any] = {"status": status, "was": ""}
    if status == "unsubscribed":
        changes |= {"unsubscribed_at": now, "unsubscribe_reason": "N/A (Unsubscribed by an admin)"}
    if status == "subscribed":
        changes |= {"timestamp_opt": now, "unsubscribe_reason": ""}
    return changes


def _address_changes(audience: Audience, author: Author, member: Member, email: str) -> dict[str, Any]:
    other = audience.find(email)
    if other is not None and other.hash != member.hash:
        raise invalid(f'{email} is already in this list with a status of "{other.status.capitalize()}".')
    if hash_of(email) in audience.forgotten and author.source == "api":
        raise forgotten(email)
    return {"email": email, "hash": hash_of(email), "unique_id": unique_id_of(email)}


def _announce_changes(account: Account, audience: Audience, author: Author, before: Member, after: Member) -> None:
    if after.status != before.status:
        if after.status == "subscribed":
            announce_member(account, audience, author, "subscribe", after)
        elif after.status == "unsubscribed":
            announce_member(account, audience, author, "unsubscribe", after, action="unsub", reason="manual")
        elif after.status == "cleaned":
            announce(account, audience, author, "cleaned", {
                "list_id": audience.id, "email": after.email, "reason": "hard", "campaign_id": "",
            })  # fmt: skip
    if after.email != before.email:
        announce(account, audience, author, "upemail", {
            "list_id": audience.id, "new_id": after.unique_id, "new_email": after.email,
            "old_email": before.email,
        })  # fmt: skip
    if (after.merge, after.interests, after.email_type) != (before.merge, before.interests, before.email_type):
        announce_member(account, audience, author, "profile", after)
