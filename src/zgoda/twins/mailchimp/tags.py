"""Tags and segments: a tag is a static segment, a saved segment is a set of conditions.

Tagging does not move a member's `last_changed` (unverified), so a hub has to read tags by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account, Author
from zgoda.twins.mailchimp.audience import Audience, Segment
from zgoda.twins.mailchimp.bodies import body_of, text_in
from zgoda.twins.mailchimp.member import MEMBER_KEYS, Member, renderer
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import invalid, not_found


def tag_ids(account: Account, audience: Audience, member: Member, names: list[Any]) -> list[int]:
    """The member's tags with these added; tags that do not exist yet are made."""
    ids = list(member.tags)
    for name in names:
        segment = tag_named(account, audience, str(name))
        segment.contacts.add(member.contact_id)
        if segment.id not in ids:
            ids.append(segment.id)
    return ids


def tag_named(account: Account, audience: Audience, name: str) -> Segment:
    for segment in audience.segments.values():
        if segment.type == "static" and segment.name.lower() == name.lower():
            return segment
    return _new_segment(account, audience, name, "static", {})


def set_tag(account: Account, audience: Audience, member: Member, name: str, active: bool) -> Member:
    """Put a tag on a member or take it off."""
    segment = tag_named(account, audience, name)
    segment.updated_at = account.now()
    if active:
        return audience.replace(member, tags=tag_ids(account, audience, member, [name]))
    segment.contacts.discard(member.contact_id)
    return audience.replace(member, tags=[id for id in member.tags if id != segment.id])


