"""Sorted collections with types: the library has none of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast

from sortedcontainers import SortedList

T = TypeVar("T")


class Ordered(Protocol[T]):
    """A list that stays sorted: adding, removing and finding a place take logarithmic time."""

    def add(self, value: T) -> None: ...

    def remove(self, value: T) -> None: ...

    def update(self, iterable: Iterable[T]) -> None: ...

    def irange(
        self, minimum: T | None = None, maximum: T | None = None, inclusive: tuple[bool, bool] = (True, True)
    ) -> Iterator[T]: ...

    def islice(self, start: int | None = None, stop: int | None = None, reverse: bool = False) -> Iterator[T]: ...

    def bisect_left(self, value: T) -> int: ...

    def bisect_right(self, value: T) -> int: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T]: ...

    def __getitem__(self, index: int) -> T: ...


def ordered(_: type[T]) -> Ordered[T]:
    """An empty one for values of this type."""
    return cast(Ordered[T], cast(Any, SortedList)())
