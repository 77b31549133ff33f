"""A line to the real server that can be disturbed: it passes requests on, remembers them, and misbehaves on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

Disturbance = Callable[[bytes], web.StreamResponse | None]
"""From the server's answer to what the client gets; None cuts the line."""


@dataclass
class Line:
    """`asked` are the JSON bodies that went over; `next` what to do with coming calls of a method (by its end)."""

    target: str
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    before: deque[tuple[str, web.Response]] = field(default_factory=deque[tuple[str, web.Response]])
    after: deque[tuple[str, Disturbance]] = field(default_factory=deque[tuple[str, Disturbance]])

    def answer_instead(self, method: str, response: web.Response) -> None:
        """The next call of the method does not reach the server."""
        self.before.append((method, response))

    def disturb(self, method: str, how: Disturbance) -> None:
        """The next call of the method is executed, but its answer is disturbed."""
        self.after.append((method, how))

    def watch(self, method: str, then: Callable[[bytes], None]) -> None:
        """After the next call of the method, do something before its answer arrives."""

        def passed(answer: bytes) -> web.StreamResponse:
            then(answer)
            return web.Response(body=answer, content_type="application/json")

        self.after.append((method, passed))

    def calls_of(self, method: str) -> list[list[Any]]:
        return [body["params"] for body in self.asked if body["method"].endswith(method)]


def cut(answer: bytes) -> web.StreamResponse | None:
    return None


def truncated(answer: bytes) -> web.StreamResponse | None:
    return web.Response(body=answer[: len(answer) // 2], content_type="application/json")


@asynccontextmanager
async def line_to(target: str) -> AsyncGenerator[Line]:
    line = Line(target=target)
    async with aiohttp.ClientSession() as client:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            line.asked.append(body)
            if line.before and body["method"].endswith(line.before[0][0]):
                return line.before.popleft()[1]
            headers = {
                name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers
            }
            async with client.post(f"{target}{request.rel_url}", json=body, headers=headers) as answer:
                content = await answer.read()
            if line.after and body["method"].endswith(line.after[0][0]):
                disturbed = line.after.popleft()[1](content)
                if disturbed is None and request.transport is not None:
                    request.transport.close()
                return disturbed or web.Response()
            return web.Response(status=answer.status, body=content, content_type=answer.content_type)

        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/{path:.*}", pass_on)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield line
        finally:
            await runner.cleanup()
