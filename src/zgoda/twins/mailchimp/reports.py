"""Reports of sent campaigns: who got it, opened, clicked, bounced, left. Filled by edits of the control API."""

from __future__ import annotations

import hashlib
from typing import Any

from zgoda.twins.exchange import Call, Reply
from zgoda.twins.mailchimp.account import Account, Author
from zgoda.twins.mailchimp.audience import Event
from zgoda.twins.mailchimp.campaign import Campaign, Sent
from zgoda.twins.mailchimp.campaign_calls import campaign_of
from zgoda.twins.mailchimp.member_writes import change_member
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import not_found

ACTIONS = ("open", "click", "bounce", "unsubscribe")


def record_activity(account: Account, campaign: Campaign, email: str, action: str, fields: dict[str, Any]) -> Sent:
    """A recipient opens, clicks (`url`), bounces (`type` hard or soft) or unsubscribes. Raises Problem."""
    sent = next((s for s in campaign.sent.values() if s.email.lower() == email.lower()), None)
    audience = account.audience(campaign.list_id)
    if sent is None:
        raise not_found()
    at = str(fields.get("at") or account.now())
    member = audience.contact(sent.contact_id)
    author = Author(source="user", at=at)
    match action:
        case "click":
            url = str(fields.get("url", "https://shop.example/"))
            campaign.links[_link_id(campaign, url)] = url
            sent.activity.append({"action": "click", "timestamp": at, "url": url, "ip": "192.0.2.1"})
            audience.note_event(
                sent.contact_id, Event(at=at, kind="click", campaign=campaign.id, details={"link_clicked": url})
            )
        case "bounce":
            kind = str(fields.get("type", "hard"))
            sent.status = kind
            sent.activity.append({"action": "bounce", "timestamp": at, "type": kind})
            audience.note_event(
                sent.contact_id, Event(at=at, kind="bounce", campaign=campaign.id, details={"bounce_type": kind})
            )
            if kind == "hard" and member is not None:
                change_member(account, audience, author, member, {"status": "cleaned"})
        case "unsubscribe":
            sent.unsubscribed_at, sent.reason = at, str(fields.get("reason", "None given"))
            audience.note_event(sent.contact_id, Event(at=at, kind="unsub", campaign=campaign.id))
            if member is not None:
                change_member(account, audience, author, member, {"status": "unsubscribed"})
        case _:
            sent.activity.append({"action": "open", "timestamp": at, "ip": "192.0.2.1"})
            audience.note_event(sent.contact_id, Event(at=at, kind="open", campaign=campaign.id))
    return sent


def list_reports(account: Account, call: Call) -> Reply:
    since = call.query.get("since_send_time", "")
    campaigns = [c for c in account.campaigns.values() if c.status == "sent" and c.send_time > since]
    page = [_report(account, c) for c in page_of(campaigns, call, account.around.limits.page_size)]
    return cut_reply(call, {"reports": page, "total_items": len(campaigns), "_links": []})


def show_report(account: Account, call: Call, campaign_id: str) -> Reply:
    return cut_reply(call, _report(account, _sent_campaign(account, campaign_id)))