def member_tags(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    tags = [
        {"id": id, "name": audience.segments[id].name, "date_added": audience.segments[id].created_at}
        for id in member.tags
    ]
    page = list(page_of(tags, call, account.around.limits.page_size))
    return cut_reply(call, {"tags": page, "total_items": len(tags), "_links": []})


def change_member_tags(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    """POST {tags: [{name, status: active | inactive}]}; no content."""
    audience, member = _member(account, list_id, subscriber_hash)
    tags = body_of(call).get("tags")
    if not isinstance(tags, list):
        raise invalid("tags must be an array of {name, status}")
    for tag in cast(list[dict[str, Any]], tags):
        member = set_tag(account, audience, member, text_in(tag, "name"), tag.get("status") != "inactive")
    account.log(Author(call=call), "tags", member.hash, {"tags": tags})
    return empty_reply()


def list_segments(account: Account, call: Call, list_id: str) -> Reply:
    audience = account.audience(list_id)
    wanted, since = call.query.get("type"), call.query.get("since_updated_at", "")
    segments = [s for s in audience.segments.values() if wanted in (None, s.type) and s.updated_at > since]
    page = [_shown(audience, s) for s in page_of(segments, call, account.around.limits.page_size)]
    return cut_reply(call, {"segments": page, "list_id": list_id, "total_items": len(segments), "_links": []})


def create_segment(account: Account, call: Call, list_id: str) -> Reply:
    """With `static_segment` (a list of addresses) a tag, with `options` a saved segment."""
    audience, body = account.audience(list_id), body_of(call)
    name = text_in(body, "name")
    if any(segment.name == name for segment in audience.segments.values()):
        raise invalid("Sorry, that tag already exists.")
    if "static_segment" not in body:
        segment = _new_segment(account, audience, name, "saved", body.get("options", {}))
        return json_reply(200, _shown(audience, segment))
    segment = _new_segment(account, audience, name, "static", {})
    for email in cast(list[str], body["static_segment"]):
        if (member := audience.find(email)) is not None:
            set_tag(account, audience, member, name, True)
    return json_reply(200, _shown(audience, segment))


def show_segment(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    audience = account.audience(list_id)
    return cut_reply(call, _shown(audience, _segment(audience, segment_id)))


def change_segment(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    segment = _segment(audience, segment_id)
    segment.name, segment.updated_at = str(body.get("name", segment.name)), account.now()
    segment.options = body.get("options", segment.options)
    return json_reply(200, _shown(audience, segment))


def delete_segment(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    audience = account.audience(list_id)
    segment = _segment(audience, segment_id)
    for contact_id in list(segment.contacts):
        if (member := audience.contact(contact_id)) is not None:
            audience.replace(member, tags=[id for id in member.tags if id != segment.id])
    del audience.segments[segment.id]
    return empty_reply()


def segment_members(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    audience = account.audience(list_id)
    members = members_of(audience, _segment(audience, segment_id))
    show = renderer(audience, MEMBER_KEYS)
    page = [show(member) for member in page_of(members, call, account.around.limits.page_size)]
    return cut_reply(call, {"members": page, "total_items": len(members), "_links": []})


def add_segment_member(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    audience = account.audience(list_id)
    segment = _segment(audience, segment_id)
    member = audience.find(text_in(body_of(call), "email_address"))
    if member is None:
        raise not_found()
    member = set_tag(account, audience, member, segment.name, True)
    account.log(Author(call=call), "tags", member.hash, {"tags": [{"name": segment.name, "status": "active"}]})
    return json_reply(200, renderer(audience, MEMBER_KEYS)(member))


def remove_segment_member(account: Account, call: Call, list_id: str, segment_id: str, subscriber_hash: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    segment = _segment(audience, segment_id)
    set_tag(account, audience, member, segment.name, False)
    account.log(Author(call=call), "tags", member.hash, {"tags": [{"name": segment.name, "status": "inactive"}]})
    return empty_reply()


def batch_segment_members(account: Account, call: Call, list_id: str, segment_id: str) -> Reply:
    """POST {members_to_add, members_to_remove}, addresses, 500 each at most; unknown ones come back as errors."""
    audience, body = account.audience(list_id), body_of(call)
    segment, limit = _segment(audience, segment_id), account.around.limits.batch_size
    added: list[Member] = []
    removed: list[Member] = []
    errors: list[dict[str, Any]] = []
    for name, active, done in (("members_to_add", True, added), ("members_to_remove", False, removed)):
        emails = cast(list[str], body.get(name) or [])
        if limit is not None and len(emails) > limit:
            raise invalid(f"{name} takes at most {limit} addresses")
        for email in emails:
            member = audience.find(email)
            if member is None:
                errors.append({"email_addresses": [email], "error": "Email address was not found in list"})
            else:
                done.append(set_tag(account, audience, member, segment.name, active))
    account.log(Author(call=call), "tags", str(segment.id), body)
    show = renderer(audience, MEMBER_KEYS)
    return json_reply(200, {
        "members_added": [show(m) for m in added], "members_removed": [show(m) for m in removed], "errors": errors,
        "total_added": len(added), "total_removed": len(removed), "error_count": len(errors), "_links": [],
    })  # fmt: skip


def search_tags(account: Account, call: Call, list_id: str) -> Reply:
    audience, name = account.audience(list_id), call.query.get("name", "").lower()
    tags = [{"id": s.id, "name": s.name} for s in audience.segments.values() if s.type == "static"]
    found = [tag for tag in tags if name in str(tag["name"]).lower()]
    return json_reply(200, {"tags": found, "total_items": len(found), "_links": []})


def members_of(audience: Audience, segment: Segment) -> list[Member]:
    """A segment's members that can be mailed."""
    if segment.type == "static":
        found = (audience.contact(contact_id) for contact_id in sorted(segment.contacts))
        members = [member for member in found if member is not None]
    else:
        conditions = segment.options.get("conditions", [])
        combine = any if segment.options.get("match") == "any" else all
        members = [m for m in audience.members.values() if combine(_meets(audience, m, c) for c in conditions)]
    return [member for member in members if member.status == "subscribed"]


def _meets(audience: Audience, member: Member, condition: dict[str, Any]) -> bool:
    """Conditions on address, merge fields, groups and tags; others are met by nobody."""
    field, value = str(condition.get("field", "")), condition.get("value")
    match condition.get("condition_type"):
        case "EmailAddress":
            return _compared(member.email, condition.get("op"), str(value))
        case "TextMerge" | "SelectMerge" | "BirthdayMerge" | "DateMerge":
            return _compared(str(member.merge.get(field, "")), condition.get("op"), str(value))
        case "Interests":
            return bool(set(member.interests) & set(cast(list[str], value or [])))
        case "StaticSegment":
            return (value in member.tags) == (condition.get("op") == "static_is")
        case _:
            return False


def _compared(text: str, op: Any, value: str) -> bool:
    text, value = text.lower(), value.lower()
    tests: dict[Any, Callable[[], bool]] = {
        "is": lambda: text == value, "not": lambda: text != value, "contains": lambda: value in text,
        "notcontain": lambda: value not in text, "starts": lambda: text.startswith(value),
        "ends": lambda: text.endswith(value), "greater": lambda: text > value,
        "less": lambda: bool(text) and text < value,
        "blank": lambda: not text, "blank_not": lambda: bool(text),
    }  # fmt: skip
    return op in tests and tests[op]()


def _new_segment(account: Account, audience: Audience, name: str, kind: str, options: dict[str, Any]) -> Segment:
    now = account.now()
    segment = Segment(
        id=account.number("segment") + 1000, name=name, type=kind, created_at=now, updated_at=now, options=options
    )
    audience.segments[segment.id] = segment
    return segment


def _segment(audience: Audience, id: str) -> Segment:
    found = audience.segments.get(int(id)) if id.isdigit() else None
    if found is None:
        raise not_found()
    return found


def _member(account: Account, list_id: str, key: str) -> tuple[Audience, Member]:
    audience = account.audience(list_id)
    member = audience.find(key)
    if member is None:
        raise not_found()
    return audience, member


def _shown(audience: Audience, segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id, "name": segment.name, "member_count": len(members_of(audience, segment)),
        "type": segment.type,
        "created_at": segment.created_at, "updated_at": segment.updated_at, "options": segment.options,
        "list_id": audience.id, "_links": [],
    }  # fmt: skip
