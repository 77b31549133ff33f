"""Progress while the engine works, on standard error: bars with rate and time left on a terminal, else a line now and
then, so that neither a log nor a pipe is flooded."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from zgoda.model.clock import Clock

if TYPE_CHECKING:
    from zgoda.app import Store
    from zgoda.sync.cycle import Tell
    from zgoda.sync.setup import Source

LINE_EVERY_S: Final = 10.0


async def expected(store: Store, plan_report: Mapping[str, Any] | None = None) -> dict[str, int]:
    """How many records are to come, by label, as far as anybody knows: as many are read as we know of, and what an
    approved plan counted is delivered."""
    from zgoda.sync.desk import SQL

    totals: dict[str, int] = {}
    async with store.pool.report() as tx:
        for source in store.setup.sources.values():
            row = await tx.row(SQL["known_count"], {"source": source.id})
            totals[f"read {source.name}"] = row[0] if row else 0
    for stream in (plan_report or {}).get("streams", ()):
        writes = stream["creates"] + stream["updates"] + stream["deletes"]
        totals[f"delivered {stream['connection']}/{stream['stream']}"] = writes
    return {label: count for label, count in totals.items() if count}


class Watch:
    """A context that gives the engine's `Tell` port. `totals` as `expected` has them."""

    def __init__(self, clock: Clock, totals: Mapping[str, int]) -> None:
        self._clock = clock
        self._totals = totals
        self._counts: dict[str, int] = {}
        self._began_s = self._last_line_s = clock.monotonic_s()
        self._bars: Any = _bars() if sys.stderr.isatty() else None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Tell:
        if self._bars is not None:
            self._bars.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _tell(self, what: str, source: Source | None, count: int) -> None:
        label = f"{what} {source.name}" if source is not None else what
        so_far = count if what == "read" else self._counts.get(label, 0) + count
        self._counts[label] = so_far
        if self._bars is not None:
            self._draw(label, so_far)
        elif self._clock.monotonic_s() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = self._clock.monotonic_s()
            click.echo(self.line(), err=True)

    def _draw(self, label: str, so_far: int) -> None:
        total = self._totals.get(label)
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total, rate="")
        task = self._tasks[label]
        self._bars.update(task, completed=so_far, total=max(total, so_far) if total else None)
        speed = self._bars.tasks[task].speed
        self._bars.update(task, rate=f"{speed:,.0f}/s" if speed else "")

    def line(self) -> str:
        """All counts on one line, with the share that is done where it is known."""
        elapsed_s = self._clock.monotonic_s() - self._began_s
        parts = [
            f"{label} {count}" + (f" of {total}" if (total := self._totals.get(label, 0)) >= count else "")
            for label, count in self._counts.items()
        ]
        return f"[{elapsed_s:.0f} s] {', '.join(parts)}"


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
