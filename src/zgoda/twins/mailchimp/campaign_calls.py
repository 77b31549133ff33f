"""Calls about campaigns: made, filled, sent or scheduled."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account, Author, moment_text
from zgoda.twins.mailchimp.audience import Event
from zgoda.twins.mailchimp.bodies import body_of, object_in, text_in
from zgoda.twins.mailchimp.campaign import Campaign, Sent
from zgoda.twins.mailchimp.member import Member
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import Problem, invalid, not_found
from zgoda.twins.mailchimp.tags import members_of
from zgoda.twins.mailchimp.webhooks import announce
from zgoda.twins.timepiece import parse_moment

_TYPES = ("regular", "plaintext", "absplit", "rss", "variate")
_NOT_SENT = ("save", "paused", "schedule")


def list_campaigns(account: Account, call: Call) -> Reply:
    query = call.query
    wanted = {name: query[name] for name in ("type", "status", "list_id") if query.get(name)}
    since, before = query.get("since_send_time", ""), query.get("before_send_time", "~")
    since_made, before_made = query.get("since_create_time", ""), query.get("before_create_time", "~")
    campaigns = [
        c for c in account.campaigns.values()
        if all(getattr(c, name) == value for name, value in wanted.items())
        and (not since or c.send_time > since) and c.send_time < before
        and (not since_made or c.created > since_made) and c.created < before_made
    ]  # fmt: skip
    if query.get("sort_field") in ("create_time", "send_time"):
        by = {"create_time": "created", "send_time": "send_time"}[query["sort_field"]]
        campaigns.sort(key=lambda c: getattr(c, by), reverse=query.get("sort_dir", "").upper() == "DESC")
    page = [shown(account, c) for c in page_of(campaigns, call, account.around.limits.page_size)]
    return cut_reply(call, {"campaigns": page, "total_items": len(campaigns), "_links": []})


def create_campaign(account: Account, call: Call) -> Reply:
    body = body_of(call)
    kind = text_in(body, "type")
    if kind not in _TYPES:
        raise invalid(f"{kind} is no campaign type")
    recipients = object_in(body, "recipients")
    if recipients.get("list_id"):
        account.audience(str(recipients["list_id"]))
    campaign = Campaign(
        id=account.new_id("campaign"), web_id=account.web_id(), type=kind, status="save", created=account.now(),
        list_id=str(recipients.get("list_id", "")), recipients=recipients, settings=object_in(body, "settings"),
        tracking=object_in(body, "tracking"),
    )  # fmt: skip
    account.campaigns[campaign.id] = campaign
    return json_reply(200, shown(account, campaign))


def show_campaign(account: Account, call: Call, campaign_id: str) -> Reply:
    return cut_reply(call, shown(account, campaign_of(account, campaign_id)))


def change_campaign(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign, body = _unsent(account, campaign_id), body_of(call)
    campaign.settings = {**campaign.settings, **object_in(body, "settings")}
    campaign.recipients = {**campaign.recipients, **object_in(body, "recipients")}
    campaign.list_id = str(campaign.recipients.get("list_id", ""))
    return json_reply(200, shown(account, campaign))


def delete_campaign(account: Account, call: Call, campaign_id: str) -> Reply:
    del account.campaigns[campaign_of(account, campaign_id).id]
    return empty_reply()


def show_content(account: Account, call: Call, campaign_id: str) -> Reply:
    content = campaign_of(account, campaign_id).content
    html, text = content.get("html", ""), content.get("plain_text", "")
    body: dict[str, Any] = {
        "variate_contents": [],
        "plain_text": text,
        "html": html,
        "archive_html": html,
        "_links": [],
    }
    return cut_reply(call, body)


def set_content(account: Account, call: Call, campaign_id: str) -> Reply:
    campaign, body = _unsent(account, campaign_id), body_of(call)
    campaign.content = {name: str(body[name]) for name in ("html", "plain_text") if name in body}
    return show_content(account, call, campaign_id)


def send_checklist(account: Account, call: Call, campaign_id: str) -> Reply:
    missing = _missing(campaign_of(account, campaign_id))
    items = [
        {"type": "error", "id": n, "heading": name, "details": f"{name} is missing"} for n, name in enumerate(missing)
    ]
    return cut_reply(call, {"is_ready": not missing, "items": items, "_links": []})


def act_on_campaign(account: Account, call: Call, campaign_id: str, action: str) -> Reply:
    """POST …/actions/{send, schedule, unschedule, cancel-send, pause, resume, replicate, test}."""
    campaign = campaign_of(account, campaign_id)
    match action:
        case "send":
            send_campaign(account, Author(call=call), _ready(campaign))
        case "schedule":
            campaign.send_time = moment_text(parse_moment(text_in(body_of(call), "schedule_time")))
            _ready(campaign).status = "schedule"
        case "unschedule" | "cancel-send":
            campaign.status, campaign.send_time = "save", ""
        case "pause":
            campaign.status = "paused"
        case "resume":
            campaign.status = "save"
        case "replicate":
            return _replicated(account, campaign)
        case "test":
            pass
        case _:
            raise not_found()
    return empty_reply()


def send_due_campaigns(account: Account) -> None:
    """Send what is scheduled for a time that has come."""
    now = account.now()
    for campaign in list(account.campaigns.values()):
        if campaign.status == "schedule" and campaign.send_time <= now:
            send_campaign(account, Author(source="admin"), campaign)


def send_campaign(account: Account, author: Author, campaign: Campaign) -> None:
    """Send to everyone subscribed at this moment."""
    audience, now = account.audience(campaign.list_id), account.now()
    campaign.status, campaign.send_time = "sent", now
    for member in recipients_of(account, campaign):
        campaign.sent[member.hash] = Sent(email=member.email, hash=member.hash, contact_id=member.contact_id)
        audience.note_event(member.contact_id, Event(at=now, kind="sent", campaign=campaign.id))
    announce(account, audience, Author(source="admin", call=author.call), "campaign", {
        "id": campaign.id, "subject": campaign.settings.get("subject_line", ""), "status": "sent", "reason": "",
        "list_id": audience.id,
    })  # fmt: skip


def recipients_of(account: Account, campaign: Campaign) -> list[Member]:
    audience = account.audience(campaign.list_id)
    options: dict[str, Any] = campaign.recipients.get("segment_opts") or {}
    segment_id = options.get("saved_segment_id")
    if segment_id in audience.segments:
        return members_of(audience, audience.segments[segment_id])
    return [member for member in audience.members.values() if member.status == "subscribed"]


def campaign_of(account: Account, id: str) -> Campaign:
    """Raises Problem 404."""
    found = account.campaigns.get(id)
    if found is None:
        raise not_found()
    return found


def shown(account: Account, campaign: Campaign) -> dict[str, Any]:
    audience = account.audiences.get(campaign.list_id)
    count = (
        len(campaign.sent) if campaign.status == "sent" else len(recipients_of(account, campaign)) if audience else 0
    )
    settings = {"subject_line": "", "title": "", "from_name": "", "reply_to": "", **campaign.settings}
    return {
        "id": campaign.id, "web_id": campaign.web_id, "type": campaign.type, "create_time": campaign.created,
        "archive_url": f"{account.around.base_url}/archive/{campaign.id}", "long_archive_url": "",
        "status": campaign.status, "emails_sent": len(campaign.sent), "send_time": campaign.send_time,
        "content_type": "html", "needs_block_refresh": False, "resendable": False,
        "recipients": {
            "list_is_active": audience is not None, "list_name": audience.name if audience else "", "segment_text": "",
            **campaign.recipients, "list_id": campaign.list_id, "recipient_count": count,
        },
        "settings": settings, "tracking": {"opens": True, "html_clicks": True, **campaign.tracking}, "_links": [],
    }  # fmt: skip


def _unsent(account: Account, id: str) -> Campaign:
    campaign = campaign_of(account, id)
    if campaign.status not in _NOT_SENT:
        raise Problem(400, "Bad Request", "Campaign could not be updated because it has already been sent.")
    return campaign


def _ready(campaign: Campaign) -> Campaign:
    if campaign.status not in _NOT_SENT:
        raise Problem(400, "Bad Request", "This campaign has already been sent.")
    if missing := _missing(campaign):
        raise Problem(400, "Bad Request", f"Your Campaign is not ready to send. Missing: {', '.join(missing)}")
    return campaign


def _missing(campaign: Campaign) -> list[str]:
    needed = {
        "list": campaign.list_id, "subject": campaign.settings.get("subject_line"),
        "from name": campaign.settings.get("from_name"), "reply to": campaign.settings.get("reply_to"),
        "content": campaign.content,
    }  # fmt: skip
    return [name for name, value in needed.items() if not value]


def _replicated(account: Account, campaign: Campaign) -> Reply:
    copy = Campaign(
        id=account.new_id("campaign"), web_id=account.web_id(), type=campaign.type, status="save",
        created=account.now(),
        list_id=campaign.list_id, recipients=campaign.recipients, settings=campaign.settings,
        tracking=campaign.tracking,
        content=campaign.content,
    )  # fmt: skip
    account.campaigns[copy.id] = copy
    return json_reply(200, shown(account, copy))
