"""P10: how CPU and memory grow with the number of records."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import msgspec
from tools.bench.copying import Copied, copy_once
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle
from tools.bench.stage import Server

Pair = tuple[Copied, Copied]
"""A copy of the smaller and one of the larger size."""

SIZES = {Scale.QUICK: (100, 500, 1), Scale.USUAL: (10_000, 100_000, 1), Scale.FULL: (10_000, 1_000_000, 1)}


async def run(server: Server, scale: Scale) -> list[Figure]:
    small, large, rounds = SIZES[scale]
    floors: list[Pair] = []
    ours: list[Pair] = []
    for _ in range(rounds):
        for program, pairs in (("floor_copy", floors), ("sync", ours)):
            pairs.append((await copy_once(server, program, small), await copy_once(server, program, large)))
    span = large / small
    what = f"{small:,} -> {large:,} records copied"
    figures = [
        Figure(
            id="P10 CPU",
            what=f"exponent of CPU, {what}",
            floor=f"{_exponent(floors, _cpu_s, span):.2f}",
            ours=f"{_exponent(ours, _cpu_s, span):.2f}",
            value=_exponent(ours, _cpu_s, span),
            value_unit="",
            goal=1.05,
        ),
        Figure(
            id="P10 memory growth",
            what=f"exponent of peak memory, {what}",
            floor=f"{_exponent(floors, _peak_mb, span):.2f}",
            ours=f"{_exponent(ours, _peak_mb, span):.2f}",
            value=_exponent(ours, _peak_mb, span),
            value_unit="",
            goal=0.10,
        ),
        Figure(
            id="P10 memory",
            what=f"peak memory of the process at {large:,} records",
            floor=f"{max(_peak_mb(pair[1]) for pair in floors):.0f} MB",
            ours=f"{max(_peak_mb(pair[1]) for pair in ours):.0f} MB",
            value=max(_peak_mb(pair[1]) for pair in ours),
            value_unit=" MB",
            goal=300,
            peers="n8n 1.4 GB at 50,000",
        ),
    ]
    wrong = first_wrong([copied.wrong for pair in (*floors, *ours) for copied in pair])
    return [msgspec.structs.replace(figure, rounds=rounds, wrong=wrong) for figure in figures]


def _cpu_s(copied: Copied) -> float:
    return copied.spent.cpu_s


def _peak_mb(copied: Copied) -> float:
    return copied.spent.peak_rss_mb


def _exponent(pairs: list[Pair], measure: Callable[[Copied], float], span: float) -> float:
    return middle([log(measure(large) / measure(small)) / log(span) for small, large in pairs])


SCENARIO = Scenario(
    id="P10",
    title="Growth",
    how=(
        "The copy of P2 at two sizes, each in a process of its own; the exponent is that of cost ~ records ^ exponent."
    ),
    run=run,
)
