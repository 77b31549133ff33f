"""conflicts, held, dead-letters, undo, recreate: where a person decides."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, known_word, store_of
from zgoda.entrypoints.cli.look import when
from zgoda.entrypoints.cli.section import section

if TYPE_CHECKING:
    from zgoda.app import Store

STATES_OF: Final = "SELECT id, state FROM delivery WHERE id = ANY(%(ids)s)"
RUNS: Final = "SELECT id, kind, coalesce(result, '') FROM run ORDER BY id DESC LIMIT 5"
ONE_RUN: Final = "SELECT kind FROM run WHERE id = %(id)s"

limit_option = click.option("--limit", default=50, show_default=True, help="So many at most.")
after_option = click.option("--after", default=0, help="The last number seen, to page on.")


@section(epilog="Examples:\n\n  zgoda conflicts --open\n\n  zgoda conflicts settle 17 --take lost")
def conflicts() -> None:
    """Disagreements between systems: what stands, what lost, and what waits for a person. Without a command: list."""


@conflicts.command("list", epilog="Examples:\n\n  zgoda conflicts list\n\n  zgoda conflicts list --open --json")
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for a person.")
@limit_option
@after_option
@command
async def list_conflicts(frame: Frame, only_open: bool, limit: int, after: int) -> None:
    """List conflicts."""
    from zgoda.sync.report import list_conflicts as find

    async with store_of(frame) as store:
        found = await find(store.pool, store.setup, only_open=only_open, limit=limit, after=after)
    frame.voice.result(found)
    if not found:
        frame.voice.say("no open conflicts" if only_open else "no conflicts")
        return
    frame.voice.table(
        [">no", "record", "field", "stands", "of", "lost", "of", "rule", "state", "at"],
        [(c.id, c.who, c.field, c.kept, c.kept_by, c.lost, c.lost_by, c.rule, c.state, when(c.at)) for c in found],
    )
    if len(found) == limit:
        frame.voice.say(f"more: --after {found[-1].id}")
    if any(conflict.state == "open" for conflict in found):
        frame.voice.say("`zgoda conflicts settle NUMBER --take kept|lost` decides an open one")


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
            frame.voice.fail(str(error), "`zgoda conflicts --open` lists them")
    frame.voice.result({"conflict": number, "value": value})
    frame.voice.say(f"conflict {number} is settled: {value!r} stands")


@section(epilog="Examples:\n\n  zgoda held\n\n  zgoda held approve 12 13\n\n  zgoda held reject --all")
def held() -> None:
    """What a brake holds until a person has looked. Without a command: list."""


@held.command("list", epilog="Example:\n\n  zgoda held list --limit 10 --json")
@limit_option
@after_option
@command
async def list_held(frame: Frame, limit: int, after: int) -> None:
    """List held deliveries."""
    await _list(frame, ("held",), limit, after, "nothing is held")


@held.command("approve", epilog="Examples:\n\n  zgoda held approve 12 13\n\n  zgoda held approve --all")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is held now.")
@command
async def approve_held(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Let held deliveries go with the next sync. What was approved already stays so.

    Exit code: 0 done, 1 a number nobody knows.
    """
    from zgoda.sync.repair import approve

    await _decide_held(frame, numbers, everything, approve, "approved")