def sent_to(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    rows = [_recipient(campaign, sent) for sent in campaign.sent.values()]
    return _list(account, call, campaign, "sent_to", rows)


def email_activity(account: Account, call: Call, campaign_id: str) -> Reply:
    """One row a recipient with what they did after `since`; those who did nothing have an empty list."""
    campaign, since = _sent_campaign(account, campaign_id), call.query.get("since", "")
    rows = [_activity_row(campaign, sent, since) for sent in campaign.sent.values()]
    if since:
        rows = [row for row in rows if row["activity"]]
    return _list(account, call, campaign, "emails", rows)


def email_activity_of(account: Account, call: Call, campaign_id: str, subscriber_hash: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    sent = campaign.sent.get(subscriber_hash)
    if sent is None:
        raise not_found()
    return cut_reply(call, _activity_row(campaign, sent, call.query.get("since", "")))


def unsubscribed(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    rows: list[dict[str, Any]] = [
        {
            "email_id": sent.hash, "email_address": sent.email, "merge_fields": {}, "vip": False,
            "timestamp": sent.unsubscribed_at, "reason": sent.reason, "campaign_id": campaign.id,
            "list_id": campaign.list_id, "list_is_active": True, "_links": [],
        }
        for sent in campaign.sent.values() if sent.unsubscribed_at
    ]  # fmt: skip
    return _list(account, call, campaign, "unsubscribes", rows)


def open_details(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign, since = _sent_campaign(account, campaign_id), call.query.get("since", "")
    rows: list[dict[str, Any]] = []
    total = 0
    for sent in campaign.sent.values():
        opens = [a["timestamp"] for a in sent.activity if a["action"] == "open" and a["timestamp"] > since]
        total += len(opens)
        if opens:
            rows.append({
                "campaign_id": campaign.id, "list_id": campaign.list_id, "email_id": sent.hash,
                "email_address": sent.email, "contact_status": "", "opens_count": len(opens),
                "opens": [{"timestamp": at} for at in opens], "_links": [],
            })  # fmt: skip
    return _list(account, call, campaign, "members", rows, {"total_opens": total})


def click_details(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    rows = [_link(campaign, id) for id in campaign.links]
    return _list(account, call, campaign, "urls_clicked", rows)


def click_details_of(account: Account, call: Call, campaign_id: str, link_id: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    if link_id not in campaign.links:
        raise not_found()
    return cut_reply(call, _link(campaign, link_id))


def click_members(account: Account, call: Call, campaign_id: str, link_id: str) -> Reply:
    campaign = _sent_campaign(account, campaign_id)
    rows: list[dict[str, Any]] = [
        {
            "email_id": sent.hash, "email_address": sent.email, "clicks": len(clicks), "campaign_id": campaign.id,
            "url_id": link_id, "list_id": campaign.list_id, "contact_status": "", "_links": [],
        }
        for sent in campaign.sent.values() if (clicks := _clicks(campaign, sent, link_id))
    ]  # fmt: skip
    return _list(account, call, campaign, "members", rows)


def _list(
    account: Account,
    call: Call,
    campaign: Campaign,
    name: str,
    rows: list[dict[str, Any]],
    more: dict[str, Any] | None = None,
) -> Reply:
    page = list(page_of(rows, call, account.around.limits.page_size))
    body = {name: page, "campaign_id": campaign.id, **(more or {}), "total_items": len(rows), "_links": []}
    return cut_reply(call, body)


def _report(account: Account, campaign: Campaign) -> dict[str, Any]:
    every = list(campaign.sent.values())
    opens = [sum(a["action"] == "open" for a in sent.activity) for sent in every]
    clicks = [sum(a["action"] == "click" for a in sent.activity) for sent in every]
    audience = account.audiences.get(campaign.list_id)
    return {
        "id": campaign.id, "campaign_title": campaign.settings.get("title", ""), "type": campaign.type,
        "list_id": campaign.list_id, "list_is_active": audience is not None,
        "list_name": audience.name if audience else "",
        "subject_line": campaign.settings.get("subject_line", ""), "emails_sent": len(every), "abuse_reports": 0,
        "unsubscribed": sum(bool(sent.unsubscribed_at) for sent in every), "send_time": campaign.send_time,
        "bounces": {
            "hard_bounces": sum(sent.status == "hard" for sent in every),
            "soft_bounces": sum(sent.status == "soft" for sent in every), "syntax_errors": 0,
        },
        "opens": {
            "opens_total": sum(opens), "unique_opens": sum(map(bool, opens)),
            "open_rate": _rate(sum(map(bool, opens)), len(every)), "last_open": "",
        },
        "clicks": {
            "clicks_total": sum(clicks), "unique_clicks": sum(map(bool, clicks)),
            "unique_subscriber_clicks": sum(map(bool, clicks)), "click_rate": _rate(sum(map(bool, clicks)), len(every)),
            "last_click": "",
        },
        "_links": [],
    }  # fmt: skip


def _activity_row(campaign: Campaign, sent: Sent, since: str) -> dict[str, Any]:
    return {
        "campaign_id": campaign.id, "list_id": campaign.list_id, "list_is_active": True, "email_id": sent.hash,
        "email_address": sent.email, "activity": [a for a in sent.activity if a["timestamp"] > since], "_links": [],
    }  # fmt: skip


def _recipient(campaign: Campaign, sent: Sent) -> dict[str, Any]:
    opens = [a["timestamp"] for a in sent.activity if a["action"] == "open"]
    return {
        "email_id": sent.hash, "email_address": sent.email, "merge_fields": {}, "vip": False, "status": sent.status,
        "open_count": len(opens), "last_open": max(opens, default=""), "absplit_group": "", "gmt_offset": 0,
        "campaign_id": campaign.id, "list_id": campaign.list_id, "list_is_active": True, "_links": [],
    }  # fmt: skip


def _link(campaign: Campaign, id: str) -> dict[str, Any]:
    clicks = [_clicks(campaign, sent, id) for sent in campaign.sent.values()]
    total, unique = sum(map(len, clicks)), sum(map(bool, clicks))
    return {
        "id": id, "url": campaign.links[id], "total_clicks": total, "click_percentage": _rate(total, total or 1),
        "unique_clicks": unique, "unique_click_percentage": _rate(unique, len(campaign.sent)),
        "last_click": max((at for times in clicks for at in times), default=""), "campaign_id": campaign.id,
        "_links": [],
    }  # fmt: skip


def _clicks(campaign: Campaign, sent: Sent, link_id: str) -> list[str]:
    url = campaign.links.get(link_id)
    return [a["timestamp"] for a in sent.activity if a["action"] == "click" and a["url"] == url]


def _link_id(campaign: Campaign, url: str) -> str:
    return hashlib.md5(f"{campaign.id} {url}".encode(), usedforsecurity=False).hexdigest()[:10]


def _rate(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _sent_campaign(account: Account, id: str) -> Campaign:
    campaign = campaign_of(account, id)
    if campaign.status != "sent":
        raise not_found()
    return campaign
