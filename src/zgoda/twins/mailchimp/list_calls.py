"""Calls about audiences themselves: root, ping, lists."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account
from zgoda.twins.mailchimp.audience import Audience
from zgoda.twins.mailchimp.bodies import body_of, text_in
from zgoda.twins.mailchimp.paging import cut_reply, page_of

_SETTINGS = (
    "permission_reminder", "use_archive_bar", "campaign_defaults", "contact", "notify_on_subscribe",
    "notify_on_unsubscribe", "email_type_option", "double_optin", "marketing_permissions",
)  # fmt: skip
_ADDRESS = ("company", "address1", "address2", "city", "state", "zip", "country", "phone")


def root(account: Account, call: Call) -> Reply:
    """GET /: the account."""
    subscribers = sum(audience.count("subscribed") for audience in account.audiences.values())
    return cut_reply(call, {
        "account_id": account.id, "login_id": "1", "account_name": "Twin", "email": "owner@twin.example",
        "first_name": "Tessa", "last_name": "Twin", "username": "twin", "role": "owner", "pricing_plan_type": "monthly",
        "account_timezone": "UTC", "account_industry": "", "contact": dict.fromkeys(_ADDRESS, ""), "pro_enabled": False,
        "member_since": "2020-01-01T00:00:00+00:00", "total_subscribers": subscribers, "_links": [],
    })  # fmt: skip


def ping(account: Account, call: Call) -> Reply:
    return json_reply(200, {"health_status": "Everything's Chimpy!"})


def list_lists(account: Account, call: Call) -> Reply:
    email = call.query.get("email")
    audiences = [a for a in account.audiences.values() if not email or a.find(email) is not None]
    page = [_shown(account, audience) for audience in page_of(audiences, call, account.around.limits.page_size)]
    constraints = {"may_create": True, "max_instances": 100, "current_total_instances": len(account.audiences)}
    body = {"lists": page, "total_items": len(audiences), "constraints": constraints, "_links": []}
    return cut_reply(call, body)


def create_list(account: Account, call: Call) -> Reply:
    body = body_of(call)
    name = text_in(body, "name")
    audience = account.add_audience(name, {key: body[key] for key in _SETTINGS if key in body})
    return json_reply(200, _shown(account, audience))


def show_list(account: Account, call: Call, list_id: str) -> Reply:
    return cut_reply(call, _shown(account, account.audience(list_id)))


def change_list(account: Account, call: Call, list_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    audience.name = str(body.get("name", audience.name))
    audience.settings |= {key: body[key] for key in _SETTINGS if key in body}
    return json_reply(200, _shown(account, audience))


def delete_list(account: Account, call: Call, list_id: str) -> Reply:
    del account.audiences[account.audience(list_id).id]
    return empty_reply()


def _shown(account: Account, audience: Audience) -> dict[str, Any]:
    settings = audience.settings
    return {
        "id": audience.id,
        "web_id": audience.web_id,
        "name": audience.name,
        "contact": settings.get("contact", dict.fromkeys(_ADDRESS, "")),
        "permission_reminder": settings.get("permission_reminder", "You signed up on our website."),
        "use_archive_bar": settings.get("use_archive_bar", False),
        "campaign_defaults": settings.get(
            "campaign_defaults",
            {"from_name": "Twin", "from_email": "news@twin.example", "subject": "", "language": "en"},
        ),
        "notify_on_subscribe": settings.get("notify_on_subscribe", False),
        "notify_on_unsubscribe": settings.get("notify_on_unsubscribe", False),
        "date_created": audience.created,
        "list_rating": 3,
        "email_type_option": settings.get("email_type_option", False),
        "subscribe_url_short": f"{audience.base_url}/subscribe/{audience.id}",
        "subscribe_url_long": f"{audience.base_url}/subscribe?id={audience.id}",
        "beamer_address": f"{audience.id}@inbound.example",
        "visibility": "prv",
        "double_optin": settings.get("double_optin", False),
        "has_welcome": False,
        "marketing_permissions": settings.get("marketing_permissions", bool(audience.permissions)),
        "modules": [],
        "stats": _stats(account, audience),
        "_links": [],
    }


def _stats(account: Account, audience: Audience) -> dict[str, Any]:
    sent = [c.send_time for c in account.campaigns.values() if c.list_id == audience.id and c.status == "sent"]
    return {
        "member_count": audience.count("subscribed"), "total_contacts": len(audience.members),
        "unsubscribe_count": audience.count("unsubscribed"), "cleaned_count": audience.count("cleaned"),
        "member_count_since_send": 0,
        "unsubscribe_count_since_send": 0, "cleaned_count_since_send": 0, "campaign_count": len(sent),
        "campaign_last_sent": max(sent, default=""), "merge_field_count": len(audience.merge_fields), "avg_sub_rate": 0,
        "avg_unsub_rate": 0, "target_sub_rate": 0, "open_rate": 0, "click_rate": 0, "last_sub_date": "",
        "last_unsub_date": "",
    }  # fmt: skip
