"""Which value prevails: one small rule per policy, all of them pure.

A policy is asked when one system says something else than the golden record holds. It sees both values with who said
them and when, whether both sides moved since they last agreed (`contested`), and what the other systems hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, cast

import msgspec

from zgoda.kit.convert import Unconvertible
from zgoda.kit.expression import Expression
from zgoda.model.entities import Field


class Prefer(msgspec.Struct, frozen=True, kw_only=True, tag="prefer"):
    """One system is the master: what it holds stands, however late others speak. `unless_blank`: unless it is blank."""

    system: str
    unless_blank: bool = False


class MostRecent(msgspec.Struct, frozen=True, kw_only=True, tag="most recent"):
    """The later edit wins, if it is later by more than the clocks may differ; else rank decides, or a person."""

    tolerance_s: float = 60.0
    rank: tuple[str, ...] = ()
    ask: bool = False


class Ranked(msgspec.Struct, frozen=True, kw_only=True, tag="ranked"):
    """The highest-ranked system that holds a value wins."""

    systems: tuple[str, ...]


class FillBlanks(msgspec.Struct, frozen=True, kw_only=True, tag="fill blanks"):
    """The first value stays; others only fill blanks."""


class Longest(msgspec.Struct, frozen=True, kw_only=True, tag="longest"):
    """Of two contested texts, the longer."""


class Union(msgspec.Struct, frozen=True, kw_only=True, tag="union"):
    """Sets: what either side added stays, what either side removed goes."""


class Extreme(msgspec.Struct, frozen=True, kw_only=True, tag="extreme"):
    """The smallest (`min`) or largest (`max`) number, date or instant."""

    largest: bool


class Sum(msgspec.Struct, frozen=True, kw_only=True, tag="sum"):
    """A counter: each side's increase is added."""


class Ratchet(msgspec.Struct, frozen=True, kw_only=True, tag="ratchet"):
    """Ordered choices move forward only. `order` from first to last."""

    order: tuple[str, ...]


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """A person decides contested values; until then both sides keep their own."""


class Formula(msgspec.Struct, frozen=True, kw_only=True, tag="expression"):
    """A CEL expression over `held`, `offered`, `base`, `held_by`, `offered_by`, `held_at`, `offered_at` (seconds)."""

    text: str


Policy: TypeAlias = (
    Prefer | MostRecent | Ranked | FillBlanks | Longest | Union | Extreme | Sum | Ratchet | Ask | Formula
)


ALONE: Final = "only this side changed"


class _Unknown:
    """No system has said anything yet (which is not the same as blank)."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


class Contest(msgspec.Struct, frozen=True):
    """What a policy sees. Systems are connection names; times are microseconds since 1970.

    `base` is what the offering system held before (`UNKNOWN` at first sight). `peers` gives what each other linked
    system holds for the field, blank included; systems that do not know the field are absent.
    """

    field: Field
    held: Any
    held_by: str
    held_us: int
    offered: Any
    offered_by: str
    offered_us: int
    base: Any
    contested: bool
    peers: Callable[[], Mapping[str, Any]]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The value that stands and the rule in words. `open`: nobody decided yet, both sides keep their own."""

    value: Any
    rule: str
    open: bool = False


def settle(policy: Policy, contest: Contest, order: tuple[str, ...] = ()) -> Settled:
    """Apply a policy. `order` is the rank of systems where the policy names none."""
    match policy:
        case Prefer():
            return _prefer(policy, contest)
        case MostRecent():
            return _most_recent(policy, contest, order)
        case Ranked():
            return _ranked(policy, contest)
        case FillBlanks():
            blank = contest.held is None
            return Settled(value=contest.offered if blank else contest.held, rule="fill blanks")
        case Longest():
            return _longest(contest)
        case Union():
            return _union(contest)
        case Extreme():
            return _extreme(policy, contest)
        case Sum():
            return _sum(contest)
        case Ratchet():
            return _ratchet(policy, contest)
        case Ask():
            return _ask(contest)
        case Formula():
            return _formula(policy, contest)


def _prefer(policy: Prefer, contest: Contest) -> Settled:
    rule = f"prefer {policy.system}" + (" unless blank" if policy.unless_blank else "")
    if contest.offered_by == policy.system:
        if policy.unless_blank and contest.offered is None and not _cleared(contest):
            return Settled(value=contest.held, rule=rule)
        return Settled(value=contest.offered, rule=rule)
    master = contest.peers().get(policy.system, UNKNOWN)
    if master is UNKNOWN or (policy.unless_blank and master is None):
        return _uncontested_or_recent(contest, rule)
    return Settled(value=contest.held if contest.held_by == policy.system else master, rule=rule)


def _most_recent(policy: MostRecent, contest: Contest, order: tuple[str, ...]) -> Settled:
    if not contest.contested:
        return Settled(value=contest.offered, rule=ALONE)
    later_us = contest.offered_us - contest.held_us
    if abs(later_us) > policy.tolerance_s * 1e6:
        value = contest.offered if later_us > 0 else contest.held
        return Settled(value=value, rule="most recent")
    if policy.ask:
        return Settled(value=contest.held, rule="edited at the same time: ask", open=True)
    rank = policy.rank or order
    offered_first = _position(rank, contest.offered_by) < _position(rank, contest.held_by)
    return Settled(
        value=contest.offered if offered_first else contest.held, rule="edited at the same time: rank of systems"
    )


