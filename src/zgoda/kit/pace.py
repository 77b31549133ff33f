"""Keeping within a vendor's limits by pacing before sending, never by learning from refusals.

One `Pacer` per connection is shared by reads and writes. Callers wait in lanes: consent and erasure first, then live
edits, then backfill; a higher lane overtakes those already waiting. A daily budget keeps a reserve for the upper lanes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from enum import IntEnum

import msgspec

from zgoda.kit.errors import Quota
from zgoda.model.clock import Clock


class Lane(IntEnum):
    """Who goes first."""

    CONSENT = 0
    LIVE = 1
    BACKFILL = 2


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """At most `calls` in any window of `per_s` seconds, for calls of a class (`*` is every call)."""

    calls: int
    per_s: float
    of: str = "*"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's documented limits. `daily` is the day's budget of calls (0: none); `min_gap_s` spaces calls evenly."""

    rates: tuple[Rate, ...] = ()
    concurrent: int = 8
    daily: int = 0
    live_share: float = 0.95
    backfill_share: float = 0.80


RECENT = 50
LEAST_MARGIN_S = 0.02
MOST_MARGIN = 0.1

Waiter = tuple[int, int, asyncio.Future[None]]
"""Lane, place in line, and the turn itself."""


class Pacer:
    """Admits calls so that no limit is exceeded. Use `async with pacer.admit(lane, "read"):` around each call."""

    def __init__(self, limits: Limits, clock: Clock, *, used_today: int = 0) -> None:
        self.limits = limits
        self._clock = clock
        self._windows = [(rate, deque[float]()) for rate in limits.rates]
        self._running = 0
        self._took_s: deque[float] = deque(maxlen=RECENT)
        self._waiting: dict[str, list[Waiter]] = {}
        self._order = itertools.count()
        self._alarm: asyncio.Task[None] | None = None
        self._paused_until_s = 0.0
        self._day: date = clock.now().date()
        self.used_today = used_today

    @asynccontextmanager
    async def admit(self, lane: Lane, of: str = "*") -> AsyncGenerator[None]:
        """Wait for a turn, hold a concurrent place, give it back. Raises `Quota` when the day is spent."""
        self._spend(lane)
        await self._turn(lane, of)
        began_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._took_s.append(self._clock.monotonic_s() - began_s)
            self._running -= 1
            self._wake()

    def pause(self, seconds: float) -> None:
        """The vendor said to wait: nobody is admitted for that long."""
        self._paused_until_s = max(self._paused_until_s, self._clock.monotonic_s() + seconds)

    def learn_used(self, used_today: int) -> None:
        """The vendor's own count of today's calls, where its answers carry one; others may share the account."""
        self.used_today = max(self.used_today, used_today)

    def _spend(self, lane: Lane) -> None:
        today = self._clock.now().date()
        if today != self._day:
            self._day, self.used_today = today, 0
        if self.limits.daily:
            share = {Lane.CONSENT: 1.0, Lane.LIVE: self.limits.live_share, Lane.BACKFILL: self.limits.backfill_share}
            if self.used_today >= self.limits.daily * share[lane]:
                raise Quota(f"the daily budget for {lane.name.lower()} calls is spent", daily=True)
        self.used_today += 1

    async def _turn(self, lane: Lane, of: str) -> None:
        if not any(self._waiting.values()) and self._delay_s(of) == 0:
            self._take(of)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting.setdefault(of, []), (lane, next(self._order), turn))
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
            self._wake()
            raise

    def _wake(self) -> None:
        """Admit as many waiting callers as the limits allow now, and set an alarm for the next. Callers of one class
        wait in line; a class whose rate is used up does not hold up the others."""
        soonest_s = float("inf")
        lines = {of: line for of, line in self._waiting.items() if line}
        while lines:
            of = min(lines, key=lambda of: lines[of][0][:2])
            turn = lines[of][0][2]
            delay_s = 0.0 if turn.cancelled() else self._delay_s(of)
            if delay_s > 0:
                soonest_s = min(soonest_s, delay_s)
                del lines[of]
                continue
            heapq.heappop(lines[of])
            if not turn.cancelled():
                self._take(of)
                turn.set_result(None)
            if not lines[of]:
                del lines[of]
        if soonest_s != float("inf") and (self._alarm is None or self._alarm.done()):
            self._alarm = asyncio.get_running_loop().create_task(self._ring(soonest_s))

    async def _ring(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._alarm = None
        self._wake()

    def _delay_s(self, of: str) -> float:
        """Seconds until a call of this class may start; infinite while all places are taken."""
        if self._running >= self.limits.concurrent:
            return float("inf")
        now = self._clock.monotonic_s()
        delay_s = max(0.0, self._paused_until_s - now)
        for rate, starts in self._windows:
            if rate.of not in ("*", of):
                continue
            window_s = rate.per_s + self._margin_s(rate)
            while starts and starts[0] <= now - window_s:
                starts.popleft()
            if len(starts) >= rate.calls:
                delay_s = max(delay_s, starts[0] + window_s - now, 1e-4)
        return delay_s

    def _margin_s(self, rate: Rate) -> float:
        """The vendor counts calls when they arrive, we when they start; what lies between differs from call to call."""
        spread_s = max(self._took_s) - min(self._took_s) if self._took_s else 0.0
        return min(max(spread_s, LEAST_MARGIN_S), MOST_MARGIN * rate.per_s)

    def _take(self, of: str) -> None:
        now = self._clock.monotonic_s()
        self._running += 1
        for rate, starts in self._windows:
            if rate.of in ("*", of):
                starts.append(now)
