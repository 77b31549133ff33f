"""A plain HTTP client for the twins' tests: no retries, nothing hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import msgspec

from zgoda.twins import MailchimpTwin, SalesforceTwin


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Calls one base url with fixed headers."""

    def __init__(self, base_url: str, headers: dict[str, str] | None = None, timeout_s: float = 10.0) -> None:
        self.base_url = base_url
        self.headers = headers or {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def __call__(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        query: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        url = path if path.startswith("http") else self.base_url + path
        sent = self.headers | (headers or {})
        if content is not None:
            data, sent = msgspec.json.encode(content), {"Content-Type": "application/json", **sent}
        async with self._http.request(
            method, url, params=query, data=data, headers=sent, allow_redirects=False
        ) as reply:
            return Answer(reply.status, await reply.read(), dict(reply.headers))

    async def query(self, soql: str, verb: str = "query") -> Any:
        """A SOQL query's records. Asserts that it worked."""
        answer = await self("GET", f"/{verb}", query={"q": soql})
        assert answer.status == 200, answer.body
        return answer.json["records"]


def salesforce(twin: SalesforceTwin, version: str = "v59.0", timeout_s: float = 10.0) -> Client:
    """A client of the REST API with a fresh session."""
    headers = {"Authorization": f"Bearer {twin.open_session()}"}
    return Client(f"{twin.base_url}/services/data/{version}", headers, timeout_s)


def mailchimp(twin: MailchimpTwin, timeout_s: float = 10.0) -> Client:
    return Client(f"{twin.base_url}/3.0", {"Authorization": f"Bearer {twin.api_key}"}, timeout_s)


def control(twin: SalesforceTwin | MailchimpTwin) -> Client:
    return Client(f"{twin.base_url}/_twin")
