"""What a system should be told about a golden record: only the fields that differ. Pure.

`zgoda plan` and the running hub call the very same function; the one stops before delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from zgoda.identity.match import is_address
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Lane
from zgoda.kit.spec import Op
from zgoda.model.entities import FieldType
from zgoda.model.golden import Golden, Link
from zgoda.model.values import Values, fold_email, same
from zgoda.privacy.consent import TRAVELS, is_consent
from zgoda.sync.merge import FieldRule
from zgoda.sync.policy import UNKNOWN
from zgoda.sync.setup import Source


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A write that should happen: canonical values to send and what they replace.

    An opt-out travels alone. `ask`: why a person has to say yes first.
    """

    op: Op
    patch: Values
    prior: Values
    lane: Lane
    vendor_id: str = ""
    optout: bool = False
    ask: str = ""


class Excluded(msgspec.Struct, frozen=True, kw_only=True):
    """This system does not get the record, and why."""

    reason: str


Planned: TypeAlias = list[Wanted] | Excluded
"""An empty list: the system already holds what it should."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan must know about a golden record besides its fields: whether it may be created elsewhere at all
    (`no_create` says why not), and whether the reason to plan is a backfill."""

    no_create: str = ""
    backfill: bool = False


def plan(
    golden: Golden, link: Link | None, target: Source, rules: Mapping[str, FieldRule], standing: Standing
) -> Planned:
    """Compare what holds with what the target holds."""
    if golden.gone:
        return _plan_delete(link, target, standing)
    if link is None:
        return _plan_create(golden, target, standing)
    if link.gone:
        return Excluded(reason="deleted there")
    if link.excluded:
        # an opt-out knows no filters, and reaches duplicates
        return _plan_optout(golden, link, target, rules) or Excluded(reason=link.excluded)
    wanted = [*_plan_optout(golden, link, target, rules), *_plan_update(golden, link, target, rules, standing)]
    if not wanted and target.admits is not None and not target.admits(golden.fields):
        return Excluded(reason="outside the filter")
    return wanted


def _plan_delete(link: Link | None, target: Source, standing: Standing) -> Planned:
    if link is None or link.gone or link.excluded:
        return []
    if "delete" not in target.may:
        return Excluded(reason="deleted elsewhere; deleting is not allowed here")
    return [Wanted(op="delete", patch={}, prior=dict(link.base), lane=_lane(standing), vendor_id=link.vendor_id)]


def _plan_create(golden: Golden, target: Source, standing: Standing) -> Planned:
    if "create" not in target.may:
        return Excluded(reason="creating is not allowed here")
    if standing.no_create:
        return Excluded(reason=standing.no_create)
    if target.admits is not None and not target.admits(golden.fields):
        return Excluded(reason="outside the filter")
    for name in target.required:
        value = golden.fields.get(name)
        if value is None:
            return Excluded(reason=f"no {name.replace('_', ' ')}")
    if (email := golden.fields.get("email")) is not None and not is_address(fold_email(email)):
        # half-typed perhaps: a record made now would be a second one once it is finished
        return Excluded(reason="the e-mail address is not valid")
    patch = {name: value for name in sorted(target.mapping.outward) if (value := golden.fields.get(name)) is not None}
    if not patch:
        return Excluded(reason="nothing to say")
    if target.sends_mail and any(is_optout(name, value) and name not in patch for name, value in golden.fields.items()):
        return Excluded(reason="opted out, and this system has no place for that")
    return [Wanted(op="create", patch=patch, prior={}, lane=_lane(standing))]


def _plan_optout(golden: Golden, link: Link, target: Source, rules: Mapping[str, FieldRule]) -> list[Wanted]:
    patch = {
        name: golden.fields[name]
        for name in target.mapping.outward
        if is_optout(name, golden.fields.get(name)) and _differs(golden, link, target, rules, name)
    }
    if not patch:
        return []
    prior = {name: link.base.get(name) for name in patch}
    return [Wanted(op="update", patch=patch, prior=prior, lane=Lane.CONSENT, vendor_id=link.vendor_id, optout=True)]


def _plan_update(
    golden: Golden, link: Link, target: Source, rules: Mapping[str, FieldRule], standing: Standing
) -> list[Wanted]:
    changeable = "update" in target.may and not target.stream.immutable
    has_left = target.admits is not None and not target.admits(golden.fields)
    admitted = changeable and not (has_left and target.on_leave == "keep")
    patch: Values = {}
    for name in target.mapping.outward:
        wanted = golden.fields.get(name)
        if is_optout(name, wanted) or (not admitted and not is_consent(name)):
            continue
        if _differs(golden, link, target, rules, name):
            patch[name] = wanted
    if not patch:
        return []
    prior = {name: link.base.get(name) for name in patch}
    ask = "it left the filter: update it all the same?" if has_left and not all(map(is_consent, patch)) else ""
    return [Wanted(op="update", patch=patch, prior=prior, lane=_lane(standing), vendor_id=link.vendor_id, ask=ask)]


def is_optout(name: str, value: Any) -> bool:
    """Whether a value withdraws consent."""
    return value == "withdrawn" and is_consent(name)


def _differs(golden: Golden, link: Link, target: Source, rules: Mapping[str, FieldRule], name: str) -> bool:
    wanted, there = golden.fields.get(name), link.base.get(name)
    if wanted == there or name not in golden.fields or link.agreed.get(name, UNKNOWN) == wanted:
        return False
    row = target.mapping.by_field[name]
    return _must_tell(rules[name], row, wanted, there) and _can_tell(target, name, wanted, there)


def _must_tell(rule: FieldRule, row: Map, wanted: Any, there: Any) -> bool:
    if rule.field.type is FieldType.CONSENT:
        return wanted in TRAVELS
    if same(rule.field.type, wanted, there):
        return False
    match row.nulls:
        case "propagate":
            return True
        case "ignore":
            return wanted is not None
        case "fill":
            return wanted is not None and there is None


def _can_tell(target: Source, name: str, wanted: Any, there: Any) -> bool:
    """False where the vendor spells both values the same way (a check box that only knows "opted out")."""
    if not target.mapping.by_field[name].values or there is None:
        return True
    write = target.mapping.write
    return write({name: wanted}, creating=False) != write({name: there}, creating=False)


def _lane(standing: Standing) -> Lane:
    return Lane.BACKFILL if standing.backfill else Lane.LIVE
