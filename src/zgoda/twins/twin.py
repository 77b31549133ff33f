"""A running twin: one vendor, its server, its faults and its logs, driven from tests or through the control API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from zgoda.model.clock import Clock, SeededChance, SystemClock
from zgoda.twins.control import Control
from zgoda.twins.faults import Fault, Switchboard
from zgoda.twins.front import Front
from zgoda.twins.hooks import HookPost
from zgoda.twins.limits import Limits
from zgoda.twins.statefile import load_state, save_state
from zgoda.twins.timepiece import Timepiece
from zgoda.twins.vendor import EditRefused, Surroundings, Vendor
from zgoda.twins.world import World
from zgoda.twins.write_log import Write, WriteLog

_SAVE_EVERY_S = 5.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a twin runs. `port` 0 takes a free one; `state` keeps everything in a file across restarts."""

    host: str = "127.0.0.1"
    port: int = 0
    records: int = 0
    seed: int = 1
    limits: str = "off"
    state: Path | None = None


def surroundings(clock: Clock | None, seed: int) -> Surroundings:
    """What a vendor needs before it can be made. Without a clock the machine's own is used."""
    time = Timepiece(clock or SystemClock())
    faults = Switchboard(SeededChance(seed))
    return Surroundings(time, faults, WriteLog(), WriteLog(), HookPost(time, faults))


