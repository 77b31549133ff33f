"""Every policy: its truth table, and what holds for all values (I-17)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from zgoda.model.entities import ENTITIES
from zgoda.sync.policy import (
    UNKNOWN,
    Ask,
    Contest,
    Extreme,
    FillBlanks,
    Formula,
    Longest,
    MostRecent,
    Policy,
    Prefer,
    Ranked,
    Ratchet,
    Settled,
    Sum,
    Union,
    settle,
)

FIELDS = ENTITIES["person"].fields
ORDER = ("crm", "ma", "shop")
LAW = settings(max_examples=300, deadline=None)
TEXT = st.none() | st.text(min_size=1, max_size=6)
WHEN_US = st.integers(0, 10**12)
SYSTEM = st.sampled_from(ORDER)
SETS = st.none() | st.lists(st.sampled_from("abcdef"), min_size=1, unique=True).map(sorted)


def contest(
    held: Any,
    offered: Any,
    *,
    field: str = "job_title",
    held_by: str = "crm",
    offered_by: str = "ma",
    held_us: int = 0,
    offered_us: int = 0,
    base: Any = UNKNOWN,
    contested: bool = True,
    peers: Mapping[str, Any] | None = None,
) -> Contest:
    known = {held_by: held} if peers is None else peers
    return Contest(
        field=FIELDS[field],
        held=held,
        held_by=held_by,
        held_us=held_us,
        offered=offered,
        offered_by=offered_by,
        offered_us=offered_us,
        base=base,
        contested=contested,
        peers=lambda: known,
    )


def stands(policy: Policy, case: Contest) -> Settled:
    return settle(policy, case, ORDER)


MINUTE_US = 60_000_000

TABLE: list[tuple[Policy, Contest, Any, bool]] = [
    # a master: its word stands, whoever speaks later
    (Prefer(system="crm"), contest("h", "o", offered_us=10**12), "h", False),
    (Prefer(system="crm"), contest("h", "o", offered_by="crm", held_by="ma", held_us=10**12), "o", False),
    (Prefer(system="crm"), contest("h", None, offered_by="crm", held_by="ma"), None, False),
    (Prefer(system="crm"), contest("h", "o", held_by="shop", peers={"crm": "m", "shop": "h"}), "m", False),
    (Prefer(system="crm"), contest("h", "o", held_by="shop", peers={"shop": "h"}, offered_us=1), "o", False),
    (Prefer(system="crm", unless_blank=True), contest(None, "o", peers={"crm": None}), "o", False),
    (Prefer(system="crm", unless_blank=True), contest("h", None, held_by="ma", offered_by="crm"), "h", False),
    (
        Prefer(system="crm", unless_blank=True),
        contest("h", None, held_by="ma", offered_by="crm", base="was"),
        None,
        False,
    ),
    # the later edit, if it is later by more than the clocks may differ
    (MostRecent(), contest("h", "o", offered_us=2 * MINUTE_US), "o", False),
    (MostRecent(), contest("h", "o", held_us=2 * MINUTE_US), "h", False),
    (MostRecent(), contest("h", "o", offered_us=MINUTE_US), "h", False),
    (MostRecent(), contest("h", "o", offered_us=MINUTE_US + 1), "o", False),
    (MostRecent(rank=("ma", "crm")), contest("h", "o", held_us=1), "o", False),
    (MostRecent(ask=True), contest("h", "o", held_us=1), "h", True),
    (MostRecent(), contest("h", "o", contested=False, held_us=10**12), "o", False),
    # the highest-ranked system that holds a value
    (Ranked(systems=ORDER), contest("h", "o", peers={"crm": "h"}), "h", False),
    (Ranked(systems=ORDER), contest("h", "o", held_by="shop", peers={"shop": "h"}), "o", False),
    (Ranked(systems=ORDER), contest("h", "o", peers={"crm": None}, held_by="shop"), "o", False),
    (
        Ranked(systems=ORDER),
        contest("h", None, offered_by="crm", held_by="ma", base=UNKNOWN, peers={"ma": "h"}),
        "h",
        False,
    ),
    (FillBlanks(), contest(None, "o"), "o", False),
    (FillBlanks(), contest("h", "o", offered_us=10**12), "h", False),
    (Longest(), contest("hh", "o"), "hh", False),
    (Longest(), contest("h", "oo"), "oo", False),
    (Longest(), contest("hh", "o", contested=False), "o", False),
    (Longest(), contest("h", None), "h", False),
    (Extreme(largest=True), contest(3, 5, field="score"), 5, False),
    (Extreme(largest=True), contest(5, 3, field="score"), 5, False),
    (Extreme(largest=False), contest(5, 3, field="score"), 3, False),
    (Extreme(largest=True), contest(None, 3, field="score"), 3, False),
    (Extreme(largest=True), contest(5, None, field="score"), 5, False),
    (Extreme(largest=True), contest("9", "10", field="score"), "10", False),
    (Sum(), contest(7, 9, field="score", base=5), 11, False),
    (Sum(), contest(7, 9, field="score"), 16, False),
    (Sum(), contest(None, 4, field="score"), 4, False),
    (Sum(), contest("1.10", "2.20", field="score", base="1.10"), "2.2", False),
    (Ratchet(order=("lead", "customer")), contest("lead", "customer"), "customer", False),
    (Ratchet(order=("lead", "customer")), contest("customer", "lead", contested=False), "customer", False),
    (Ratchet(order=("lead", "customer")), contest("lead", "alien"), "lead", False),
    (Ratchet(order=("lead", "customer")), contest("alien", "lead"), "lead", False),
    (Ratchet(order=("lead", "customer")), contest("lead", None), "lead", False),
    (Ask(), contest("h", "o"), "h", True),
    (Ask(), contest("h", "o", contested=False), "o", False),
    (Formula(text='held_by == "crm" ? held : offered'), contest("h", "o"), "h", False),
    (Formula(text="held + offered"), contest("h", "o"), "ho", False),
    (Formula(text="held / 0"), contest("h", "o"), "h", True),
]


@pytest.mark.parametrize(("policy", "case", "value", "open_"), TABLE)
def test_the_truth_table(policy: Policy, case: Contest, value: Any, open_: bool) -> None:
    """I-17: the value that stands, and whether a person is asked."""
    settled = stands(policy, case)
    assert (settled.value, settled.open) == (value, open_)
    assert settled.rule


@LAW
@given(
    TEXT,
    TEXT,
    WHEN_US,
    WHEN_US,
    SYSTEM,
    SYSTEM,
    st.booleans(),
    st.sampled_from(["prefer", "recent", "ranked", "fill", "longest", "ask"]),
)
def test_a_policy_invents_nothing(
    held: Any, offered: Any, held_us: int, offered_us: int, held_by: str, offered_by: str, contested: bool, kind: str
) -> None:
    """I-17: choosing policies give one of the values there are, and an open question leaves what is held."""
    policy: Policy = {
        "prefer": Prefer(system="crm"),
        "recent": MostRecent(ask=True),
        "ranked": Ranked(systems=ORDER),
        "fill": FillBlanks(),
        "longest": Longest(),
        "ask": Ask(),
    }[kind]
    case = contest(
        held,
        offered,
        held_by=held_by,
        offered_by=offered_by,
        held_us=held_us,
        offered_us=offered_us,
        contested=contested,
    )
    settled = stands(policy, case)
    assert settled.value in (held, offered)
    assert not settled.open or settled.value == held


@LAW
@given(st.text(min_size=1), st.text(min_size=1), WHEN_US, WHEN_US)
def test_most_recent_does_not_depend_on_who_is_asked_first(a: str, b: str, a_us: int, b_us: int) -> None:
    """I-17: swapping who holds and who offers gives the same value, inside and outside the tolerance."""
    one = stands(MostRecent(), contest(a, b, held_us=a_us, offered_us=b_us))
    other = stands(MostRecent(), contest(b, a, held_by="ma", offered_by="crm", held_us=b_us, offered_us=a_us))
    assert one.value == other.value


@LAW
@given(SETS, SETS, SETS)
def test_union_keeps_additions_and_removals(base: Any, held: Any, offered: Any) -> None:
    """I-17: what either side added is in, what either side removed is out, what both kept stays; either order."""
    settled = set(stands(Union(), contest(held, offered, field="keywords", base=base)).value or ())
    was, mine, theirs = (set(items or ()) for items in (base, held, offered))
    assert theirs - was <= settled
    assert not (was - theirs) & settled
    assert settled <= mine | theirs
    swapped = stands(Union(), contest(offered, held, field="keywords", base=base))
    if mine <= was | theirs and theirs <= was | mine:
        assert set(swapped.value or ()) <= mine | theirs


@LAW
@given(SETS, SETS)
def test_union_at_first_sight_loses_nothing(held: Any, offered: Any) -> None:
    """I-17: where no base is known, the union is all of both."""
    settled = stands(Union(), contest(held, offered, field="keywords")).value
    assert set(settled or ()) == set(held or ()) | set(offered or ())


@LAW
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=6), st.booleans(), st.randoms(use_true_random=False))
def test_extreme_does_not_depend_on_order(numbers: list[int], largest: bool, shuffle: Any) -> None:
    """I-17: min and max are commutative, associative and idempotent."""
    ends = []
    for _ in range(2):
        shuffle.shuffle(numbers)
        held: Any = None
        for number in [*numbers, numbers[0]]:
            held = stands(Extreme(largest=largest), contest(held, number, field="score")).value
        ends.append(held)
    assert ends[0] == ends[1] == (max if largest else min)(numbers)


@LAW
@given(st.integers(0, 10**6), st.lists(st.tuples(SYSTEM, st.integers(0, 1000)), max_size=8))
def test_sum_counts_every_increase_once(start: int, increases: list[tuple[str, int]]) -> None:
    """I-17: a counter that several systems raise ends at the start plus all increases, whatever the order."""
    held, bases = start, dict.fromkeys(ORDER, start)
    for system, more in increases:
        offered = bases[system] + more
        held = stands(Sum(), contest(held, offered, field="score", base=bases[system], offered_by=system)).value
        bases[system] = offered
    assert held == start + sum(more for _, more in increases)


@LAW
@given(st.decimals(-1000, 1000, places=2), st.decimals(-1000, 1000, places=2), st.decimals(-1000, 1000, places=2))
def test_sum_of_amounts_is_exact(held: Decimal, offered: Decimal, base: Decimal) -> None:
    """I-17: amounts add up to the cent."""
    texts = [format(number, "f") for number in (held, offered, base)]
    settled = stands(Sum(), contest(texts[0], texts[1], field="score", base=texts[2]))
    assert Decimal(settled.value) == held + offered - base


@LAW
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "alien"]), min_size=1, max_size=10))
def test_a_ratchet_never_moves_back(stages: list[str]) -> None:
    """I-17: over any sequence of offers the place in the order only grows, and ends at the furthest known one."""
    order, held = ("a", "b", "c", "d"), "a"
    places = [0]
    for stage in stages:
        held = stands(Ratchet(order=order), contest(held, stage, contested=False)).value
        places.append(order.index(held))
    assert places == sorted(places)
    assert places[-1] == max([0, *(order.index(stage) for stage in stages if stage in order)])


@LAW
@given(TEXT, TEXT, st.dictionaries(SYSTEM, TEXT))
def test_the_master_decides_from_any_side(held: Any, offered: Any, peers: dict[str, Any]) -> None:
    """I-17: whenever the master is linked, what it holds stands, whoever offers what."""
    assume("crm" in peers)
    settled = stands(Prefer(system="crm"), contest(held, offered, held_by="shop", peers=peers))
    assert settled.value == peers["crm"]
