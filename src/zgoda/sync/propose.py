"""For every golden record on the desk and every system: what should be told, held back or withdrawn."""

from __future__ import annotations

from typing import Any

from zgoda.kit.pace import Lane
from zgoda.model.golden import Golden, Link, to_us
from zgoda.sync.desk import Desk
from zgoda.sync.plan import Excluded, Standing, Wanted, plan
from zgoda.sync.setup import Setup, Source

RESTORE = "deleted there, to be created again"


def propose(desk: Desk, setup: Setup, run: int | None) -> int:
    """Fill the desk's deliveries; returns how many. Deliveries on their way are only marked to be thought over."""
    targets = setup.of_entity(desk.entity)
    for golden_id, backfill in sorted(desk.to_plan.items()):
        golden = desk.goldens[golden_id]
        links = {
            link.source: link
            for link in sorted(desk.links_of[golden_id], key=lambda link: (not link.gone, not link.excluded))
        }
        standing = Standing(no_create=_no_create(desk, setup, golden), backfill=backfill)
        occupied = {setup.sources[s].connection for s, link in links.items() if not link.gone}
        for target in targets:
            link = _current(desk, golden, links.get(target.id))
            planned = plan(golden, link, target, dict(setup.fields[desk.entity]), standing)
            if isinstance(planned, Wanted) and planned.op == "create":
                if target.connection in occupied:
                    planned = Excluded(reason="it exists there as another kind of record")
                occupied.add(target.connection)
            _note(desk, golden, target, planned, run)
    return len(desk.deliveries)


def _current(desk: Desk, golden: Golden, link: Link | None) -> Link | None:
    """The link to plan with; a record to be restored is planned as if it had never been there."""
    if link is not None and link.gone and (golden.id in desk.restore):
        return None
    return link


def _no_create(desk: Desk, setup: Setup, golden: Golden) -> str:
    links = desk.links_of[golden.id]
    living = [link for link in links if not link.gone]
    if living and all(link.excluded for link in living):
        return living[0].excluded
    if not living and golden.id not in desk.restore:
        return "it exists nowhere any more"
    rules = setup.identity[desk.entity]
    if rules.keys and not rules.create_unkeyed and not desk.keys_of[golden.id]:
        return "nothing identifies it: review"
    return ""


def _note(desk: Desk, golden: Golden, target: Source, planned: Wanted | Excluded | None, run: int | None) -> None:
    key = (target.id, golden.id)
    open_state = desk.open.get(key)
    if isinstance(planned, Wanted):
        if open_state == "inflight":
            desk.again.append({"s": target.id, "g": golden.id})
        else:
            desk.deliveries.append(_delivery(desk, golden, target, planned, run))
    elif open_state is not None and open_state != "inflight":
        desk.superseded.append({"s": target.id, "g": golden.id})
    reason = planned.reason if isinstance(planned, Excluded) else None
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
    """Why a person must release this first. Consent is never held."""
    if wanted.lane is Lane.CONSENT:
        return ""
    if wanted.op == "delete" and golden.id in desk.ask_before_delete:
        return desk.ask_before_delete[golden.id]
    return desk.tripped.get(cause, "") if cause is not None else ""
