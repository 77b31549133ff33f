"""Everything that is measured, each run in a process of its own so that none inherits another's memory.

    python -m tools.bench.programs NAME '{"…": …}'

prints one line of JSON: what the program measured of itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from tools.bench.meter import Meter, peak_rss_mb
from tools.bench.project import STORE_VARIABLE, write_project


class Job(msgspec.Struct, kw_only=True):
    """What a program needs to know. `urls` are the vendors by name; the others only matter to some programs."""

    store: str
    postgres_pid: int
    urls: dict[str, str]
    page: int = 100
    reads_per_s: int = 0
    writes_per_s: int = 0
    full: bool = True
    two_way: bool = False


class Spent(msgspec.Struct, kw_only=True):
    """What a program cost. `facts` is what it says it did."""

    own_s: float
    postgres_s: float
    wall_s: float
    peak_rss_mb: float
    facts: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])

    @property
    def cpu_s(self) -> float:
        return self.own_s + self.postgres_s


async def run_program(name: str, job: Job) -> Spent:
    """Run one in a process of its own. Raises RuntimeError if it fails."""
    command = ("-m", "tools.bench.programs", name, msgspec.json.encode(job).decode())
    running = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    if running.returncode:
        raise RuntimeError(f"{name} failed with exit code {running.returncode}")
    return msgspec.json.decode(output, type=Spent)


async def sync(job: Job) -> Spent:
    """The product: one sync of two connections, all features on, through the composition root."""
    from tools.bench.connector import register

    from zgoda.app import open_hub, open_store, read_project, sync_once
    from zgoda.sync.repair import approve_first_sync

    register()
    os.environ[STORE_VARIABLE] = job.store
    with TemporaryDirectory() as folder:
        write_project(Path(folder), job.urls, page=job.page, reads_per_s=job.reads_per_s, writes_per_s=job.writes_per_s)
        async with open_store(read_project(Path(folder))) as store, open_hub(store) as hub:
            await approve_first_sync(store.pool, store.clock, list(hub.connections))
            with Meter(job.postgres_pid) as meter:
                done = await sync_once(store, hub, full=job.full)
            return _spent(meter, {"result": done.result, **msgspec.to_builtins(done.cycle)})


async def floor_copy(job: Job) -> Spent:
    from tools.bench.floors.copy import copy

    with Meter(job.postgres_pid) as meter:
        copied = await copy(job.store, job.urls, page=job.page)
    return _spent(meter, {"copied": copied})


async def floor_paced(job: Job) -> Spent:
    from tools.bench.floors.paced import copy_both_ways

    with Meter(job.postgres_pid) as meter:
        copied = await copy_both_ways(
            job.store, job.urls, reads_per_s=job.reads_per_s, writes_per_s=job.writes_per_s, two_way=job.two_way
        )
    return _spent(meter, {"copied": copied})


async def floor_load(job: Job) -> Spent:
    from tools.bench.floors.compare import load

    with Meter(job.postgres_pid) as meter:
        loaded = await load(job.store, job.urls, page=job.page)
    return _spent(meter, {"loaded": loaded})


async def floor_compare(job: Job) -> Spent:
    from tools.bench.floors.compare import compare

    with Meter(job.postgres_pid) as meter:
        written = await compare(job.store, job.urls, page=job.page)
    return _spent(meter, {"written": written})


def _spent(meter: Meter, facts: Mapping[str, Any]) -> Spent:
    return Spent(
        own_s=meter.own_s,
        postgres_s=meter.postgres_s,
        wall_s=meter.wall_s,
        peak_rss_mb=peak_rss_mb(),
        facts=dict(facts),
    )


PROGRAMS: Mapping[str, Callable[[Job], Awaitable[Spent]]] = {
    "sync": sync,
    "floor_copy": floor_copy,
    "floor_paced": floor_paced,
    "floor_load": floor_load,
    "floor_compare": floor_compare,
}


def main(name: str, job: str) -> None:
    spent = asyncio.run(_run(name, msgspec.json.decode(job, type=Job)))
    print(msgspec.json.encode(spent).decode())


async def _run(name: str, job: Job) -> Spent:
    return await PROGRAMS[name](job)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
