"""How much a twin lets through: rates, parallel connections, page and batch sizes, and how slow it is."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

import msgspec

DAY = timedelta(hours=24)
_BUCKET_S = 60

Excess = Literal["daily", "window", "connections", "overload"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """None means no limit. Sizes are those of the vendor's calls: what a page holds, what one write call takes."""

    latency_ms: float = 0.0
    daily_requests: int | None = None
    window_requests: int | None = None
    window_s: float = 1.0
    connections: int | None = None
    page_size: int | None = None
    batch_size: int | None = None
    read_batch_size: int | None = None
    nested_requests: int | None = None
    query_offset: int | None = None
    uri_bytes: int | None = None
    open_cursors: int | None = None
    bulk_bytes: int | None = None


class Meter:
    """Counts requests and says which limit, if any, the next one breaks."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._buckets: deque[tuple[int, int]] = deque()
        self._used_today = 0
        self._window: deque[float] = deque()

    def used_today(self, now: datetime) -> int:
        """Requests of the last 24 hours, to the minute."""
        oldest = int((now - DAY).timestamp()) // _BUCKET_S
        while self._buckets and self._buckets[0][0] <= oldest:
            self._used_today -= self._buckets.popleft()[1]
        return self._used_today

    def excess(self, limits: Limits, now: datetime, elapsed_s: float) -> Excess | None:
        """The limit this request breaks. One that breaks none is counted."""
        if limits.connections is not None and self.in_flight > limits.connections:
            return "overload" if self.in_flight > 2 * limits.connections else "connections"
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

    def _count(self, now: datetime) -> None:
        bucket = int(now.timestamp()) // _BUCKET_S
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1] = (bucket, self._buckets[-1][1] + 1)
        else:
            self._buckets.append((bucket, 1))
        self._used_today += 1
