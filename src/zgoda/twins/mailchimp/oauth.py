"""API keys and OAuth tokens. Tokens do not expire; metadata tells the data centre and the API's address."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.mailchimp.account import Account

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path, not a secret
METADATA_PATH = "/oauth2/metadata"


@dataclass
class Credentials:
    """The account's API key and its one OAuth app. `code` is the authorisation code the app may exchange."""

    api_key: str = "00000000000000000000000000007700-us1"
    client_id: str = "twin-client"
    client_secret: str = "twin-secret"  # noqa: S105 - a made-up secret of a test server
    code: str = "twin-code"
    tokens: set[str] = field(default_factory=set[str])
    revoked: bool = False


def caller_of(credentials: Credentials, call: Call) -> str | None:
    """Who calls, None without a valid key or token. Basic takes any user name."""
    kind, _, value = call.headers.get("Authorization", "").partition(" ")
    secret = value.strip()
    if kind.lower() == "basic":
        try:
            secret = base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return None
    elif kind.lower() not in ("bearer", "oauth", "apikey"):
        return None
    if not credentials.revoked and hmac.compare_digest(secret.encode(), credentials.api_key.encode()):
        return "api key"
    return "oauth" if secret in credentials.tokens else None


def token(account: Account, credentials: Credentials, call: Call) -> Reply:
    """POST /oauth2/token with an authorisation code."""
    form = {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
    wanted = {"client_id": credentials.client_id, "client_secret": credentials.client_secret, "code": credentials.code}
    if form.get("grant_type") != "authorization_code":
        return json_reply(400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"})
    if any(not hmac.compare_digest(form.get(name, "").encode(), value.encode()) for name, value in wanted.items()):
        return json_reply(400, {"error": "invalid_grant", "error_description": "Invalid code or client"})
    made = hashlib.sha256(f"token {account.number('token')}".encode()).hexdigest()[:32]
    credentials.tokens.add(made)
    return json_reply(200, {"access_token": made, "expires_in": 0, "scope": None})


def metadata(account: Account, credentials: Credentials, call: Call) -> Reply:
    """GET /oauth2/metadata with `Authorization: OAuth <token>`."""
    if caller_of(credentials, call) is None:
        return json_reply(401, {"error": "invalid_token"})
    return json_reply(200, {
        "dc": "us1", "role": "owner", "accountname": "Twin", "user_id": 1,
        "login": {"email": "owner@twin.example", "login_id": 1, "login_name": "twin",
        "login_email": "owner@twin.example"},
        "login_url": account.around.base_url, "api_endpoint": account.around.base_url,
    })  # fmt: skip
