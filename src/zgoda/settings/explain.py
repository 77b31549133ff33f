"""What a field's policies do, as a table of everything that can happen between two systems (T-32).

Nothing here knows any policy: each row is played with sample values through the very functions the engine uses
(`begin`, `merge`, `plan`), in both orders of arrival, and what comes out is what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import msgspec

from zgoda.kit.mapping import Map
from zgoda.model.entities import Field, FieldType
from zgoda.model.golden import Golden, Link
from zgoda.model.values import same
from zgoda.privacy.consent import is_consent
from zgoda.settings.faults import nearest, shown
from zgoda.sync.merge import Merged, Observation, begin, merge
from zgoda.sync.plan import Standing, plan
from zgoda.sync.policy import MostRecent, Policy, Ratchet
from zgoda.sync.setup import Setup, Source


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one happening. `holds` is the hub's value afterwards, `in_words` whose it is. `told` are the values
    sent to systems (a system that is not in it keeps what it has). `rule` is the reason the merge gave; `waits`: a
    person has to decide. `first_read` is set where the order of arrival matters: the system that was read first."""

    happening: str
    said: Mapping[str, Any]
    holds: Any
    in_words: str
    rule: str
    told: Mapping[str, Any]
    waits: bool = False
    first_read: str = ""


class TruthTable(msgspec.Struct, frozen=True, kw_only=True):
    """All outcomes for one field. `before` is the sample both sides agree on at first. `nulls` and `directions` are
    the systems' mapping rows; `policy` is None for a consent, which has rules of its own."""

    entity: str
    field: str
    policy: Policy | None
    before: Any
    nulls: Mapping[str, str]
    directions: Mapping[str, str]
    outcomes: tuple[Outcome, ...]

    def __str__(self) -> str:
        return "\n".join([*_heading(self), "", *_columns(self)])


def explain_policy(setup: Setup, entity: str, field: str) -> TruthTable:
    """The truth table of a field. Raises `LookupError`, with the nearest right word, if there is no such field.

    Every pair of connections that map the field is played; of a connection with several such streams, the first. A
    field that only one connection maps has nothing to settle, and no outcomes.
    """
    for word, known in ((entity, setup.fields), (field, setup.fields.get(entity, {}))):
        if word not in known:
            raise LookupError(f"there is no {shown(word)}: {nearest(word, known)}")
    rule = setup.fields[entity][field]
    by_connection: dict[str, Source] = {}
    for source in setup.of_entity(entity):
        if field in source.mapping.readable:
            by_connection.setdefault(source.connection, source)
    sources = sorted(by_connection.values(), key=lambda source: _rank(setup, source))
    samples = _samples(rule.field, rule.policy, [source.mapping.by_field[field] for source in sources])
    return TruthTable(
        entity=entity,
        field=field,
        policy=None if is_consent(field) else rule.policy,
        before=samples.before,
        nulls={s.connection: s.mapping.by_field[field].nulls for s in sources},
        directions={s.connection: s.mapping.by_field[field].direction for s in sources},
        outcomes=tuple(o for a, b in combinations(sources, 2) for o in _Stage(setup, field, samples, a, b).play()),
    )


def _heading(table: TruthTable) -> Iterator[str]:
    if table.policy is None:
        yield f"{table.entity}.{table.field}: a consent; the most restrictive word wins, newer evidence lifts it"
    else:
        told = [f"{key} {_show(value)}" for key, value in msgspec.to_builtins(table.policy).items() if key != "type"]
        yield f"{table.entity}.{table.field}: {table.policy.__struct_config__.tag}" + f" ({', '.join(told)})" * bool(
            told
        )
    for system, nulls in table.nulls.items():
        yield f"{system}: direction {table.directions[system]}, nulls {nulls}"
    if len(table.nulls) < 2:
        yield "Fewer than two connections map this field, so there is nothing to settle."
    else:
        yield f"Both hold {_show(table.before)} at first, except at first sight."


def _columns(table: TruthTable) -> Iterator[str]:
    head = ("what happens", "who says what", "the hub holds", "which is", "told", "why")
    rows = [
        (
            outcome.happening + (f" ({outcome.first_read} read first)" if outcome.first_read else ""),
            _pairs(outcome.said),
            _show(outcome.holds),
            outcome.in_words + (", waits for a person" if outcome.waits else ""),
            _pairs(outcome.told) or "nobody",
            outcome.rule,
        )
        for outcome in table.outcomes
    ]
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows) if rows else ():
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{system}: {_show(value)}" for system, value in values.items())


