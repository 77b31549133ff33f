"""The pacer: no window of the vendor's ever sees too many calls, urgent ones go first, nothing waits for nothing."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zgoda.kit.errors import Quota
from zgoda.kit.pace import Lane, Limits, Pacer, Rate
from zgoda.model.clock import FakeClock


async def _pass(clock: FakeClock, seconds: float, step_s: float = 0.01) -> None:
    for _ in range(round(seconds / step_s)):
        clock.advance(step_s)
        for _ in range(6):
            await asyncio.sleep(0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.sampled_from([0.5, 1.0]), st.integers(1, 8), st.integers(0, 2**16))
def test_no_window_sees_too_many(calls: int, per_s: float, concurrent: int, seed: int) -> None:
    """T-66: whatever the way there takes (between 5 and 25 ms), no window on the vendor's side has more calls than it
    allows, no more are under way at once, and all get their turn."""
    dice = random.Random(seed)
    arrivals: list[float] = []
    under_way = [0, 0]

    async def story() -> None:
        clock = FakeClock()
        pacer = Pacer(Limits(rates=(Rate(calls=calls, per_s=per_s),), concurrent=concurrent), clock)

        async def call() -> None:
            async with pacer.admit(Lane.LIVE):
                under_way[0] += 1
                under_way[1] = max(under_way)
                await clock.sleep(dice.uniform(0.005, 0.025))
                arrivals.append(clock.monotonic_s())
                await clock.sleep(0.01)
                under_way[0] -= 1

        tasks = [asyncio.create_task(call()) for _ in range(calls * 4)]
        await _pass(clock, per_s * 6 + 1)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(story())
    assert under_way[1] <= concurrent
    arrivals.sort()
    for first, at in enumerate(arrivals):
        assert bisect_right(arrivals, at + per_s - 1e-6) - first <= calls


async def test_a_class_that_is_used_up_holds_up_no_other() -> None:
    """P11: writes wait for their second while reads go on, whoever stood in line first."""
    clock = FakeClock()
    limits = Limits(rates=(Rate(calls=1, per_s=10.0, of="write"), Rate(calls=100, per_s=10.0, of="read")))
    pacer = Pacer(limits, clock)
    done: list[str] = []

    async def call(of: str, lane: Lane) -> None:
        async with pacer.admit(lane, of):
            done.append(of)

    tasks = [asyncio.create_task(call("write", Lane.CONSENT)) for _ in range(3)]
    tasks += [asyncio.create_task(call("read", Lane.BACKFILL)) for _ in range(5)]
    await _pass(clock, 1.0)
    assert done.count("read") == 5
    assert done.count("write") == 1
    await _pass(clock, 25.0, step_s=0.5)
    await asyncio.gather(*tasks)


async def test_urgent_calls_go_first_and_the_day_keeps_a_reserve() -> None:
    """T-66, T-67: consent overtakes edits, edits overtake the backfill; the last calls of the day are for consent."""
    clock = FakeClock()
    pacer = Pacer(Limits(rates=(Rate(calls=1, per_s=1.0),), daily=10), clock)
    order: list[Lane] = []

    async def call(lane: Lane) -> None:
        async with pacer.admit(lane):
            order.append(lane)

    tasks = [asyncio.create_task(call(lane)) for lane in (Lane.BACKFILL, Lane.BACKFILL, Lane.LIVE, Lane.CONSENT)]
    await _pass(clock, 5.0, step_s=0.05)
    await asyncio.gather(*tasks)
    assert order == [Lane.BACKFILL, Lane.CONSENT, Lane.LIVE, Lane.BACKFILL]
    pacer.learn_used(9)
    with pytest.raises(Quota):
        await call(Lane.BACKFILL)
    consent = asyncio.create_task(call(Lane.CONSENT))
    await _pass(clock, 2.0, step_s=0.05)
    await consent
    clock.advance(86_400)
    later = asyncio.create_task(call(Lane.BACKFILL))
    await _pass(clock, 2.0, step_s=0.05)
    await later


async def test_a_caller_who_gives_up_keeps_no_place() -> None:
    """Cancelled while waiting: the next one goes, and the places are all there."""
    clock = FakeClock()
    pacer = Pacer(Limits(concurrent=1), clock)
    async with pacer.admit(Lane.LIVE):
        waiting = [asyncio.create_task(_hold(pacer, clock)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    await _pass(clock, 0.5)
    await asyncio.wait_for(waiting[1], 1)
    async with asyncio.timeout(1), pacer.admit(Lane.LIVE):
        pass


async def _hold(pacer: Pacer, clock: FakeClock) -> None:
    async with pacer.admit(Lane.LIVE):
        await clock.sleep(0.1)
