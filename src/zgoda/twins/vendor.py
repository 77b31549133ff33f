"""What the kit asks of a vendor's twin: answer calls, take edits, show records, keep its state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from zgoda.twins.exchange import Call, Reply
from zgoda.twins.faults import Switchboard
from zgoda.twins.hooks import HookPost
from zgoda.twins.limits import Limits, Meter
from zgoda.twins.timepiece import Timepiece
from zgoda.twins.world import World
from zgoda.twins.write_log import WriteLog

Refusal = Literal[
    "daily", "window", "connections", "overload", "session_expired", "rights_missing", "invalid_grant",
    "server_error", "unavailable", "not_found", "uri_too_long",
]  # fmt: skip


class EditRefused(Exception):
    """An edit in the vendor's own interface that the vendor would not have allowed. `code` is the vendor's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class PageShape:
    """Where the vendor's list answers keep items, total and the way to the next page.

    `items` finds the key of the items in a decoded answer, None when the answer is no list. `again` makes the way to
    the same page once more from a call's target and the way to its next page.
    """

    items: Callable[[dict[str, Any]], str | None]
    total: str
    next: str | None = None
    done: str | None = None
    offset_parameter: str | None = None
    again: Callable[[str, str | None], str] = lambda target, _: target


class Surroundings:
    """What a vendor shares with the kit around it."""

    def __init__(
        self, time: Timepiece, faults: Switchboard, writes: WriteLog, edits: WriteLog, hooks: HookPost
    ) -> None:
        self.time = time
        self.faults = faults
        self.writes = writes
        self.edits = edits
        self.hooks = hooks
        self.limits = Limits()
        self.meter = Meter()
        self.base_url = ""
        self.spawn: Callable[[Awaitable[None]], None] = _nothing_runs_yet


class Vendor(Protocol):
    """One vendor's behaviour. Everything but `answer` may be called from tests without any HTTP."""

    name: str
    page: PageShape

    def presets(self) -> Mapping[str, Limits]:
        """The vendor's documented limits as `real`, and none as `off`."""
        ...

    def answer(self, call: Call) -> Reply | Awaitable[Reply]: ...

    def object_of(self, call: Call) -> str:
        """The kind of record a call is about, for fault filters; empty when it is about none."""
        ...

    def is_token_call(self, call: Call) -> bool: ...

    def refusal(self, name: Refusal, call: Call) -> Reply:
        """The vendor's own form of a refusal."""
        ...

    def connection(self) -> dict[str, Any]:
        """What a client needs to connect: token url and credentials."""
        ...

    def counts(self) -> dict[str, int]: ...

    def records(self, object: str, after: str, limit: int, where: Mapping[str, str]) -> list[dict[str, Any]]:
        """Records as the vendor stores them, by id above `after`. Raises EditRefused for an unknown object."""
        ...

    def edit(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        """One deed of a user in the vendor's own interface. Raises EditRefused."""
        ...

    def load(self, object: str, rows: Iterable[dict[str, Any]]) -> int:
        """Put many records in place at once, unchecked and unlogged. Returns how many."""
        ...

    def fill(self, world: World) -> None: ...

    def reset(self) -> None:
        """Forget every record, keep settings and credentials."""
        ...

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, saved: dict[str, Any]) -> None: ...


def _nothing_runs_yet(work: Awaitable[None]) -> None:
    raise RuntimeError("background work needs a started twin")
