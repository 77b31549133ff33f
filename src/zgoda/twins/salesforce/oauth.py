"""The token endpoint and the sessions it opens.

Client credentials, JWT bearer (the signature is really checked) and refresh tokens. Answers carry no `expires_in`: how
long a session lives is a setting of the org that clients are not told.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.org import Org

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path, not a secret
REVOKE_PATH = "/services/oauth2/revoke"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")
_LATEST_EXPIRY_S = 300


@dataclass(frozen=True)
class Credentials:
    """The twin's one connected app and its user. `public_key` is a PEM; without one JWT bearer is refused."""

    client_id: str = "twin-client"
    client_secret: str = "twin-secret"  # noqa: S105 - a made-up secret of a test server
    username: str = "integration@twin.example"
    refresh_token: str = "twin-refresh-0"  # noqa: S105 - a made-up secret of a test server
    public_key: str | None = None


class _Refused(Exception):
    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class Sessions:
    """Access tokens in use, by when they were last used."""

    def __init__(self, org: Org, credentials: Credentials) -> None:
        self._org = org
        self.credentials = credentials
        self.refresh_token = credentials.refresh_token
        self._issued = 0
        self._last_used: dict[str, float] = {}

    def caller(self, call: Call) -> str | None:
        """Who calls, None without a living session. Using a session keeps it alive."""
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        now_s = self._org.moment().timestamp()
        used_s = self._last_used.get(token) if kind.lower() in ("bearer", "oauth") else None
        if used_s is None or now_s - used_s > self._org.settings.session_s:
            self._last_used.pop(token, None)
            return None
        self._last_used[token] = now_s
        client = call.headers.get("Sforce-Call-Options", "")
        return client.partition("client=")[2].split(",")[0].strip() or self.credentials.username

    def open(self) -> str:
        """A new access token."""
        self._issued += 1
        random = hashlib.sha256(
            f"{self._org.id} {self._issued} {self._org.around.faults.fraction()}".encode()
        ).hexdigest()
        token = f"{self._org.id[:15]}!{random[:40]}"
        self._last_used[token] = self._org.moment().timestamp()
        return token

    def revoke(self, token: str | None = None) -> None:
        """End one session, or all of them."""
        if token is None:
            self._last_used.clear()
        self._last_used.pop(token or "", None)

    def snapshot(self) -> dict[str, Any]:
        return {"issued": self._issued, "refresh_token": self.refresh_token, "last_used": self._last_used}

    def restore(self, saved: dict[str, Any]) -> None:
        self._issued, self.refresh_token = saved["issued"], saved["refresh_token"]
        self._last_used = saved["last_used"]

    def answer(self, call: Call) -> Reply:
        """A call to the token or the revocation endpoint."""
        form = {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        if call.path.rstrip("/") == REVOKE_PATH:
            self.revoke(form.get("token") or call.query.get("token", ""))
            return json_reply(200, {})
        form = {**dict(call.query), **form, **_basic(call)}
        try:
            return json_reply(200, self._grant(form))
        except _Refused as refused:
            return json_reply(400, {"error": refused.error, "error_description": refused.description})

    def _grant(self, form: dict[str, str]) -> dict[str, Any]:
        match form.get("grant_type"):
            case "client_credentials":
                self._check_client(form)
                return self._token()
            case "refresh_token":
                self._check_client(form)
                if not _same(form.get("refresh_token"), self.refresh_token):
                    raise _Refused("invalid_grant", "expired access/refresh token")
                return self._token() | self._rotated()
            case grant if grant == _JWT_GRANT:
                self._check_assertion(form.get("assertion", ""))
                return self._token()
            case _:
                raise _Refused("unsupported_grant_type", "grant type not supported")

    def _token(self) -> dict[str, Any]:
        org, base_url = self._org, self._org.around.base_url
        issued_at = str(int(org.moment().timestamp() * 1000))
        identity = f"{base_url}/id/{org.id}/{org.integration_user}"
        key = self.credentials.client_secret.encode()
        signature = hmac.new(key, (identity + issued_at).encode(), hashlib.sha256).digest()
        return {
            "access_token": self.open(), "signature": base64.b64encode(signature).decode(),
            "scope": "api refresh_token",
            "instance_url": base_url, "id": identity, "token_type": "Bearer", "issued_at": issued_at,
        }  # fmt: skip

    def _rotated(self) -> dict[str, str]:
        if not self._org.settings.rotate_refresh:
            return {}
        self.refresh_token = f"twin-refresh-{self._issued}"
        return {"refresh_token": self.refresh_token}

    def _check_client(self, form: dict[str, str]) -> None:
        if not _same(form.get("client_id"), self.credentials.client_id):
            raise _Refused("invalid_client_id", "client identifier invalid")
        if not _same(form.get("client_secret"), self.credentials.client_secret):
            raise _Refused("invalid_client", "invalid client credentials")

    def _check_assertion(self, assertion: str) -> None:
        """RFC 7523 with RS256; issuer is the client id, subject the user, expiry at most a few minutes ahead."""
        if self.credentials.public_key is None:
            raise _Refused("invalid_client", "no certificate is set up for this app")
        claims = _verified_claims(assertion, self.credentials.public_key)
        now_s = self._org.moment().timestamp()
        audiences = {*_LOGIN_HOSTS, self._org.around.base_url}
        if not _same(claims.get("iss"), self.credentials.client_id):
            raise _Refused("invalid_client_id", "client identifier invalid")
        if not _same(claims.get("sub"), self.credentials.username):
            raise _Refused("invalid_grant", "user hasn't approved this consumer")
        if claims.get("aud") not in audiences:
            raise _Refused("invalid_grant", "audience is invalid")
        expires_s = claims.get("exp")
        if not isinstance(expires_s, int | float) or not now_s < expires_s <= now_s + _LATEST_EXPIRY_S:
            raise _Refused("invalid_grant", "assertion expired or expiry too far ahead")


def _verified_claims(assertion: str, public_key: str) -> dict[str, Any]:
    try:
        head, body, signature = assertion.split(".")
        key = serialization.load_pem_public_key(public_key.encode())
        if msgspec.json.decode(_unpadded(head)).get("alg") != "RS256" or not isinstance(key, rsa.RSAPublicKey):
            raise _Refused("invalid_grant", "unsupported algorithm")
        key.verify(_unpadded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        return msgspec.json.decode(_unpadded(body))
    except (ValueError, binascii.Error, InvalidSignature, msgspec.DecodeError, AttributeError) as error:
        raise _Refused("invalid_grant", "invalid assertion") from error


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _basic(call: Call) -> dict[str, str]:
    """Client id and secret from HTTP Basic, which the endpoint takes as well as form fields."""
    kind, _, value = call.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        id, _, secret = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": id, "client_secret": secret}


def _same(given: Any, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())
