"""Sends a vendor's webhooks: one worker per address, the vendor's retry gaps, and every way they go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import msgspec

from zgoda.model.clock import Clock
from zgoda.twins.faults import Switchboard

_KEPT_DELIVERIES = 10_000


@dataclass(frozen=True, slots=True)
class HookMessage:
    """A webhook ready to go. `acknowledged` judges the receiver's status and body, `gaps_s` are waits between tries.

    `stranger` is the same message about a record that does not exist, for the fault of that name.
    """

    url: str
    body: bytes
    content_type: str
    object: str
    acknowledged: Callable[[int, bytes], bool]
    gaps_s: tuple[float, ...] = ()
    timeout_s: float = 10.0
    stranger: bytes = b""


class Delivery(msgspec.Struct, kw_only=True):
    """One try at one webhook. `status` is 0 when no answer came."""

    n: int
    at: str
    url: str
    object: str
    attempt: int
    status: int
    acknowledged: bool


class HookPost:
    """Takes messages at any time and sends them while started."""

    def __init__(self, clock: Clock, faults: Switchboard) -> None:
        self._clock = clock
        self._faults = faults
        self._queues: dict[str, asyncio.Queue[HookMessage]] = {}
        self._waiting: list[HookMessage] = []
        self._held: list[HookMessage] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._http: aiohttp.ClientSession | None = None
        self._sent = 0
        self.deliveries: list[Delivery] = []

    async def start(self) -> None:
        self._http = aiohttp.ClientSession()
        for message in self._waiting:
            self._enqueue(message)
        self._waiting = []

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        self._http = None

    def send(self, message: HookMessage) -> None:
        """Send a webhook as the armed hook faults will have it."""
        fault = self._faults.strike("hook", None, message.object) if self._faults.any("hook") else None
        match None if fault is None else fault.name:
            case None:
                self._enqueue(message)
            case "hook_lost":
                return
            case "hook_duplicate":
                for _ in range(int(fault.option("copies", 2)) if fault else 0):
                    self._enqueue(message)
            case "hook_storm":
                for _ in range(int(fault.option("copies", 10)) if fault else 0):
                    self._run(self._try(message, 1))
            case "hook_delayed":
                self._run(self._later(message, float(fault.option("seconds", 60)) if fault else 0.0))
            case "hook_reordered":
                self._held.append(message)
                if fault and len(self._held) >= int(fault.option("window", 2)):
                    self.release()
            case _:
                self._enqueue(replace(message, body=message.stranger or message.body))

    def release(self) -> None:
        """Send what was held back for reordering, newest first."""
        held, self._held = self._held, []
        for message in reversed(held):
            self._enqueue(message)

    async def settle(self) -> None:
        """Wait until every webhook that is due was tried; those waiting for a retry or a delay do not count."""
        await self._idle.wait()

    async def ask(self, url: str, timeout_s: float = 10.0) -> int:
        """GET an address as vendors do before they accept it for webhooks. Returns the status, 0 without an answer."""
        if self._http is None:
            return 0
        try:
            async with self._http.get(url, timeout=aiohttp.ClientTimeout(total=timeout_s)) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _enqueue(self, message: HookMessage) -> None:
        if self._http is None:
            self._waiting.append(message)
            return
        queue = self._queues.get(message.url)
        if queue is None:
            queue = self._queues[message.url] = asyncio.Queue()
            self._run(self._work(queue), counted=False)
        self._begin()
        queue.put_nowait(message)

    async def _work(self, queue: asyncio.Queue[HookMessage]) -> None:
        while True:
            message = await queue.get()
            try:
                await self._try(message, 1)
            finally:
                self._end()

    async def _try(self, message: HookMessage, attempt: int) -> None:
        status, body = await self._post(message)
        acknowledged = status != 0 and message.acknowledged(status, body)
        self._note(message, attempt, status, acknowledged)
        if not acknowledged and attempt <= len(message.gaps_s):
            self._run(self._retry(message, attempt), counted=False)

    async def _retry(self, message: HookMessage, attempt: int) -> None:
        await self._clock.sleep(message.gaps_s[attempt - 1])
        self._begin()
        try:
            await self._try(message, attempt + 1)
        finally:
            self._end()

    async def _later(self, message: HookMessage, seconds: float) -> None:
        self._end()
        try:
            await self._clock.sleep(seconds)
        finally:
            self._begin()
        self._enqueue(message)

    async def _post(self, message: HookMessage) -> tuple[int, bytes]:
        if self._http is None:
            return 0, b""
        try:
            async with self._http.post(
                message.url,
                data=message.body,
                headers={"Content-Type": message.content_type},
                timeout=aiohttp.ClientTimeout(total=message.timeout_s),
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0, b""

    def _note(self, message: HookMessage, attempt: int, status: int, acknowledged: bool) -> None:
        self._sent += 1
        at = self._clock.now().isoformat(timespec="seconds")
        self.deliveries.append(
            Delivery(n=self._sent, at=at, url=message.url, object=message.object, attempt=attempt, status=status,
                     acknowledged=acknowledged)
        )  # fmt: skip
        del self.deliveries[:-_KEPT_DELIVERIES]

    def _run(self, work: Any, counted: bool = True) -> None:
        if counted:
            self._begin()
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if counted:
            task.add_done_callback(lambda _: self._end())

    def _begin(self) -> None:
        self._busy += 1
        self._idle.clear()

    def _end(self) -> None:
        self._busy -= 1
        if self._busy == 0:
            self._idle.set()
