"""From a file to a tree with places, safely.

A project file is read as YAML 1.2 (so `no` is a word, not a boolean) without tags, merge keys and further documents.
Size, depth, number of values and what aliases unfold to are limited, so a hostile file costs seconds at most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from zgoda.settings.faults import Faults, Mark, shown
from zgoda.settings.nodes import Block, Entry, Listing, Node, Plain, Scalar

MOST_BYTES: Final = 1_000_000
MOST_VALUES: Final = 50_000
DEEPEST: Final = 20


def read_document(path: Path, name: str, faults: Faults) -> Node | None:
    """The tree of a file, or None if it has a fault. `name` is how faults call the file."""
    start = Mark(file=name)
    if not path.is_file():
        faults.add(start, "this is not an ordinary file")
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        faults.add(start, f"the file cannot be read: {error.strerror or type(error).__name__}")
        return None
    if len(raw) > MOST_BYTES:
        faults.add(start, "the file is larger than 1 MB", "a project file is configuration, not data")
        return None
    text = _decoded(raw, name, faults)
    return None if text is None else parse_document(text, name, faults)


def parse_document(text: str, name: str, faults: Faults) -> Node | None:
    """The tree of a text that is already in memory; see `read_document`."""
    if (bad := _FORBIDDEN.search(text)) is not None:
        faults.add(_mark_at(text, bad.start(), name), "a control character, which YAML does not allow", "remove it")
        return None
    try:
        found = _Builder(text, name, faults).build()
    except _TooMuch as limit:
        faults.add(limit.mark, str(limit))
        return None
    except MarkedYAMLError as error:
        faults.add(*_in_plain_words(cast("Any", error), name))
        return None
    except (YAMLError, ValueError, OverflowError):
        faults.add(Mark(file=name), "this is not YAML")
        return None
    if found is None or (isinstance(found, Scalar) and found.value is None):
        faults.add(Mark(file=name), "the file says nothing", "remove it, or write {} if nothing is meant")
        return None
    return found


_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def _decoded(raw: bytes, name: str, faults: Faults) -> str | None:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", errors="replace")
        faults.add(_mark_at(before, len(before), name), "the file is not UTF-8", "save it as UTF-8")
        return None


def _mark_at(text: str, index: int, name: str) -> Mark:
    before = text[:index]
    return Mark(file=name, line=before.count("\n") + 1, column=index - (before.rfind("\n") + 1) + 1)


class _TooMuch(Exception):
    """A limit is passed; nothing more of this file is read."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


class _Builder:
    """Builds the tree from parse events without recursing deeper than `DEEPEST`."""

    def __init__(self, text: str, name: str, faults: Faults) -> None:
        self._name = name
        self._faults = faults
        self._lines = text.splitlines()
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._values = 0

    def build(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                self._faults.add(self._mark(event), "a second document in one file", "remove the line ---")
                break
            if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
                root = self._node(event, 1)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        mark = self._mark(event)
        self._count(1, mark)
        if depth > DEEPEST:
            raise _TooMuch(mark, f"nested deeper than {DEEPEST} levels")
        kind: Any = event.__class__  # compared, not narrowed to: ruamel's events have no types
        if kind is AliasEvent:
            return self._alias(str(event.anchor), mark)
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            self._faults.add(mark, "YAML tags (!…) are not used here", "remove the tag")
        before = self._values
        if kind is SequenceStartEvent:
            node: Node = Listing(mark=mark, items=tuple(self._items(depth)))
        elif kind is MappingStartEvent:
            node = Block(mark=mark, entries=tuple(self._entries(depth)))
        else:
            node = self._scalar(event, mark)
        if event.anchor:
            self._anchors[str(event.anchor)] = (node, self._values - before + 1)
        return node

    def _alias(self, anchor: str, mark: Mark) -> Node:
        if anchor not in self._anchors:
            self._faults.add(mark, f"the alias *{shown(anchor)} has no anchor before it")
            return Scalar(mark=mark, value=None)
        node, size = self._anchors[anchor]
        self._count(size, mark)
        return node

    def _count(self, more: int, mark: Mark) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            raise _TooMuch(mark, f"more than {MOST_VALUES} values, aliases unfolded")

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[Entry]:
        seen: dict[tuple[type, Plain], Mark] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                self._faults.add(key.mark, "a key must be a single word")
            elif key.value == "<<":
                self._faults.add(key.mark, "merge keys (<<) are not part of YAML 1.2", "write the keys out")
            elif (first := seen.get((type(key.value), key.value))) is not None:
                message = f"the key {shown(key.value)} is here twice; first in line {first.line}"
                self._faults.add(key.mark, message, "keep one")
            else:
                seen[(type(key.value), key.value)] = key.mark
                yield Entry(key=key, value=value)

    def _scalar(self, event: Any, mark: Mark) -> Scalar:
        text: str = event.value
        if any("\ud800" <= c <= "\udfff" for c in text):
            self._faults.add(mark, "half of a surrogate pair is no character")
            text = ""
        plain = event.style is None and event.tag is None
        return Scalar(mark=mark, value=plain_value(text) if plain else text, origin=self._origin(event, mark))

    def _origin(self, event: Any, mark: Mark) -> Mark | None:
        if event.style == "|":
            below = self._lines[mark.line :]
            first = next((line for line in below if line.strip()), "")
            return Mark(file=self._name, line=mark.line + 1, column=len(first) - len(first.lstrip(" ")) + 1)
        if event.style == ">" or event.start_mark.line != event.end_mark.line:
            return None
        quote = 1 if event.style in ("'", '"') else 0
        return Mark(file=self._name, line=mark.line, column=mark.column + quote)

    def _mark(self, event: Any) -> Mark:
        return Mark(file=self._name, line=event.start_mark.line + 1, column=event.start_mark.column + 1)


def plain_value(text: str) -> Plain:
    """YAML 1.2's core schema, decimal notation only. Numbers too large to be exact stay text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,4})?", text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _in_plain_words(error: Any, name: str) -> tuple[Mark, str, str]:
    """Never the parser's snippet: it would repeat what stands in the file, which may be a secret."""
    at = error.problem_mark or error.context_mark
    mark = Mark(file=name) if at is None else Mark(file=name, line=at.line + 1, column=at.column + 1)
    problem = str(error.problem or "this is not YAML")
    for pattern, message, hint in _PROBLEMS:
        if re.search(pattern, problem):
            return mark, message, hint
    return mark, "this is not YAML: " + re.sub(r"'[^']{4,}'", "something else", problem), ""


_PROBLEMS: Final = (
    (r"'\\+t'", "a tab, where YAML wants spaces", "indent with spaces"),
    (r"mapping values are not allowed", "a colon that does not fit here", "put texts with a colon in quotes"),
    (r"cannot start any token", "a character that cannot begin a value", "put the value in quotes"),
    (r"unexpected end of stream", "a quote is opened and never closed", "close it"),
    (r"expected <block end>", "the indentation does not fit the lines above", "align it with its neighbours"),
    (r"could not find expected ':'", "a key without a colon", "write key: value"),
    (r"expected ',' or '[\]}]'", "a list or a mapping in brackets that is not closed", "close the bracket"),
)
