"""P4: from a vendor's webhook to the write in the other system, durable before the answer, also through kill -9."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle
from tools.bench.programs import Job, run_program
from tools.bench.project import STORE_VARIABLE, write_project
from tools.bench.stage import Server, Vendor, process, vendor

PEOPLE = {Scale.QUICK: 200, Scale.USUAL: 5_000, Scale.FULL: 20_000}
RATE = {Scale.QUICK: 50, Scale.USUAL: 100, Scale.FULL: 100}
SECONDS = {Scale.QUICK: 2, Scale.USUAL: 10, Scale.FULL: 30}
ROUNDS = {Scale.QUICK: 1, Scale.USUAL: 5, Scale.FULL: 5}
PATIENCE_S = 60.0
PEERS = "n8n saturates at 10 to 38/s, p99 73 to 465 ms; native syncs 5 to 15 min"


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from the edit (its webhook leaves at once) to the write, and what was lost or written twice."""

    p50_ms: float
    p99_ms: float
    wrong: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Two vendors that hold the same people, and a store in which a program knows both."""

    here: Vendor
    there: Vendor
    store: str
    port: int


async def run(server: Server, scale: Scale) -> list[Figure]:
    floors: list[Passage] = []
    ours: list[Passage] = []
    for _ in range(ROUNDS[scale]):
        async with _place(server, scale, "floor_load") as place, _relay(place):
            floors.append(await _burst(place, scale))
        async with _place(server, scale, "sync") as place, _hub(place):
            ours.append(await _burst(place, scale))
    killed = await _killed(server, scale)
    floor_ms, ours_ms = middle([p.p99_ms for p in floors]), middle([p.p99_ms for p in ours])
    p50_floor_ms, p50_ms = middle([p.p50_ms for p in floors]), middle([p.p50_ms for p in ours])
    return [
        Figure(
            id="P4",
            what=f"p99 from webhook to write at {RATE[scale]}/s for {SECONDS[scale]} s",
            floor=f"p50 {p50_floor_ms:.1f} ms, p99 {floor_ms:.1f} ms",
            ours=f"p50 {p50_ms:.1f} ms, p99 {ours_ms:.1f} ms",
            value=ours_ms / floor_ms if floor_ms else inf,
            goal=3.0,
            peers=PEERS,
            rounds=len(ours),
            wrong=first_wrong([passage.wrong for passage in (*floors, *ours)]),
        ),
        Figure(
            id="P4 killed",
            what="edits lost or written twice when the hub is killed (kill -9) in the middle and started again",
            floor="0",
            ours=killed or "0",
            value=1.0 if killed else 0.0,
            value_unit="",
            goal=0.0,
            wrong=killed,
        ),
    ]


async def _burst(place: Place, scale: Scale) -> Passage:
    count = RATE[scale] * SECONDS[scale]
    await place.here.tell(_hook(place), RATE[scale], count)
    return await _passage(place, count)


async def _killed(server: Server, scale: Scale) -> str:
    """What is wrong after a kill in the middle of a burst; empty if nothing is."""
    count = RATE[scale] * SECONDS[scale]
    async with _place(server, scale, "sync") as place:
        async with _hub(place) as hub:
            await place.here.tell(_hook(place), RATE[scale], count)
            await _until(place.there, count // 3)
            hub.kill()
            await hub.wait()
        async with _hub(place):
            return (await _passage(place, count)).wrong


async def _until(side: Vendor, updates: int) -> None:
    """Wait until so many updates have come in, or too long."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if (await side.facts())["ops"].get("update", 0) >= updates:
            return
        await asyncio.sleep(0.02)


async def _passage(place: Place, count: int) -> Passage:
    """Wait until everything has arrived (or too long), then compare what was sent with what was written."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        sent, there = await place.here.facts(), await place.there.facts()
        if sent["told"] == count and not sent["telling"] and there["ops"].get("update", 0) >= count:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # a second write of the same would come now
    sent_at: dict[str, float] = (await place.here.times())["sent"]
    written: list[tuple[str, dict[str, Any], float]] = (await place.there.times())["updates"]
    arrived: dict[str, float] = {}
    times: Counter[str] = Counter()
    for _id, values, at in written:
        arrived.setdefault(values["title"], at)
        times[values["title"]] += 1
    waits_ms = sorted((at - sent_at[title]) * 1000 for title, at in arrived.items())
    lost, doubled = len(sent_at) - len(arrived), sum(n - 1 for n in times.values())
    back = (await place.here.facts())["ops"]
    wrong = f"{lost} lost, {doubled} written twice" if lost or doubled else f"written back: {back}" if back else ""
    if not waits_ms:
        return Passage(p50_ms=0, p99_ms=0, wrong=wrong)
    p50_ms, p99_ms = (waits_ms[min(len(waits_ms) - 1, int(len(waits_ms) * share))] for share in (0.50, 0.99))
    return Passage(p50_ms=p50_ms, p99_ms=p99_ms, wrong=wrong)


def _hook(place: Place) -> str:
    return f"http://127.0.0.1:{place.port}/webhooks/a"


@asynccontextmanager
async def _place(server: Server, scale: Scale, program: str) -> AsyncGenerator[Place]:
    people = str(PEOPLE[scale])
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(vendor("--people", people, "--prefix", "a"))
        there = await stack.enter_async_context(vendor("--people", people, "--prefix", "b"))
        store = stack.enter_context(server.database())
        job = Job(store=store, postgres_pid=server.pid, urls={"a": here.url, "b": there.url}, page=1000)
        await run_program(program, job)
        for side in (here, there):
            await side.forget()
        yield Place(here=here, there=there, store=store, port=_free_port())


@asynccontextmanager
async def _relay(place: Place) -> AsyncGenerator[asyncio.subprocess.Process]:
    options = [place.store, place.here.url, place.there.url, str(place.port)]
    async with process(["-m", "tools.bench.floors.relay", *options]) as (running, _):
        yield running


@asynccontextmanager
async def _hub(place: Place) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`zgoda run` on the place. It polls so seldom that only webhooks can tell it anything."""
    with TemporaryDirectory() as folder:
        write_project(Path(folder), {"a": place.here.url, "b": place.there.url}, page=1000, poll_s=3600)
        environ = {STORE_VARIABLE: place.store}
        async with process(["-m", "tools.bench.hub", folder, str(place.port)], environ) as (running, _):
            yield running
            if running.returncode is None:
                running.terminate()
                await running.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SCENARIO = Scenario(
    id="P4",
    title="Webhook to write",
    how=(
        "`zgoda run` in a process of its own. A vendor edits one person after the other at a steady rate, sends a "
        "webhook at once and repeats it until it is taken; the hub stores the hint, answers, reads the record, merges "
        "and writes to the other side. The floor does the same without merging, hints committed in groups."
    ),
    run=run,
)
