"""run and worker: the hub as a long-lived process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any

import click
import structlog

from zgoda.entrypoints.cli.frame import Frame, command, store_of


@click.command(epilog="Examples:\n\n  zgoda run\n\n  zgoda run --host 0.0.0.0 --port 8420")
@click.option("--host", help="Where to listen; the project's setting by default.")
@click.option("--port", type=int, help="Where to listen; the project's setting by default.")
@command
async def run(frame: Frame, host: str | None, port: int | None) -> int:
    """Keep the systems in agreement until stopped: polls, webhooks, deliveries, full compares.

    Serves /health/live, /health/ready, /metrics and /webhooks/CONNECTION.
    """
    return await keep_running(frame, listen=True, host=host, port=port)


@click.command(epilog="Example:\n\n  zgoda worker")
@command
async def worker(frame: Frame) -> int:
    """One more worker for a running hub: shares its loops, takes over when another one fails."""
    return await keep_running(frame, listen=False, host=None, port=None)


async def keep_running(frame: Frame, *, listen: bool, host: str | None, port: int | None) -> int:
    from zgoda.app import check_accounts, open_hub
    from zgoda.entrypoints.web.serve import build, server
    from zgoda.settings.opening import connection_settings, read_secret_file
    from zgoda.sync.schedule import Keeper

    configure_logs()
    async with store_of(frame) as store, open_hub(store) as hub:
        for name, answer in (await check_accounts(store, hub)).items():
            if isinstance(answer, Exception):
                frame.voice.say(f"{name}: {answer} (its loops keep trying)", style="yellow")
        holder = f"{socket.gethostname()}:{os.getpid()}:{store.chance.new_id()[:8]}"
        keeper = Keeper(hub, holder)
        for stop_signal in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop_signal, keeper.stop.set)
        waiting: list[asyncio.Task[Any]] = []
        web = None
        if listen:
            address = (host or store.project.listen.host, port or store.project.listen.port)
            settings = {n: connection_settings(store.project, n, os.environ, read_secret_file) for n in hub.connections}
            web = server(build(hub, keeper, settings.__getitem__), *address)
            waiting.append(asyncio.create_task(web.serve()))
            frame.voice.say(f"listening on http://{address[0]}:{address[1]} (stop with Ctrl-C)")
        await keeper.run()
        if web is not None:
            web.should_exit = True
        await asyncio.gather(*waiting)
    frame.voice.say("stopped; everything under way was settled")
    return 0


def configure_logs() -> None:
    """One structured line per event on standard error; names of loops and connections, never of people."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
