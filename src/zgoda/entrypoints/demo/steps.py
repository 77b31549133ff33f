"""Steps that every told story has: who are we there, what would a sync do, and syncs until all is calm."""

from __future__ import annotations

import msgspec

from zgoda.app import Store, check_accounts, sync_once
from zgoda.entrypoints.cli.flow import show_plan
from zgoda.entrypoints.cli.speak import Voice
from zgoda.sync.cycle import Hub
from zgoda.sync.preview import Plan, preview
from zgoda.sync.repair import approve_first_sync
from zgoda.sync.report import status

MOST_ROUNDS = 8


def step(voice: Voice, text: str) -> None:
    voice.say()
    voice.say(f"• {text}", style="bold")


async def check(voice: Voice, store: Store, hub: Hub) -> None:
    """Raises what keeps us out of an account."""
    step(voice, "zgoda check: who are we there, and what may we do?")
    for name, answer in (await check_accounts(store, hub)).items():
        if isinstance(answer, Exception):
            raise answer
        voice.say(f"  {name}: account {answer.account}, version {answer.version}")


async def plan_and_first_sync(voice: Voice, store: Store, hub: Hub, *, in_full: bool = True) -> None:
    """`in_full` shows fields, rules and samples besides the counts."""
    step(voice, "zgoda plan: what would a first sync do? (nothing is written)")
    plan = await preview(store.pool, hub, full=True, samples=1 if in_full else 0)
    show_plan(voice, plan if in_full else _in_brief(plan))
    step(voice, f"zgoda sync --approve {plan.id}: first 50 records, then 1 %, then all")
    await approve_first_sync(store.pool, store.clock, list(hub.connections))
    await sync_until_calm(voice, store, hub, full=True)


def _in_brief(plan: Plan) -> Plan:
    streams = tuple(msgspec.structs.replace(stream, fields=()) for stream in plan.streams)
    return msgspec.structs.replace(plan, streams=streams)


async def sync_until_calm(voice: Voice, store: Store, hub: Hub, *, full: bool = False) -> int:
    """Syncs until a round brings nothing new and nothing waits: stamps of a second, late commits and deletions that are
    believed late need a second look. Returns how many writes were made."""
    applied = 0
    for _ in range(MOST_ROUNDS):
        done = await sync_once(store, hub, full=full)
        cycle = done.cycle
        applied += cycle.applied
        voice.say(
            f"  run {done.run}: {cycle.read} read, {cycle.edits} changed, {cycle.applied} written, "
            f"{cycle.refused} refused: {done.result}"
        )
        waiting = sum(stream.waiting_in for stream in (await status(store.pool, store.setup)).streams)
        if not cycle.applied and not cycle.fresh and not waiting:
            break
        full = False
        await store.clock.sleep(1.0 if waiting else 0.1)
    return applied
