"""Webhooks: form-encoded and unsigned, so the secret is in the URL and the content is only a hint.

A hint names the member by the hash of the address (the payload's own id is neither the hash nor the contact_id);
`read_ids` takes it and answers with the contact_id. Changes made through the API are not delivered, else every write of
ours would come back; what other integrations write through the API is seen by polling.
Source: https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from zgoda.connectors.mailchimp.exchange import audience_path, call, decoded, hash_of
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.spec import Delivery, Forged, Hint, Row, Session

SECRET = "secret"  # noqa: S105 - a name, not a value
"""Name of the URL's query parameter."""

MOST_FIELDS = 500

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")


class _Webhooks(msgspec.Struct):
    webhooks: list[Row]


def receive(settings: Any, delivery: Delivery) -> list[Hint]:
    """Hints of one delivery. Raises `Forged` if the secret is wrong or none is set."""
    secret = str(settings.get("webhook_secret") or "")
    given = delivery.query.get(SECRET, "")
    if not secret or not hmac.compare_digest(secret.encode(), given.encode()):
        raise Forged("the secret in the URL is wrong or none is set")
    try:
        fields = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Forged("not a form") from None
    if fields.get("data[list_id]") != str(settings.get("audience")):
        return []
    match fields.get("type"):
        case "subscribe" | "unsubscribe" | "profile" | "cleaned":
            address = fields.get("data[email]", "")
        case "upemail":
            address = fields.get("data[new_email]", "")
        case "campaign":
            return [Hint(stream="campaigns", id=id)] if (id := fields.get("data[id]")) else []
        case _:
            return []
    return [Hint(stream="members", id=hash_of(address))] if address else []


async def subscribe(session: Session, url: str) -> None:
    """Registers `url` with the secret added, or brings our earlier registration up to date."""
    secret = str(session.settings.get("webhook_secret") or "")
    if not secret:
        raise NeedsAttention(Attention.SETTINGS, "webhook_secret is not set", do="set it to a long random text")
    body = {
        "url": f"{url}{'&' if '?' in url else '?'}{urlencode({SECRET: secret})}",
        "events": dict.fromkeys(EVENTS, True),
        "sources": {"user": True, "admin": True, "api": False},
    }
    path = audience_path(session, "/webhooks")
    known = decoded(await call(session, "GET", path), _Webhooks).webhooks
    ours = [row for row in known if str(row.get("url", "")).partition("?")[0] == url.partition("?")[0]]
    if ours:
        await call(session, "PATCH", f"{path}/{ours[0].get('id')}", json=body)
    else:
        await call(session, "POST", path, json=body)
