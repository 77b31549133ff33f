"""After a create whose answer was lost: is the row there?"""

from __future__ import annotations

from typing import Any

from zgoda.connectors.sql.catalogue import Table, Unfit, fitting
from zgoda.connectors.sql.reading import table_for
from zgoda.connectors.sql.store import turn
from zgoda.kit.spec import Lookup, Session


async def find(stream: str, session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """The rows with the natural key that was sent; where a lookup has none, those with all that was sent.

    Of several equal rows the one with the highest id is taken, and none of them twice.
    """
    table = await table_for(session, stream, ())
    keys = {lookup.key: _key(table, lookup.values) for lookup in lookups}
    asked = [lookup.key for lookup in lookups if keys[lookup.key]]
    if not asked:
        return {}
    async with turn(session, "read") as store:
        matches = await store.alike(table, [keys[key] for key in asked])
    found: dict[str, str] = {}
    for key, ids in zip(asked, matches, strict=True):
        free = [id for id in ids if id not in found.values()]
        if free:
            found[key] = free[-1]
    return found


def _key(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    """The columns to look by, with their values: the natural key, a unique constraint, or everything."""
    fit: dict[str, Any] = {}
    for name, value in values.items():
        try:
            fit[name] = fitting(table, table.columns[name], value)
        except (KeyError, Unfit):
            continue
    for key in (tuple(table.told.natural_key), *table.uniques):
        if key and all(fit.get(name) is not None for name in key):
            return {name: fit[name] for name in key}
    return {name: value for name, value in fit.items() if value is not None}
