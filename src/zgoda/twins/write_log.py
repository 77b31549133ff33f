"""What was written to a twin through its API, in order: the truth that tests compare the hub with."""

from __future__ import annotations

from typing import Any

import msgspec


class Write(msgspec.Struct, kw_only=True, gc=False):
    """One record written, or refused. `outcome` is `ok` or the vendor's error code; `request` is the call's number.

    `values` are what the caller sent, before the vendor trimmed or dropped anything.
    """

    n: int
    at: str
    object: str
    operation: str
    id: str
    values: dict[str, Any]
    outcome: str
    request: int
    caller: str


class WriteLog:
    """Writes numbered from 1. Numbers are never reused, also after the log was emptied."""

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._writes)

    @property
    def last(self) -> int:
        """The number of the newest write, 0 when there was none."""
        return self._dropped + len(self._writes)

    def add(
        self,
        at: str,
        object: str,
        operation: str,
        id: str,
        values: dict[str, Any],
        outcome: str,
        request: int,
        caller: str,
    ) -> Write:
        write = Write(
            n=self.last + 1, at=at, object=object, operation=operation, id=id, values=values, outcome=outcome,
            request=request, caller=caller,
        )  # fmt: skip
        self._writes.append(write)
        return write

    def since(self, n: int, limit: int | None = None) -> list[Write]:
        """Writes with a number above `n`, oldest first."""
        start = max(0, n - self._dropped)
        return self._writes[start : None if limit is None else start + limit]

    def empty(self) -> None:
        self._dropped = self.last
        self._writes = []

    def snapshot(self) -> dict[str, Any]:
        return {"dropped": self._dropped, "writes": msgspec.to_builtins(self._writes)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._dropped = saved["dropped"]
        self._writes = msgspec.convert(saved["writes"], list[Write])
