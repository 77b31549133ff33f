"""One request to a twin and its answer, free of any web framework.

Composite calls and batches run their parts through the same functions as real requests, and faults alter answers as
plain values, so neither may know about sockets. Only `front` turns these into HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

JSON = "application/json;charset=UTF-8"

Manner = Literal["plain", "drop", "hang", "drip", "cut"]
"""How the answer leaves: as it should; connection reset; never; byte by byte; broken off half way."""

_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Call:
    """A request. `path` still has its percent signs, so that a slash inside a segment can be told; so has `target`,
    which is path and query. The values of `query` are decoded.
    """

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    n: int = 0
    caller: str = ""

    def json(self) -> Any:
        """The decoded body. Raises msgspec.DecodeError when it is no JSON."""
        return msgspec.json.decode(self.body)


@dataclass(slots=True)
class Reply:
    """An answer. `body` None means none at all (204, 304)."""

    status: int
    body: bytes | None = None
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict[str, str])
    manner: Manner = "plain"
    pace_ms: float = 0.0

    def with_body(self, body: bytes | None) -> Reply:
        return replace(self, body=body)

    def with_manner(self, manner: Manner, pace_ms: float = 0.0) -> Reply:
        return replace(self, manner=manner, pace_ms=pace_ms)


def json_reply(status: int, content: Any, content_type: str = JSON, headers: dict[str, str] | None = None) -> Reply:
    """An answer whose body is `content` as JSON."""
    return Reply(status, _encoder.encode(content), content_type, headers or {})


def html_reply(status: int, title: str, text: str, headers: dict[str, str] | None = None) -> Reply:
    """The kind of page that load balancers and login walls send instead of an API answer."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return Reply(status, page.encode(), "text/html; charset=utf-8", headers or {})


def empty_reply(status: int = 204, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, None, "", headers or {})
