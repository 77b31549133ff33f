"""A hub that keeps going by itself, under a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from zgoda.model.clock import FakeClock
from zgoda.sync.cycle import Hub
from zgoda.sync.schedule import Keeper


@asynccontextmanager
async def running(hub: Hub, holder: str = "worker") -> AsyncIterator[Keeper]:
    """The hub at work until the block is left."""
    keeper = Keeper(hub, holder)
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        keeper.stop.set()
        keeper.wake()
        await asyncio.wait_for(task, 10)


async def pass_time(clock: FakeClock, until: Callable[[], bool], *, step_s: float, at_most_s: float) -> float:
    """Let simulated time pass, with the machine's leave to work in between, until something is so. Returns how long it
    took in simulated seconds."""
    passed = 0.0
    while not until() and passed < at_most_s:
        clock.advance(step_s)
        passed += step_s
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert until(), f"not so within {at_most_s} s"
    return passed
