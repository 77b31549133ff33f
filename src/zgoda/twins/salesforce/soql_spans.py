"""Which part of an index a SOQL condition needs: ranges of SystemModstamp and Id, keyset paging included.

A range is of (stamp, id) pairs, the order of the change index. `(SystemModstamp = x AND Id > y) OR SystemModstamp > x`
is one such range, so every page of a keyset read is a slice of the index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zgoda.twins.salesforce.soql import Both, Compare, Either, Node

LOWEST, HIGHEST = "", "\U0010ffff"
Key = tuple[str, str]
Read = Callable[[Compare], str | None]
"""The value a comparison wants, in stored form; None when it is no text."""


@dataclass(frozen=True, slots=True)
class Span:
    """Everything between two keys, both included. `exact` says that the range is the whole condition."""

    low: Key = (LOWEST, LOWEST)
    high: Key = (HIGHEST, HIGHEST)
    exact: bool = False

    @property
    def whole(self) -> bool:
        return self.low == (LOWEST, LOWEST) and self.high == (HIGHEST, HIGHEST)


def stamp_span(node: Node | None, read: Read) -> Span:
    """The range of (SystemModstamp, Id) a row must be in; wider than the condition unless it is exact."""
    match node:
        case Compare() if _is(node, "systemmodstamp"):
            return _compared_stamp(node.operator, read(node))
        case Both(parts):
            return _intersected([stamp_span(part, read) for part in parts], [id_span(part, read) for part in parts])
        case Either(parts):
            return _united([stamp_span(part, read) for part in parts])
        case _:
            return Span()


def id_span(node: Node | None, read: Read) -> Span:
    """The range of ids, as keys without a stamp."""
    match node:
        case Compare() if _is(node, "id"):
            return _compared_id(node.operator, read(node))
        case Both(parts):
            spans = [id_span(part, read) for part in parts]
            return Span(max(s.low for s in spans), min(s.high for s in spans), all(s.exact for s in spans))
        case _:
            return Span()


def _is(node: Compare, name: str) -> bool:
    return len(node.path) == 1 and node.path[0].lower() == name


def _compared_stamp(sign: str, stamp: str | None) -> Span:
    if stamp is None:
        return Span()
    match sign:
        case "=":
            return Span((stamp, LOWEST), (stamp, HIGHEST), True)
        case ">=":
            return Span(low=(stamp, LOWEST), exact=True)
        case ">":
            return Span(low=(stamp, HIGHEST), exact=True)
        case "<=":
            return Span(high=(stamp, HIGHEST), exact=True)
        case "<":
            return Span(high=(stamp, LOWEST), exact=True)
        case _:
            return Span()


def _compared_id(sign: str, id: str | None) -> Span:
    if id is None:
        return Span()
    match sign:
        case "=":
            return Span((LOWEST, id), (LOWEST, id), True)
        case ">=":
            return Span(low=(LOWEST, id), exact=True)
        case ">":
            return Span(low=(LOWEST, id + "\x00"), exact=True)
        case "<=":
            return Span(high=(LOWEST, id), exact=True)
        case "<":
            return Span(high=(LOWEST, id[:-1] + chr(ord(id[-1]) - 1) + HIGHEST), exact=True)
        case _:
            return Span()


def _intersected(stamps: list[Span], ids: list[Span]) -> Span:
    """All of the parts. Conditions on Id narrow the range where it is of one stamp only."""
    low, high = max(s.low for s in stamps), min(s.high for s in stamps)
    if low[0] != high[0]:
        return Span(low, high, all(s.exact for s in stamps))
    exact = all(stamp.exact or id.exact for stamp, id in zip(stamps, ids, strict=True))
    lowest = max([low[1], *(id.low[1] for id in ids if id.exact)])
    highest = min([high[1], *(id.high[1] for id in ids if id.exact)])
    return Span((low[0], lowest), (high[0], highest), exact)


def _united(spans: list[Span]) -> Span:
    """Any of the parts: exact when they leave no gap between them."""
    spans = sorted(spans, key=lambda s: s.low)
    high, exact = spans[0].high, all(s.exact for s in spans)
    for span in spans[1:]:
        exact = exact and span.low <= high
        high = max(high, span.high)
    return Span(spans[0].low, high, exact)
