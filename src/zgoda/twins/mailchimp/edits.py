"""What people and admins do in Mailchimp's own pages, for tests: the `op` names of `POST /_twin/edit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zgoda.twins.mailchimp.account import Account, Author, moment_text
from zgoda.twins.mailchimp.audience import Audience
from zgoda.twins.mailchimp.campaign import Campaign
from zgoda.twins.mailchimp.campaign_calls import campaign_of, send_campaign
from zgoda.twins.mailchimp.member import Member, hash_of
from zgoda.twins.mailchimp.member_writes import add_member, archive_member, change_member, forget_member
from zgoda.twins.mailchimp.problems import Problem
from zgoda.twins.mailchimp.reports import ACTIONS, record_activity
from zgoda.twins.mailchimp.tags import set_tag
from zgoda.twins.timepiece import parse_moment
from zgoda.twins.vendor import EditRefused

Fields = dict[str, Any]


def edit(account: Account, op: str, fields: Fields) -> dict[str, Any]:
    """Raises EditRefused with the vendor's problem title, or UNKNOWN_OPERATION."""
    deed = _DEEDS.get(op)
    if deed is None:
        raise EditRefused("UNKNOWN_OPERATION", f"{op!r} is none of {', '.join(_DEEDS)}")
    try:
        return deed(account, fields)
    except Problem as problem:
        raise EditRefused(problem.title, problem.detail) from problem
    except KeyError as error:
        raise EditRefused("MISSING_ARGUMENT", f"{op} needs {error}") from error


def _create(account: Account, fields: Fields) -> Fields:
    """An admin adds somebody."""
    audience, values = _audience(account, fields), fields["values"]
    member = add_member(account, audience, _author(fields, "admin"), {"status": "subscribed", **values})
    return _told(_hidden_if_late(account, audience, member))


def _signup(account: Account, fields: Fields) -> Fields:
    """Somebody fills in the form: new, back again after leaving, or allowed again after erasure."""
    audience, author = _audience(account, fields), _author(fields, "user")
    values = {"email_address": fields["email"], **fields.get("values", {})}
    member = audience.find(fields["email"])
    if member is None:
        member = add_member(account, audience, author, {**values, "status": "subscribed"})
        return _told(_hidden_if_late(account, audience, member))
    return _told(change_member(account, audience, author, member, {**values, "status": "subscribed"}))


def _update(account: Account, fields: Fields) -> Fields:
    """An admin, or with `by: user` the person themselves, changes the profile."""
    audience, author = _audience(account, fields), _author(fields, "admin")
    return _told(change_member(account, audience, author, _member(audience, fields), fields["values"], skip=True))


def _unsubscribe(account: Account, fields: Fields) -> Fields:
    audience, author = _audience(account, fields), _author(fields, "user")
    return _told(change_member(account, audience, author, _member(audience, fields), {"status": "unsubscribed"}))


def _clean(account: Account, fields: Fields) -> Fields:
    """The address bounced for good."""
    audience, author = _audience(account, fields), _author(fields, "admin")
    return _told(change_member(account, audience, author, _member(audience, fields), {"status": "cleaned"}))


def _confirm(account: Account, fields: Fields) -> Fields:
    """Somebody pending clicks the link in the confirmation mail."""
    audience, author = _audience(account, fields), _author(fields, "user")
    return _told(change_member(account, audience, author, _member(audience, fields), {"status": "subscribed"}))


def _archive(account: Account, fields: Fields) -> Fields:
    audience, author = _audience(account, fields), _author(fields, "admin")
    return _told(archive_member(account, audience, author, _member(audience, fields)))


def _unarchive(account: Account, fields: Fields) -> Fields:
    audience, author = _audience(account, fields), _author(fields, "admin")
    member = _member(audience, fields)
    return _told(change_member(account, audience, author, member, {"status": member.was or "subscribed"}))


def _forget(account: Account, fields: Fields) -> Fields:
    audience = _audience(account, fields)
    member = _member(audience, fields)
    forget_member(account, audience, _author(fields, "admin"), member)
    return {"id": member.hash}


def _tag(account: Account, fields: Fields) -> Fields:
    audience = _audience(account, fields)
    active = bool(fields.get("active", True))
    return _told(set_tag(account, audience, _member(audience, fields), fields["name"], active))


def _send(account: Account, fields: Fields) -> Fields:
    """A campaign is written and sent to the whole list, or to those with a tag."""
    audience = _audience(account, fields)
    recipients: Fields = {"list_id": audience.id}
    if fields.get("segment"):
        recipients["segment_opts"] = {"saved_segment_id": int(fields["segment"])}
    settings = {
        "title": fields.get("title", "News"), "subject_line": fields.get("subject", "News"), "from_name": "Twin",
        "reply_to": "news@twin.example",
    }  # fmt: skip
    campaign = Campaign(
        id=account.new_id("campaign"), web_id=account.web_id(), type="regular", status="save", created=account.now(),
        list_id=audience.id, recipients=recipients, settings=settings, content={"html": fields.get("html",
        "<p>News</p>")},
    )  # fmt: skip
    account.campaigns[campaign.id] = campaign
    send_campaign(account, _author(fields, "admin"), campaign)
    return {"id": campaign.id, "emails_sent": len(campaign.sent)}


def _activity(account: Account, fields: Fields) -> Fields:
    """A recipient opens, clicks, bounces or unsubscribes."""
    action = str(fields["action"])
    if action not in ACTIONS:
        raise EditRefused("UNKNOWN_OPERATION", f"actions are {', '.join(ACTIONS)}")
    at = {"at": moment_text(parse_moment(str(fields["at"])))} if fields.get("at") else {}
    sent = record_activity(account, campaign_of(account, fields["campaign"]), fields["email"], action, {**fields, **at})
    return {"id": sent.hash}


_DEEDS: dict[str, Callable[[Account, Fields], Fields]] = {
    "create": _create,
    "signup": _signup,
    "update": _update,
    "unsubscribe": _unsubscribe,
    "clean": _clean,
    "confirm": _confirm,
    "archive": _archive,
    "unarchive": _unarchive,
    "forget": _forget,
    "tag": _tag,
    "send_campaign": _send,
    "campaign_activity": _activity,
}


def _author(fields: Fields, usual: str) -> Author:
    at = moment_text(parse_moment(str(fields["at"]))) if fields.get("at") else None
    return Author(source=str(fields.get("by", usual)), at=at)


def _audience(account: Account, fields: Fields) -> Audience:
    """The list named by `list`, or the first one."""
    return account.audience(str(fields["list"])) if fields.get("list") else next(iter(account.audiences.values()))


def _member(audience: Audience, fields: Fields) -> Member:
    key = str(fields.get("id") or fields["email"])
    member = audience.find(key)
    if member is None:
        raise EditRefused("Resource Not Found", f"there is no member {key if '@' not in key else hash_of(key)}")
    return member


def _hidden_if_late(account: Account, audience: Audience, member: Member) -> Member:
    late = account.around.faults.strike("record", None, "members", ("record_late",))
    if late is not None:
        audience.remove(member)
        account.around.spawn(_show_again(account, audience, member, float(late.option("seconds", 5))))
    return member


async def _show_again(account: Account, audience: Audience, member: Member, seconds: float) -> None:
    await account.around.time.sleep(seconds)
    audience.add(member)


def _told(member: Member) -> Fields:
    return {"id": member.hash, "contact_id": member.contact_id, "status": member.status}
