"""`python -m tools.bench [NAME…] [--quick | --full] [--json]`: run scenarios, tell and write down what they found.

Exit code: 0 if every row was right (whether the goals were met or not), 1 if not. Sections of docs/benchmarks.md are
written by usual and full runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec
import psutil
from tools.bench import growth, initial_sync, merging, record_cost, resync, webhooks
from tools.bench.outcome import Figure, Scale, Scenario
from tools.bench.stage import Server, stage
from tools.bench.table import as_lines, note, row, write_section

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.id.lower(): module.SCENARIO
    for module in (initial_sync, record_cost, resync, webhooks, merging, growth)
}
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; all by default")
    scale = options.add_mutually_exclusive_group()
    scale.add_argument(
        "--quick", action="store_const", const=Scale.QUICK, dest="scale", help="only whether rows are exact"
    )
    scale.add_argument("--full", action="store_const", const=Scale.FULL, dest="scale", help="a million records; hours")
    options.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = options.parse_args(arguments)
    unknown = [name for name in given.names if name.lower() not in SCENARIOS]
    if unknown:
        options.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    chosen = [SCENARIOS[name.lower()] for name in given.names] or list(SCENARIOS.values())
    with stage() as server:
        figures = asyncio.run(run_all(server, chosen, given.scale or Scale.USUAL, told=not given.json))
    if given.json:
        sys.stdout.buffer.write(msgspec.json.encode([row(f, given.scale or Scale.USUAL) for f in figures]) + b"\n")
    return 1 if any(figure.wrong for figure in figures) else 0


async def run_all(server: Server, chosen: list[Scenario], scale: Scale, *, told: bool) -> list[Figure]:
    """One scenario after the other. A usual or full run writes each down as soon as it is done."""
    found: list[Figure] = []
    for scenario in chosen:
        load = psutil.getloadavg()[0]
        figures = await scenario.run(server, scale)
        found += figures
        taken = note(load)
        if told:
            print(as_lines(figures, scale), flush=True)
            print(f"    {taken.machine}; load average {taken.load_before} before, {taken.load_after} after", flush=True)
        if scale is not Scale.QUICK:
            write_section(DOCUMENT, scenario, figures, taken)
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
