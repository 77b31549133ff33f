"""plan, sync, drift."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zgoda.entrypoints.cli.frame import Frame, command, store_of
from zgoda.entrypoints.cli.speak import Voice
from zgoda.sync.preview import Plan
from zgoda.sync.setup import Source


@click.command(epilog="Examples:\n\n  zgoda plan\n\n  zgoda plan --full --samples 5 --json")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@click.option("--samples", default=3, show_default=True, help="Writes shown in full, per stream and kind.")
@command
async def plan(frame: Frame, full: bool, samples: int) -> int:
    """Show what a sync would do, by system, object and field, and why. Writes nothing.

    Exit code: 0 nothing to do, 2 changes, 1 error.
    """
    from zgoda.app import open_hub
    from zgoda.sync.preview import preview

    async with store_of(frame) as store, open_hub(store) as hub:
        with Watch(frame.voice) as tell:
            found = await preview(store.pool, hub, full=full, samples=samples, tell=tell)
    show_plan(frame.voice, found)
    frame.voice.result(found)
    if found.troubles:
        return 1
    return 2 if found.changes else 0


def show_plan(voice: Voice, plan: Plan) -> None:
    """The plan for people: a table of counts, then fields and rules, then what stays out and why."""
    rows = [(f"{s.connection}/{s.stream}", s.creates, s.updates, s.deletes, s.held) for s in plan.streams]
    busy = [row for row in rows if any(row[1:])]
    voice.table(["stream", ">create", ">update", ">delete", ">held"], busy or rows, title=f"Plan {plan.id}")
    for stream in plan.streams:
        if stream.fields:
            voice.say()
            voice.table(
                ["field", ">writes", "decided by"],
                [(f.field, f.count, "; ".join(f"{rule} ({n})" for rule, n in f.rules.items())) for f in stream.fields],
                title=f"{stream.connection}/{stream.stream}",
            )
        for reason, count in sorted(stream.excluded.items(), key=lambda item: -item[1]):
            voice.say(f"  {count} stay out of {stream.connection}/{stream.stream}: {reason}")
        for sample in stream.samples:
            changes = ", ".join(f"{k}: {sample.prior.get(k)!r} -> {v!r}" for k, v in sample.patch.items())
            voice.say(f"  for example {sample.op} #{sample.golden_id}: {changes}", style="dim")
    voice.say()
    voice.say(f"{plan.read} records read, {plan.matched} known to more than one system, {plan.suspicions} to review")
    for rule, count in plan.conflicts.items():
        voice.say(f"{count} contested values: {rule}")
    for stream, trouble in plan.troubles.items():
        voice.say(f"trouble in {stream}: {trouble}", style="red")


@click.command(epilog="Examples:\n\n  zgoda sync\n\n  zgoda sync --approve 12\n\n  zgoda sync --full")
@click.option("--approve", type=int, help="The number of the plan that allows the first sync.")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@command
async def sync(frame: Frame, approve: int | None, full: bool) -> int:
    """Read, reconcile and deliver once.

    The first sync of a connection only runs with an approved plan. Exit code: 0 all is told, 3 something is held,
    failing or in trouble, 1 error.
    """
    from zgoda.app import check_accounts, open_hub, sync_once

    async with store_of(frame) as store, open_hub(store) as hub:
        await _require_approval(frame, store, approve)
        for name, answer in (await check_accounts(store, hub)).items():
            if isinstance(answer, Exception):
                frame.voice.fail(f"{name}: {answer}", getattr(answer, "do", ""))
        with Watch(frame.voice) as tell:
            done = await sync_once(store, hub, full=full, tell=tell)
    _show_cycle(frame.voice, done)
    frame.voice.result(done)
    return 0 if done.result == "ok" else 3


async def _require_approval(frame: Frame, store: Any, plan_id: int | None) -> None:
    """The first sync is plan-only until somebody has looked (and plans of another configuration do not count)."""
    from zgoda.sync.repair import approve_first_sync
    from zgoda.sync.report import status

    waiting = [c.connection for c in (await status(store.pool, store.setup)).connections if not c.approved]
    if not waiting:
        return
    names = ", ".join(waiting)
    if plan_id is None:
        frame.voice.fail(
            f"the first sync of {names} waits for an approved plan",
            "run `zgoda plan`, look at it, then `zgoda sync --approve NUMBER`",
        )
    async with store.pool.transaction() as tx:
        from zgoda.sync.desk import SQL

        row = await tx.row(SQL["load_plan"], {"id": plan_id})
    if row is None:
        frame.voice.fail(f"there is no plan {plan_id}", "`zgoda plan` makes one and prints its number")
    if row[0]["version"] != store.setup.version:
        frame.voice.fail(
            f"plan {plan_id} was made for another configuration", "run `zgoda plan` again and approve that one"
        )
    await approve_first_sync(store.pool, store.clock, waiting)


def _show_cycle(voice: Voice, done: Any) -> None:
    cycle = done.cycle
    voice.say(
        f"run {done.run}: {done.result}. {cycle.read} read, {cycle.new} new, {cycle.edits} changed, "
        f"{cycle.conflicts} contested, {cycle.applied} written, {cycle.refused} refused"
    )
    for stream, trouble in cycle.troubles.items():
        voice.say(f"trouble in {stream}: {trouble}", style="red")


@click.command(epilog="Examples:\n\n  zgoda drift\n\n  zgoda drift --json")
@command
async def drift(frame: Frame) -> int:
    """Compare everything with what we know, say what had drifted, and repair it. Deletes nothing by itself.

    Exit code: 0 no drift, 2 drift found and repaired, 3 something is held or failing, 1 error.
    """
    from zgoda.app import open_hub, sync_once

    async with store_of(frame) as store, open_hub(store) as hub:
        with Watch(frame.voice) as tell:
            done = await sync_once(store, hub, full=True, tell=tell, kind="drift")
    cycle = done.cycle
    frame.voice.say(
        f"run {done.run}: {cycle.read} compared, {cycle.fresh} differed from what we knew, {cycle.missing} missing, "
        f"{cycle.applied} repaired"
    )
    frame.voice.result(done)
    if done.result != "ok":
        return 3
    return 2 if cycle.fresh or cycle.missing else 0


class Watch:
    """Progress while the engine works: bars on a terminal, silence elsewhere (the result says it all)."""

    def __init__(self, voice: Voice) -> None:
        self._bars: dict[str, Any] = {}
        self._progress = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=voice.console,
                transient=True,
            )
            if voice.is_terminal and sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> Any:
        if self._progress is not None:
            self._progress.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _tell(self, what: str, source: Source | None, count: int) -> None:
        if self._progress is None:
            return
        label = f"{what} {source.name}" if source is not None else what
        if label not in self._bars:
            self._bars[label] = self._progress.add_task(label, total=None, rate="")
        task = self._bars[label]
        if what == "read":
            self._progress.update(task, completed=count)
        else:
            self._progress.advance(task, count)
        speed: float | None = self._progress.tasks[task].speed  # pyright: ignore[reportUnknownVariableType]
        self._progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")
