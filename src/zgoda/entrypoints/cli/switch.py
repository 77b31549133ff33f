"""pause, resume, kill: stopping and letting go on."""

from __future__ import annotations

import getpass

import click

from zgoda.entrypoints.cli.frame import Frame, command, store_of


@click.command(epilog="Example:\n\n  zgoda pause crm --reason 'data clean-up'")
@click.argument("connection")
@click.option("--reason", default="paused by an operator")
@command
async def pause(frame: Frame, connection: str, reason: str) -> None:
    """Stop a CONNECTION. Its queue is kept; opt-outs still go."""
    from zgoda.sync.repair import pause as stop

    async with store_of(frame) as store:
        _known(frame, store, connection)
        await stop(store.pool, store.clock, connection, reason)
    frame.voice.result({"connection": connection, "status": "paused"})
    frame.voice.say(f"{connection} is paused; `zgoda resume {connection}` lets it go on")


@click.command(epilog="Example:\n\n  zgoda resume crm")
@click.argument("connection")
@command
async def resume(frame: Frame, connection: str) -> None:
    """Let a CONNECTION go on: after a pause, mended credentials, a stopped canary or a brake."""
    from zgoda.sync.repair import resume as go_on

    async with store_of(frame) as store:
        _known(frame, store, connection)
        ids = [source.id for source in store.setup.of_connection(connection)]
        await go_on(store.pool, store.clock, connection, ids)
    frame.voice.result({"connection": connection, "status": "active"})
    frame.voice.say(f"{connection} goes on")


def _known(frame: Frame, store: object, connection: str) -> None:
    from zgoda.app import Store

    assert isinstance(store, Store)
    if connection not in store.project.connections:
        known = ", ".join(store.project.connections)
        frame.voice.fail(f"there is no connection {connection!r}", f"known: {known}")


@click.command(epilog="Examples:\n\n  zgoda kill\n\n  zgoda kill --only crm\n\n  zgoda kill --off")
@click.option("--only", help="Only this connection.")
@click.option("--off", is_flag=True, help="Let writes go on.")
@command
async def kill(frame: Frame, only: str | None, off: bool) -> None:
    """Stop all writes to all systems within seconds; survives restarts.

    Works without the hub: the switch is a file in the project folder (`.zgoda/KILL`) and a row in the store.
    """
    from zgoda.ops.kill import switch_file
    from zgoda.sync.repair import set_switch

    switch_file(frame.folder, only, on=not off)
    name = f"kill:{only}" if only else "kill"
    async with store_of(frame) as store:
        await set_switch(store.pool, store.clock, name, not off, getpass.getuser())
    frame.voice.result({"switch": name, "on": not off})
    frame.voice.say(f"{'all writes' if not only else 'writes to ' + only} {'go on' if off else 'are stopped'}")
