"""P10: how CPU and memory grow with the number of records."""

from __future__ import annotations

from math import log

from tools.bench.copying import Copied, copy_once
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle
from tools.bench.stage import Server

SIZES = {Scale.QUICK: (100, 500, 1), Scale.USUAL: (10_000, 100_000, 1), Scale.FULL: (10_000, 1_000_000, 1)}


async def run(server: Server, scale: Scale) -> list[Figure]:
    small, large, rounds = SIZES[scale]
    runs = {
        program: [[await copy_once(server, program, people) for people in (small, large)] for _ in range(rounds)]
        for program in ("floor_copy", "sync")
    }
    wrong = first_wrong([copied.wrong for rounds_ in runs.values() for pair in rounds_ for copied in pair])
    span = large / small
    floor_cpu, cpu = (middle([_cpu(pair, span) for pair in runs[name]]) for name in ("floor_copy", "sync"))
    floor_rss, rss = (middle([_rss(pair, span) for pair in runs[name]]) for name in ("floor_copy", "sync"))
    peak_mb = max(pair[1].spent.peak_rss_mb for pair in runs["sync"])
    floor_mb = max(pair[1].spent.peak_rss_mb for pair in runs["floor_copy"])
    what = f"{small:,} -> {large:,} records copied"
    return [
        Figure(
            id="P10 CPU",
            what=f"exponent of CPU, {what}",
            floor=f"{floor_cpu:.2f}",
            ours=f"{cpu:.2f}",
            value=cpu,
            value_unit="",
            goal=1.05,
            rounds=rounds,
            wrong=wrong,
        ),
        Figure(
            id="P10 memory growth",
            what=f"exponent of peak memory, {what}",
            floor=f"{floor_rss:.2f}",
            ours=f"{rss:.2f}",
            value=rss,
            value_unit="",
            goal=0.10,
            peers="n8n 1.4 GB at 50,000",
            rounds=rounds,
            wrong=wrong,
        ),
        Figure(
            id="P10 memory",
            what=f"peak memory of the process at {large:,}",
            floor=f"{floor_mb:.0f} MB",
            ours=f"{peak_mb:.0f} MB",
            value=peak_mb,
            value_unit=" MB",
            goal=300,
            peers="n8n 1.4 GB at 50,000",
            rounds=rounds,
            wrong=wrong,
        ),
    ]


def _cpu(pair: list[Copied], span: float) -> float:
    return log(pair[1].spent.cpu_s / pair[0].spent.cpu_s) / log(span)


def _rss(pair: list[Copied], span: float) -> float:
    return log(pair[1].spent.peak_rss_mb / pair[0].spent.peak_rss_mb) / log(span)


SCENARIO = Scenario(
    id="P10",
    title="Growth",
    how=(
        "The copy of P2 at two sizes, each in a process of its own; the exponent is that of cost ~ records ^ exponent."
    ),
    run=run,
)
