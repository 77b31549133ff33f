"""A YAML file as a tree that remembers where everything stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from zgoda.settings.faults import Mark

Plain: TypeAlias = str | int | float | bool | None


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    """A single value. `origin` is the place of its first character where lines and columns within the value are lines
    and columns of the file (quotes and block indentation taken off); else it is None."""

    mark: Mark
    value: Plain
    origin: Mark | None = None

    def place(self, line: int, column: int) -> Mark:
        """The place in the file of a place within the value (both from 1)."""
        if self.origin is None:
            return self.mark
        return Mark(file=self.mark.file, line=self.origin.line + line - 1, column=self.origin.column + column - 1)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML sequence."""

    mark: Mark
    items: tuple[Node, ...] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    key: Scalar
    value: Node


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML mapping, in the order of the file. The accessors give the default where a key is absent or has a fault,
    so that reading goes on and finds the other faults too."""

    mark: Mark
    entries: tuple[Entry, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return ((str(entry.key.value), entry.value) for entry in self.entries)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> Node | None:
        return next((entry.value for entry in self.entries if entry.key.value == name), None)

    def mark_of(self, name: str) -> Mark:
        """Where the value of a key stands; the block's own place if it is absent."""
        found = self.get(name)
        return self.mark if found is None else found.mark

    def block(self, name: str) -> Block:
        found = self.get(name)
        return found if isinstance(found, Block) else Block(mark=self.mark_of(name))

    def items(self, name: str) -> tuple[Node, ...]:
        found = self.get(name)
        return found.items if isinstance(found, Listing) else ()

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(n.value for n in self.items(name) if isinstance(n, Scalar) and isinstance(n.value, str))

    def text(self, name: str, default: str = "") -> str:
        found = self.plain(name)
        return found if isinstance(found, str) else default

    def number(self, name: str, default: float) -> float:
        found = self.plain(name)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else default

    def whole(self, name: str, default: int) -> int:
        found = self.plain(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else default

    def flag(self, name: str, default: bool) -> bool:
        found = self.plain(name)
        return found if isinstance(found, bool) else default

    def plain(self, name: str) -> Plain:
        found = self.get(name)
        return found.value if isinstance(found, Scalar) else None


Node: TypeAlias = Scalar | Listing | Block


def data_of(node: Node) -> object:
    """The bare value, without places."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [data_of(item) for item in node.items]
        case Block():
            return {entry.key.value: data_of(entry.value) for entry in node.entries}
