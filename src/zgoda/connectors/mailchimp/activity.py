"""What people did with campaigns, as interactions that never change: sent, opened, clicked, bounced, unsubscribed.

Mailchimp has no feed of events, only reports per campaign. A full read takes all campaigns; an incremental one asks the
campaigns of the last `activity_days` for what came since. Reports know a person by the MD5 of the address, so each is
looked up for the `contact_id`, many at once by reading the whole audience; events of archived or erased people are left
out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from zgoda.connectors.mailchimp.campaigns import listed
from zgoda.connectors.mailchimp.exchange import as_dict, as_list, call, decoded, side_by_side
from zgoda.connectors.mailchimp.members import ID, asking, one
from zgoda.connectors.mailchimp.walk import PAGE_ROWS, Part, Place, by_offset, walk, whole_seconds
from zgoda.kit.convert import Unconvertible, parse_instant
from zgoda.kit.spec import Page, Reading, Row, Session

LATE = timedelta(hours=1)
"""How long an event may take to show in a report."""

OVERLAP = 25

ASK_SINGLY = 100
"""More people than this in one page of a report are looked up by reading the audience, a thousand a call."""

People: TypeAlias = dict[str, str]
"""MD5 of the address -> contact_id; empty for people who are archived or gone."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a read is. `since` is None in a full read; `began` and what follows are set while one is under way.

    `sending` are the campaigns that were still going out at the last read: their reports are taken whole again.
    """

    since: datetime | None = None
    sending: tuple[str, ...] = ()
    began: datetime | None = None
    campaign: str = ""
    sent_at: datetime | None = None
    report: int = 0
    offset: int = 0


class _Report(msgspec.Struct):
    """Any of the three reports."""

    total_items: int
    sent_to: list[Row] = []
    emails: list[Row] = []
    unsubscribes: list[Row] = []


class Campaign(msgspec.Struct, frozen=True, order=True):
    sent_at: datetime
    id: str
    status: str


class Event(msgspec.Struct, frozen=True):
    email_id: str
    kind: str
    at: str
    url: str = ""
    description: str = ""


async def read(session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Serves full and incremental reads: the cursor tells which."""
    mark = Mark() if reading.cursor is None else msgspec.convert(reading.cursor, Mark)
    now = session.clock.now()
    began = mark.began or now
    campaigns = await _campaigns(session, mark, now)
    people = await _everybody(session, now) if mark.since is None else People()
    for campaign in campaigns:
        if mark.sent_at is not None and (campaign.sent_at, campaign.id) < (mark.sent_at, mark.campaign):
            continue
        since = None if campaign.id in mark.sending else mark.since
        here = campaign.id == mark.campaign
        for number in range(mark.report if here else 0, len(_REPORTS)):
            start = mark.offset if here and number == mark.report else 0
            async for part in _report(session, campaign, number, since, start, reading.page_size or PAGE_ROWS):
                events = [event for row in part.rows for event in _EVENTS[number](campaign, row)]
                if since is not None:
                    events = [event for event in events if _is_since(event, since)]
                if mark.since is not None:
                    await _meet_people(session, people, {event.email_id for event in events}, now)
                rows = _rows(campaign, events, people, reading.fields)
                at = {"campaign": campaign.id, "sent_at": campaign.sent_at, "report": number}
                reached = msgspec.structs.replace(mark, began=began, offset=max(0, part.end - OVERLAP), **at)
                yield Page(rows=rows, cursor=msgspec.to_builtins(reached))
    sending = tuple(campaign.id for campaign in campaigns if campaign.status == "sending")
    yield Page(cursor=msgspec.to_builtins(Mark(since=began - LATE, sending=sending)))


async def _campaigns(session: Session, mark: Mark, now: datetime) -> list[Campaign]:
    """Those that went out or are going out, in order of sending."""
    filters: dict[str, str] = {}
    if mark.since is not None:
        days = timedelta(days=float(session.settings.get("activity_days") or 90))
        filters["since_send_time"] = whole_seconds(now - days)
    found: dict[str, Campaign] = {}
    async for part in listed(session, ("send_time", "status"), filters=filters):
        for row in part.rows:
            sent_at = _instant(row.get("send_time"))
            if sent_at is not None and row.get("status") in ("sent", "sending"):
                found[str(row.get("id"))] = Campaign(sent_at, str(row.get("id")), str(row.get("status")))
    return sorted(found.values())


