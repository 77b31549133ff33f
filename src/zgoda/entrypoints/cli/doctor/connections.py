"""Whether the systems answer, and how much of the day's calls is left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from zgoda.app import CONNECTORS, Store
from zgoda.entrypoints.cli.visit import visit
from zgoda.kit.pace import Limits
from zgoda.settings.opening import Unresolved, connection_settings, read_secret_file
from zgoda.sync.budget import spent_today

from .finding import Finding, fail, ok, warn


async def examine_connections(store: Store, *, call: bool) -> list[Finding]:
    """Each connection in turn; without `call` only what the store knows."""
    found: list[Finding] = []
    for name in store.project.connections:
        if call:
            found.append(await _answers(store, name))
    used = await spent_today(store.pool, store.clock)
    return [*found, *(_budget(store, name, used) for name in store.project.connections)]


async def _answers(store: Store, name: str) -> Finding:
    about = f"connection {name}"
    seen = await visit(store, name, in_full=False)
    if not seen.ok:
        return fail(about, seen.error, seen.do or f"`zgoda check {name}`")
    return ok(about, "; ".join((f"works: account {seen.account}, version {seen.version}", *seen.notes)))


def _budget(store: Store, name: str, used: Mapping[str, int]) -> Finding:
    about, spent = f"budget {name}", used.get(name, 0)
    limits = _limits(store, name)
    if limits is None or not limits.daily:
        return ok(about, f"{spent} calls today, no daily limit")
    said = f"{spent} of {limits.daily} calls of today"
    do = "it begins anew at midnight UTC; a higher daily_calls, a longer poll or fewer streams help"
    if spent >= limits.daily * limits.live_share:
        return fail(about, f"{said}: only opt-outs still go", do)
    if spent >= limits.daily * limits.backfill_share:
        return warn(about, f"{said}: only live edits and opt-outs still go", do)
    return ok(about, said)


def _limits(store: Store, name: str) -> Limits | None:
    """The limits these settings lead to; None where a secret is missing, which is told elsewhere."""
    connector = CONNECTORS[store.project.connections[name].connector]
    given: dict[str, Any] = {s.name: s.default for s in connector.settings if s.default is not None}
    try:
        given |= connection_settings(store.project, name, os.environ, read_secret_file)
    except Unresolved:
        return None
    return connector.limits(given)
