"""Health, readiness, metrics and incoming webhooks.

A webhook is only a hint. It is stored durably before the sender is answered, and believed only after the record was
read again. What is forged costs no database write and is answered like everything unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
from litestar import Litestar, Request, Response, get, route
from litestar.exceptions import NotFoundException
from prometheus_client import CollectorRegistry, generate_latest

from zgoda.entrypoints.web.doorstep import Doorstep
from zgoda.entrypoints.web.metrics import HubCollector
from zgoda.kit.spec import Delivery, Forged
from zgoda.sync.cycle import Hub
from zgoda.sync.schedule import Keeper

log = structlog.get_logger()

MAX_BODY_BYTES = 1_000_000


def build(hub: Hub, keeper: Keeper, settings_of: Callable[[str], dict[str, Any]]) -> Litestar:
    """The application. `settings_of` gives a connection's settings (for webhook secrets)."""
    doorstep = Doorstep(hub.db, hub.clock)
    registry = CollectorRegistry()
    registry.register(HubCollector(keeper))

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @get("/health/ready")
    async def ready() -> Response[dict[str, Any]]:
        """The store answers and the loops go round."""
        try:
            async with hub.db.transaction() as tx:
                await tx.row("SELECT 1")
        except Exception as error:
            return Response({"status": "not ready", "reason": type(error).__name__}, status_code=503)
        return Response({"status": "ready", "loops": {k: v.isoformat() for k, v in keeper.progress.items()}})

    @get("/metrics", media_type="text/plain", sync_to_thread=False)
    def metrics() -> bytes:
        """Prometheus text format. Labels name connections and streams, never people."""
        return generate_latest(registry)

    @route("/webhooks/{connection:str}", http_method=["GET", "HEAD", "POST"], status_code=200)
    async def webhook(connection: str, request: Request[Any, Any, Any]) -> Response[Any]:
        """A vendor says that something changed. GET is the vendor's check that somebody listens."""
        line = hub.connections.get(connection)
        if line is None or line.connector.receive is None:
            raise NotFoundException
        if request.method != "POST":
            return Response({"hints": 0})
        delivery = Delivery(
            method=request.method,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query_params),
            body=await request.body(),
        )
        try:
            hints = line.connector.receive(settings_of(connection), delivery)
        except Forged:
            log.warning("webhook.refused", connection=connection)
            raise NotFoundException from None
        known = [(source, hint) for hint in hints if (source := hub.setup.find(connection, hint.stream)) is not None]
        await doorstep.take(known)
        if known:
            keeper.wake("hints")
        if line.connector.acknowledgement is not None:
            media_type, body = line.connector.acknowledgement
            return Response(body, media_type=media_type)
        return Response({"hints": len(known)})

    return Litestar(
        route_handlers=[live, ready, metrics, webhook],
        openapi_config=None,
        request_max_body_size=MAX_BODY_BYTES,
    )


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the hub stops as a whole."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Uvicorn would take the signals over, and raise them again when it ends."""
        yield


def server(application: Litestar, host: str, port: int) -> Server:
    return Server(uvicorn.Config(application, host=host, port=port, log_level="warning", access_log=False))
