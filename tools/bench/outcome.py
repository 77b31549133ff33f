"""What a scenario found: figures with their goals, and whether the rows were right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from statistics import median
from typing import Literal

import msgspec
from tools.bench.stage import Server


class Scale(StrEnum):
    """How much work a run does. `quick` proves that everything runs and is exact; its times say nothing."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    `value` is compared with `goal` (None: told without a goal): at most or at least, as `sense` says. `floor` and
    `ours` are the two measurements in words with units, `value_unit` what `value` counts ("x" for a ratio). `wrong`
    says what is not right about the rows; then no time counts.
    """

    id: str
    what: str
    floor: str
    ours: str
    value: float
    value_unit: str = "x"
    goal: float | None = None
    sense: Literal["at most", "at least"] = "at most"
    peers: str = ""
    rounds: int = 1
    wrong: str = ""

    @property
    def verdict(self) -> str:
        if self.wrong:
            return f"FAILED: {self.wrong}"
        if self.goal is None:
            return "-"
        met = self.value <= self.goal if self.sense == "at most" else self.value >= self.goal
        return "met" if met else "missed"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A goal of docs/benchmarks.md and how it is measured."""

    id: str
    title: str
    how: str
    run: Callable[[Server, Scale], Awaitable[list[Figure]]]


def per_record_us(seconds: float, records: int) -> float:
    return seconds / records * 1e6


def middle(values: Sequence[float]) -> float:
    """The median of the rounds."""
    return median(values)


def first_wrong(found: Sequence[str]) -> str:
    """The first complaint, if there is one."""
    return next((complaint for complaint in found if complaint), "")