def _show(value: Any) -> str:
    match value:
        case None:
            return "(blank)"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "{" + ", ".join(map(_show, value)) + "}"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)


def _rank(setup: Setup, source: Source) -> tuple[int, str]:
    place = setup.order.index(source.connection) if source.connection in setup.order else len(setup.order)
    return place, source.connection


class _Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Values to play with: what both hold at first, and what each side changes it to."""

    before: Any
    one: Any
    other: Any


def _samples(field: Field, policy: Policy, rows: Sequence[Map]) -> _Samples:
    """Values both systems can hold: from the order of the field, from the rows' value maps, else made up."""
    order = policy.order if isinstance(policy, Ratchet) else field.order
    if len(order) >= 3:
        return _Samples(before=order[1], one=order[2], other=order[0])
    known = [list(dict.fromkeys(canonical for _, canonical in row.values)) for row in rows if row.values]
    shared = [choice for choice in known[0] if all(choice in each for each in known)] if known else []
    if field.type is not FieldType.CHOICE or len(shared) < 2:
        return _SAMPLES[field.type]
    return _Samples(before=shared[2] if len(shared) > 2 else None, one=shared[0], other=shared[1])


_SAMPLES: Final[Mapping[FieldType, _Samples]] = {
    FieldType.TEXT: _Samples(before="before", one="one", other="the other"),
    FieldType.CHOICE: _Samples(before="before", one="one", other="the other"),
    FieldType.EMAIL: _Samples(before="a@example.com", one="b@example.com", other="c.longer@example.com"),
    FieldType.PHONE: _Samples(before="+48 600 000 001", one="+48 600 000 002", other="+48 600 000 003"),
    FieldType.URL: _Samples(before="https://a.example", one="https://b.example", other="https://longer.example"),
    FieldType.COUNTRY: _Samples(before="PL", one="DE", other="CZ"),
    FieldType.SET: _Samples(before=["old"], one=["old", "one"], other=["other"]),
    FieldType.INTEGER: _Samples(before=10, one=15, other=12),
    FieldType.DECIMAL: _Samples(before="10", one="15.5", other="12"),
    FieldType.BOOLEAN: _Samples(before=None, one=True, other=False),
    FieldType.DATE: _Samples(before="2026-01-10", one="2026-01-15", other="2026-01-12"),
    FieldType.INSTANT: _Samples(
        before="2026-01-10T10:00:00Z", one="2026-01-15T10:00:00Z", other="2026-01-12T10:00:00Z"
    ),
    FieldType.REF: _Samples(before=1, one=2, other=3),
    FieldType.CONSENT: _Samples(before="unknown", one="granted", other="withdrawn"),
}

_START_US: Final = 1_700_000_000_000_000
_DAY_US: Final = 86_400_000_000


class _Says(msgspec.Struct, frozen=True, kw_only=True):
    """One system's word: a value and when it was edited there."""

    source: Source
    value: Any
    at_us: int


