"""How we prove who we are: OAuth 2.0 client credentials, JWT bearer, refresh token, or a session that is given.

Salesforce's tokens carry no `expires_in`: they end when the org's session setting says so, so the port renews them
once when an answer is 401 (`INVALID_SESSION_ID`). The token answer also says who we are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from zgoda.connectors.salesforce.soql import is_id
from zgoda.kit.auth import Auth, Call, bearer, oauth
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.model.clock import Clock

ASSERTION_HOLDS_S: Final = 180
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Grant:
    """What the last token answer said: organisation, user and the host it means us to call."""

    organization: str = ""
    user: str = ""
    instance_host: str = ""


def prove(settings: Mapping[str, Any], clock: Clock, grant: Grant) -> Auth:
    """The strategy the setting `auth` names. `grant` is filled as tokens come."""
    kind = settings.get("auth") or "client_credentials"
    if kind == "session":
        return bearer(_given(settings, "access_token"))
    forms: dict[str, Callable[[], dict[str, str]]] = {
        "client_credentials": lambda: {
            "grant_type": "client_credentials",
            "client_id": _given(settings, "client_id"),
            "client_secret": _given(settings, "client_secret"),
        },
        "refresh_token": lambda: (
            {
                "grant_type": "refresh_token",
                "client_id": _given(settings, "client_id"),
                "refresh_token": _given(settings, "refresh_token"),
            }
            | ({"client_secret": str(settings["client_secret"])} if settings.get("client_secret") else {})
        ),
        "jwt": lambda: {"grant_type": JWT_BEARER, "assertion": assertion(settings, clock)},
    }
    if kind not in forms:
        do = "one of: client_credentials, jwt, refresh_token, session"
        raise NeedsAttention(Attention.SETTINGS, "the setting `auth` names no known way", do=do)
    return _Noting(oauth(token_url(settings), forms[kind]), grant)


def token_url(settings: Mapping[str, Any]) -> str:
    return str(settings.get("token_url") or f"{_given(settings, 'base_url').rstrip('/')}/services/oauth2/token")


def assertion(settings: Mapping[str, Any], clock: Clock) -> str:
    """A JWT signed with the app's private key (RFC 7523; RS256), good for three minutes."""
    claims = {
        "iss": _given(settings, "client_id"),
        "sub": _given(settings, "username"),
        "aud": str(settings.get("audience") or "https://login.salesforce.com"),
        "exp": int(clock.now().timestamp()) + ASSERTION_HOLDS_S,
    }
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = _key(settings).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_unpadded(signature)}"


class _Noting:
    """Another strategy, with the token answers looked at on their way."""

    def __init__(self, inner: Auth, grant: Grant) -> None:
        self._inner = inner
        self._grant = grant

    async def headers(self, call: Call, clock: Clock) -> dict[str, str]:
        async def noted(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
            status, answer = await call(method, url, headers, body)
            if status == 200:
                _note(answer, self._grant)
            return status, answer

        return await self._inner.headers(noted, clock)

    def expired(self, status: int, body: bytes) -> bool:
        return self._inner.expired(status, body)

    def forget(self, used: Mapping[str, str]) -> None:
        self._inner.forget(used)


class _TokenAnswer(msgspec.Struct, frozen=True):
    """`id` is `https://login.salesforce.com/id/ORGANISATION/USER`."""

    id: str = ""
    instance_url: str = ""


def _note(body: bytes, grant: Grant) -> None:
    try:
        answer = msgspec.json.decode(body, type=_TokenAnswer)
        host = urlsplit(answer.instance_url).netloc
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return
    grant.instance_host = host
    *_, organization, user = ["", "", *answer.id.split("/")]
    if is_id(organization) and is_id(user):
        grant.organization, grant.user = organization, user


def _key(settings: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(_given(settings, "private_key").encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        do = "give an unencrypted RSA private key in PEM form"
        raise NeedsAttention(Attention.SETTINGS, "the setting `private_key` is no such key", do=do) from None
    return key


def _given(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    if not isinstance(value, str) or not value:
        raise NeedsAttention(Attention.SETTINGS, f"the setting `{name}` is missing")
    return value


def _part(claims: Mapping[str, Any]) -> str:
    return _unpadded(msgspec.json.encode(claims))


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
