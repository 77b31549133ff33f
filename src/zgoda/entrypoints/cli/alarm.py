"""What stopped, or was stopped, and the command that lets it go on. Said by `sync`, `status` and `doctor` alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.app import Store
from zgoda.entrypoints.cli.speak import Voice
from zgoda.ops.kill import EVERYTHING, stopped
from zgoda.sync.desk import SQL
from zgoda.sync.setup import Source

Kind: TypeAlias = Literal["kill", "connection", "paused", "stream", "canary", "brake"]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does not go on by itself. `where` is a connection, a stream, or `*`; `by_hand`: a person wanted it
    so (a switch, a pause)."""

    kind: Kind
    where: str
    what: str
    do: str
    by_hand: bool = False


async def alarms(store: Store, folder: Path) -> list[Alarm]:
    """Everything that stands still now, the widest first. Three small queries, however much the store holds."""
    async with store.pool.report() as tx:
        switches = dict(await tx.rows(SQL["load_switches"]))
        connections = {name: (status, reason) for name, status, reason, *_ in await tx.rows(SQL["connection_states"])}
        streams = {id: (canary, brake or "") for id, canary, brake in await tx.rows(SQL["source_brakes"])}
    found = [*_kill_file(folder), *_switches(switches)]
    for name in store.project.connections:
        found += _connection(name, *connections.get(name, ("active", "")))
    for id, source in store.setup.sources.items():
        found += _stream(source, *streams.get(id, ("all", "")))
    return found


def sound(voice: Voice, found: list[Alarm]) -> None:
    """Say all of them loudly, on standard error, in JSON mode too."""
    for alarm in found:
        voice.warn(alarm.what, alarm.do)


def all_stopped(found: list[Alarm]) -> bool:
    """Whether the kill switch of all connections is on."""
    return any(alarm.kind == "kill" and alarm.where == EVERYTHING for alarm in found)


def _kill_file(folder: Path) -> list[Alarm]:
    return [_killed(scope, "file .zgoda/KILL") for scope in sorted(stopped(folder))]


def _switches(switches: Mapping[str, Any]) -> list[Alarm]:
    told: list[Alarm] = []
    for name, value in sorted(switches.items()):
        kind, _, scope = name.partition(":")
        if kind == "kill":
            told.append(_killed(scope or EVERYTHING, "store"))
        elif kind == "pause":
            reason = "" if value is True else f": {value}"
            do = f"mend it if something is wrong, then `zgoda resume {scope}`"
            told.append(Alarm(kind="stream", where=scope, what=f"{scope} is paused{reason}", do=do))
    return told


def _killed(scope: str, where: str) -> Alarm:
    connection, _, direction = scope.partition(":")
    way = {"in": "nothing is read from", "out": "nothing is written to"}.get(direction, "no calls to")
    if connection == EVERYTHING:
        do = "`zgoda kill --off` lets everything go on"
        return Alarm(kind="kill", where=EVERYTHING, what=f"the kill switch is on ({where})", do=do, by_hand=True)
    narrowed = f" --direction {direction}" if direction else ""
    what = f"the kill switch of {connection} is on ({where}): {way} {connection}"
    do = f"`zgoda kill --off --only {connection}{narrowed}` lets it go on"
    return Alarm(kind="kill", where=scope, what=what, do=do, by_hand=True)


def _connection(name: str, status: str, reason: str) -> list[Alarm]:
    why = f": {reason}" if reason else ""
    match status:
        case "paused":
            do = f"`zgoda resume {name}` lets it go on"
            return [Alarm(kind="paused", where=name, what=f"{name} is paused{why}", do=do, by_hand=True)]
        case "needs_attention":
            do = f"mend it, try `zgoda check {name}`, then `zgoda resume {name}`"
            return [Alarm(kind="connection", where=name, what=f"{name} has stopped{why}", do=do)]
        case _:
            return []


def _stream(source: Source, canary: str, brake: str) -> list[Alarm]:
    told = list[Alarm]()
    go_on = f"`zgoda resume {source.connection}`"
    if canary == "stopped":
        what = f"the canary of {source.name} stopped: too many of the first records were refused; no more is written"
        do = f"see why with `zgoda dead-letters --failing`, mend it, then {go_on} tries the first records again"
        told.append(Alarm(kind="canary", where=source.name, what=what, do=do))
    if brake:
        what = f"the brake of {source.name} is on: {brake}; what came from there is held"
        do = f"look with `zgoda held`, approve or reject, then {go_on} releases the brake"
        told.append(Alarm(kind="brake", where=source.name, what=what, do=do))
    return told
