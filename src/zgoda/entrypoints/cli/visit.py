"""A visit to a system: does it let us in, who are we there, and what may we do with each stream? Writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from zgoda.app import Store, check_accounts, open_hub
from zgoda.entrypoints.cli.frame import explain, first_error
from zgoda.entrypoints.cli.speak import Voice
from zgoda.kit.connection import Connection
from zgoda.kit.errors import ConnectorError, Halted, Temporary
from zgoda.kit.spec import Stream, VendorObject
from zgoda.sync.setup import Source

OPS: Final = ("create", "update", "delete")


class StreamRights(msgspec.Struct, frozen=True, kw_only=True):
    """What is possible with one stream. `reads`: all, changes, deletes; `writes`: what the project wants, the connector
    can and the system allows; `forbidden`: what the project wants and the system does not allow. `missing` are mapped
    vendor fields we do not see there. `error`: why the system would not describe the stream."""

    stream: str
    entity: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    fields: int = 0
    missing: tuple[str, ...] = ()
    records: int | None = None
    error: str = ""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a visit. If not `ok`, `error` says why and `do` what to do next."""

    ok: bool
    account: str = ""
    user: str = ""
    version: str = ""
    notes: tuple[str, ...] = ()
    streams: tuple[StreamRights, ...] = ()
    error: str = ""
    do: str = ""


async def visit(store: Store, name: str, *, in_full: bool = True) -> Visit:
    """Visit one connection. `in_full` asks about every stream, too. What goes wrong is in the answer, unless nobody
    expected it."""
    try:
        async with open_hub(store, [name]) as hub:
            answer = (await check_accounts(store, hub))[name]
            if isinstance(answer, ConnectorError):
                raise answer
            streams = [
                await _rights(hub.connections[name], source) for source in store.setup.of_connection(name) if in_full
            ]
    except Exception as error:
        told = explain(first_error(error), Path())
        if told is None:
            raise
        far = isinstance(error, Temporary) and not isinstance(error, Halted)
        do = "is the address right, and can this machine reach it?" if far else told[1]
        return Visit(ok=False, error=told[0].removeprefix(f"{name}: "), do=do)
    return Visit(
        ok=True,
        account=answer.account,
        user=answer.user,
        version=answer.version,
        notes=tuple(answer.notes),
        streams=tuple(streams),
    )


async def _rights(connection: Connection, source: Source) -> StreamRights:
    stream = connection.streams[source.stream.name]
    reads = reads_of(stream)
    try:
        described = await connection.connector.discover(connection.session, stream)
    except ConnectorError as error:
        return StreamRights(stream=stream.name, entity=stream.entity, reads=reads, error=str(error))
    allowed = {"create": described.creatable, "update": described.updatable, "delete": described.deletable}
    wanted = [op for op in OPS if op in source.may and op in stream.can]
    return StreamRights(
        stream=stream.name,
        entity=source.entity.name,
        reads=reads if described.readable else (),
        writes=tuple(op for op in wanted if allowed[op]),
        forbidden=tuple(op for op in wanted if not allowed[op]),
        fields=len(source.mapping.maps),
        missing=_missing(source, described),
        records=described.count,
    )


def reads_of(stream: Stream) -> tuple[str, ...]:
    """The ways a stream can be read, in words."""
    ways = (("all", stream.read_all), ("changes", stream.read_changes), ("deletes", stream.read_deletes))
    return tuple(word for word, function in ways if function is not None)


def _missing(source: Source, described: VendorObject) -> tuple[str, ...]:
    """Mapped fields the system does not describe. Of a path into something it does not describe nothing is known."""
    seen = {field.name for field in described.fields}
    parents = {name.partition(".")[0] for name in seen if "." in name}
    return tuple(
        name
        for name in source.mapping.vendor_fields
        if name not in seen and name not in parents and ("." not in name or name.partition(".")[0] in parents)
    )


def show_visit(voice: Voice, name: str, found: Visit) -> None:
    """A visit for people."""
    if not found.ok:
        voice.say(f"{name}: {found.error}", style="red")
        if found.do:
            voice.say(f"  do: {found.do}")
        return
    voice.say(f"{name}: works. account {found.account}, user {found.user}, version {found.version}", style="green")
    for note in found.notes:
        voice.say(f"  note: {note}")
    for one in found.streams:
        if one.forbidden:
            voice.say(f"  note: {one.stream}: the user may not {', '.join(one.forbidden)} there", style="yellow")
        if one.missing:
            voice.say(f"  note: {one.stream}: not seen there: {', '.join(one.missing)}", style="yellow")
        if one.error:
            voice.say(f"  note: {one.stream}: {one.error}", style="yellow")
    voice.table(
        ["stream", "holds", "reads", "writes", ">mapped fields", ">records"],
        [
            (s.stream, s.entity, list(s.reads) or "no", list(s.writes) or "no", s.fields, s.records)
            for s in found.streams
        ],
    )
