"""For every golden record on the desk and every system: what should be told, held back or withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zgoda.identity.match import is_identifying
from zgoda.kit.pace import Lane
from zgoda.model.golden import Golden, Link, to_us
from zgoda.sync.desk import Desk
from zgoda.sync.plan import Excluded, Planned, Standing, Wanted, plan
from zgoda.sync.setup import Setup, Source

RESTORE = "deleted there, to be created again"


def propose(desk: Desk, setup: Setup, run: int | None) -> int:
    """Fill the desk's deliveries; returns how many. Deliveries on their way are only marked to be thought over."""
    targets = setup.of_entity(desk.entity)
    for golden_id, backfill in sorted(desk.to_plan.items()):
        golden = desk.goldens[golden_id]
        links: dict[int, list[Link]] = {}
        for link in desk.links_of[golden_id]:
            links.setdefault(link.source, []).append(link)
        standing = Standing(no_create=_no_create(desk, setup, golden), backfill=backfill)
        occupied = {setup.sources[s].connection for s, own in links.items() if not all(link.gone for link in own)}
        for target in targets:
            known = _current(desk, golden, links.get(target.id, []))
            planned = [plan(golden, link, target, setup.fields[desk.entity], standing) for link in known]
            if any(isinstance(one, list) and one and one[0].op == "create" for one in planned):
                if target.connection in occupied:
                    planned = [Excluded(reason="it exists there as another kind of record")]
                occupied.add(target.connection)
            _note(desk, golden, target, planned, run)
    return len(desk.deliveries)


def _current(desk: Desk, golden: Golden, links: list[Link]) -> list[Link] | list[None]:
    """The links to plan with: all living ones, else a gone one, else none. A record to be restored is planned as if it
    had never been there."""
    living = [link for link in links if not link.gone]
    if living:
        return sorted(living, key=lambda link: bool(link.excluded))
    return links[:1] if links and golden.id not in desk.restore else [None]


def _no_create(desk: Desk, setup: Setup, golden: Golden) -> str:
    links = desk.links_of[golden.id]
    living = [link for link in links if not link.gone]
    if living and all(link.excluded for link in living):
        return living[0].excluded
    if not living and golden.id not in desk.restore:
        return "it exists nowhere any more"
    rules = setup.identity[desk.entity]
    if rules.keys and not rules.create_unkeyed and not any(map(is_identifying, desk.keys_of[golden.id])):
        return "nothing identifies it: review"
    return ""


def _note(desk: Desk, golden: Golden, target: Source, planned: Sequence[Planned], run: int | None) -> None:
    wanted = [each for one in planned if isinstance(one, list) for each in one]
    still_open = {way: it for way, it in desk.open[golden.id].items() if way[0] == target.id}
    for each in wanted:
        id, state = still_open.pop((target.id, each.vendor_id, each.optout), (0, ""))
        if state == "inflight":
            desk.again.append({"id": id})
        else:
            desk.deliveries.append(_delivery(desk, golden, target, each, run))
    desk.superseded += [{"id": id} for id, state in still_open.values() if state != "inflight"]
    key = (target.id, golden.id)
    reason = planned[0].reason if isinstance(planned[0], Excluded) else None
    known = desk.exclusions.get(key)
    if reason and reason != known:
        desk.excluded.append({"s": target.id, "g": golden.id, "why": reason})
    elif known and not reason:
        desk.admitted.append({"s": target.id, "g": golden.id})


def _delivery(desk: Desk, golden: Golden, target: Source, wanted: Wanted, run: int | None) -> dict[str, Any]:
    cause, cause_run = desk.causes.get(golden.id, (None, None))
    held = _held(desk, golden, wanted, cause)
    quiet_us = int(target.quiet_s * 1e6) if wanted.lane is Lane.LIVE else 0
    return {
        "source": target.id,
        "golden_id": golden.id,
        "vendor_id": wanted.vendor_id or None,
        "op": wanted.op,
        "optout": wanted.optout,
        "patch": wanted.patch,
        "prior": wanted.prior,
        "lane": int(wanted.lane),
        "state": "held" if held else "pending",
        "reason": held or None,
        "cause": cause,
        "golden_version": golden.version,
        "run": run or cause_run,
        "due_us": to_us(desk.now) + quiet_us if quiet_us else 0,
    }


def _held(desk: Desk, golden: Golden, wanted: Wanted, cause: int | None) -> str:
    """Why a person must release this first. An opt-out is held only when too many come at once."""
    if wanted.ask:
        return wanted.ask
    if wanted.optout:
        return desk.tripped_optouts.get(cause, "") if cause is not None else ""
    if wanted.op == "delete" and golden.id in desk.ask_before_delete:
        return desk.ask_before_delete[golden.id]
    return desk.tripped.get(cause, "") if cause is not None else ""
