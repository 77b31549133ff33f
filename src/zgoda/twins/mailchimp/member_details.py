"""Calls about what hangs on a member: notes, own events, and the feed of what they did."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account, Author, moment_text
from zgoda.twins.mailchimp.audience import Audience, Event
from zgoda.twins.mailchimp.bodies import body_of, object_in, text_in
from zgoda.twins.mailchimp.member import Member
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import invalid_fields, not_found, too_long
from zgoda.twins.timepiece import parse_moment

_LONGEST_NOTE = 1000
_SHORTEST_EVENT, _LONGEST_EVENT = 2, 30


def list_notes(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    notes = list(reversed(audience.notes.get(member.contact_id, [])))
    page = [_note(audience, member, note) for note in page_of(notes, call, account.around.limits.page_size)]
    return cut_reply(call, {
        "notes": page, "email_id": member.hash, "list_id": list_id, "total_items": len(notes), "_links": [],
    })  # fmt: skip


def create_note(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    text = text_in(body_of(call), "note")
    if len(text) > _LONGEST_NOTE:
        raise invalid_fields([{"field": "note", "message": too_long(_LONGEST_NOTE)}])
    now = account.now()
    note: dict[str, Any] = {
        "id": account.number("note"), "created_at": now, "created_by": "Tessa Twin", "updated_at": now, "note": text,
    }  # fmt: skip
    audience.notes.setdefault(member.contact_id, []).append(note)
    audience.note_event(
        member.contact_id, Event(at=now, kind="note", details={"note_id": str(note["id"]), "note_text": text})
    )
    account.log(Author(call=call), "note", member.hash, {"note": text})
    return json_reply(200, _note(audience, member, note))


def show_note(account: Account, call: Call, list_id: str, subscriber_hash: str, note_id: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    return cut_reply(call, _note(audience, member, _found_note(audience, member, note_id)))


def change_note(account: Account, call: Call, list_id: str, subscriber_hash: str, note_id: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    note = _found_note(audience, member, note_id)
    note["note"], note["updated_at"] = text_in(body_of(call), "note"), account.now()
    account.log(Author(call=call), "note", member.hash, {"note": note["note"]})
    return json_reply(200, _note(audience, member, note))


def delete_note(account: Account, call: Call, list_id: str, subscriber_hash: str, note_id: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    audience.notes[member.contact_id].remove(_found_note(audience, member, note_id))
    return empty_reply()


def list_events(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    audience, member = _member(account, list_id, subscriber_hash)
    events = [
        {"occurred_at": event.at, "name": event.details["name"], "properties": event.details["properties"]}
        for event in audience.events.get(member.contact_id, [])
        if event.kind == "event"
    ]
    page = list(page_of(events, call, account.around.limits.page_size))
    return cut_reply(call, {"events": page, "total_items": len(events), "_links": []})


def create_event(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    """POST {name, properties, occurred_at}; no content."""
    audience, member = _member(account, list_id, subscriber_hash)
    body = body_of(call)
    name = text_in(body, "name")
    if not _SHORTEST_EVENT <= len(name) <= _LONGEST_EVENT:
        raise invalid_fields([{"field": "name", "message": "The length of this value should be between 2 and 30."}])
    at = moment_text(parse_moment(str(body["occurred_at"]))) if body.get("occurred_at") else account.now()
    details = {"name": name, "properties": object_in(body, "properties")}
    audience.note_event(member.contact_id, Event(at=at, kind="event", details=details))
    account.log(Author(call=call), "event", member.hash, body)
    return empty_reply()


def activity_feed(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    """Newest first; `activity_filters` picks kinds."""
    audience, member = _member(account, list_id, subscriber_hash)
    kinds = {kind for kind in call.query.get("activity_filters", "").split(",") if kind}
    events = _newest_first(audience, member)
    chosen = [event for event in events if not kinds or event.kind in kinds]
    page = [_activity(account, event) for event in page_of(chosen, call, account.around.limits.page_size)]
    return cut_reply(call, {
        "activity": page, "email_id": member.hash, "list_id": list_id, "total_items": len(chosen), "_links": [],
    })  # fmt: skip


def activity(account: Account, call: Call, list_id: str, subscriber_hash: str) -> Reply:
    """The older form of the feed: at most the last 50 mailings' doings, with other names."""
    audience, member = _member(account, list_id, subscriber_hash)
    events = _newest_first(audience, member)
    shown = [
        {"action": event.kind, "timestamp": event.at, "campaign_id": event.campaign, "title": _title(account, event),
         "url": event.details.get("url", ""), "type": event.details.get("type", "")}
        for event in events if event.kind in ("open", "click", "bounce", "unsub", "sent")
    ][:50]  # fmt: skip
    return cut_reply(call, {
        "activity": shown, "email_id": member.hash, "list_id": list_id, "total_items": len(shown), "_links": [],
    })  # fmt: skip


def _newest_first(audience: Audience, member: Member) -> list[Event]:
    """By time, and of one second the later noted first."""
    noted = enumerate(audience.events.get(member.contact_id, []))
    return [event for _, event in sorted(noted, key=lambda pair: (pair[1].at, pair[0]), reverse=True)]


def _activity(account: Account, event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {"activity_type": event.kind, "created_at_timestamp": event.at, **event.details}
    if event.campaign:
        shown |= {"campaign_id": event.campaign, "campaign_title": _title(account, event)}
    return shown


def _title(account: Account, event: Event) -> str:
    campaign = account.campaigns.get(event.campaign)
    return "" if campaign is None else str(campaign.settings.get("title", ""))


def _member(account: Account, list_id: str, key: str) -> tuple[Audience, Member]:
    audience = account.audience(list_id)
    member = audience.find(key)
    if member is None:
        raise not_found()
    return audience, member


def _found_note(audience: Audience, member: Member, id: str) -> dict[str, Any]:
    found = next((n for n in audience.notes.get(member.contact_id, []) if str(n["id"]) == id), None)
    if found is None:
        raise not_found()
    return found


def _note(audience: Audience, member: Member, note: dict[str, Any]) -> dict[str, Any]:
    return {**note, "list_id": audience.id, "email_id": member.hash, "contact_id": member.contact_id, "_links": []}
