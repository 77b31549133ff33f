"""plan, sync, drift: what would happen, and making it happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, store_of
from zgoda.entrypoints.cli.speak import Voice

if TYPE_CHECKING:
    from zgoda.app import Store, Synced
    from zgoda.entrypoints.cli.alarm import Alarm
    from zgoda.sync.preview import Plan

IN_ORDER = 0
CHANGES = 2
WAITING = 3


@click.command(epilog="Examples:\n\n  zgoda plan\n\n  zgoda plan --full --samples 5 --json")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@click.option("--samples", default=3, show_default=True, help="Writes shown in full, per stream and kind.")
@command
async def plan(frame: Frame, full: bool, samples: int) -> int:
    """Show what a sync would do, by system, object and field, and why. Writes nothing.

    Exit code: 0 nothing to do, 2 changes, 1 error (a system that could not be read is one).
    """
    from zgoda.app import open_hub
    from zgoda.entrypoints.cli.progress import Watch, expected
    from zgoda.sync.preview import preview

    async with store_of(frame) as store, open_hub(store) as hub:
        await _alarms(frame, store)
        with Watch(store.clock, await expected(store)) as tell:
            found = await preview(store.pool, hub, full=full, samples=samples, tell=tell)
        first = await _unapproved(store)
    show_plan(frame.voice, found)
    frame.voice.result(found)
    if found.troubles:
        return 1
    if first:
        frame.voice.say(f"next: `zgoda sync --approve {found.id}` allows the first sync")
    elif found.changes:
        frame.voice.say("next: `zgoda sync` (or the running hub) does it")
    return CHANGES if found.changes else IN_ORDER


def show_plan(voice: Voice, plan: Plan) -> None:
    """The plan for people: a table of counts, then fields and rules, then what stays out and why."""
    rows = [(f"{s.connection}/{s.stream}", s.creates, s.updates, s.deletes, s.held) for s in plan.streams]
    busy = [row for row in rows if any(row[1:])]
    if busy:
        voice.table(["stream", ">create", ">update", ">delete", ">held"], busy, title=f"Plan {plan.id}")
    else:
        voice.say(f"Plan {plan.id}: nothing to do")
    for stream in plan.streams:
        if stream.fields:
            voice.say()
            voice.table(
                ["field", ">writes", "decided by"],
                [(f.field, f.count, "; ".join(f"{rule} ({n})" for rule, n in f.rules.items())) for f in stream.fields],
                title=f"{stream.connection}/{stream.stream}",
            )
        for reason, count in sorted(stream.excluded.items(), key=lambda item: -item[1]):
            stay = "stays" if count == 1 else "stay"
            voice.say(f"  {count} {stay} out of {stream.connection}/{stream.stream}: {reason}")
        for sample in stream.samples:
            changes = ", ".join(f"{k}: {_change(sample.prior.get(k), v)}" for k, v in sample.patch.items())
            voice.say(f"  for example {sample.op} #{sample.golden_id}: {changes}", style="dim")
    voice.say()
    voice.say(f"{plan.read} records read, {plan.matched} known to more than one system, {plan.suspicions} to review")
    for rule, count in plan.conflicts.items():
        voice.say(f"{count} contested values: {rule}")
    for stream, trouble in plan.troubles.items():
        voice.warn(f"trouble in {stream}: {trouble}")


def _change(prior: Any, value: Any) -> str:
    return f"{value!r}" if prior is None else f"{prior!r} -> {'blank' if value is None else repr(value)}"


@click.command(epilog="Examples:\n\n  zgoda sync\n\n  zgoda sync --approve 12\n\n  zgoda sync --full --json")
@click.option("--approve", type=int, help="The number of the plan that allows the first sync.")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@command
async def sync(frame: Frame, approve: int | None, full: bool) -> int:
    """Read, reconcile and deliver once.

    The first sync of a connection only runs with an approved plan.

    Exit code: 0 all is told; 3 something is held, failing, stopped or in trouble; 1 error, nothing was done.
    """
    from zgoda.app import open_hub, sync_once
    from zgoda.entrypoints.cli.progress import Watch, expected

    async with store_of(frame) as store, open_hub(store) as hub:
        report = await _require_approval(frame, store, approve)
        await _require_calls(frame, store, hub)
        with Watch(store.clock, await expected(store, report)) as tell:
            done = await sync_once(store, hub, full=full, tell=tell)
        standing = await _alarms(frame, store)
    _show_cycle(frame.voice, done)
    frame.voice.result({**msgspec.to_builtins(done), "alarms": msgspec.to_builtins(standing)})
    return IN_ORDER if done.result == "ok" and not standing else WAITING


async def _alarms(frame: Frame, store: Store) -> list[Alarm]:
    """What stands still, said loudly."""
    from zgoda.entrypoints.cli.alarm import alarms, sound

    found = await alarms(store, frame.folder)
    sound(frame.voice, found)
    return found


async def _unapproved(store: Store) -> list[str]:
    """The connections whose first sync nobody has allowed yet."""
    from zgoda.sync.desk import SQL

    async with store.pool.report() as tx:
        approved = {name for name, _status, _reason, _since, at in await tx.rows(SQL["connection_states"]) if at}
    return [name for name in store.project.connections if name not in approved]


async def _require_approval(frame: Frame, store: Store, plan_id: int | None) -> dict[str, Any] | None:
    """The first sync is plan-only until somebody has looked (and plans of another configuration do not count). Returns
    what the approved plan counted."""
    from zgoda.sync.desk import SQL
    from zgoda.sync.repair import approve_first_sync

    waiting = await _unapproved(store)
    if not waiting:
        return None
    if plan_id is None:
        frame.voice.fail(
            f"the first sync of {', '.join(waiting)} waits for an approved plan",
            "run `zgoda plan`, look at it, then `zgoda sync --approve NUMBER`",
        )
    async with store.pool.transaction() as tx:
        row = await tx.row(SQL["load_plan"], {"id": plan_id})
    if row is None:
        frame.voice.fail(f"there is no plan {plan_id}", "`zgoda plan` makes one and prints its number")
    if row[0]["version"] != store.setup.version:
        frame.voice.fail(
            f"plan {plan_id} was made for another configuration", "run `zgoda plan` again and approve that one"
        )
    await approve_first_sync(store.pool, store.clock, waiting)
    return row[0]


async def _require_calls(frame: Frame, store: Store, hub: Any) -> None:
    """Leave where no call may be made at all, or where a system does not let us in."""
    from zgoda.app import check_accounts
    from zgoda.entrypoints.cli.alarm import alarms, all_stopped, sound
    from zgoda.kit.errors import Halted

    standing = await alarms(store, frame.folder)
    if all_stopped(standing):
        sound(frame.voice, standing)
        frame.voice.fail("nothing was done: the kill switch is on", "`zgoda kill --off` lets everything go on", WAITING)
    for name, answer in (await check_accounts(store, hub)).items():
        if isinstance(answer, Exception) and not isinstance(answer, Halted):
            frame.voice.fail(f"{name}: {answer}", getattr(answer, "do", "") or f"`zgoda check {name}` looks closer")


def _show_cycle(voice: Voice, done: Synced) -> None:
    cycle = done.cycle
    voice.say(
        f"run {done.run}: {done.result}. {cycle.read} read, {cycle.new} new, {cycle.edits} changed, "
        f"{cycle.conflicts} contested, {cycle.applied} written, {cycle.refused} refused"
    )
    for stream, trouble in cycle.troubles.items():
        voice.warn(f"trouble in {stream}: {trouble}")
    if do := _NEXT.get(done.result):
        voice.say(f"next: {do}")


_NEXT = {
    "failing rows": "`zgoda dead-letters --failing` says why",
    "held rows": "`zgoda held` shows what waits for you",
    "pending rows": "`zgoda sync` again tells the rest",
}
"""What to do after a run that did not end well."""


@click.command(epilog="Examples:\n\n  zgoda drift\n\n  zgoda drift --json")
@command
async def drift(frame: Frame) -> int:
    """Compare everything with what we know, say what had drifted, and repair it. Deletes nothing by itself.

    Exit code: 0 no drift; 2 drift found and repaired; 3 something is held, failing, stopped or in trouble; 1 error.
    """
    from zgoda.app import open_hub, sync_once
    from zgoda.entrypoints.cli.progress import Watch, expected

    async with store_of(frame) as store, open_hub(store) as hub:
        await _require_approval(frame, store, None)
        await _require_calls(frame, store, hub)
        with Watch(store.clock, await expected(store)) as tell:
            done = await sync_once(store, hub, full=True, tell=tell, kind="drift")
        standing = await _alarms(frame, store)
    cycle = done.cycle
    frame.voice.say(
        f"run {done.run}: {cycle.read} compared, {cycle.fresh} differed from what we knew, {cycle.missing} missing, "
        f"{cycle.applied} repaired"
    )
    for stream, trouble in cycle.troubles.items():
        frame.voice.warn(f"trouble in {stream}: {trouble}")
    frame.voice.result({**msgspec.to_builtins(done), "alarms": msgspec.to_builtins(standing)})
    if done.result != "ok" or standing:
        return WAITING
    return CHANGES if cycle.fresh or cycle.missing else IN_ORDER
