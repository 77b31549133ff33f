"""The HTTP server in front of a twin: reads requests, asks limits, faults and the vendor, and writes the answer."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from zgoda.model.clock import Clock
from zgoda.twins.distortions import Distorter
from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.interruptions import interrupt
from zgoda.twins.vendor import Surroundings, Vendor

CONTROL = "/_twin/"
_KEPT_REQUESTS = 5_000
_MAX_BODY = 256 * 1024 * 1024
_MAX_LINE = 1024 * 1024
_DRIP_BYTES = 16
_ABORT = struct.pack("ii", 1, 0)


class Request(msgspec.Struct, kw_only=True):
    """A request as it is remembered for tests. `target` holds path and query."""

    n: int
    at: str
    method: str
    target: str
    status: int
    caller: str


class Front:
    """Serves one vendor on one port until stopped."""

    def __init__(
        self,
        vendor: Vendor,
        around: Surroundings,
        pace: Clock,
        control: Callable[[Call], Awaitable[Reply]],
    ) -> None:
        self._vendor = vendor
        self._around = around
        self._pace = pace
        self._control = control
        self.distorter = Distorter(vendor, around.faults)
        self._runner: web.ServerRunner | None = None
        self._hanging = asyncio.Event()
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self.answers: Counter[int] = Counter()
        self.served = 0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen, and return the port."""
        server = web.Server(self._serve, request_factory=_request, max_line_size=_MAX_LINE, max_field_size=_MAX_LINE)
        self._hanging.clear()
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        await site.start()
        address = self._runner.addresses[0]
        return int(address[1])

    async def stop(self) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def forget(self) -> None:
        self.requests.clear()
        self.answers.clear()
        self.distorter.last_items.clear()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            method=request.method,
            path=request.rel_url.raw_path,
            target=request.path_qs,
            query=request.query,
            headers=request.headers,
            body=await request.read() if request.body_exists else b"",
        )
        if call.path.startswith(CONTROL):
            return await self._write(request, await self._control(call))
        self.served += 1
        call.n = self.served
        meter, begun_s = self._around.meter, self._pace.monotonic_s()
        meter.begin(begun_s)
        try:
            reply = await self._answer(call)
            self._remember(call, reply)
            return await self._write(request, reply)
        finally:
            meter.end(begun_s)

    async def _answer(self, call: Call) -> Reply:
        limits = self._around.limits
        if limits.connections is not None or limits.latency_ms:
            await self._pace.sleep(limits.latency_ms / 1000)
        if limits.uri_bytes is not None and len(call.target) > limits.uri_bytes:
            return self._vendor.refusal("uri_too_long", call)
        excess = self._around.meter.excess(limits, self._around.time.now(), self._pace.monotonic_s())
        if excess is not None:
            return self._vendor.refusal(excess, call)
        reply = interrupt(self._vendor, self._around, call)
        if reply is not None:
            return reply
        answer = self._vendor.answer(self.distorter.alter_call(call))
        reply = await answer if inspect.isawaitable(answer) else answer
        return self.distorter.distort(call, reply)

    def _remember(self, call: Call, reply: Reply) -> None:
        status = reply.status if reply.manner not in ("drop", "hang") else 0
        self.answers[status] += 1
        at = self._around.time.now().isoformat(timespec="seconds")
        self.requests.append(
            Request(n=call.n, at=at, method=call.method, target=call.target, status=status, caller=call.caller)
        )

    async def _write(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        match reply.manner:
            case "plain":
                if reply.pace_ms:
                    await self._pace.sleep(reply.pace_ms / 1000)
                return _response(reply)
            case "hang":
                await self._hanging.wait()
                return _reset(request)
            case "drop":
                return _reset(request)
            case "drip" | "cut":
                return await self._stream(request, reply)

    async def _stream(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        body = reply.body or b""
        response = web.StreamResponse(status=reply.status, headers=_headers(reply))
        response.content_length = len(body)
        await response.prepare(request)
        if reply.manner == "cut":
            await response.write(body[: len(body) // 2])
            return _reset(request)
        for start in range(0, len(body), _DRIP_BYTES):
            await response.write(body[start : start + _DRIP_BYTES])
            await self._pace.sleep(reply.pace_ms / 1000)
        await response.write_eof()
        return response


def refused(status: int, message: str) -> Reply:
    """A plain JSON refusal of the control API."""
    return json_reply(status, {"error": message})


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=_headers(reply))


def _headers(reply: Reply) -> dict[str, str]:
    return {**reply.headers, "Content-Type": reply.content_type} if reply.content_type else reply.headers


def _reset(request: web.BaseRequest) -> web.Response:
    """Cut the connection so that the client sees a reset, not an orderly end."""
    transport = request.transport
    if transport is not None:
        plug = transport.get_extra_info("socket")
        if plug is not None:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        transport.abort()
    response = web.Response(status=500)
    response.force_close()
    return response


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)
