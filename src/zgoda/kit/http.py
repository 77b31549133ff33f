"""The one way out to a vendor: paced, authenticated, bounded, and silent about what it carries.

No URL with a query, no body and no header ever gets into a log or an error; errors name method, path and status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import aiohttp
import msgspec

from zgoda.kit.auth import Auth, NoAuth
from zgoda.kit.errors import Attention, Halted, NeedsAttention, Quota, Temporary
from zgoda.kit.pace import Lane, Pacer
from zgoda.model.clock import Clock

MAX_ANSWER_BYTES = 64 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's answer. Header names are lower case."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The decoded body. What is no JSON (an HTML error page with status 200, a cut answer) is `Temporary`."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            executed = self.method != "GET"
            raise Temporary(f"{self.where}: the answer is not valid JSON", executed=executed) from None

    @property
    def where(self) -> str:
        return f"{self.method} {self.path} -> {self.status}"

    @property
    def retry_after_s(self) -> float | None:
        """The vendor's Retry-After, seconds or HTTP date turned into seconds from its own Date header (RFC 9110)."""
        raw = self.headers.get("retry-after", "").strip()
        with suppress(ValueError):
            return max(0.0, float(raw))
        with suppress(ValueError, TypeError):
            until = parsedate_to_datetime(raw).astimezone(UTC)
            sent = parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
            return max(0.0, (until - sent).total_seconds())
        return None


