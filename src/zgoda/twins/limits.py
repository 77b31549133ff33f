"""How much a twin lets through: rates, parallel connections, page and batch sizes, and how slow it is."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

import msgspec

DAY = timedelta(hours=24)
_BUCKET_S = 60

Excess = Literal["daily", "window", "connections", "overload"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None means no limit. Sizes are those of the vendor's calls: what a page holds, what one write call takes.

    `connections` counts all requests under way, `long_requests` only those that have taken `long_s` or longer.
    """

    latency_ms: float = 0.0
    daily_requests: int | None = None
    window_requests: int | None = None
    window_s: float = 1.0
    connections: int | None = None
    long_requests: int | None = None
    long_s: float = 20.0
    page_size: int | None = None
    batch_size: int | None = None
    read_batch_size: int | None = None
    nested_requests: int | None = None
    query_offset: int | None = None
    uri_bytes: int | None = None
    open_cursors: int | None = None
    bulk_bytes: int | None = None
    feed_ids: int | None = None


class Meter:
    """Counts requests and says which limit, if any, the next one breaks."""

    def __init__(self) -> None:
        self._begun_s: list[float] = []
        self._buckets: deque[tuple[int, int]] = deque()
        self._used_today = 0
        self._window: deque[float] = deque()

    def begin(self, elapsed_s: float) -> None:
        """A request has come in; `end` must follow with the same value."""
        self._begun_s.append(elapsed_s)

    def end(self, elapsed_s: float) -> None:
        self._begun_s.remove(elapsed_s)

    def used_today(self, now: datetime) -> int:
        """Requests of the last 24 hours, to the minute."""
        oldest = int((now - DAY).timestamp()) // _BUCKET_S
        while self._buckets and self._buckets[0][0] <= oldest:
            self._used_today -= self._buckets.popleft()[1]
        return self._used_today

    def excess(self, limits: Limits, now: datetime, elapsed_s: float) -> Excess | None:
        """The limit this request breaks. One that breaks none is counted."""
        under_way = len(self._begun_s)
        if limits.connections is not None and under_way > limits.connections:
            return "overload" if under_way > 2 * limits.connections else "connections"
        if limits.long_requests is not None and self._long(elapsed_s - limits.long_s) >= limits.long_requests:
            return "connections"
        if limits.daily_requests is not None and self.used_today(now) >= limits.daily_requests:
            return "daily"
        if limits.window_requests is not None:
            while self._window and self._window[0] <= elapsed_s - limits.window_s:
                self._window.popleft()
            if len(self._window) >= limits.window_requests:
                return "window"
            self._window.append(elapsed_s)
        self._count(now)
        return None

    def forget(self) -> None:
        """Start counting anew; requests under way stay counted."""
        self._buckets.clear()
        self._window.clear()
        self._used_today = 0

    def _long(self, before_s: float) -> int:
        return sum(begun_s <= before_s for begun_s in self._begun_s)

    def _count(self, now: datetime) -> None:
        bucket = int(now.timestamp()) // _BUCKET_S
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1] = (bucket, self._buckets[-1][1] + 1)
        else:
            self._buckets.append((bucket, 1))
        self._used_today += 1
