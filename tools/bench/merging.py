"""P8: the three-way merge with policies, conflict record and explanation, against a generic loop that has none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from tools.bench.floors.merge import merge_rows
from tools.bench.outcome import Figure, Scale, Scenario, middle
from tools.bench.stage import Server

from zgoda.kit.mapping import Map
from zgoda.model.entities import ENTITIES, FieldType
from zgoda.model.golden import Claim, Golden, Link
from zgoda.model.values import Values
from zgoda.sync.merge import FieldRule, Merged, Observation, Rules, merge
from zgoda.sync.policy import MostRecent

T = TypeVar("T")
R = TypeVar("R")

MINUTE_US = 60_000_000
HERE, THERE = 1, 2
CHANGED_THERE = ("job_title", "telephone", "locality", "description")
CHANGED_HERE = ("description", "postal_code")
"""`description` is changed by both: a conflict."""

TEXTS = [
    name
    for name, field in ENTITIES["person"].fields.items()
    if field.type not in (FieldType.REF, FieldType.SET, FieldType.INTEGER)
]


async def run(server: Server, scale: Scale) -> list[Figure]:
    records, rounds = (300, 2) if scale is Scale.QUICK else (5_000, 9)
    return [_differing(records, rounds), _unchanged(records, rounds)]


def _differing(records: int, rounds: int) -> Figure:
    floors: list[float] = []
    ours: list[float] = []
    wrong = ""
    for _ in range(rounds):
        sides = [_sides(number) for number in range(records)]
        floors.append(_rate(_merge_plainly, sides)[0])
        cases = [_case(*side) for side in sides]
        rate, outcomes = _rate(_merge, cases)
        ours.append(rate)
        wrong = wrong or _complaint(sides, cases, outcomes)
    return Figure(
        id="P8",
        what="records merged a second and core, 4 of 23 fields differ, 1 contested",
        floor=f"{middle(floors) / 1e3:.0f}k/s",
        ours=f"{middle(ours) / 1e3:.0f}k/s",
        value=middle(ours) / middle(floors),
        goal=0.4,
        sense="at least",
        peers="none of the peers merges",
        rounds=rounds,
        wrong=wrong,
    )


def _unchanged(records: int, rounds: int) -> Figure:
    floors: list[float] = []
    ours: list[float] = []
    wrong = ""
    for _ in range(rounds):
        rows = [_sides(number)[0] for number in range(records)]
        pairs = [(row, dict(row)) for row in rows]
        floors.append(_rate(_is_same, pairs)[0])
        rate, outcomes = _rate(_merge, [_case(row, row, twin) for row, twin in pairs])
        ours.append(rate)
        if any(outcome.edits or outcome.disputes for outcome in outcomes):
            wrong = "an unchanged record was changed"
    return Figure(
        id="P8 unchanged",
        what="records a second and core of which nothing differs; the floor only compares",
        floor=f"{middle(floors) / 1e3:.0f}k/s",
        ours=f"{middle(ours) / 1e3:.0f}k/s",
        value=middle(ours) / middle(floors),
        rounds=rounds,
        wrong=wrong,
    )


def _sides(number: int) -> tuple[Values, Values, Values]:
    """A record as both held it (some 850 bytes), as we hold it now, and as they hold it now."""
    base: Values = {name: _value(name, "as it was", 5, number) for name in TEXTS}
    here = {**base, **{name: _value(name, "as we say", 6, number) for name in CHANGED_HERE}}
    there = {**base, **{name: _value(name, "as they say", 7, number) for name in CHANGED_THERE}}
    return base, here, there


def _value(name: str, who: str, digit: int, number: int) -> str:
    if ENTITIES["person"].fields[name].type is FieldType.PHONE:
        return f"+48 {digit}{number:08}"
    return f"{name} {number} {who}"


def _case(base: Values, here: Values, there: Values) -> tuple[Golden, Link, Observation]:
    golden = Golden(id=1, entity="person", fields=dict(here), claims={"*": Claim(HERE, MINUTE_US)})
    link = Link(source=THERE, vendor_id="1", golden_id=1, base=dict(base), read_us=MINUTE_US)
    return golden, link, Observation(values=there, read_us=9 * MINUTE_US, modified_us=9 * MINUTE_US)


def _merge(case: tuple[Golden, Link, Observation]) -> Merged:
    golden, link, seen = case
    return merge(golden, link, seen, RULES, _no_peers)


def _no_peers(field: str) -> dict[str, Any]:
    return {}


RULES = Rules(
    fields={name: FieldRule(field=ENTITIES["person"].fields[name], policy=MostRecent()) for name in TEXTS},
    maps={name: Map(vendor=name, field=name) for name in TEXTS},
    systems={HERE: "here", THERE: "there"},
    order=("here", "there"),
)


def _merge_plainly(sides: tuple[Values, Values, Values]) -> object:
    return merge_rows(*sides)


def _is_same(pair: tuple[Values, Values]) -> bool:
    return pair[0] == pair[1]


def _rate(work: Callable[[T], R], cases: list[T]) -> tuple[float, list[R]]:
    """Cases a second of CPU time, and what came out."""
    began = time.process_time()
    done = [work(case) for case in cases]
    return len(cases) / (time.process_time() - began), done


def _complaint(
    sides: list[tuple[Values, Values, Values]], cases: list[tuple[Golden, Link, Observation]], outcomes: list[Merged]
) -> str:
    for side, (golden, _link, _seen), outcome in zip(sides, cases, outcomes, strict=True):
        merged, conflicts = merge_rows(*side)
        if golden.fields != merged:
            return "the merged records differ from the floor's"
        if [dispute.field for dispute in outcome.disputes] != conflicts:
            return "the conflicts differ from the floor's"
        if not all(edit.rule for edit in outcome.edits):
            return "an edit has no explanation"
    return ""


SCENARIO = Scenario(
    id="P8",
    title="Three-way merge",
    how="In memory, CPU time of one core. The floor is a loop over the fields that keeps theirs where both changed.",
    run=run,
)
