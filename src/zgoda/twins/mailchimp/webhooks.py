"""List webhooks: checked by a GET when they are made, then form-encoded POSTs, unsigned, with a few retries."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

import msgspec

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.hooks import HookMessage
from zgoda.twins.mailchimp.account import Account, Author
from zgoda.twins.mailchimp.audience import Audience, Webhook
from zgoda.twins.mailchimp.bodies import body_of, object_in
from zgoda.twins.mailchimp.member import Member, unique_id_of
from zgoda.twins.mailchimp.problems import invalid, invalid_fields, not_found

_EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
_SOURCES = ("user", "admin", "api")
_GAPS_S = (300.0, 900.0, 1200.0, 2100.0)


async def create_webhook(account: Account, call: Call, list_id: str) -> Reply:
    """Refused when the address does not answer a GET with 200."""
    audience, body = account.audience(list_id), body_of(call)
    url = body.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid_fields([{"field": "url", "message": "This value is not a valid URL."}])
    if any(hook.url == url for hook in audience.webhooks.values()):
        raise invalid(f"Sorry, you can't set up multiple WebHooks for one URL: {url}")
    if await account.around.hooks.ask(url) != 200:
        raise invalid("We couldn't verify the provided Callback URL")
    hook = Webhook(
        id=account.new_id("webhook"), url=url, events=_switches(body, "events", _EVENTS),
        sources=_switches(body, "sources", _SOURCES),
    )  # fmt: skip
    audience.webhooks[hook.id] = hook
    return json_reply(200, _shown(audience, hook))


def list_webhooks(account: Account, call: Call, list_id: str) -> Reply:
    audience = account.audience(list_id)
    hooks = [_shown(audience, hook) for hook in audience.webhooks.values()]
    return json_reply(200, {"webhooks": hooks, "list_id": list_id, "total_items": len(hooks), "_links": []})


def show_webhook(account: Account, call: Call, list_id: str, webhook_id: str) -> Reply:
    audience = account.audience(list_id)
    return json_reply(200, _shown(audience, _hook(audience, webhook_id)))


def change_webhook(account: Account, call: Call, list_id: str, webhook_id: str) -> Reply:
    audience, body = account.audience(list_id), body_of(call)
    hook = _hook(audience, webhook_id)
    changed = msgspec.structs.replace(
        hook,
        url=str(body.get("url", hook.url)),
        events={**hook.events, **cast(dict[str, bool], object_in(body, "events"))},
        sources={**hook.sources, **cast(dict[str, bool], object_in(body, "sources"))},
    )
    audience.webhooks[webhook_id] = changed
    return json_reply(200, _shown(audience, changed))


def delete_webhook(account: Account, call: Call, list_id: str, webhook_id: str) -> Reply:
    audience = account.audience(list_id)
    del audience.webhooks[_hook(audience, webhook_id).id]
    return empty_reply()


def announce(account: Account, audience: Audience, author: Author, event: str, data: dict[str, Any]) -> None:
    """Send an event to the webhooks that asked for it from this source."""
    for hook in audience.webhooks.values():
        if not hook.events.get(event) or not hook.sources.get(author.source):
            continue
        fired_at = account.now()[:19].replace("T", " ")
        strange = {**data, "id": unique_id_of("nobody@nowhere.example"), "email": "nobody@nowhere.example"}
        account.around.hooks.send(
            HookMessage(
                hook.url, _form(event, fired_at, data), "application/x-www-form-urlencoded", "members",
                lambda status, _: 200 <= status < 300, _GAPS_S, 10.0, _form(event, fired_at, strange),
            )
        )  # fmt: skip


def announce_member(
    account: Account, audience: Audience, author: Author, event: str, member: Member, **more: str
) -> None:
    """Like `announce`, with what there is to say about a member."""
    if audience.webhooks:
        announce(account, audience, author, event, {**more, **_member_data(audience, member)})


def _member_data(audience: Audience, member: Member) -> dict[str, Any]:
    """What webhooks say about a member. The id is that of the address, not the subscriber hash."""
    names = [audience.interests[id].name for id in member.interests if id in audience.interests]
    merges = {field.tag: member.merge.get(field.stored, "") for field in audience.merge_fields_now()}
    return {
        "id": member.unique_id, "list_id": audience.id, "email": member.email,
        "email_type": member.email_type,
        "web_id": member.web_id, "ip_opt": member.ip_opt, "ip_signup": member.ip_signup,
        "merges": {"EMAIL": member.email, **merges, "INTERESTS": ", ".join(names)},
    }  # fmt: skip


def _form(event: str, fired_at: str, data: dict[str, Any]) -> bytes:
    return urlencode([("type", event), ("fired_at", fired_at), *_flat("data", data)]).encode()


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in cast(dict[str, Any], value).items() for pair in _flat(f"{name}[{key}]", inner)]
    return [(name, str(value))]


def _switches(body: dict[str, Any], name: str, known: tuple[str, ...]) -> dict[str, bool]:
    given = object_in(body, name)
    return {key: bool(given.get(key, not given)) for key in known}


def _hook(audience: Audience, id: str) -> Webhook:
    found = audience.webhooks.get(id)
    if found is None:
        raise not_found()
    return found


def _shown(audience: Audience, hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.id, "url": hook.url, "events": hook.events, "sources": hook.sources, "list_id": audience.id,
        "_links": [],
    }  # fmt: skip
