"""One copy from a full vendor to an empty one by a program, and whether every row arrived exactly once."""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec
from tools.bench.programs import Job, Spent, run_program
from tools.bench.stage import Server, Vendor, vendor


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What the copy cost, what reading it back cost (if it was), and what is wrong with the rows, if anything."""

    spent: Spent
    read_back: Spent | None
    wrong: str


async def copy_once(server: Server, program: str, people: int, *, read_back: bool = False) -> Copied:
    """Vendors and database are new each time. `read_back` lets a second run confirm what the first one wrote."""
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(vendor("--people", str(people), "--prefix", "a"))
        target = await stack.enter_async_context(vendor("--prefix", "b"))
        store = stack.enter_context(server.database())
        job = Job(store=store, postgres_pid=server.pid, urls={"a": source.url, "b": target.url})
        spent = await run_program(program, job)
        back = await run_program(program, msgspec.structs.replace(job, full=False)) if read_back else None
        return Copied(spent=spent, read_back=back, wrong=await _complaint(source, target, people))


async def _complaint(source: Vendor, target: Vendor, people: int) -> str:
    there, written_back = await target.facts(), (await source.facts())["ops"]
    if there["ops"] != {"create": people}:
        return f"{people} people, but the target took {there['ops']}"
    if written_back:
        return f"the source was written to: {written_back}"
    return "" if await source.digest() == await target.digest() else "the rows differ"
