"""status, why, runs, policy: looking, never changing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from zgoda.entrypoints.cli.frame import Frame, command, store_of


@click.command(epilog="Examples:\n\n  zgoda status\n\n  zgoda status --json | jq .streams")
@command
async def status(frame: Frame) -> None:
    """How connections, streams and queues stand: every record is in exactly one state."""
    from zgoda.sync.report import status as look

    async with store_of(frame) as store:
        found = await look(store.pool, store.setup)
    voice = frame.voice
    voice.result(found)
    voice.table(
        ["connection", "status", "first sync", "since", "reason"],
        [
            (c.connection, c.status, "approved" if c.approved else "waits for a plan", when(c.since), c.reason)
            for c in found.connections
        ],
    )
    voice.say()
    names = ["in sync", "pending", "excluded", "failing", "held", "erased"]
    voice.table(
        ["stream", *(f">{name}" for name in names), ">inbox", "last read", "canary", "brake"],
        [
            (
                f"{s.connection}/{s.stream}",
                *(s.states.get(name, 0) for name in names),
                s.waiting_in,
                when(s.last_read),
                s.canary,
                s.brake,
            )
            for s in found.streams
        ],
    )
    for stream in found.streams:
        for field, reason in stream.lost_fields.items():
            voice.say(f"  {stream.connection}/{stream.stream}: {field} is paused: {reason}", style="yellow")
        for reason, count in sorted(stream.reasons.items(), key=lambda item: -item[1])[:5]:
            voice.say(f"  {stream.connection}/{stream.stream}: {count} {reason}")
    if found.switches:
        voice.say(f"switches on: {', '.join(found.switches)}", style="bold red")
    voice.say()
    voice.say(
        f"{found.open_conflicts} open conflicts, {found.held} held, {found.dead} dead letters, "
        f"{found.suspicions} possible duplicates, {found.orphans} waiting for a parent"
    )


@click.command(
    epilog="Examples:\n\n  zgoda why ada@example.org\n\n  zgoda why 'Ada Lovelace' email\n\n  zgoda why 4711"
)
@click.argument("record")
@click.argument("field", required=False)
@command
async def why(frame: Frame, record: str, field: str | None) -> None:
    """Why a RECORD (id, vendor id, e-mail address or full name) or one FIELD of it is what it is."""
    from zgoda.sync.report import find_records
    from zgoda.sync.report import why as ask

    async with store_of(frame) as store:
        found = await find_records(store.pool, record)
        if not found:
            frame.voice.fail(f"nobody is known as {record!r}", "try an e-mail address, a full name or a vendor's id")
        if len(found) > 1:
            choices = "\n".join(f"  {id}  {entity}  {name}" for id, entity, name in found)
            frame.voice.fail(f"{record!r} fits several records:\n{choices}", "ask with the number")
        answer = await ask(store.pool, store.setup, found[0][0], field)
    if answer is None or (field and not answer.fields):
        frame.voice.fail(f"nothing is known about {field or record!r}")
    frame.voice.result(answer)
    show_why(frame.voice, answer)


def show_why(voice: Any, answer: Any) -> None:
    voice.say(f"{answer.entity} #{answer.golden_id}  {answer.who}", style="bold")
    for stream, id in answer.records.items():
        voice.say(f"  {stream}: {id} ({answer.states.get(stream, '')})")
    for stream, state in answer.states.items():
        if stream not in answer.records:
            voice.say(f"  {stream}: no record ({state})")
    voice.table(
        ["field", "value", "said by", "at", "because", "lost"],
        [
            (
                f.field,
                f.value,
                f.said_by,
                when(f.said_at),
                f.rule,
                "; ".join(f"{c.lost!r} of {c.lost_by} ({c.rule})" for c in f.lost),
            )
            for f in answer.fields
            if f.value is not None or f.lost
        ],
    )
    for f in answer.fields:
        for stream, note in f.notes.items():
            voice.say(f"  {f.field} in {stream}: {note}", style="yellow")
    if answer.told:
        voice.say("told:")
        voice.table(
            ["to", "what", "fields", "state", "at"],
            [(t.connection, t.op, list(t.fields), f"{t.state} {t.reason}".strip(), when(t.at)) for t in answer.told],
        )


@click.command(epilog="Examples:\n\n  zgoda runs\n\n  zgoda runs --limit 50 --json")
@click.option("--limit", default=20, show_default=True)
@command
async def runs(frame: Frame, limit: int) -> None:
    """Recent plans, syncs and drift compares with their results."""
    from zgoda.sync.desk import SQL

    async with store_of(frame) as store, store.pool.report() as tx:
        rows = await tx.rows(SQL["runs_kind"], {"limit": limit})
    names = ("id", "kind", "started_at", "ended_at", "result", "report")
    frame.voice.result([dict(zip(names, row, strict=True)) for row in rows])
    frame.voice.table(
        [">run", "kind", "started", "ended", "result"], [(*r[:2], when(r[2]), when(r[3]), r[4]) for r in rows]
    )


def when(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


@click.group()
def policy() -> None:
    """Which value prevails, and what that means."""


@policy.command(epilog="Example:\n\n  zgoda policy explain person.job_title")
@click.argument("field")
@command
async def explain(frame: Frame, field: str) -> None:
    """Print the truth table of a FIELD's policy (ENTITY.FIELD, or a person's FIELD)."""
    from zgoda.settings.explain import explain_policy

    entity, _, name = field.rpartition(".")
    async with store_of(frame) as store:
        table = explain_policy(store.setup, entity or "person", name)
    frame.voice.result(table)
    frame.voice.say(str(table))
