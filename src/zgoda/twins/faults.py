"""The fault switchboard: which faults are armed, which call or record each one strikes, and how often it did."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from zgoda.model.clock import Chance
from zgoda.twins.catalogue import CATALOGUE, Stage
from zgoda.twins.exchange import Call


class UnknownFault(ValueError):
    """The catalogue has no fault of this name."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An armed fault. `path` is a regular expression searched in path and query; `skip` lets the first matches pass.

    Without `times` it stays until it is cleared; `probability` makes it strike only some matches, by the twin's seed.
    """

    name: str
    method: str | None = None
    path: str | None = None
    object: str | None = None
    times: int | None = None
    probability: float | None = None
    skip: int = 0
    options: dict[str, Any] = {}
    id: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.times is not None and self.fired >= self.times

    def option(self, name: str, otherwise: Any) -> Any:
        return self.options.get(name, otherwise)


class Switchboard:
    """Holds armed faults. Asking for one that strikes counts it as fired."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._armed: list[Fault] = []
        self._next_id = 1
        self.fired: dict[str, int] = {}

    @property
    def armed(self) -> list[Fault]:
        return list(self._armed)

    def arm(self, fault: Fault) -> Fault:
        """Switch a fault on. Raises UnknownFault, or ValueError for a bad path pattern."""
        if fault.name not in CATALOGUE:
            raise UnknownFault(f"unknown fault {fault.name!r}")
        try:
            re.compile(fault.path or "")
        except re.error as error:
            raise ValueError(f"{fault.path!r} is no pattern: {error}") from error
        fault.id, fault.fired = self._next_id, 0
        self._next_id += 1
        self._armed.append(fault)
        return fault

    def clear(self, name: str | None = None, id: int | None = None) -> int:
        """Switch off the faults of this name or id, or all of them. Returns how many were still armed."""
        before = len(self._armed)
        self._armed = [f for f in self.armed if (name or id) and f.name != name and f.id != id]
        return before - len(self._armed)

    def strike(self, stage: Stage, call: Call | None, object: str, names: Iterable[str] | None = None) -> Fault | None:
        """The first armed fault of this stage that hits this call and object, if any."""
        for fault in self.armed:
            if CATALOGUE[fault.name].stage != stage or (names is not None and fault.name not in names):
                continue
            if self._hits(fault, call, object):
                if fault.spent:
                    self._armed.remove(fault)
                self.fired[fault.name] = self.fired.get(fault.name, 0) + 1
                return fault
        return None

    def standing(self, stage: Stage, object: str) -> list[Fault]:
        """Armed faults of a stage that describe a lasting state; asking does not use them up."""
        return [f for f in self._armed if CATALOGUE[f.name].stage == stage and _same(f.object, object)]

    def any(self, stage: Stage) -> bool:
        """Whether a fault of this stage is armed at all; lets busy paths skip the question."""
        return bool(self._armed) and any(CATALOGUE[fault.name].stage == stage for fault in self._armed)

    def fraction(self) -> float:
        return self._chance.fraction()

    def _hits(self, fault: Fault, call: Call | None, object: str) -> bool:
        if not _same(fault.object, object):
            return False
        if fault.method is not None and (call is None or call.method != fault.method.upper()):
            return False
        if fault.path is not None and (call is None or re.search(fault.path, call.target) is None):
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.probability is not None and self._chance.fraction() >= fault.probability:
            return False
        fault.fired += 1
        return True


def _same(wanted: str | None, given: str) -> bool:
    return wanted is None or wanted.lower() == given.lower()
