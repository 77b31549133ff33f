"""run and worker: the hub as a long-lived process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, die, on_stop_signals, store_of
from zgoda.entrypoints.web.serve import Server, build, server

if TYPE_CHECKING:
    from zgoda.app import Store
    from zgoda.kit.errors import ConnectorError
    from zgoda.sync.cycle import Hub
    from zgoda.sync.schedule import Keeper

GRACE_S: Final = 20.0
ANSWERS_S: Final = 15.0

grace_option = click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0),
    default=GRACE_S,
    show_default=True,
    help="Seconds that calls under way have to end when the hub is stopped.",
)


@click.command(
    epilog="Examples:\n\n  zgoda run\n\n  zgoda run --host 0.0.0.0 --grace 60\n\n  zgoda run --port 0 --json"
)
@click.option("--host", help="Where to listen; the project's setting by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="The project's setting by default; 0 takes a free one.")
@grace_option
@command
async def run(frame: Frame, host: str | None, port: int | None, grace_s: float) -> int:
    """Keep the systems in agreement until stopped: polls, webhooks, deliveries, full compares.

    Serves /health/live, /health/ready, /metrics and /webhooks/CONNECTION. With --json the one document says where, as
    soon as it listens.

    SIGTERM and Ctrl-C let the calls under way end and give the leases back; a second one ends at once, which is safe.

    Exit code: 0 stopped, 1 error.
    """
    async with store_of(frame) as store:
        listen = store.project.listen
        bound = _bind(frame, host or listen.host, listen.port if port is None else port)
        return await _keep_running(frame, store, bound, grace_s)


@click.command(epilog="Examples:\n\n  zgoda worker\n\n  zgoda worker --grace 60")
@grace_option
@command
async def worker(frame: Frame, grace_s: float) -> int:
    """One more worker for a running hub: shares its loops, takes over when another one fails.

    SIGTERM and Ctrl-C let the calls under way end and give the leases back; a second one ends at once, which is safe.

    Exit code: 0 stopped, 1 error.
    """
    async with store_of(frame) as store:
        return await _keep_running(frame, store, None, grace_s)


def _bind(frame: Frame, host: str, port: int) -> socket.socket:
    host = host.strip("[]")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        frame.voice.fail(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}",
            "is another hub running (`zgoda doctor`)? `zgoda worker` needs no port, `--port 0` takes a free one",
        )


async def _keep_running(frame: Frame, store: Store, bound: socket.socket | None, grace_s: float) -> int:
    from zgoda.app import open_hub
    from zgoda.sync.schedule import Keeper

    async with open_hub(store) as hub:
        holder = f"{socket.gethostname()}:{os.getpid()}:{store.chance.new_id()[:8]}"
        keeper = Keeper(hub, holder)
        _stop_with(frame, keeper)
        await _until_stopped(keeper, _look_around(frame, store, hub), 0.0)
        async with _listening(store, hub, keeper, bound):
            told: dict[str, Any] = {"holder": holder, "address": None}
            if bound is not None:
                told["address"] = _address(bound)
                frame.voice.say(f"listening on {told['address']} (stop with Ctrl-C)")
            frame.voice.result(told)
            in_time = await _until_stopped(keeper, keeper.run(), grace_s)
        if not in_time:
            await _give_back(store, hub, holder)
            frame.voice.say(f"stopped after {grace_s:g} s; the next start looks up what became of the calls under way")
            return 0
    frame.voice.say("stopped; everything under way was settled")
    return 0


async def _look_around(frame: Frame, store: Store, hub: Hub) -> None:
    """Say what stands still or does not answer. The loops go on, and those of the unreachable keep trying; only a
    connection that means another account now is stopped before it mixes their records."""
    from zgoda.entrypoints.cli.alarm import alarms, sound
    from zgoda.kit.errors import Attention, NeedsAttention
    from zgoda.sync.desk import SQL

    sound(frame.voice, await alarms(store, frame.folder))
    answers = await asyncio.gather(*(_look_at(store, hub, name) for name in hub.connections))
    for name, error in zip(hub.connections, answers, strict=True):
        if error is None:
            continue
        frame.voice.warn(f"{name}: {error}", getattr(error, "do", "") or "its loops keep trying")
        if isinstance(error, NeedsAttention) and error.kind is Attention.ACCOUNT:
            params = {"connection": name, "reason": str(error), "now": store.clock.now()}
            async with store.pool.transaction() as tx:
                await tx.run(SQL["connection_needs_attention"], params)


async def _look_at(store: Store, hub: Hub, name: str) -> ConnectorError | None:
    """What keeps us out of one system; one that hangs holds nobody up."""
    from zgoda.app import check_accounts
    from zgoda.kit.errors import ConnectorError, Temporary

    alone = msgspec.structs.replace(hub, connections={name: hub.connections[name]})
    try:
        answer = (await asyncio.wait_for(check_accounts(store, alone), ANSWERS_S))[name]
    except TimeoutError:
        return Temporary(f"no answer within {ANSWERS_S:g} s")
    return answer if isinstance(answer, ConnectorError) else None


def _stop_with(frame: Frame, keeper: Keeper) -> None:
    def stop(number: int) -> None:
        if keeper.stop.is_set():
            die(number)
        keeper.stop.set()
        if not frame.voice.json:
            click.echo("stopping: what is under way ends first (once more ends at once)", err=True)

    on_stop_signals(stop)


async def _until_stopped(keeper: Keeper, work: Coroutine[Any, Any, None], grace_s: float) -> bool:
    """Until the work is done. Once the hub is asked to stop it has `grace_s` left. False if it had to be broken off."""
    working = asyncio.create_task(work)
    asked = asyncio.create_task(keeper.stop.wait())
    await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        await asyncio.wait({working}, timeout=grace_s)
    asked.cancel()
    if working.done():
        await working
        return True
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return False


async def _give_back(store: Store, hub: Hub, holder: str) -> None:
    """The leases of a keeper that was broken off, so that the next worker need not wait until they end."""
    from zgoda.db.lease import Lease

    for name in ("reconcile", *(f"connection {name}" for name in hub.connections)):
        lease = Lease(store.pool, store.clock, name, holder)
        if await lease.take():
            await lease.give_back()


@asynccontextmanager
async def _listening(store: Store, hub: Hub, keeper: Keeper, bound: socket.socket | None) -> AsyncGenerator[None]:
    """The door stands open within the block. It closes when the hub is asked to stop: vendors send again later."""
    from zgoda.settings.opening import connection_settings, read_secret_file

    if bound is None:
        yield
        return
    settings = {n: connection_settings(store.project, n, os.environ, read_secret_file) for n in hub.connections}
    host, port = bound.getsockname()[:2]
    web = server(build(hub, keeper, settings.__getitem__), host, port)
    serving = asyncio.create_task(web.serve(sockets=[bound]))
    closing = asyncio.create_task(_close_when_asked(web, keeper))
    serving.add_done_callback(lambda _: keeper.stop.set())
    try:
        yield
    finally:
        web.should_exit = True
        closing.cancel()
        await serving


async def _close_when_asked(web: Server, keeper: Keeper) -> None:
    await keeper.stop.wait()
    web.should_exit = True


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
