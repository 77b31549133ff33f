"""conflicts, held, dead-letters, undo, recreate: where a person decides."""

from __future__ import annotations

import getpass
from typing import Any

import click

from zgoda.entrypoints.cli.frame import Frame, command, store_of
from zgoda.entrypoints.cli.look import when


@click.group(invoke_without_command=False)
def conflicts() -> None:
    """Disagreements between systems: what stands, what lost, and what waits for a person."""


@conflicts.command("list", epilog="Examples:\n\n  zgoda conflicts list\n\n  zgoda conflicts list --open --json")
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for a person.")
@click.option("--limit", default=50, show_default=True)
@click.option("--after", default=0, help="The last number seen, to page on.")
@command
async def list_conflicts(frame: Frame, only_open: bool, limit: int, after: int) -> None:
    """List conflicts."""
    from zgoda.sync.report import list_conflicts as find

    async with store_of(frame) as store:
        found = await find(store.pool, store.setup, only_open=only_open, limit=limit, after=after)
    frame.voice.result(found)
    frame.voice.table(
        [">no", "record", "field", "stands", "of", "lost", "of", "rule", "state", "at"],
        [(c.id, c.who, c.field, c.kept, c.kept_by, c.lost, c.lost_by, c.rule, c.state, when(c.at)) for c in found],
    )


@conflicts.command("settle", epilog="Example:\n\n  zgoda conflicts settle 17 --take lost")
@click.argument("number", type=int)
@click.option("--take", type=click.Choice(["kept", "lost"]), required=True, help="Which of the two values stands.")
@command
async def settle_conflict(frame: Frame, number: int, take: str) -> None:
    """Decide an open conflict. The next sync carries the decision to the systems."""
    from zgoda.sync.repair import Unknown, decide

    async with store_of(frame) as store:
        try:
            value = await decide(store.pool, store.setup, store.clock, number, take, getpass.getuser())
        except Unknown as error:
            frame.voice.fail(str(error), "`zgoda conflicts list --open` lists them")
    frame.voice.result({"conflict": number, "value": value})
    frame.voice.say(f"conflict {number} is settled: {value!r} stands")


@click.group()
def held() -> None:
    """What a brake holds until a person has looked."""


@held.command("list", epilog="Example:\n\n  zgoda held list")
@click.option("--limit", default=50, show_default=True)
@click.option("--after", default=0, help="The last number seen, to page on.")
@command
async def list_held(frame: Frame, limit: int, after: int) -> None:
    """List held deliveries."""
    await _list(frame, ("held",), limit, after)


