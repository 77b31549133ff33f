"""What the store knows: who runs the hub, what stands still, what was never read, what was refused."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from zgoda.app import Store
from zgoda.entrypoints.cli.alarm import Alarm, alarms
from zgoda.sync.desk import SQL

from .finding import Finding, fail, ok, warn

LEASES: Final = "SELECT name, holder, until FROM lease ORDER BY name"


class Held(msgspec.Struct, frozen=True):
    """A lease as it stands. `holder` is HOST:PROCESS:CHANCE."""

    name: str
    holder: str
    until: datetime


async def examine_standing(store: Store, folder: Path) -> list[Finding]:
    """Everything one can see without calling a system."""
    async with store.pool.report() as tx:
        leases = [Held(*row) for row in await tx.rows(LEASES)]
        feeds = {source: done for source, kind, _read, done in await tx.rows(SQL["feed_times"]) if kind == "all"}
        approved = {row[0] for row in await tx.rows(SQL["connection_states"]) if row[4] is not None}
        lost = await tx.rows(SQL["all_lost_fields"])
        conflicts, held, dead, *_ = await tx.row(SQL["trouble_counts"]) or (0, 0, 0)
    return [
        *_hub(store, leases),
        *_alarms(await alarms(store, folder)),
        _never_read(store, feeds, approved),
        _lost_fields(store, lost),
        _waiting(dead, "dead letters", "`zgoda dead-letters` says why, then `zgoda dead-letters redeliver`"),
        _waiting(held, "held deliveries", "`zgoda held`, then approve or reject"),
        _waiting(conflicts, "open conflicts", "`zgoda conflicts --open`, then settle"),
    ]


def _hub(store: Store, leases: Iterable[Held]) -> list[Finding]:
    """Who runs the loops, which of them nobody runs, and whose process is gone."""
    now = store.clock.now()
    live = {lease.name: lease for lease in leases if lease.until > now}
    if not live:
        return [ok("hub", "no hub is running on this store (`zgoda run` starts one)")]
    gone = sorted({lease.holder for lease in live.values() if _is_gone(lease.holder)})
    if gone:
        left_s = max((lease.until - now).total_seconds() for lease in live.values() if lease.holder in gone)
        do = f"nothing: in {left_s:.0f} s the next worker takes over; `zgoda run` starts one"
        return [warn("hub", f"the process of {', '.join(gone)} is gone and did not give its leases back", do)]
    said = ok("hub", f"{', '.join(sorted({lease.holder for lease in live.values()}))} runs {len(live)} loops")
    wanted = {"reconcile", *(f"connection {name}" for name in store.project.connections)}
    if idle := sorted(wanted - live.keys()):
        do = "start `zgoda run` again: it reads the project's files only when it starts"
        return [said, warn("leases", f"a hub is running, but nobody runs: {', '.join(idle)}", do)]
    return [said]


def _is_gone(holder: str) -> bool:
    """Whether a process of this machine held a lease and is no more. Of other machines nothing is known."""
    host, process, *_ = [*holder.split(":"), ""]
    return host == socket.gethostname() and process.isdigit() and not psutil.pid_exists(int(process))


def _alarms(standing: list[Alarm]) -> list[Finding]:
    """What a person stopped is worth a look; what stopped by itself has to be mended."""
    found = [
        (warn if alarm.by_hand else fail)(f"{alarm.kind} {alarm.where}", alarm.what, alarm.do) for alarm in standing
    ]
    return found or [ok("switches", "nothing is stopped: no kill switch, pause, canary or brake")]


def _never_read(store: Store, feeds: dict[int, Any], approved: set[str]) -> Finding:
    """Until a stream was read in full once, deletions and old records there are unknown."""
    never = [
        source
        for id, source in store.setup.sources.items()
        if feeds.get(id) is None and source.stream.read_all is not None
    ]
    if not never:
        return ok("full reads", "every stream was read in full")
    names = ", ".join(source.name for source in never)
    first = {source.connection for source in never} - approved
    do = "`zgoda plan`, then `zgoda sync --approve NUMBER`" if first else "`zgoda sync` (or the running hub) does it"
    return warn("full reads", f"never read in full, or not since their mapping changed: {names}", do)


def _lost_fields(store: Store, lost: list[tuple[Any, ...]]) -> Finding:
    named = [
        f"{source.name} {vendor}" for id, vendor, _reason in lost if (source := store.setup.sources.get(id)) is not None
    ]
    if not named:
        return ok("fields", "no mapped field is paused")
    do = "give our user the right to see them, or change the mapping; the next full read tries again"
    return warn("fields", f"gone there or hidden from us, and paused: {', '.join(named)}", do)


def _waiting(count: int, what: str, do: str) -> Finding:
    return warn(what, f"{count} {what}", do) if count else ok(what, "none")