async def _everybody(session: Session, now: datetime) -> People:
    """For a full read: the whole audience's ids, a thousand a call, instead of a call for each person."""
    people = People()
    pages = walk(asking(session, ("id",)), Place(until=now), now=now, count=PAGE_ROWS)
    async for rows, _ in pages:
        people.update((str(row.get("id")), row[ID]) for row in rows)
    return people


async def _report(
    session: Session, campaign: Campaign, number: int, since: datetime | None, start: int, count: int
) -> AsyncIterator[Part]:
    name, key, fields = _REPORTS[number]
    fixed: dict[str, str | int] = {"fields": ",".join([*(f"{key}.{field}" for field in fields), "total_items"])}
    if since is not None and name == "sent-to" and campaign.sent_at < since:
        return
    if since is not None and name == "email-activity":
        fixed["since"] = whole_seconds(since)

    async def ask(offset: int, count: int) -> tuple[list[Row], int]:
        params = fixed | {"offset": offset, "count": count}
        answer = await call(session, "GET", f"reports/{campaign.id}/{name}", params=params, allowed=(404,))
        if answer.status == 404:
            return [], 0
        found = decoded(answer, _Report)
        return [*found.sent_to, *found.emails, *found.unsubscribes], found.total_items

    async for part in by_offset(ask, start=start, count=min(count, PAGE_ROWS)):
        yield part


def _sent(campaign: Campaign, row: Row) -> Iterator[Event]:
    """The report has no times; the campaign's stands in."""
    yield Event(str(row.get("email_id")), "sent", campaign.sent_at.isoformat())


def _actions(campaign: Campaign, row: Row) -> Iterator[Event]:
    for action in map(as_dict, as_list(row.get("activity"))):
        if (kind := action.get("action")) in ("open", "click", "bounce"):
            url, type = str(action.get("url") or ""), str(action.get("type") or "")
            yield Event(str(row.get("email_id")), kind, str(action.get("timestamp")), url, type)


def _unsubscribed(campaign: Campaign, row: Row) -> Iterator[Event]:
    yield Event(str(row.get("email_id")), "unsubscribe", str(row.get("timestamp")))


def _is_since(event: Event, since: datetime) -> bool:
    at = _instant(event.at)
    return at is None or at >= since


async def _meet_people(session: Session, people: People, email_ids: set[str], now: datetime) -> None:
    """Adds those not met before."""
    new = list(email_ids - people.keys())
    if len(new) > ASK_SINGLY:
        people.update(dict.fromkeys(new, "") | await _everybody(session, now))
        return
    found = await side_by_side([one(session, email_id, (ID, "status")) for email_id in new])
    for email_id, row in zip(new, found, strict=True):
        people[email_id] = row[ID] if row and row.get("status") != "archived" else ""


def _rows(campaign: Campaign, events: list[Event], people: People, fields: tuple[str, ...]) -> list[Row]:
    """Events as rows. The id is made of what cannot change, so that a second reading gives the same."""
    rows: dict[str, Row] = {}
    for event in events:
        person, at = people.get(event.email_id, ""), _instant(event.at)
        if not person or at is None:
            continue
        target = ":" + blake2b(event.url.encode(), digest_size=6).hexdigest() if event.url else ""
        row = {
            "id": f"{campaign.id}:{person}:{event.kind}:{int(at.timestamp())}{target}",
            "person": person,
            "campaign": campaign.id,
            "kind": event.kind,
            "occurred_at": event.at,
            "channel": "email",
            "url": event.url,
            "description": event.description,
        }
        rows[row["id"]] = {name: row[name] for name in row if name in ("id", "occurred_at", *fields)}
    return list(rows.values())


def _instant(raw: Any) -> datetime | None:
    try:
        return parse_instant(raw) if raw else None
    except Unconvertible:
        return None


_REPORTS = (
    ("sent-to", "sent_to", ("email_id",)),
    ("email-activity", "emails", ("email_id", "activity")),
    ("unsubscribed", "unsubscribes", ("email_id", "timestamp")),
)
_EVENTS = (_sent, _actions, _unsubscribed)