class Twin:
    """Use as `async with`; inside it, `base_url` answers. The plain methods do what the control API does.

    `clock` gives the vendor's stamps and hook retries; waiting on the wire (latency, slow answers) is real time.
    """

    def __init__(
        self, vendor: Vendor, around: Surroundings, settings: Settings, tls: ssl.SSLContext | None = None
    ) -> None:
        self.vendor = vendor
        self.around = around
        self.settings = settings
        self._tls = tls
        self._pace = SystemClock()
        self._control = Control(self)
        self.front = Front(vendor, around, self._pace, self._control.answer)
        self._background: set[asyncio.Future[Any]] = set()
        around.spawn = self._spawn
        self.limit(settings.limits)

    @property
    def base_url(self) -> str:
        return self.around.base_url

    @property
    def time(self) -> Timepiece:
        return self.around.time

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Take up saved state or fill with a world, then listen."""
        saved = load_state(self.settings.state) if self.settings.state else None
        if saved is not None:
            self._restore(saved)
        elif self.settings.records:
            self.fill(self.settings.records, self.settings.seed)
        port = await self.front.start(self.settings.host, self.settings.port, self._tls)
        scheme = "https" if self._tls else "http"
        self.around.base_url = f"{scheme}://{self.settings.host}:{port}"
        await self.around.hooks.start()
        if self.settings.state:
            self._spawn(self._save_now_and_then())

    async def stop(self) -> None:
        await self.front.stop()
        await self.around.hooks.stop()
        for work in self._background:
            work.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self.save()

    def connection(self) -> dict[str, Any]:
        """Url, token url and credentials for a client."""
        return {"vendor": self.vendor.name, "url": self.base_url, **self.vendor.connection()}

    # what a user does in the vendor's own interface

    def edit(self, op: str, **fields: Any) -> dict[str, Any]:
        """One deed of a user, optionally `at` a moment of the past. Triggers webhooks. Raises EditRefused."""
        result = self.vendor.edit(op, fields)
        entry = self.around.edits.add(
            self.around.time.now().isoformat(timespec="seconds"), str(fields.get("object", "")), op,
            str(result.get("id", "")), {k: v for k, v in fields.items() if k != "object"}, "ok", 0, "user",
        )  # fmt: skip
        return {"ok": True, "serial": entry.n, **result}

    def edit_many(self, operations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Several deeds in order; one that is refused does not stop the others."""
        results: list[dict[str, Any]] = []
        for operation in operations:
            fields = {k: v for k, v in operation.items() if k != "op"}
            try:
                results.append(self.edit(str(operation.get("op", "")), **fields))
            except EditRefused as refusal:
                results.append({"ok": False, "error": refusal.code, "message": refusal.message})
        return results

    def load(self, object: str, rows: Iterable[dict[str, Any]]) -> int:
        """Put records in place fast: unchecked, unlogged, no webhooks."""
        return self.vendor.load(object, rows)

    def fill(self, records: int, seed: int = 1) -> None:
        """Add an invented world of so many people, as far as this vendor knows them."""
        self.vendor.fill(World(records, seed))

    # what can be seen

    def records(
        self, object: str, after: str = "", limit: int = 1000, where: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        wanted = {key: str(value) for key, value in (where or {}).items()}
        return self.vendor.records(object, after, limit, wanted)

    def writes(self, since: int = 0) -> list[Write]:
        return self.around.writes.since(since)

    def state(self) -> dict[str, Any]:
        now = self.around.time.now()
        return {
            "vendor": self.vendor.name,
            "now": now.isoformat(timespec="milliseconds"),
            "clock_offset_s": self.around.time.offset.total_seconds(),
            "records": self.vendor.counts(),
            "limits": msgspec.to_builtins(self.around.limits),
            "used_today": self.around.meter.used_today(now),
            "faults": msgspec.to_builtins(self.around.faults.armed),
            "fired": self.around.faults.fired,
            "requests": self.front.served,
            "answers": {str(status): count for status, count in sorted(self.front.answers.items())},
            "writes": self.around.writes.last,
            "edits": self.around.edits.last,
            "hooks_sent": len(self.around.hooks.deliveries),
        }

    # how it behaves

    def arm(self, name: str, **settings: Any) -> Fault:
        """Switch a fault on. `method`, `path`, `object`, `times`, `probability`, `skip` filter; others are options."""
        filters = {k: settings.pop(k) for k in tuple(settings) if k in _FILTERS}
        options = settings.pop("options", {}) | settings
        return self.around.faults.arm(msgspec.convert({"name": name, **filters, "options": options}, Fault))

    def clear_faults(self, name: str | None = None, id: int | None = None) -> int:
        self.around.hooks.release()
        return self.around.faults.clear(name, id)

    def limit(self, preset: str | None = None, **numbers: Any) -> Limits:
        """Take a preset (`real`, `off`) or the limits as they are, change single numbers, and use the result."""
        presets = self.vendor.presets()
        if preset is not None and preset not in presets:
            raise ValueError(f"limits are {' or '.join(sorted(presets))}, not {preset!r}")
        base = self.around.limits if preset is None else presets[preset]
        self.around.limits = msgspec.convert({**msgspec.structs.asdict(base), **numbers}, Limits)
        return self.around.limits

    def set_clock(self, moment: datetime) -> None:
        self.around.time.set(moment)

    def advance(self, seconds: float) -> None:
        self.around.time.advance(seconds)

    def skew(self, seconds: float) -> None:
        self.around.time.skew(seconds)

    def reset(self) -> None:
        """Empty the twin: records, logs, faults, counters. Credentials, clock and limits stay."""
        self.vendor.reset()
        self.around.writes.empty()
        self.around.edits.empty()
        self.around.faults.clear()
        self.around.meter.forget()
        self.around.hooks.deliveries.clear()
        self.front.forget()

    async def hooks_settled(self) -> None:
        """Wait until every webhook that is due now was tried once."""
        await self.around.hooks.settle()

    def save(self) -> None:
        if self.settings.state is not None:
            save_state(self.settings.state, self._snapshot())

    def _spawn(self, work: Awaitable[None]) -> None:
        future = asyncio.ensure_future(work)
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    async def _save_now_and_then(self) -> None:
        """Save while there is something new, spending at most a twentieth of the time on it."""
        seen, pause_s = self._version(), _SAVE_EVERY_S
        while True:
            await self._pace.sleep(pause_s)
            if (now := self._version()) != seen:
                seen, begun_s = now, self._pace.monotonic_s()
                self.save()
                pause_s = max(_SAVE_EVERY_S, 20 * (self._pace.monotonic_s() - begun_s))

    def _version(self) -> tuple[int, int, int]:
        return self.front.served, self.around.edits.last, self.around.writes.last

    def _snapshot(self) -> dict[str, Any]:
        return {
            "vendor": self.vendor.name,
            "clock_offset_s": self.around.time.offset.total_seconds(),
            "limits": msgspec.to_builtins(self.around.limits),
            "writes": self.around.writes.snapshot(),
            "edits": self.around.edits.snapshot(),
            "content": self.vendor.snapshot(),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved["vendor"] != self.vendor.name:
            raise ValueError(f"the state file is of a {saved['vendor']} twin")
        self.around.time.skew(saved["clock_offset_s"])
        self.around.writes.restore(saved["writes"])
        self.around.edits.restore(saved["edits"])
        self.vendor.restore(saved["content"])


_FILTERS = frozenset({"method", "path", "object", "times", "probability", "skip"})
