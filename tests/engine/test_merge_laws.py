"""The laws of the three-way merge, as properties over random records and histories (I-17)."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from zgoda.kit.mapping import Map, field_of
from zgoda.model.entities import ENTITIES, FieldType
from zgoda.model.golden import Claim, Golden, Link
from zgoda.sync.merge import FieldRule, Merged, Observation, Rules, accept_receipt, begin, expect_write, merge
from zgoda.sync.policy import Ask, Extreme, MostRecent, Policy, Prefer, Union

PERSON = ENTITIES["person"]
FIELDS = ("given_name", "family_name", "job_title", "score", "keywords")
S_US = 1_000_000
T0 = 1_000_000 * S_US

TEXTS = st.none() | st.sampled_from(["a", "b", "c", "A", "Łódź"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "given_name": TEXTS,
    "family_name": TEXTS,
    "job_title": TEXTS,
    "score": st.none() | st.integers(0, 5),
    "keywords": st.none() | st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True).map(sorted),
}
ROWS = st.fixed_dictionaries(VALUES)
PARTS = st.fixed_dictionaries({}, optional=VALUES)
EVENTS = st.lists(st.tuples(st.sampled_from([1, 2]), PARTS, st.integers(0, 300)), max_size=8)
LAW = settings(max_examples=400, deadline=None)


def rules(policy: Policy | None = None) -> Rules:
    def chosen(name: str) -> Policy:
        return policy or (Union() if PERSON.fields[name].type is FieldType.SET else MostRecent())

    return Rules(
        fields={name: FieldRule(field=field_of(PERSON, name), policy=chosen(name)) for name in FIELDS},
        maps={name: Map(vendor=name, field=name) for name in FIELDS},
        systems={1: "crm", 2: "ma"},
        order=("crm", "ma"),
        flip_limit=10_000,
    )


class World:
    """One golden record and its links in two systems."""

    def __init__(self, row: dict[str, Any], policy: Policy | None = None) -> None:
        self.rules = rules(policy)
        self.golden = Golden(id=1, entity="person", fields={}, claims={})
        self.links = {s: Link(source=s, vendor_id=f"v{s}", golden_id=1, base={}) for s in (1, 2)}
        begin(self.golden, self.links[1], Observation(values=dict(row), read_us=T0, modified_us=T0))
        self.links[2].base = dict(row)
        self.links[2].read_us = self.links[2].modified_us = T0

    def see(self, source: int, values: dict[str, Any], at_us: int, *, read_us: int | None = None) -> Merged:
        seen = Observation(values=dict(values), read_us=read_us or at_us, modified_us=at_us)
        other = self.links[3 - source]
        name = {1: "crm", 2: "ma"}[3 - source]
        return merge(self.golden, self.links[source], seen, self.rules, lambda f: {name: other.base.get(f)})

    def state(self) -> tuple[Any, ...]:
        return copy.deepcopy(
            (self.golden.fields, self.golden.claims, [(k.base, k.agreed) for k in self.links.values()])
        )

    def play(self, events: list[tuple[int, dict[str, Any], int]]) -> int:
        at_us = T0
        for source, part, later_s in events:
            at_us += (later_s + 1) * S_US
            self.see(source, {**self.links[source].base, **part}, at_us)
        return at_us


@LAW
@given(ROWS, EVENTS)
def test_an_echo_changes_nothing(row: dict[str, Any], events: list[Any]) -> None:
    """I-17: after any history, a look that equals the base is no edit, no dispute and no change at all."""
    world = World(row)
    at_us = world.play(events)
    before = world.state()
    for source in (1, 2):
        merged = world.see(source, world.links[source].base, at_us + 5 * S_US)
        assert (merged.edits, merged.disputes) == ([], [])
    assert world.state() == before


@LAW
@given(ROWS, EVENTS, st.sampled_from([1, 2]), PARTS)
def test_a_replay_changes_nothing(row: dict[str, Any], events: list[Any], source: int, part: dict[str, Any]) -> None:
    """I-17: idempotence: taking the same look twice is taking it once."""
    world = World(row)
    at_us = world.play(events) + S_US
    values = {**world.links[source].base, **part}
    world.see(source, values, at_us)
    before = world.state()
    again = world.see(source, values, at_us)
    assert (again.edits, again.disputes) == ([], [])
    assert world.state() == before


@LAW
@given(ROWS, EVENTS, st.sampled_from([1, 2]), PARTS, PARTS)
def test_an_older_look_is_absorbed(
    row: dict[str, Any], events: list[Any], source: int, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """I-17: absorption: after a newer look, an older one of the same record (a late page, a webhook out of order) is
    stale and changes nothing, whatever it says."""
    world = World(row)
    at_us = world.play(events)
    world.see(source, {**world.links[source].base, **new}, at_us + 20 * S_US)
    before = world.state()
    late = world.see(source, {**row, **old}, at_us + 10 * S_US, read_us=at_us + 30 * S_US)
    assert late.stale
    assert world.state() == before


@LAW
@given(ROWS, PARTS, PARTS, st.integers(-300, 300))
def test_edits_of_different_fields_commute(
    row: dict[str, Any], a: dict[str, Any], b: dict[str, Any], gap_s: int
) -> None:
    """I-17, I-16: edits of different fields in two systems give the same golden record in either order of arrival, and
    both survive."""
    b = {name: value for name, value in b.items() if name not in a}
    worlds = []
    for order in ((1, 2), (2, 1)):
        world = World(row)
        looks = {1: ({**row, **a}, T0 + 1000 * S_US), 2: ({**row, **b}, T0 + (1000 + gap_s) * S_US)}
        for source in order:
            world.see(source, *looks[source], read_us=T0 + 2000 * S_US)
        worlds.append(world.golden.fields)
    assert worlds[0] == worlds[1]
    assert worlds[0] == {**row, **a, **b}


@settings(LAW, suppress_health_check=[HealthCheck.filter_too_much])  # two values that differ from a third
@given(
    ROWS,
    st.sampled_from(["job_title", "score", "keywords"]),
    st.data(),
    st.integers(61, 3600),
    st.sampled_from(["recent", "prefer", "extreme", "union"]),
)
def test_edits_of_one_field_commute(row: dict[str, Any], name: str, data: st.DataObject, gap_s: int, kind: str) -> None:
    """I-17: two edits of one field outside the clocks' tolerance: the value that stands does not depend on which was
    read first, for every policy that says so (most recent, a master, the largest, the union)."""
    if kind == "extreme":
        name = "score"
    if kind == "union":
        name = "keywords"
    elif name == "keywords":
        name = "job_title"
    fresh = VALUES[name].filter(lambda v: v is not None and v != row[name])
    a, b = data.draw(fresh), data.draw(fresh)
    policy: Policy = {
        "recent": MostRecent(),
        "prefer": Prefer(system="crm"),
        "extreme": Extreme(largest=True),
        "union": Union(),
    }[kind]
    ends = []
    for order in ((1, 2), (2, 1)):
        world = World(row, policy)
        looks = {1: ({**row, name: a}, T0 + 1000 * S_US), 2: ({**row, name: b}, T0 + (1000 + gap_s) * S_US)}
        for source in order:
            world.see(source, *looks[source], read_us=T0 + 9000 * S_US)
        ends.append(world.golden.fields[name])
    assert ends[0] == ends[1]
    if kind == "recent":
        assert ends[0] == b
    if kind == "prefer":
        assert ends[0] == a


@LAW
@given(ROWS, EVENTS, st.sampled_from([1, 2]), PARTS)
def test_nothing_is_lost_without_a_word(
    row: dict[str, Any], events: list[Any], source: int, part: dict[str, Any]
) -> None:
    """I-16: every changed value of a look either stands afterwards or is in a dispute (unless it is a blank that the
    null policy does not carry, or only another spelling)."""
    world = World(row)
    at_us = world.play(events) + S_US
    base = dict(world.links[source].base)
    merged = world.see(source, {**base, **part}, at_us)
    lost = {(d.field, repr(d.lost)) for d in merged.disputes}
    for name, value in part.items():
        if value == base[name] or world.rules.fields[name].field.type is FieldType.SET:
            continue
        assert world.golden.fields[name] == value or (name, repr(value)) in lost


@LAW
@given(ROWS, PARTS, PARTS, st.sampled_from(["before", "between", "after"]))
def test_the_three_laws(row: dict[str, Any], patch: dict[str, Any], edit: dict[str, Any], when: str) -> None:
    """I-17: our own write is never taken for their edit: not by a page read while it was under way, not by one read
    after the receipt, not by an old page after both; and an edit they made after our write is seen as theirs."""
    world = World(row)
    link = world.links[2]
    patch = {name: value for name, value in patch.items() if value != row[name]}
    world.golden.fields.update(patch)
    for name in patch:
        world.golden.claims[name] = Claim(1, T0 + 10 * S_US)
    before = dict(world.golden.fields)
    expect_write(link, patch, {}, T0 + 20 * S_US)
    written = {**row, **patch}
    if when == "before":  # the answer is still out (or lost) and a page already shows our write
        seen = Observation(values=written, read_us=T0 + 25 * S_US)
        assert merge(world.golden, link, seen, world.rules, lambda f: {}).edits == []
    accept_receipt(link, patch, T0 + 30 * S_US)
    assert {name: link.base[name] for name in patch} == patch, "law 2"
    if when == "between":  # a page whose request was sent before the receipt still shows the old values
        seen = Observation(values=dict(row), read_us=T0 + 29 * S_US)
        assert merge(world.golden, link, seen, world.rules, lambda f: {}).edits == []
        assert {name: link.base[name] for name in patch} == patch, "an old page undoes nothing"
    theirs = {
        name: value for name, value in edit.items() if value is not None and name not in patch and value != row[name]
    }
    fresh = Observation(values={**written, **theirs}, read_us=T0 + 40 * S_US)
    merged = merge(world.golden, link, fresh, world.rules, lambda f: {})
    assert link.inflight is None, "law 3"
    assert {e.field for e in merged.edits} == set(theirs)
    assert world.golden.fields == {**before, **theirs}


@LAW
@given(ROWS, PARTS)
def test_a_crash_after_the_call_changes_nothing(row: dict[str, Any], patch: dict[str, Any]) -> None:
    """I-17: law 1 alone: intent saved, call made, then a crash: no receipt ever comes. The next looks find our write and
    take it for ours."""
    world = World(row)
    link = world.links[2]
    patch = {name: value for name, value in patch.items() if value != row[name]}
    world.golden.fields.update(patch)
    before = dict(world.golden.fields)
    expect_write(link, patch, {}, T0 + 20 * S_US)
    for read_s in (22, 23, 24):
        seen = Observation(values={**row, **patch}, read_us=T0 + read_s * S_US)
        assert merge(world.golden, link, seen, world.rules, lambda f: {}).edits == []
        assert world.golden.fields == before


def test_two_writes_under_way_are_both_ours() -> None:
    """I-17: the answer to a first write was lost and a second one is on its way: a page that shows the first write shows
    ours, not an edit of theirs."""
    row = dict.fromkeys(FIELDS)
    world = World(row)
    link = world.links[2]
    world.golden.fields["job_title"] = "second"
    expect_write(link, {"job_title": "first"}, {}, T0 + 20 * S_US)
    expect_write(link, {"job_title": "second"}, {}, T0 + 21 * S_US)
    seen = Observation(values={**row, "job_title": "first"}, read_us=T0 + 22 * S_US)
    assert merge(world.golden, link, seen, world.rules, lambda f: {}).edits == []
    assert world.golden.fields["job_title"] == "second"


@LAW
@given(ROWS, PARTS)
def test_their_later_edit_is_theirs(row: dict[str, Any], patch: dict[str, Any]) -> None:
    """I-17: law 3: they change the very field we wrote, after our write: a fresh look takes their value."""
    world = World(row, Prefer(system="ma"))
    link = world.links[2]
    patch = {**patch, "job_title": "ours"}
    world.golden.fields.update(patch)
    expect_write(link, patch, {}, T0 + 20 * S_US)
    accept_receipt(link, patch, T0 + 30 * S_US)
    seen = Observation(values={**row, **patch, "job_title": "theirs, later"}, read_us=T0 + 40 * S_US)
    merged = merge(world.golden, link, seen, world.rules, lambda f: {"ma": link.base.get(f)})
    assert [(e.field, e.new) for e in merged.edits] == [("job_title", "theirs, later")]
    assert world.golden.fields["job_title"] == "theirs, later"


@LAW
@given(ROWS, EVENTS)
def test_ask_never_overwrites(row: dict[str, Any], events: list[Any]) -> None:
    """I-17: under `ask` a contested value is never taken: whatever changes came uncontested, and every open dispute
    leaves the golden value alone."""
    world = World(row, Ask())
    at_us = T0
    for source, part, later_s in events:
        at_us += (later_s + 1) * S_US
        held = dict(world.golden.fields)
        merged = world.see(source, {**world.links[source].base, **part}, at_us)
        for dispute in merged.disputes:
            assert dispute.open
            assert world.golden.fields[dispute.field] == held[dispute.field]


@pytest.mark.parametrize("absent", FIELDS)
@LAW
@given(row=ROWS, events=EVENTS)
def test_absent_is_not_blank(absent: str, row: dict[str, Any], events: list[Any]) -> None:
    """I-18: a field that a look does not have is not known there: it is never cleared, by nobody."""
    world = World(row)
    at_us = world.play(events) + S_US
    held = world.golden.fields[absent]
    values = {name: value for name, value in world.links[1].base.items() if name != absent}
    merged = world.see(1, values, at_us)
    assert world.golden.fields[absent] == held
    assert absent not in {e.field for e in merged.edits}
