"""P2: CPU per synced record, PostgreSQL included, everything on, against a durable hand-written copy."""

from __future__ import annotations

from tools.bench.copying import Copied, copy_once
from tools.bench.outcome import Figure, Scale, Scenario, first_wrong, middle, per_record_us
from tools.bench.stage import Server

SIZES = {Scale.QUICK: (100, 300, 1), Scale.USUAL: (10_000, 50_000, 3), Scale.FULL: (10_000, 50_000, 5)}


async def run(server: Server, scale: Scale) -> list[Figure]:
    small, large, rounds = SIZES[scale]
    runs: list[tuple[Copied, Copied, Copied, Copied]] = []
    for _ in range(rounds):
        runs.append(
            (
                await copy_once(server, "floor_copy", small),
                await copy_once(server, "sync", small),
                await copy_once(server, "floor_copy", large),
                await copy_once(server, "sync", large, read_back=True),
            )
        )
    more = large - small
    floor = middle([per_record_us(b.spent.cpu_s - a.spent.cpu_s, more) for a, _, b, _ in runs])
    ours = middle([per_record_us(b.spent.cpu_s - a.spent.cpu_s, more) for _, a, _, b in runs])
    own = middle([per_record_us(b.spent.own_s - a.spent.own_s, more) for _, a, _, b in runs])
    back = middle([per_record_us(c.read_back.cpu_s, large) for _, _, _, c in runs if c.read_back])
    wrong = first_wrong([copied.wrong for copies in runs for copied in copies])
    return [
        Figure(
            id="P2",
            what=f"CPU a record copied, marginal {small:,} -> {large:,}, PostgreSQL included",
            floor=f"{floor:.0f} us",
            ours=f"{ours:.0f} us ({own:.0f} own)",
            value=ours / floor,
            goal=2.5,
            peers="Airbyte 119 us, dlt 203, Singer 377, n8n 154 to 6,950; none with a merge base",
            rounds=rounds,
            wrong=wrong,
        ),
        Figure(
            id="P2 read back",
            what="CPU a record when the next poll reads our own writes and confirms them; the floor does not",
            floor=f"{floor:.0f} us (the copy)",
            ours=f"{back:.0f} us",
            value=back / floor,
            rounds=rounds,
            wrong=wrong,
        ),
    ]


SCENARIO = Scenario(
    id="P2",
    title="CPU per synced record",
    how=(
        "People of 13 fields (one a consent) go over HTTP from one vendor to an empty one, pages and writes of 100. "
        "Ours: base, identity, three-way merge, consent, history, gate, canary and ledger on. The floor stores base "
        "and ledger in batches of 1,000 and knows nothing else."
    ),
    run=run,
)