@held.command("approve", epilog="Examples:\n\n  zgoda held approve 12 13\n\n  zgoda held approve --all")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is held now.")
@command
async def approve_held(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Let held deliveries go with the next sync."""
    from zgoda.sync.repair import approve

    await _decide_held(frame, numbers, everything, approve, "approved")


@held.command("reject", epilog="Examples:\n\n  zgoda held reject 12\n\n  zgoda held reject --all")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is held now.")
@command
async def reject_held(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Refuse held deliveries: the systems keep what they have."""
    from zgoda.sync.repair import reject

    await _decide_held(frame, numbers, everything, reject, "rejected")


async def _decide_held(frame: Frame, numbers: tuple[int, ...], everything: bool, act: Any, word: str) -> None:
    from zgoda.sync.report import list_deliveries

    if not numbers and not everything:
        frame.voice.fail("say which: numbers, or --all", "`zgoda held list` lists them")
    async with store_of(frame) as store:
        chosen = list(numbers)
        if everything:
            chosen = [d.id for d in await list_deliveries(store.pool, store.setup, ("held",), 1_000_000, 0)]
        count = await act(store.pool, store.clock, chosen, getpass.getuser())
    frame.voice.result({word: count})
    frame.voice.say(
        f"{count} {word}" + ("; `zgoda sync` (or the running hub) delivers them" if word == "approved" else "")
    )


@click.group()
def dead_letters() -> None:
    """What was refused for good or given up: read, repair, redeliver."""


@dead_letters.command("list", epilog="Example:\n\n  zgoda dead-letters list --failing")
@click.option("--failing", is_flag=True, help="Also those that are still being tried.")
@click.option("--limit", default=50, show_default=True)
@click.option("--after", default=0, help="The last number seen, to page on.")
@command
async def list_dead(frame: Frame, failing: bool, limit: int, after: int) -> None:
    """List dead letters with the system's own reason."""
    await _list(frame, ("dead", "failing") if failing else ("dead",), limit, after)


@dead_letters.command(
    "redeliver", epilog="Examples:\n\n  zgoda dead-letters redeliver 12\n\n  zgoda dead-letters redeliver --all"
)
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is dead or failing, parked fields included.")
@command
async def redeliver_dead(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Try again with the next sync; consent, suppression and brakes of then apply."""
    from zgoda.sync.repair import forget_faults, redeliver

    if not numbers and not everything:
        frame.voice.fail("say which: numbers, or --all", "`zgoda dead-letters list` lists them")
    async with store_of(frame) as store:
        count = await redeliver(store.pool, store.clock, None if everything else list(numbers), getpass.getuser())
        if everything:
            count += await forget_faults(store.pool, None)
    frame.voice.result({"redelivered": count})
    frame.voice.say(f"{count} will be tried again with the next sync")


async def _list(frame: Frame, states: tuple[str, ...], limit: int, after: int) -> None:
    from zgoda.sync.report import list_deliveries

    async with store_of(frame) as store:
        found = await list_deliveries(store.pool, store.setup, states, limit, after)
    frame.voice.result(found)
    frame.voice.table(
        [">no", "to", "record", "what", "fields", "state", ">tries", "reason"],
        [(d.id, f"{d.connection}/{d.stream}", d.who, d.op, sorted(d.patch), d.state, d.tries, d.reason) for d in found],
    )
    if len(found) == limit:
        frame.voice.say(f"more: --after {found[-1].id}")


@click.command(epilog="Example:\n\n  zgoda undo 12")
@click.argument("run", type=int)
@command
async def undo(frame: Frame, run: int) -> None:
    """Put back what a RUN changed. Fields changed since are left alone; deletions of created records are held."""
    from zgoda.sync.repair import undo as put_back

    async with store_of(frame) as store:
        done = await put_back(store.pool, store.setup, store.clock, run)
    frame.voice.result(done)
    frame.voice.say(
        f"{done.restored} fields put back, {done.left} left because they changed since, "
        f"{done.to_delete} created records held for deletion, {done.deleted} deletions cannot be undone by writing"
    )
    frame.voice.say("`zgoda plan` shows what the next sync will write")


@click.command(epilog="Example:\n\n  zgoda recreate ada@example.org news/members")
@click.argument("record")
@click.argument("stream")
@command
async def recreate(frame: Frame, record: str, stream: str) -> None:
    """Create a RECORD again in a STREAM (CONNECTION/STREAM) where it was deleted."""
    from zgoda.sync.repair import recreate as again
    from zgoda.sync.report import find_records

    connection, _, name = stream.partition("/")
    async with store_of(frame) as store:
        source = store.setup.find(connection, name)
        if source is None:
            known = ", ".join(s.name for s in store.setup.sources.values())
            frame.voice.fail(f"there is no stream {stream!r}", f"known: {known}")
        found = await find_records(store.pool, record)
        if len(found) != 1:
            frame.voice.fail(f"{record!r} fits {len(found)} records", "ask with the number, see `zgoda why`")
        done = await again(store.pool, store.clock, found[0][0], source.id, getpass.getuser())
    frame.voice.result({"recreate": done})
    frame.voice.say("it will be created with the next sync" if done else "it is not deleted there")
