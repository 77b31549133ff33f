"""Finds the function that answers a path, by a table of patterns such as `/lists/{list_id}/members`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Found:
    handler: Handler
    values: dict[str, str]


class WrongMethod(Exception):
    """The path exists, but not for this method."""


class Routes:
    """A lookup over `(method, pattern, handler)` rows; a literal segment wins over a placeholder.

    Paths come as they are on the wire; the values found in them are decoded.
    """

    def __init__(self, table: Iterable[tuple[str, str, Handler]]) -> None:
        self._by_length: dict[int, list[tuple[str, list[str], Handler]]] = defaultdict(list)
        for method, pattern, handler in table:
            segments = _segments(pattern)
            self._by_length[len(segments)].append((method, segments, handler))
        for rows in self._by_length.values():
            rows.sort(key=lambda row: [segment.startswith("{") for segment in row[1]])

    def find(self, method: str, path: str) -> Found | None:
        """The function for this call, None when there is no such path. Raises WrongMethod."""
        segments = _segments(path)
        other_method = False
        for row_method, pattern, handler in self._by_length.get(len(segments), ()):
            values = _match(pattern, segments)
            if values is None:
                continue
            if row_method == method:
                return Found(handler, values)
            other_method = True
        if other_method:
            raise WrongMethod(f"{method} {path}")
        return None


def _segments(path: str) -> list[str]:
    return [unquote(segment) for segment in path.strip("/").split("/")]


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if wanted[:1] == "{":
            values[wanted[1:-1]] = given
        elif wanted != given and wanted.lower() != given.lower():
            return None
    return values
