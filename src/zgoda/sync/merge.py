"""The three-way merge: what a fresh look at one system's record changes in what the hub knows.

Pure: no database, network, clock or chance. A change is a difference to the `base` (what that system last held as far
as we know), never a timestamp, so an echo of our own write is simply a record equal to its base and a replay changes
nothing. The three laws live here and in `deliver`:

1. intent before the call: `inflight` is saved before writing, so our own write is recognised even after a crash;
2. a receipt advances the base, and `inflight` stays as the memory of the write, so a late old page undoes nothing;
3. `inflight` ends with a read that began after the receipt, so an edit made meanwhile is seen as theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Final

import msgspec

from zgoda.kit.mapping import Map
from zgoda.model.entities import Field, FieldType
from zgoda.model.golden import Claim, Golden, Inflight, Link
from zgoda.model.values import FOLDED, Values, rewritten, same
from zgoda.privacy.consent import Word, is_consent, weigh
from zgoda.sync.policy import ALONE, UNKNOWN, Ask, Contest, Longest, MostRecent, Policy, settle

NOT_APPLIED: Final = "accepted but not applied"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A look at one system's record: canonical values (refs already golden ids), and when the read began.

    `modified_us` is the vendor's stamp where it can be trusted; `proofs` are times of consent evidence by field.
    """

    values: Values
    read_us: int
    modified_us: int | None = None
    proofs: dict[str, int] = msgspec.field(default_factory=dict[str, int])


class FieldRule(msgspec.Struct, frozen=True, kw_only=True):
    """What settles a field of an entity."""

    field: Field
    policy: Policy


