"""Time and chance as ports.

Nothing else in the product asks the operating system what time it is, waits, or rolls dice. So the whole hub can be
run under a simulated clock with a seed, and every test about time is exact.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `now` is always aware and in UTC."""

    def now(self) -> datetime: ...

    def monotonic_s(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Chance(Protocol):
    """Where chance comes from: jitter, identifiers, sampling."""

    def fraction(self) -> float: ...

    def new_id(self) -> str: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place that may

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - the one place that may


class SystemChance:
    """The machine's own randomness. Identifiers are UUIDv4 strings."""

    def fraction(self) -> float:
        return random.random()  # noqa: TID251, S311 - jitter, not secrets

    def new_id(self) -> str:
        return str(uuid.uuid4())  # noqa: TID251 - the one place that may


class SeededChance:
    """Repeatable chance: the same seed gives the same fractions and identifiers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatability is the point

    def fraction(self) -> float:
        return self._random.random()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


class FakeClock:
    """A clock that moves only when told to; sleepers wake in order of their due time."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + max(0.0, seconds), next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move both clocks forward and wake every sleeper that is due."""
        self._now += timedelta(seconds=seconds)
        self._elapsed_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed_s:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)

    def set(self, moment: datetime) -> None:
        """Jump the wall clock only, as a wrong NTP step would; sleepers do not notice."""
        self._now = moment
