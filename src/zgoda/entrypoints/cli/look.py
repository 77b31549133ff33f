"""status, why, runs, policy: looking, never changing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, store_of
from zgoda.entrypoints.cli.section import section

if TYPE_CHECKING:
    from zgoda.entrypoints.cli.speak import Voice
    from zgoda.sync.report import Status, Why

STATES = ("in sync", "pending", "excluded", "failing", "held")


@click.command(epilog="Examples:\n\n  zgoda status\n\n  zgoda status --json | jq .streams")
@command
async def status(frame: Frame) -> None:
    """How connections, streams and queues stand: every record is in exactly one state.

    What stopped, or was stopped, is said on standard error, with the command that lets it go on.

    Exit code: 0, however the hub stands (see `zgoda doctor` for a code that tells).
    """
    from zgoda.entrypoints.cli.alarm import alarms, sound
    from zgoda.sync.report import status as look

    async with store_of(frame) as store:
        found = await look(store.pool, store.setup)
        standing = await alarms(store, frame.folder)
    frame.voice.result({**msgspec.to_builtins(found), "alarms": msgspec.to_builtins(standing)})
    sound(frame.voice, standing)
    show_status(frame.voice, found)


def show_status(voice: Voice, found: Status) -> None:
    """Connections, streams, and what waits for a person."""
    voice.table(
        ["connection", "status", "first sync", "since", "reason"],
        [
            (c.connection, c.status, "approved" if c.approved else "waits for a plan", when(c.since), c.reason)
            for c in found.connections
        ],
    )
    voice.say()
    voice.table(
        ["stream", *(f">{name}" for name in STATES), ">inbox", "last read", "canary", "brake"],
        [
            (
                f"{s.connection}/{s.stream}",
                *(s.states.get(name, 0) for name in STATES),
                s.waiting_in,
                when(s.last_read) or "never",
                "" if s.canary == "all" else s.canary,
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
    voice.say()
    waiting = (
        (found.open_conflicts, "open conflicts", "zgoda conflicts --open"),
        (found.held, "held", "zgoda held"),
        (found.dead, "dead letters", "zgoda dead-letters"),
        (found.suspicions, "possible duplicates", ""),
        (found.orphans, "waiting for a parent", ""),
    )
    for count, what, how in waiting:
        if count:
            voice.say(f"{what}: {count}" + (f"  (`{how}`)" if how else ""))
    if not any(count for count, *_ in waiting):
        voice.say("nothing waits for a person")


@click.command(
    epilog="Examples:\n\n  zgoda why ada@example.org\n\n  zgoda why 'Ada Lovelace' email\n\n  zgoda why 4711 --json"
)
@click.argument("record")
@click.argument("field", required=False)
@command
async def why(frame: Frame, record: str, field: str | None) -> None:
    """Why a RECORD (id, vendor id, e-mail address or full name) or one FIELD of it is what it is.

    Exit code: 0 answered, 1 no such record or field, or several records fit.
    """
    from zgoda.entrypoints.cli.records import one_record
    from zgoda.settings.faults import nearest, shown
    from zgoda.sync.report import why as ask

    async with store_of(frame) as store:
        golden_id = await one_record(frame.voice, store, record)
        answer = await ask(store.pool, store.setup, golden_id)
    if answer is None:
        frame.voice.fail(f"nothing is known about {shown(record)!r}")
    if field is not None:
        known = [f.field for f in answer.fields]
        if field not in known:
            frame.voice.fail(f"#{answer.golden_id} has no {shown(field)!r}", nearest(field, known))
        answer = _only(answer, field)
    frame.voice.result(answer)
    show_why(frame.voice, answer)


def _only(answer: Why, field: str) -> Why:
    return msgspec.structs.replace(
        answer,
        fields=tuple(f for f in answer.fields if f.field == field),
        history=tuple(h for h in answer.history if field in h.fields or h.kind != "edit"),
        told=tuple(t for t in answer.told if field in t.fields),
    )


def show_why(voice: Voice, answer: Why) -> None:
    """The answer for people: where it is, what each field holds and why, what was told."""
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
    if not rows:
        frame.voice.say("there was no run yet; `zgoda plan` makes the first")
        return
    frame.voice.table(
        [">run", "kind", "started", "ended", "result"],
        [(*r[:2], when(r[2]), when(r[3]), r[4] or "under way or broken off") for r in rows],
    )


def when(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


@section(epilog="Examples:\n\n  zgoda policy\n\n  zgoda policy explain person.job_title")
def policy() -> None:
    """Which value prevails, and what that means. Without a command: list."""


@policy.command("list", epilog="Examples:\n\n  zgoda policy list\n\n  zgoda policy list organization --json")
@click.argument("entity", required=False)
@command
async def list_policies(frame: Frame, entity: str | None) -> None:
    """List the policy of every field that more than one connection maps (or of one ENTITY's)."""
    from zgoda.entrypoints.cli.frame import known_word

    async with store_of(frame) as store:
        setup = store.setup
    if entity is not None:
        known_word(frame.voice, "entity", entity, setup.fields)
    rows: list[dict[str, Any]] = []
    for name, fields in setup.fields.items():
        if entity not in (None, name):
            continue
        for field, rule in fields.items():
            by = sorted({s.connection for s in setup.of_entity(name) if field in s.mapping.readable})
            if len(by) > 1:
                told = "the most restrictive word" if field.startswith("consent:") else _named(rule.policy)
                rows.append({"field": f"{name}.{field}", "policy": told, "between": by})
    frame.voice.result(rows)
    if not rows:
        frame.voice.say("no field is mapped by more than one connection, so there is nothing to settle")
        return
    frame.voice.table(["field", "policy", "between"], [tuple(row.values()) for row in rows])
    frame.voice.say("`zgoda policy explain FIELD` plays everything that can happen to one")


def _named(rule: msgspec.Struct) -> str:
    said = [f"{key} {value}" for key, value in msgspec.to_builtins(rule).items() if key != "type"]
    return str(rule.__struct_config__.tag) + (f" ({', '.join(said)})" if said else "")


@policy.command(epilog="Examples:\n\n  zgoda policy explain person.job_title\n\n  zgoda policy explain email --json")
@click.argument("field")
@command
async def explain(frame: Frame, field: str) -> None:
    """Print the truth table of a FIELD's policy (ENTITY.FIELD, or a person's FIELD)."""
    from zgoda.settings.explain import explain_policy

    entity, _, name = field.rpartition(".")
    async with store_of(frame) as store:
        try:
            table = explain_policy(store.setup, entity or "person", name)
        except LookupError as error:
            frame.voice.fail(str(error.args[0]), "`zgoda policy list` shows the fields")
    frame.voice.result(table)
    frame.voice.say(str(table))