class _Stage:
    """Two systems and the hub between them."""

    def __init__(self, setup: Setup, field: str, samples: _Samples, a: Source, b: Source) -> None:
        self._setup = setup
        self._rules = setup.fields[a.entity.name]
        self._field = field
        self._type = self._rules[field].field.type
        self._samples = samples
        self._a, self._b = a, b
        policy = self._rules[field].policy
        self._apart_us = _DAY_US + (int(policy.tolerance_s * 2e6) if isinstance(policy, MostRecent) else 0)

    def play(self) -> Iterator[Outcome]:
        """Every happening, each from the start."""
        a, b, s = self._a.connection, self._b.connection, self._samples
        soon, late = _START_US + self._apart_us, _START_US + 2 * self._apart_us
        yield from self._changed(f"only {a} changed", self._says(self._a, s.one, soon))
        yield from self._changed(f"only {b} changed", self._says(self._b, s.other, soon))
        yield from self._changed(f"both changed, {a} later", *self._both(s.one, late, s.other, soon))
        yield from self._changed(f"both changed, {b} later", *self._both(s.one, soon, s.other, late))
        yield from self._changed("both changed at the same moment", *self._both(s.one, soon, s.other, soon))
        if self._type is not FieldType.CONSENT and s.before is not None:
            yield from self._changed(f"cleared in {a}", self._says(self._a, None, soon))
            yield from self._changed(f"cleared in {b}", self._says(self._b, None, soon))
            yield from self._changed(f"cleared in {a}, later changed in {b}", *self._both(None, soon, s.other, late))
            yield from self._changed(f"cleared in {b}, later changed in {a}", *self._both(s.one, late, None, soon))
        yield from self._first_sight("first sight, different values", s.one, s.other)
        yield from self._first_sight(f"first sight, blank in {a}", None, s.other)
        yield from self._first_sight(f"first sight, blank in {b}", s.one, None)

    def _says(self, source: Source, value: Any, at_us: int) -> _Says:
        return _Says(source=source, value=value, at_us=at_us)

    def _both(self, of_a: Any, a_us: int, of_b: Any, b_us: int) -> tuple[_Says, _Says]:
        return self._says(self._a, of_a, a_us), self._says(self._b, of_b, b_us)

    def _changed(self, happening: str, *words: _Says) -> Iterator[Outcome]:
        """Both systems agree on the sample, then this happens."""
        before = self._samples.before
        known = self._both(before, _START_US, before, _START_US)
        yield from self._orders(happening, known, words)

    def _first_sight(self, happening: str, of_a: Any, of_b: Any) -> Iterator[Outcome]:
        """The same person was typed into both systems before the hub knew either; both at the same moment."""
        yield from self._orders(happening, (), self._both(of_a, _START_US, of_b, _START_US))

    def _orders(self, happening: str, known: tuple[_Says, ...], words: tuple[_Says, ...]) -> Iterator[Outcome]:
        """One outcome, or one for each order of arrival where that makes a difference."""
        there = self._outcome(happening, known, words)
        if len(words) == 1:
            yield there
            return
        back = self._outcome(happening, known, words[::-1])
        if there.holds == back.holds and there.told == back.told and there.waits == back.waits:
            yield there
            return
        yield msgspec.structs.replace(there, first_read=words[0].source.connection)
        yield msgspec.structs.replace(back, first_read=words[1].source.connection)

    def _outcome(self, happening: str, known: tuple[_Says, ...], words: tuple[_Says, ...]) -> Outcome:
        golden = Golden(id=1, entity=self._a.entity.name, fields={}, claims={})
        links: dict[int, Link] = {}
        for said in known:
            self._take(golden, links, said, _START_US)
        read_us = _START_US + 3 * self._apart_us
        seen = [self._take(golden, links, said, read_us + n) for n, said in enumerate(words)]
        holds = golden.fields.get(self._field)
        disputes = [dispute for merged in seen for dispute in merged.disputes]
        rules = [edit.rule for merged in seen for edit in merged.edits] + [dispute.rule for dispute in disputes]
        said = {word.source.connection: word.value for word in words}
        return Outcome(
            happening=happening,
            said=said,
            holds=holds,
            in_words=self._in_words(holds, said, bool(known)),
            rule=rules[-1] if rules else "nothing changed" if known else "the first word stands",
            told=self._told(golden, links),
            waits=any(dispute.open for dispute in disputes),
        )

    def _take(self, golden: Golden, links: dict[int, Link], said: _Says, read_us: int) -> Merged:
        source, name = said.source, self._field
        proven = source.mapping.by_field[name].evidence and said.value == "granted"
        proofs = {name: said.at_us} if proven else {}
        seen = Observation(values={name: said.value}, read_us=read_us, modified_us=said.at_us, proofs=proofs)
        link = links.get(source.id)
        if link is None:
            link = links[source.id] = Link(source=source.id, vendor_id="1", golden_id=1, base={})
            if len(links) == 1:
                begin(golden, link, seen)
                return Merged()
        return merge(golden, link, seen, self._setup.rules_for(source), lambda field: self._peers(links, link, field))

    def _peers(self, links: Mapping[int, Link], mine: Link, field: str) -> dict[str, Any]:
        return {
            self._setup.sources[id].connection: link.base[field]
            for id, link in links.items()
            if link is not mine and field in link.base
        }

    def _told(self, golden: Golden, links: Mapping[int, Link]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for source in (self._a, self._b):
            open_to_all = msgspec.structs.replace(source, admits=None)
            wanted = plan(golden, links[source.id], open_to_all, self._rules, Standing())
            for each in wanted if isinstance(wanted, list) else ():
                if self._field in each.patch:
                    told[source.connection] = each.patch[self._field]
        return told

    def _in_words(self, holds: Any, said: Mapping[str, Any], agreed_before: bool) -> str:
        owners = [system for system, value in said.items() if _alike(self._type, value, holds)]
        if owners:
            return f"as {' and '.join(owners)} says"
        if agreed_before and _alike(self._type, holds, self._samples.before):
            return "as before"
        return "blank" if holds is None else "a value made of both"


def _alike(type: FieldType, a: Any, b: Any) -> bool:
    return (a is None and b is None) or same(type, a, b)
