"""The connection: where it points, how it proves itself, and who it turns out to be."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from zgoda.connectors.mailchimp.exchange import AT_ONCE, call, confirm_audience, decoded
from zgoda.connectors.mailchimp.interests import Labels
from zgoda.kit.auth import basic, bearer
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.http import Http
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Identity, Session, Setting
from zgoda.model.clock import Clock

SETTINGS = (
    Setting(name="audience", meaning="Id of the audience (list); one connection per audience", required=True),
    Setting(name="api_key", meaning="API key; its end after the dash is the data centre", secret=True),
    Setting(name="access_token", meaning="OAuth 2 access token, instead of api_key", secret=True),
    Setting(
        name="base_url",
        meaning="Address of the API, https://DC.api.mailchimp.com/3.0; DC is what follows the dash of the key",
        required=True,
        example="https://us21.api.mailchimp.com/3.0",
    ),
    Setting(name="webhook_secret", meaning="Long random text put into the webhook's URL", secret=True),
    Setting(
        name="double_opt_in",
        meaning="Whether a pending consent may be written; Mailchimp then sends its confirmation e-mail",
        default=False,
    ),
    Setting(name="activity_days", meaning="How long after sending a campaign's reports are read again", default=90),
)

READ_ONLY_ROLES = ("viewer", "author")


class _Account(msgspec.Struct):
    account_id: str
    login_id: str | int = ""
    role: str = ""


def base_url(settings: Any) -> str:
    """The address of the API: as set, or by the data centre at the end of the key."""
    if given := settings.get("base_url"):
        return str(given)
    found = re.search(r"-([a-z]{2,4}\d{1,3})$", str(settings.get("api_key") or ""))
    if not found:
        raise NeedsAttention(
            Attention.SETTINGS, "the data centre is unknown", do="set base_url, or use a key that ends in -usNN"
        )
    return f"https://{found[1]}.api.mailchimp.com/3.0"


async def open(http: Http, settings: Any, clock: Clock) -> Session:
    """A session with the key as HTTP Basic, or the token as bearer. `resources` caches the labels of interests."""
    key, token = settings.get("api_key"), settings.get("access_token")
    if not settings.get("audience"):
        raise NeedsAttention(Attention.SETTINGS, "no audience is set", do="set `audience` to the audience's id")
    if not settings.get("base_url"):
        raise NeedsAttention(Attention.SETTINGS, "no base_url is set", do=f"set `base_url` to {base_url(settings)}")
    if not key and not token:
        raise NeedsAttention(Attention.SETTINGS, "no credentials are set", do="set `api_key` or `access_token`")
    auth = basic("zgoda", str(key)) if key else bearer(str(token))
    return Session(http=http.with_auth(auth), settings=settings, clock=clock, resources=Labels())


async def check(session: Session) -> Identity:
    """Who we are and whether the audience is there. One account may hold many audiences, so both make the identity."""
    answer = await call(session, "GET", "", params={"fields": "account_id,login_id,role"})
    account = decoded(answer, _Account)
    await confirm_audience(session)
    notes: list[str] = []
    if account.role in READ_ONLY_ROLES:
        notes.append(f"the key belongs to a user with the role {account.role}, who cannot change members")
    if not session.settings.get("webhook_secret"):
        notes.append("webhook_secret is not set: changes are only seen by polling")
    name = f"{account.account_id}/{session.settings['audience']}"
    return Identity(account=name, user=str(account.login_id), version="3.0", notes=tuple(notes))


def limits(settings: Any) -> Limits:
    """Ten simultaneous connections and nothing else."""
    return Limits(concurrent=AT_ONCE)