class Http(Protocol):
    """The port connectors get. `path` is relative to the connection's base URL; an absolute URL must be on the same
    host (vendors hand out next-page links), else it is refused. `of` is the call's class for pacing.

    Connectors that speak no HTTP make each of their calls inside `async with http.admit(of):`, and so keep the same
    lanes, limits, budget and kill switch."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        of: str = "*",
        timeout_s: float | None = None,
    ) -> Answer: ...

    def admit(self, of: str = "*") -> AbstractAsyncContextManager[None]: ...

    def in_lane(self, lane: Lane) -> Http: ...

    def with_auth(self, auth: Auth) -> Http: ...


def expect(answer: Answer, *allowed: int) -> Answer:
    """The answer if its status is a success (or among `allowed`); else the error by recovery.

    Connectors call this after looking at the statuses their vendor uses in its own way.
    """
    if answer.ok or answer.status in allowed:
        return answer
    match answer.status:
        case 429:
            raise Quota(f"{answer.where}: too many requests", retry_after_s=answer.retry_after_s)
        case 401:
            raise NeedsAttention(Attention.CREDENTIALS, f"{answer.where}: the credentials were refused")
        case 403:
            raise NeedsAttention(Attention.RIGHTS, f"{answer.where}: not allowed with these credentials")
        case 503:
            raise Temporary(f"{answer.where}: not available", retry_after_s=answer.retry_after_s)
        case status if status >= 500 or status == 408:
            raise Temporary(
                f"{answer.where}: the server failed",
                retry_after_s=answer.retry_after_s,
                executed=answer.method != "GET",
            )
        case 404:
            raise NeedsAttention(
                Attention.SETTINGS, f"{answer.where}: no such address", do="check base_url and the vendor's version"
            )
        case _:
            raise NeedsAttention(Attention.SCHEMA, f"{answer.where}: the request was refused")


class ConnectionHttp:
    """The real port, on aiohttp. One per connection; copies made by `in_lane`/`with_auth` share the client."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        base_url: str,
        pacer: Pacer,
        clock: Clock,
        *,
        auth: Auth | None = None,
        lane: Lane = Lane.LIVE,
        timeout_s: float = 60.0,
        halted: Callable[[], bool] | None = None,
        used_today: Callable[[Mapping[str, str]], int | None] | None = None,
    ) -> None:
        """`halted` is the kill switch: asked right before each request, after any waiting for a turn. `used_today`
        reads the vendor's own count of calls from an answer's headers."""
        self._halted = halted
        self._used_today = used_today
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._pacer = pacer
        self._clock = clock
        self._auth = auth or NoAuth()
        self._lane = lane
        self._timeout_s = timeout_s

    def admit(self, of: str = "*") -> AbstractAsyncContextManager[None]:
        return self._admit(of, of)

    def in_lane(self, lane: Lane) -> ConnectionHttp:
        return self._copy(lane=lane, auth=self._auth)

    def with_auth(self, auth: Auth) -> ConnectionHttp:
        return self._copy(lane=self._lane, auth=auth)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        of: str = "*",
        timeout_s: float | None = None,
    ) -> Answer:
        """Send once; on a 401 refresh the credentials once and send again. Never retries otherwise."""
        url = self._url(path)
        content = msgspec.json.encode(json) if json is not None else body
        sent_headers = dict(headers or {})
        if json is not None:
            sent_headers.setdefault("Content-Type", "application/json")
        limit_s = timeout_s or self._timeout_s
        token = await self._auth.headers(self._raw, self._clock)
        answer = await self._send(method, url, params, content, {**sent_headers, **token}, of, limit_s)
        if self._auth.expired(answer.status, answer.body):
            self._auth.forget(token)
            token = await self._auth.headers(self._raw, self._clock)
            answer = await self._send(method, url, params, content, {**sent_headers, **token}, of, limit_s)
            if self._auth.expired(answer.status, answer.body):
                raise NeedsAttention(
                    Attention.CREDENTIALS,
                    f"{answer.where}: the credentials were refused",
                    do="renew them, then `zgoda resume`",
                )
        return answer

    async def _raw(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """For auth: a call to the token endpoint, unauthenticated."""
        answer = await self._send(method, self._url(url, any_host=True), None, body, dict(headers), "*", 30.0)
        return answer.status, answer.body

    async def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        body: bytes | None,
        headers: dict[str, str],
        of: str,
        timeout_s: float,
    ) -> Answer:
        path = url.partition("://")[2].partition("/")[2].partition("?")[0]
        where = f"{method} /{path}"
        async with self._admit(of, where):
            try:
                async with self._client.request(
                    method,
                    url,
                    params=params,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(10.0, timeout_s)),
                ) as response:
                    content = await _read(response, where)
                    answered = {name.lower(): value for name, value in response.headers.items()}
                    answer = Answer(
                        method=method, path=f"/{path}", status=response.status, headers=answered, body=content
                    )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                raise Temporary(f"{where}: cannot connect ({type(error).__name__})") from None
            except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
                executed = method != "GET"
                raise Temporary(f"{where}: no answer ({type(error).__name__})", executed=executed) from None
        used = self._used_today(answer.headers) if self._used_today is not None else None
        if used is not None:
            self._pacer.learn_used(used)
        if answer.status == 429 and answer.retry_after_s:
            self._pacer.pause(min(answer.retry_after_s, 300.0))
        return answer

    @asynccontextmanager
    async def _admit(self, of: str, where: str) -> AsyncGenerator[None]:
        async with self._pacer.admit(self._lane, of):
            if self._halted is not None and self._halted():
                raise Halted(f"{where}: not sent, the kill switch is on")
            yield

    def _url(self, path: str, *, any_host: bool = False) -> str:
        if "://" not in path:
            return f"{self._base_url}/{path.lstrip('/')}" if path else self._base_url
        if any_host or path.startswith(self._base_url.rstrip("/") + "/") or _host(path) == _host(self._base_url):
            return path
        raise NeedsAttention(Attention.SETTINGS, "the vendor pointed to another host; it was not followed")

    def _copy(self, *, lane: Lane, auth: Auth) -> ConnectionHttp:
        return ConnectionHttp(
            self._client,
            self._base_url,
            self._pacer,
            self._clock,
            auth=auth,
            lane=lane,
            timeout_s=self._timeout_s,
            halted=self._halted,
            used_today=self._used_today,
        )


async def _read(response: aiohttp.ClientResponse, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise Temporary(f"{where}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MB")
        parts.append(chunk)
    return b"".join(parts)


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
