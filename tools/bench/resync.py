"""P3: a re-sync of two large stores of which almost nothing changed, read in full and by cursor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle
from tools.bench.programs import Job, Spent, run_program
from tools.bench.stage import Server, Vendor, vendor

PEOPLE = {Scale.QUICK: 400, Scale.USUAL: 100_000, Scale.FULL: 1_000_000}
ROUNDS = {Scale.QUICK: 1, Scale.USUAL: 3, Scale.FULL: 1}
EVERY = {Scale.QUICK: 40, Scale.USUAL: 1000, Scale.FULL: 1000}
PAGE = 1000


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two vendors that hold the same people, and the state of a program that knows both."""

    here: Vendor
    there: Vendor
    job: Job
    every: int

    async def edit(self, round: int) -> int:
        """Change other people on each side than in any round before. Returns how many a side."""
        edited = await self.here.edit(start=2 * round, every=self.every, title=f"here {round}")
        if await self.there.edit(start=2 * round + 1, every=self.every, title=f"there {round}") != edited:
            raise RuntimeError("the two vendors do not hold the same number of people")
        for side in (self.here, self.there):
            await side.forget()
        return edited

    async def complaint(self, edited: int) -> str:
        for side in (self.here, self.there):
            ops = (await side.facts())["ops"]
            if ops != {"update": edited}:
                return f"{edited} rows changed on the other side, but {ops} were written"
        return "" if await self.here.digest() == await self.there.digest() else "the rows differ"


async def run(server: Server, scale: Scale) -> list[Figure]:
    people, rounds = PEOPLE[scale], ROUNDS[scale]
    async with _pair(server, scale, "floor_load") as floors, _pair(server, scale, "sync") as ours:
        await run_program("sync", msgspec.structs.replace(ours.job, full=False))  # quiet before the first round
        full: list[tuple[Spent, Spent]] = []
        by_cursor: list[Spent] = []
        wrong: list[str] = []
        for round in range(rounds):
            full.append(
                (
                    await _once(floors, "floor_compare", 2 * round, wrong),
                    await _once(ours, "sync", 2 * round, wrong),
                )
            )
            changes = msgspec.structs.replace(ours, job=msgspec.structs.replace(ours.job, full=False))
            by_cursor.append(await _once(changes, "sync", 2 * round + 1, wrong))
    return _figures(people, rounds, full, by_cursor, first_wrong(wrong))


def _figures(
    people: int, rounds: int, full: list[tuple[Spent, Spent]], by_cursor: list[Spent], wrong: str
) -> list[Figure]:
    floor_s, ours_s = middle([floor.cpu_s for floor, _ in full]), middle([ours.cpu_s for _, ours in full])
    floor_mb, ours_mb = max(floor.peak_rss_mb for floor, _ in full), max(ours.peak_rss_mb for _, ours in full)
    cursor_s = middle([spent.cpu_s for spent in by_cursor])
    what = f"{people:,} records a side, 0.1 % changed on each"
    return [
        Figure(
            id="P3",
            what=f"CPU of a full re-sync, {what}, writes = changed rows",
            floor=f"{floor_s:.1f} s",
            ours=f"{ours_s:.1f} s",
            value=ours_s / floor_s,
            goal=2.6,
            peers="full re-copy by every peer",
            rounds=rounds,
            wrong=wrong,
        ),
        Figure(
            id="P3 memory",
            what=f"peak memory of a full re-sync, {what}",
            floor=f"{floor_mb:.0f} MB",
            ours=f"{ours_mb:.0f} MB",
            value=ours_mb,
            value_unit=" MB",
            goal=300,
            rounds=rounds,
            wrong=wrong,
        ),
        Figure(
            id="P3 by cursor",
            what=f"CPU of a re-sync by cursor, {what}",
            floor="-",
            ours=f"{cursor_s:.2f} s",
            value=cursor_s,
            value_unit=" s",
            goal=2.0,
            rounds=rounds,
            wrong=wrong,
        ),
    ]


@asynccontextmanager
async def _pair(server: Server, scale: Scale, program: str) -> AsyncGenerator[Pair]:
    """Vendors with the same people, and a fresh store in which `program` has made itself known with both."""
    people = str(PEOPLE[scale])
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(vendor("--people", people, "--prefix", "a"))
        there = await stack.enter_async_context(vendor("--people", people, "--prefix", "b"))
        store = stack.enter_context(server.database())
        urls = {"a": here.url, "b": there.url}
        job = Job(store=store, postgres_pid=server.pid, urls=urls, page=PAGE)
        await run_program(program, job)
        yield Pair(here=here, there=there, job=job, every=EVERY[scale])


async def _once(pair: Pair, program: str, round: int, wrong: list[str]) -> Spent:
    edited = await pair.edit(round)
    spent = await run_program(program, pair.job)
    wrong.append(await pair.complaint(edited))
    return spent


SCENARIO = Scenario(
    id="P3",
    title="Re-sync of two large stores",
    how=(
        "Both sides hold the same people and are in sync. Then 0.1 % are edited on each side, others on each, and "
        "everything is read again in pages of 1,000. The goal of 60 CPU s for a million a side is 2.6 times the 23 CPU "
        "s its floor took."
    ),
    run=run,
)