class Rules(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All a merge must know: the fields' policies, this stream's mapping rows, and the systems' names and rank."""

    fields: Mapping[str, FieldRule]
    maps: Mapping[str, Map]
    systems: Mapping[int, str]
    order: tuple[str, ...]
    flip_limit: int = 8
    flip_window_us: int = 3_600_000_000

    @cached_property
    def plain(self) -> frozenset[str]:
        """Fields of which a change simply holds where nobody else has changed them: no consent, no special direction
        or null policy, and a policy that decides contests only."""
        return frozenset(
            name
            for name, row in self.maps.items()
            if name in self.fields
            and row.direction != "out"
            and row.nulls == "propagate"
            and isinstance(self.fields[name].policy, MostRecent | Longest | Ask)
            and self.fields[name].field.type is not FieldType.CONSENT
        )


class Edit(msgspec.Struct, frozen=True):
    """A change of the golden record."""

    field: str
    old: Any
    new: Any
    rule: str


class Dispute(msgspec.Struct, frozen=True):
    """Two systems said different things; the losing value is kept. `open` waits for a person."""

    field: str
    kept: Any
    kept_by: int
    lost: Any
    lost_by: int
    rule: str
    open: bool = False


class Merged(msgspec.Struct, kw_only=True):
    """The outcome: the golden record's changes and the link's new memory, only to be read. `stale` means nothing was
    taken at all."""

    edits: list[Edit] = msgspec.field(default_factory=list[Edit])
    disputes: list[Dispute] = msgspec.field(default_factory=list[Dispute])
    stale: bool = False
    confirmed: bool = False


UNCHANGED: Final = Merged()
STALE: Final = Merged(stale=True)


Peers = Callable[[str], Mapping[str, Any]]
"""Field -> what every other linked system holds, by system name."""


def begin(golden: Golden, link: Link, seen: Observation) -> None:
    """The first record of a new golden one: everything it says holds, except grants without evidence."""
    link.base = dict(seen.values)
    at_us = seen.modified_us if seen.modified_us is not None else seen.read_us
    golden.claims["*"] = Claim(link.source, at_us)
    for name, value in seen.values.items():
        if is_consent(name):
            word = Word(status=value, at_us=at_us, proof_us=seen.proofs.get(name))
            weighed = weigh(Word(status=None, at_us=0), word)
            golden.fields[name] = weighed.status
            golden.claims[name] = Claim(link.source, at_us, weighed.rule, word.proof_us)
        else:
            golden.fields[name] = value
    _remember(link, seen)


def merge(golden: Golden, link: Link, seen: Observation, rules: Rules, peers: Peers) -> Merged:
    """Take an observation into `golden` and `link` (both are changed in place) and say what happened.

    The caller owns both objects: they are its copies of two locked rows.
    """
    if _is_stale(link, seen):
        return STALE
    if seen.values == link.base and link.inflight is None:
        _remember(link, seen)
        return UNCHANGED
    merged = Merged()
    settled_here = _confirm(link, seen, merged) if link.inflight is not None else frozenset[str]()
    base = link.base
    changed = [name for name, value in seen.values.items() if base.get(name, UNKNOWN) != value]
    for name in changed:
        if name in settled_here:
            continue
        value, held_there = seen.values[name], base.get(name, UNKNOWN)
        base[name] = value
        rule = rules.fields[name]
        if held_there is not UNKNOWN and rule.field.type in FOLDED and same(rule.field.type, value, held_there):
            continue
        alone = held_there is not UNKNOWN and golden.fields.get(name, UNKNOWN) == held_there
        if alone and name in rules.plain and name not in link.agreed:
            _take_uncontested(golden, link, name, value, seen, rules, merged)
            continue
        agreed = link.agreed.pop(name, UNKNOWN)
        link.faults.pop(name, None)
        _take(golden, link, _Change(rule, value, held_there, agreed, seen), rules, peers, merged)
    _remember(link, seen)
    return merged


class _Change(msgspec.Struct):
    """One field that a system holds differently than before."""

    rule: FieldRule
    value: Any
    held_there: Any
    agreed: Any
    seen: Observation


def _take_uncontested(
    golden: Golden, link: Link, name: str, value: Any, seen: Observation, rules: Rules, merged: Merged
) -> None:
    """The short way for what nearly all changes are: only this side moved, and no rule has a say in that."""
    if link.faults:
        link.faults.pop(name, None)
    held = golden.fields[name]
    if _oscillates(golden, name, seen.read_us, rules):
        merged.disputes.append(_too_often(golden, link, name, value))
        link.agreed[name] = held
        return
    said_us = seen.read_us if seen.modified_us is None else seen.modified_us
    merged.edits.append(Edit(name, held, value, ALONE))
    golden.fields[name] = value
    golden.claims[name] = Claim(link.source, said_us, ALONE)


def _is_stale(link: Link, seen: Observation) -> bool:
    """Older than what was already taken: by the vendor's stamp where both have one, else by when the read began."""
    if seen.modified_us is not None and link.modified_us is not None and seen.modified_us != link.modified_us:
        return seen.modified_us < link.modified_us
    return seen.read_us < link.read_us


def _confirm(link: Link, seen: Observation, merged: Merged) -> frozenset[str]:
    """Compare a look with our own write in flight; returns the fields that need no further thought."""
    inflight = link.inflight
    assert inflight is not None
    fresh = inflight.done_us is not None and seen.read_us > inflight.done_us
    settled: set[str] = set()
    for name, sent in inflight.patch.items():
        if name not in seen.values:
            continue
        value, prior = seen.values[name], inflight.prior.get(name)
        if value == sent:
            link.base[name] = value
            settled.add(name)
        elif name in inflight.echo and value == inflight.echo[name]:
            link.base[name], link.agreed[name] = value, sent
            settled.add(name)
        elif not fresh:
            if value in (prior, link.base.get(name)):
                settled.add(name)  # the page is older than our write
        elif rewritten(sent, value):
            link.base[name], link.agreed[name] = value, sent
            settled.add(name)
        elif value == prior:
            link.base[name], link.agreed[name] = value, sent
            link.faults[name] = NOT_APPLIED
            settled.add(name)
    if fresh:
        link.inflight = None
        merged.confirmed = True
    return frozenset(settled)


def _take(golden: Golden, link: Link, change: _Change, rules: Rules, peers: Peers, merged: Merged) -> None:
    name = change.rule.field.name
    held = golden.fields.get(name)
    if same(change.rule.field.type, change.value, held):
        if name not in golden.fields:
            golden.fields[name] = change.value
        return
    if change.rule.field.type is FieldType.CONSENT:
        _take_consent(golden, link, change, merged)
        return
    row = rules.maps[name]
    if row.direction == "out":
        if change.held_there is not UNKNOWN:
            merged.disputes.append(_lost(golden, link, change, "this field is only written there"))
        return
    if not _nulls_allow(golden, link, change, row):
        return
    _decide(golden, link, change, rules, peers, merged)


def _nulls_allow(golden: Golden, link: Link, change: _Change, row: Map) -> bool:
    """The null policy's part. A blank at first sight is never a clear; an ignored clear is not undone either."""
    name = row.field
    if change.value is None:
        if change.held_there is UNKNOWN:
            return False
        if row.nulls != "propagate":
            link.agreed[name] = golden.fields.get(name)
            return False
    elif row.nulls == "fill" and golden.fields.get(name) is not None:
        link.agreed[name] = golden.fields.get(name)
        return False
    return True


def _decide(golden: Golden, link: Link, change: _Change, rules: Rules, peers: Peers, merged: Merged) -> None:
    name, kind = change.rule.field.name, change.rule.field.type
    held, claim = golden.fields.get(name), golden.claim(name)
    offered_us = change.seen.modified_us if change.seen.modified_us is not None else change.seen.read_us
    contested = _contested(kind, held, change)
    settled = settle(
        change.rule.policy,
        Contest(
            change.rule.field,
            held,
            rules.systems.get(claim.source, ""),
            claim.at_us,
            change.value,
            rules.systems[link.source],
            offered_us,
            change.held_there,
            contested,
            partial(peers, name),
        ),
        rules.order,
    )
    # `_take` has found that what is offered differs from what holds
    if settled.value is not change.value and same(kind, settled.value, held):
        if not settled.open and change.held_there is UNKNOWN and held is None:
            return
        merged.disputes.append(_lost(golden, link, change, settled.rule, open=settled.open))
        if settled.open:
            link.agreed[name] = held
        return
    if _oscillates(golden, name, change.seen.read_us, rules):
        merged.disputes.append(_too_often(golden, link, name, change.value))
        link.agreed[name] = held
        return
    merged.edits.append(Edit(name, held, settled.value, settled.rule))
    if contested and held is not None:
        merged.disputes.append(
            Dispute(name, kept=settled.value, kept_by=link.source, lost=held, lost_by=claim.source, rule=settled.rule)
        )
    golden.fields[name] = settled.value
    golden.claims[name] = Claim(link.source, offered_us, settled.rule)


def _oscillates(golden: Golden, name: str, now_us: int, rules: Rules) -> bool:
    """Count a field's changes; more than the brake allows within its window means machines are quarrelling."""
    count, since_us = golden.flips.get(name, (0, now_us))
    if now_us - since_us > rules.flip_window_us:
        count, since_us = 0, now_us
    golden.flips[name] = (count + 1, since_us)
    return count >= rules.flip_limit


def _contested(type: FieldType, held: Any, change: _Change) -> bool:
    """Both sides moved since they last agreed. At first sight two different values are contested."""
    if change.held_there is UNKNOWN:
        return held is not None
    last_agreed = change.held_there if change.agreed is UNKNOWN else change.agreed
    return not same(type, held, last_agreed)


def _take_consent(golden: Golden, link: Link, change: _Change, merged: Merged) -> None:
    name = change.rule.field.name
    claim, seen = golden.claim(name), change.seen
    at_us = seen.modified_us if seen.modified_us is not None else seen.read_us
    held = Word(status=golden.fields.get(name), at_us=claim.at_us, proof_us=claim.proof_us)
    offered = Word(status=change.value, at_us=at_us, proof_us=seen.proofs.get(name))
    weighed = weigh(held, offered)
    if weighed.overruled:
        merged.disputes.append(_lost(golden, link, change, weighed.rule))
    if weighed.status == golden.fields.get(name):
        return
    merged.edits.append(Edit(name, golden.fields.get(name), weighed.status, weighed.rule))
    golden.fields[name] = weighed.status
    golden.claims[name] = Claim(link.source, at_us, weighed.rule, offered.proof_us)


def _too_often(golden: Golden, link: Link, name: str, value: Any) -> Dispute:
    return _disputed(golden, link, name, value, "changed back and forth too often: ask", open=True)


def _lost(golden: Golden, link: Link, change: _Change, rule: str, *, open: bool = False) -> Dispute:
    return _disputed(golden, link, change.rule.field.name, change.value, rule, open=open)


def _disputed(golden: Golden, link: Link, name: str, value: Any, rule: str, *, open: bool) -> Dispute:
    kept, kept_by = golden.fields.get(name), golden.claim(name).source
    return Dispute(name, kept=kept, kept_by=kept_by, lost=value, lost_by=link.source, rule=rule, open=open)


def _remember(link: Link, seen: Observation) -> None:
    if seen.read_us > link.read_us:
        link.read_us = seen.read_us
    if seen.modified_us is not None and (link.modified_us is None or seen.modified_us > link.modified_us):
        link.modified_us = seen.modified_us


def expect_write(link: Link, patch: Values, echo: Values, now_us: int) -> None:
    """Law 1: remember a write before it is made. A write already in flight keeps its part of the memory."""
    prior = {name: link.base.get(name) for name in patch}
    if link.inflight is not None:
        kept = {name: value for name, value in link.inflight.echo.items() if name not in patch}
        patch, prior, echo = {**link.inflight.patch, **patch}, {**prior, **link.inflight.prior}, {**kept, **echo}
    link.inflight = Inflight(patch=patch, prior=prior, since_us=now_us, echo=echo)


def accept_receipt(link: Link, patch: Values, now_us: int) -> None:
    """Law 2: a receipt advances the base; what we sent is what that system holds until a read says otherwise."""
    link.base.update(patch)
    for name in patch:
        link.agreed.pop(name, None)
        link.faults.pop(name, None)
    if link.inflight is not None:
        link.inflight.done_us = now_us
