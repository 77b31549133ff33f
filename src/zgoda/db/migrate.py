"""Brings a database's schema up to this version, one transaction a step, one process at a time."""

from __future__ import annotations

from importlib.resources import files
from typing import LiteralString, cast

from zgoda.db.database import Pool

_LOCK = 7_303_014  # any constant; the advisory lock all versions agree on


class TooNew(RuntimeError):
    """The database was written by a newer version of the product."""


async def migrate(pool: Pool) -> list[str]:
    """Apply the missing steps in order; returns their names. Safe to call from several processes at once."""
    done: list[str] = []
    async with pool.transaction() as tx:
        await tx.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        await tx.run("CREATE TABLE IF NOT EXISTS schema_step (name text PRIMARY KEY, at timestamptz DEFAULT now())")
        known = {name for (name,) in await tx.rows("SELECT name FROM schema_step")}
        steps = _steps()
        if unknown := known - steps.keys():
            raise TooNew(f"the database has the step {sorted(unknown)[-1]!r}, which this version does not know")
        for name, sql in steps.items():
            if name not in known:
                await tx.run(sql)
                await tx.run("INSERT INTO schema_step (name) VALUES (%(name)s)", {"name": name})
                done.append(name)
    return done


def _steps() -> dict[str, LiteralString]:
    folder = files("zgoda") / "db" / "migrations"
    found = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): cast("LiteralString", entry.read_text("utf-8")) for name, entry in found}
