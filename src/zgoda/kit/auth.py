"""Ways to prove who we are, as small strategies the HTTP port asks for headers.

Tokens are fetched once for all concurrent callers, refreshed before they end (also where the vendor does not say when
they do), and never appear in an error.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlencode

import msgspec

from zgoda.kit.errors import Attention, NeedsAttention, Temporary
from zgoda.model.clock import Clock

Call: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""An unauthenticated call: method, URL, headers, body -> status, body."""


class Auth(Protocol):
    """`headers` gives what to send; `expired` says whether an answer means "get new ones"; `forget` drops the old."""

    async def headers(self, call: Call, clock: Clock) -> dict[str, str]: ...

    def expired(self, status: int, body: bytes) -> bool: ...

    def forget(self, used: Mapping[str, str]) -> None: ...


class NoAuth:
    """Nothing to prove."""

    async def headers(self, call: Call, clock: Clock) -> dict[str, str]:
        return {}

    def expired(self, status: int, body: bytes) -> bool:
        return False

    def forget(self, used: Mapping[str, str]) -> None:
        return


class Fixed:
    """Constant headers: API keys, Basic, static bearer tokens. A 401 is final."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    async def headers(self, call: Call, clock: Clock) -> dict[str, str]:
        return dict(self._headers)

    def expired(self, status: int, body: bytes) -> bool:
        return False

    def forget(self, used: Mapping[str, str]) -> None:
        return


def basic(user: str, password: str) -> Fixed:
    """HTTP Basic (RFC 7617)."""
    return Fixed({"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()})


def bearer(token: str) -> Fixed:
    return Fixed({"Authorization": f"Bearer {token}"})


class Fetched:
    """Credentials that must be fetched: OAuth tokens, session log-ins.

    `fetch` returns the headers and for how many seconds they hold. They are renewed when 80 % of that has passed.
    `looks_expired` judges answers; by default a 401.
    """

    def __init__(
        self,
        fetch: Callable[[Call], Awaitable[tuple[dict[str, str], float]]],
        *,
        looks_expired: Callable[[int, bytes], bool] | None = None,
    ) -> None:
        self._fetch = fetch
        self._looks_expired = looks_expired or _unauthorized
        self._lock = asyncio.Lock()
        self._headers: dict[str, str] | None = None
        self._renew_at_s = 0.0

    async def headers(self, call: Call, clock: Clock) -> dict[str, str]:
        if self._headers is not None and clock.monotonic_s() < self._renew_at_s:
            return self._headers
        async with self._lock:
            if self._headers is None or clock.monotonic_s() >= self._renew_at_s:
                self._headers, holds_s = await self._fetch(call)
                self._renew_at_s = clock.monotonic_s() + holds_s * 0.8
            return self._headers

    def expired(self, status: int, body: bytes) -> bool:
        return self._looks_expired(status, body)

    def forget(self, used: Mapping[str, str]) -> None:
        """Only if they are still the current ones: another caller may have renewed them meanwhile."""
        if self._headers == used:
            self._headers = None


def _unauthorized(status: int, body: bytes) -> bool:
    return status == 401


def oauth(
    token_url: str, form: Callable[[], Mapping[str, str]], *, holds_s: float = 3600.0, scheme: str = "Bearer"
) -> Fetched:
    """OAuth 2.0 token endpoint (RFC 6749). `form` makes the request's fields anew each time (JWTs expire).

    `holds_s` is assumed where the answer has no `expires_in`. `invalid_grant` and friends need a person.
    """

    async def fetch(call: Call) -> tuple[dict[str, str], float]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        status, body = await call("POST", token_url, headers, urlencode(form()).encode())
        answer = _token_answer(status, body)
        return {"Authorization": f"{scheme} {answer['access_token']}"}, float(answer.get("expires_in") or holds_s)

    return Fetched(fetch)


def _token_answer(status: int, body: bytes) -> dict[str, Any]:
    if status == 429 or status >= 500:
        raise Temporary(f"the token endpoint answered {status}")
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise Temporary(f"the token endpoint answered {status} without JSON") from None
    if status >= 400 or not isinstance(answer.get("access_token"), str):
        error = str(answer.get("error", status))[:60]
        raise NeedsAttention(
            Attention.CREDENTIALS, f"no token was given ({error})", do="renew the credentials, then `zgoda resume`"
        )
    return answer