@held.command("reject", epilog="Examples:\n\n  zgoda held reject 12\n\n  zgoda held reject --all")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is held now.")
@command
async def reject_held(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Refuse held deliveries: the systems keep what they have.

    Exit code: 0 done, 1 a number nobody knows.
    """
    from zgoda.sync.repair import reject

    await _decide_held(frame, numbers, everything, reject, "rejected")


async def _decide_held(frame: Frame, numbers: tuple[int, ...], everything: bool, act: Any, word: str) -> None:
    _require_choice(frame, numbers, everything, "`zgoda held` lists them")
    async with store_of(frame) as store:
        others = await _not_in(frame, store, numbers, ("held",), "`zgoda held` lists what is held")
        chosen = await _all_held(store) if everything else [number for number in numbers if number not in others]
        count = await act(store.pool, store.clock, chosen, getpass.getuser())
    frame.voice.result({word: count, "not_held": others})
    for number, state in others.items():
        frame.voice.say(f"{number} is not held (it is {state})")
    then = "; `zgoda sync` (or the running hub) delivers them" if word == "approved" and count else ""
    frame.voice.say(f"{count} {word}{then}")


def _require_choice(frame: Frame, numbers: tuple[int, ...], everything: bool, how: str) -> None:
    if not numbers and not everything:
        frame.voice.fail("say which: numbers, or --all", how)
    if numbers and everything:
        frame.voice.fail("numbers and --all contradict each other", "say one of them")


async def _not_in(
    frame: Frame, store: Store, numbers: tuple[int, ...], states: tuple[str, ...], how: str
) -> dict[int, str]:
    """Those of the numbers that are in another state. Fails for numbers there never were."""
    async with store.pool.report() as tx:
        known = dict(await tx.rows(STATES_OF, {"ids": list(numbers)}))
    if unknown := [str(number) for number in numbers if number not in known]:
        frame.voice.fail(f"there is no delivery {', '.join(unknown)}; nothing was done", how)
    return {number: state for number, state in known.items() if state not in states}


async def _all_held(store: Store) -> list[int]:
    from zgoda.sync.report import list_deliveries

    return [d.id for d in await list_deliveries(store.pool, store.setup, ("held",), 1_000_000, 0)]


@section(epilog="Examples:\n\n  zgoda dead-letters --failing\n\n  zgoda dead-letters redeliver --all")
def dead_letters() -> None:
    """What was refused for good or given up: read, repair, redeliver. Without a command: list."""


@dead_letters.command("list", epilog="Example:\n\n  zgoda dead-letters list --failing")
@click.option("--failing", is_flag=True, help="Also those that are still being tried.")
@limit_option
@after_option
@command
async def list_dead(frame: Frame, failing: bool, limit: int, after: int) -> None:
    """List dead letters with the system's own reason."""
    states = ("dead", "failing") if failing else ("dead",)
    await _list(frame, states, limit, after, "no dead letters" + ("" if failing else " (--failing: still being tried)"))


@dead_letters.command(
    "redeliver", epilog="Examples:\n\n  zgoda dead-letters redeliver 12\n\n  zgoda dead-letters redeliver --all"
)
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is dead or failing, parked fields included.")
@command
async def redeliver_dead(frame: Frame, numbers: tuple[int, ...], everything: bool) -> None:
    """Try again with the next sync; consent, suppression and brakes of then apply.

    Exit code: 0 done, 1 a number nobody knows.
    """
    from zgoda.sync.repair import forget_faults, redeliver

    _require_choice(frame, numbers, everything, "`zgoda dead-letters` lists them")
    async with store_of(frame) as store:
        how = "`zgoda dead-letters --failing` lists them"
        others = await _not_in(frame, store, numbers, ("dead", "failing"), how)
        count = await redeliver(store.pool, store.clock, None if everything else list(numbers), getpass.getuser())
        if everything:
            count += await forget_faults(store.pool, None)
    frame.voice.result({"redelivered": count, "not_dead": others})
    for number, state in others.items():
        frame.voice.say(f"{number} is no dead letter (it is {state})")
    frame.voice.say(f"{count} will be tried again with the next sync")


async def _list(frame: Frame, states: tuple[str, ...], limit: int, after: int, none: str) -> None:
    from zgoda.sync.report import list_deliveries

    async with store_of(frame) as store:
        found = await list_deliveries(store.pool, store.setup, states, limit, after)
    frame.voice.result(found)
    if not found:
        frame.voice.say(none)
        return
    frame.voice.table(
        [">no", "to", "record", "what", "fields", "state", ">tries", "reason"],
        [(d.id, f"{d.connection}/{d.stream}", d.who, d.op, sorted(d.patch), d.state, d.tries, d.reason) for d in found],
    )
    if len(found) == limit:
        frame.voice.say(f"more: --after {found[-1].id}")


@click.command(epilog="Examples:\n\n  zgoda undo 12\n\n  zgoda undo 12 --json")
@click.argument("run", type=int)
@command
async def undo(frame: Frame, run: int) -> None:
    """Put back what a RUN changed. Fields changed since are left alone; deletions of created records are held.

    A second time finds nothing left to put back.
    """
    from zgoda.sync.repair import undo as put_back

    async with store_of(frame) as store:
        await _require_run(frame, store, run)
        done = await put_back(store.pool, store.setup, store.clock, run)
    frame.voice.result(msgspec.to_builtins(done))
    frame.voice.say(
        f"{done.restored} fields put back, {done.left} left because they changed since, "
        f"{done.to_delete} created records held for deletion, {done.deleted} deletions cannot be undone by writing"
    )
    frame.voice.say("`zgoda plan` shows what the next sync will write")


async def _require_run(frame: Frame, store: Store, number: int) -> None:
    """Fails where there is no such run, or it wrote nothing by its nature."""
    async with store.pool.report() as tx:
        row = await tx.row(ONE_RUN, {"id": number})
        latest = await tx.rows(RUNS)
    if row is None:
        known = ", ".join(f"{id} ({kind}: {result})" if result else f"{id} ({kind})" for id, kind, result in latest)
        frame.voice.fail(f"there is no run {number}", f"the latest: {known}" if known else "there was no run yet")
    if row[0] == "plan":
        frame.voice.fail(f"run {number} was a plan, which changes nothing", "`zgoda runs` lists the syncs")


@click.command(epilog="Example:\n\n  zgoda recreate ada@example.org news/members")
@click.argument("record")
@click.argument("stream")
@command
async def recreate(frame: Frame, record: str, stream: str) -> None:
    """Create a RECORD again in a STREAM (CONNECTION/STREAM) where it was deleted.

    Where it is not deleted nothing happens.
    """
    from zgoda.entrypoints.cli.records import one_record
    from zgoda.sync.repair import recreate as again

    async with store_of(frame) as store:
        streams = {source.name: source.id for source in store.setup.sources.values()}
        known_word(frame.voice, "stream", stream, streams)
        golden_id = await one_record(frame.voice, store, record)
        done = await again(store.pool, store.clock, golden_id, streams[stream], getpass.getuser())
    frame.voice.result({"recreate": done})
    frame.voice.say("it will be created with the next sync" if done else "it is not deleted there; nothing to do")
