"""pause, resume, kill: stopping and letting go on. Each may be said twice."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, explain, known_word, store_of

if TYPE_CHECKING:
    from zgoda.app import Store
    from zgoda.entrypoints.cli.alarm import Alarm


@click.command(epilog="Examples:\n\n  zgoda pause crm --reason 'data clean-up'\n\n  zgoda pause crm/contacts")
@click.argument("where", metavar="CONNECTION[/STREAM]")
@click.option("--reason", default="paused by an operator", show_default=True, help="Shown by `zgoda status`.")
@command
async def pause(frame: Frame, where: str, reason: str) -> None:
    """Stop a CONNECTION, or one STREAM of it. Its queue is kept; opt-outs still go."""
    from zgoda.sync.repair import pause as stop
    from zgoda.sync.repair import set_switch

    async with store_of(frame) as store:
        _known(frame, store, where)
        if "/" in where:
            await set_switch(store.pool, store.clock, f"pause:{where}", reason, getpass.getuser())
        else:
            await stop(store.pool, store.clock, where, reason)
    frame.voice.result({"where": where, "status": "paused"})
    frame.voice.say(f"{where} is paused; `zgoda resume {where}` lets it go on")


@click.command(epilog="Examples:\n\n  zgoda resume crm\n\n  zgoda resume crm/contacts")
@click.argument("where", metavar="CONNECTION[/STREAM]")
@command
async def resume(frame: Frame, where: str) -> None:
    """Let a CONNECTION go on: after a pause, mended credentials, a stopped canary or a brake.

    With a STREAM, only the pause of that stream is lifted.
    """
    from zgoda.entrypoints.cli.alarm import alarms, sound
    from zgoda.sync.repair import resume as go_on
    from zgoda.sync.repair import set_switch

    async with store_of(frame) as store:
        _known(frame, store, where)
        connection = where.partition("/")[0]
        if "/" in where:
            await set_switch(store.pool, store.clock, f"pause:{where}", False, getpass.getuser())
        else:
            ids = [source.id for source in store.setup.of_connection(connection)]
            await go_on(store.pool, store.clock, connection, ids)
        scopes = {"*", connection, where, f"{connection}:in", f"{connection}:out"}
        left = [alarm for alarm in await alarms(store, frame.folder) if alarm.where in scopes]
    frame.voice.result({"where": where, "status": "stopped" if left else "active"})
    sound(frame.voice, left)
    frame.voice.say(f"{where} goes on" if not left else f"{where} was resumed, but something else still stops it")


def _known(frame: Frame, store: Store, where: str) -> None:
    connection, slash, _stream = where.partition("/")
    known_word(frame.voice, "connection", connection, store.project.connections)
    if slash:
        known_word(frame.voice, "stream", where, [s.name for s in store.setup.of_connection(connection)])


@click.command(
    epilog="Examples:\n\n  zgoda kill\n\n  zgoda kill --only crm\n\n"
    "  zgoda kill --only crm --direction out\n\n  zgoda kill --off"
)
@click.option("--only", metavar="CONNECTION", help="Only this connection.")
@click.option("--direction", type=click.Choice(["in", "out"]), help="Only reading (in) or only writing (out).")
@click.option("--off", is_flag=True, help="Let calls go on; without --only everywhere.")
@command
async def kill(frame: Frame, only: str | None, direction: str | None, off: bool) -> int:
    """Stop all calls to all systems within seconds, opt-outs included; survives restarts.

    Works without the hub: the switch is a file in the project folder (`.zgoda/KILL`) and a row in the store. The file
    knows connections only, so a --direction stands in the store alone.

    Exit code: 0 done; 1 error, or the store could not be told (the file then stops this machine's processes).
    """
    from zgoda.entrypoints.cli.alarm import sound
    from zgoda.ops.kill import switch_file

    if direction and not only:
        frame.voice.fail("--direction needs --only", "name the connection, such as `--only crm --direction out`")
    _require_known(frame, only)
    name = ":".join(part for part in ("kill", only, direction) if part)
    if not direction:
        switch_file(frame.folder, only, on=not off)
    try:
        names, left = await _tell_store(frame, name, only, direction, off)
    except Exception as error:
        told = explain(error, frame.folder)
        if direction or told is None:
            raise
        what = f"the file switch is {'off' if off else 'on'}, but the store could not be told: {told[0]}"
        frame.voice.fail(what, "say it again when the store answers (`zgoda doctor`)", switch=name, on=not off)
    told = msgspec.to_builtins(left)
    frame.voice.result({"switch": name, "on": not off, "in_file": not direction, "in_store": names, "alarms": told})
    _say_killed(frame, only, direction, off)
    if off:
        sound(frame.voice, left)
    return 0


def _require_known(frame: Frame, only: str | None) -> None:
    """A mistyped name would stop nothing. Where the project cannot be read, an emergency is not held up."""
    from zgoda.app import read_project
    from zgoda.settings.faults import ProjectError
    from zgoda.settings.root_file import ROOT_FILE

    try:
        known = read_project(frame.folder).connections
    except ProjectError:
        if not (frame.folder / ROOT_FILE).exists():
            raise
        return
    if only:
        known_word(frame.voice, "connection", only, known)


async def _tell_store(
    frame: Frame, name: str, only: str | None, direction: str | None, off: bool
) -> tuple[list[str], list[Alarm]]:
    """Flip the store's switches; lifting a wide one lifts the narrower ones in it. Returns what was flipped, and the
    kill switches that are still on for what was meant."""
    from zgoda.entrypoints.cli.alarm import alarms
    from zgoda.ops.kill import EVERYTHING
    from zgoda.sync.desk import SQL
    from zgoda.sync.repair import set_switch

    async with store_of(frame) as store:
        names = [name]
        if off and not direction:
            async with store.pool.report() as tx:
                on: list[str] = [switch for switch, _value in await tx.rows(SQL["load_switches"])]
            within = f"{name}:" if only else "kill"
            names = sorted({name, *(switch for switch in on if switch.startswith(within))})
        for switch in names:
            await set_switch(store.pool, store.clock, switch, not off, getpass.getuser())
        scopes = {EVERYTHING, only, f"{only}:{direction}"}
        standing = await alarms(store, frame.folder)
    return names, [a for a in standing if a.kind == "kill" and (not only or a.where in scopes)]


def _say_killed(frame: Frame, only: str | None, direction: str | None, off: bool) -> None:
    what = "calls to" if direction is None else {"in": "reads from", "out": "writes to"}[direction]
    frame.voice.say(f"{what} {only or 'all systems'} {'go on' if off else 'are stopped'}")
    if direction and not off:
        frame.voice.say("  in the store only: the file switch .zgoda/KILL knows no directions")
    if not off:
        narrowed = (f" --only {only}" if only else "") + (f" --direction {direction}" if direction else "")
        frame.voice.say(f"`zgoda kill --off{narrowed}` lets them go on")