def _ranked(policy: Ranked, contest: Contest) -> Settled:
    holders = {system: value for system, value in contest.peers().items() if value is not None}
    if contest.held is not None:
        holders.setdefault(contest.held_by, contest.held)
    mine = _position(policy.systems, contest.offered_by)
    above = min((_position(policy.systems, system) for system in holders), default=len(policy.systems) + 1)
    if contest.offered is None and holders and not _cleared(contest):
        return Settled(value=contest.held, rule="ranked sources")
    if mine <= above:
        return Settled(value=contest.offered, rule="ranked sources")
    best = min(holders, key=lambda system: _position(policy.systems, system))
    return Settled(value=contest.held if contest.held_by == best else holders[best], rule="ranked sources")


def _longest(contest: Contest) -> Settled:
    if not contest.contested:
        return Settled(value=contest.offered, rule=ALONE)
    longer = len(str(contest.offered or "")) > len(str(contest.held or ""))
    return Settled(value=contest.offered if longer else contest.held, rule="longest")


def _union(contest: Contest) -> Settled:
    held, offered = set(_items(contest.held)), set(_items(contest.offered))
    base: set[str] = set() if contest.base is UNKNOWN else set(_items(contest.base))
    merged = (held - (base - offered)) | (offered - base)
    return Settled(value=sorted(merged) or None, rule="union")


def _extreme(policy: Extreme, contest: Contest) -> Settled:
    rule = "max" if policy.largest else "min"
    if contest.held is None or contest.offered is None:
        return Settled(value=contest.held if contest.offered is None else contest.offered, rule=rule)
    larger = _comparable(contest.offered) > _comparable(contest.held)
    return Settled(value=contest.offered if larger is policy.largest else contest.held, rule=rule)


def _sum(contest: Contest) -> Settled:
    base = 0 if contest.base is UNKNOWN or contest.base is None else contest.base
    total = _comparable(contest.held or 0) + _comparable(contest.offered or 0) - _comparable(base)
    return Settled(value=_like(total, contest.offered if contest.held is None else contest.held), rule="sum")


def _ratchet(policy: Ratchet, contest: Contest) -> Settled:
    forward = _position(policy.order, contest.offered) > _position(policy.order, contest.held)
    known = contest.offered in policy.order
    if contest.held is None or (known and (contest.held not in policy.order or forward)):
        return Settled(value=contest.offered, rule="ratchet")
    return Settled(value=contest.held, rule="ratchet: may not move back")


def _ask(contest: Contest) -> Settled:
    if not contest.contested:
        return Settled(value=contest.offered, rule=ALONE)
    return Settled(value=contest.held, rule="ask", open=True)


def _formula(policy: Formula, contest: Contest) -> Settled:
    try:
        value = formula(policy.text).value(
            {
                "held": contest.held,
                "offered": contest.offered,
                "base": None if contest.base is UNKNOWN else contest.base,
                "held_by": contest.held_by,
                "offered_by": contest.offered_by,
                "held_at": contest.held_us // 1_000_000,
                "offered_at": contest.offered_us // 1_000_000,
                "contested": contest.contested,
            }
        )
    except Unconvertible:
        return Settled(value=contest.held, rule="the expression fails for these values: ask", open=True)
    return Settled(value=value, rule=f"expression {policy.text}")


def formula(text: str) -> Expression:
    """The compiled expression of a `Formula`; raises `BadExpression`, which `validate` reports."""
    found = _FORMULAS.get(text)
    if found is None:
        found = _FORMULAS[text] = Expression(
            text,
            {
                "held": "dyn",
                "offered": "dyn",
                "base": "dyn",
                "held_by": "string",
                "offered_by": "string",
                "held_at": "int",
                "offered_at": "int",
                "contested": "bool",
            },
        )
    return found


_FORMULAS: dict[str, Expression] = {}


def _uncontested_or_recent(contest: Contest, rule: str) -> Settled:
    if not contest.contested or contest.held is None or contest.offered_us >= contest.held_us:
        return Settled(value=contest.offered, rule=f"{rule}: it says nothing")
    return Settled(value=contest.held, rule=f"{rule}: it says nothing")


def _cleared(contest: Contest) -> bool:
    """The offering system held a value and somebody cleared it there."""
    return contest.base is not UNKNOWN and contest.base is not None and contest.offered is None


def _position(order: tuple[str, ...], item: Any) -> int:
    return order.index(item) if item in order else len(order)


def _items(value: Any) -> list[str]:
    return cast("list[str]", value) if isinstance(value, list) else []


def _comparable(value: Any) -> Any:
    """Decimals travel as text; compare them as numbers. Dates and instants compare as text, in their ISO form."""
    if isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value


def _like(total: Any, sample: Any) -> Any:
    if isinstance(sample, str):
        return format(Decimal(total).normalize(), "f")
    return int(total)
