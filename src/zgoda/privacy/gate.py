"""The gate every write to a vendor passes: kill switch, approval, pause, consent. Pure.

It is asked inside the transaction that claims the write, so what was decided earlier is decided again at the last
moment.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from zgoda.model.values import Values
from zgoda.privacy.consent import is_consent


def kill_switches(connection: str, direction: Literal["in", "out"]) -> list[str]:
    """The switches that stop a connection: of all, of this one, of what it is told (`out`) or asked (`in`)."""
    return ["kill", f"kill:{connection}", f"kill:{connection}:{direction}"]


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What operators allow at this moment for a connection."""

    connection: str
    killed: bool
    paused: bool
    approved: bool = True


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """It may not go. `wait`: later perhaps; else never in this form."""

    reason: str
    wait: bool


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """It may go."""


Verdict: TypeAlias = Allowed | Denied


def verdict(permission: Permission, op: str, patch: Values, holds: Values) -> Verdict:
    """Judge one write. `holds` is what the golden record says now.

    A write that only withdraws consent passes a paused connection: an opt-out never waits for a person.
    """
    if permission.killed:
        return Denied(reason="the kill switch is on", wait=True)
    if not permission.approved:
        return Denied(reason="the first sync waits for its plan to be approved", wait=True)
    if permission.paused and not _only_withdraws(op, patch):
        return Denied(reason="the connection is paused", wait=True)
    if any(is_consent(name) and value == "granted" and holds.get(name) != "granted" for name, value in patch.items()):
        return Denied(reason="consent was withdrawn meanwhile", wait=False)
    return Allowed()


def _only_withdraws(op: str, patch: Values) -> bool:
    return op == "update" and bool(patch) and all(is_consent(n) and v == "withdrawn" for n, v in patch.items())
