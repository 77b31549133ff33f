"""P1: how long an initial sync takes over what the vendors' limits allow at best."""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle
from tools.bench.programs import Job, run_program
from tools.bench.stage import Server, Vendor, vendor

READS_PER_S, WRITES_PER_S, LATENCY_S, PAGE = 19, 10, 0.05, 100
PEOPLE = {Scale.QUICK: 300, Scale.USUAL: 10_000, Scale.FULL: 50_000}
ROUNDS = {Scale.QUICK: 1, Scale.USUAL: 3, Scale.FULL: 3}
PEERS = "dlt 1.85 with four 429s; n8n, Node-RED, Singer and Airbyte pipes lose rows"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the first call that arrived to the last answer, and what is wrong with the rows, if anything."""

    seconds: float
    refused: int
    wrong: str


async def run(server: Server, scale: Scale) -> list[Figure]:
    ways = (False,) if scale is Scale.QUICK else (False, True)
    return [await _figure(server, scale, two_way=two_way) for two_way in ways]


async def _figure(server: Server, scale: Scale, *, two_way: bool) -> Figure:
    people, rounds = PEOPLE[scale], ROUNDS[scale]
    floors: list[Span] = []
    ours: list[Span] = []
    for _ in range(rounds):
        floors.append(await _sync(server, "floor_paced", people, two_way=two_way))
        ours.append(await _sync(server, "sync", people, two_way=two_way))
    least_s = least_span_s(people)
    floor_s, ours_s = middle([span.seconds for span in floors]), middle([span.seconds for span in ours])
    refused = max(span.refused for span in ours)
    return Figure(
        id="P1 two-way" if two_way else "P1",
        what=(
            f"span of a first sync of {people:,} records{' a side' if two_way else ''} over the least the limits allow "
            f"({least_s:.1f} s); 429s in the worst round: {refused}, the floor's {max(span.refused for span in floors)}"
        ),
        floor=f"{floor_s:.2f} s ({floor_s / least_s:.3f} x)",
        ours=f"{ours_s:.2f} s",
        value=ours_s / least_s,
        goal=1.05,
        peers=PEERS,
        rounds=rounds,
        wrong=first_wrong([span.wrong for span in (*floors, *ours)]) or (f"{refused} calls refused" if refused else ""),
    )


def least_span_s(people: int) -> float:
    """The first page, then as many calls as each window of a second admits, then the last answer. Both directions of a
    two-way sync run side by side, because reads and writes are counted apart."""
    calls = -(-people // PAGE)
    return LATENCY_S + max((calls - 1) // READS_PER_S, (calls - 1) // WRITES_PER_S) + LATENCY_S


async def _sync(server: Server, program: str, people: int, *, two_way: bool) -> Span:
    limits = ("--reads-per-s", str(READS_PER_S), "--writes-per-s", str(WRITES_PER_S))
    latency = ("--latency-ms", str(LATENCY_S * 1000))
    second = ("--people", str(people), "--first", str(people)) if two_way else ()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(vendor("--people", str(people), "--prefix", "a", *limits, *latency))
        there = await stack.enter_async_context(vendor("--prefix", "b", *second, *limits, *latency))
        store = stack.enter_context(server.database())
        job = Job(
            store=store,
            postgres_pid=server.pid,
            urls={"a": here.url, "b": there.url},
            reads_per_s=READS_PER_S,
            writes_per_s=WRITES_PER_S,
            two_way=two_way,
        )
        await run_program(program, job)
        return await _span(here, there, people, two_way=two_way)


async def _span(here: Vendor, there: Vendor, people: int, *, two_way: bool) -> Span:
    facts = [await here.facts(), await there.facts()]
    began = min(fact["began"] for fact in facts if fact["began"] is not None)
    refused = sum(fact["calls"].get("429", 0) for fact in facts)
    expected = [{"create": people} if two_way else {}, {"create": people}]
    if [fact["ops"] for fact in facts] != expected:
        wrong = f"written: {[fact['ops'] for fact in facts]}"
    else:
        wrong = "" if await here.digest() == await there.digest() else "the rows differ"
    return Span(seconds=max(fact["ended"] for fact in facts) - began, refused=refused, wrong=wrong)


SCENARIO = Scenario(
    id="P1",
    title="Initial sync under enforced limits",
    how=(
        f"Vendors admit {READS_PER_S} reads and {WRITES_PER_S} writes of {PAGE} in any second, counted on arrival, "
        "answer after 50 ms, and refuse the rest with 429. One-way into an empty system, and two-way between two that "
        "share nobody. Ours first tries 50 records, then 1 %, as always. The floor copies page by page, as durably."
    ),
    run=run,
)
