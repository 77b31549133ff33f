"""init, check, discover, validate, connectors: from an empty folder to a checked project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zgoda.entrypoints.cli.frame import Frame, command


@click.command(epilog="Examples:\n\n  zgoda init my-hub\n\n  zgoda init my-hub --crm tryton --marketing odoo")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--crm", default="salesforce", show_default=True, help="Connector of the CRM.")
@click.option("--marketing", default="mailchimp", show_default=True, help="Connector of the marketing platform.")
@command
async def init(frame: Frame, target: Path, crm: str, marketing: str) -> None:
    """Write a small commented project folder into TARGET. Never overwrites anything."""
    from zgoda.app import CONNECTORS
    from zgoda.settings.start import init_project

    for name in (crm, marketing):
        if name not in CONNECTORS:
            frame.voice.fail(f"there is no connector {name!r}", f"known: {', '.join(CONNECTORS)}")
    written = init_project(target, [CONNECTORS[crm], CONNECTORS[marketing]])
    frame.voice.result({"folder": str(target), "files": [str(path) for path in written]})
    for path in written:
        frame.voice.say(f"  {path}")
    frame.voice.say(f"next: look through {target}/connections, then `zgoda check -C {target}`")


@click.command(epilog="Examples:\n\n  zgoda check\n\n  zgoda check crm --json")
@click.argument("names", nargs=-1)
@command
async def check(frame: Frame, names: tuple[str, ...]) -> int:
    """Talk to the systems: do the credentials work, who are we there, what is missing? Writes nothing there."""
    from zgoda.app import check_accounts, open_hub, open_store, read_project

    project = read_project(frame.folder)
    unknown = [name for name in names if name not in project.connections]
    if unknown:
        frame.voice.fail(f"there is no connection {unknown[0]!r}", f"known: {', '.join(project.connections)}")
    async with open_store(project) as store, open_hub(store, names or None) as hub:
        answers = await check_accounts(store, hub)
    found = {name: _told(answer) for name, answer in answers.items()}
    frame.voice.result(found)
    for name, told in found.items():
        if told["ok"]:
            frame.voice.say(f"{name}: works. account {told['account']}, user {told['user']}, version {told['version']}")
        else:
            frame.voice.say(f"{name}: {told['error']}", style="red")
            if told["do"]:
                frame.voice.say(f"  do: {told['do']}")
        for note in told.get("notes", ()):
            frame.voice.say(f"  note: {note}")
    return 0 if all(told["ok"] for told in found.values()) else 1


def _told(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"ok": False, "error": str(answer), "do": getattr(answer, "do", "")}
    return {
        "ok": True,
        "account": answer.account,
        "user": answer.user,
        "version": answer.version,
        "notes": list(answer.notes),
    }


@click.command(epilog="Examples:\n\n  zgoda discover crm\n\n  zgoda discover crm contacts --json")
@click.argument("name")
@click.argument("stream", required=False)
@command
async def discover(frame: Frame, name: str, stream: str | None) -> None:
    """List the fields of connection NAME (or of one STREAM), what is mapped, and propose rows for what is not."""
    from zgoda.app import open_hub, open_store, read_project
    from zgoda.sync.propose_mapping import proposals

    project = read_project(frame.folder)
    if name not in project.connections:
        frame.voice.fail(f"there is no connection {name!r}", f"known: {', '.join(project.connections)}")
    async with open_store(project) as store, open_hub(store, [name]) as hub:
        connection = hub.connections[name]
        streams = [s for s in connection.streams.values() if stream in (None, s.name)]
        if not streams:
            frame.voice.fail(f"{name} has no stream {stream!r}", f"known: {', '.join(connection.streams)}")
        found: list[dict[str, Any]] = []
        for each in streams:
            described = await connection.connector.discover(connection.session, each)
            source = store.setup.find(name, each.name)
            found.append(proposals(each, described, source))
    frame.voice.result(found)
    for one in found:
        frame.voice.table(
            ["vendor field", "type", "label", "writable", "mapped to", "proposal"],
            [(f["name"], f["type"], f["label"], f["writable"], f["mapped"], f["proposal"]) for f in one["fields"]],
            title=f"{name}/{one['stream']} ({one['entity']})",
        )


@click.command(epilog="Examples:\n\n  zgoda validate\n\n  zgoda validate -C my-hub --json")
@command
async def validate(frame: Frame) -> None:
    """Check the project's files: every fault with file, line, column and the nearest right word."""
    from zgoda.app import CONNECTORS, read_project
    from zgoda.settings.schemas import write_schemas

    project = read_project(frame.folder)
    write_schemas(frame.folder, CONNECTORS)
    streams = sum(len(connection.streams) for connection in project.connections.values())
    frame.voice.result({"faults": [], "connections": list(project.connections), "notes": list(project.notes)})
    frame.voice.say(f"no faults: {len(project.connections)} connections, {streams} streams")
    for note in project.notes:
        frame.voice.say(f"  note: {note}")


@click.command(epilog="Example:\n\n  zgoda connectors --json")
@command
async def connectors(frame: Frame) -> None:
    """List the connectors, their streams and what each can do."""
    from zgoda.app import CONNECTORS
    from zgoda.kit.connection import streams_of

    rows: list[tuple[str, ...]] = []
    for connector in CONNECTORS.values():
        given = {setting.name: setting.default for setting in connector.settings}
        for stream in streams_of(connector, given):
            reads = [
                word
                for word, function in (
                    ("all", stream.read_all),
                    ("changes", stream.read_changes),
                    ("deletes", stream.read_deletes),
                )
                if function is not None
            ]
            rows.append((connector.key, stream.name, stream.entity, ", ".join(reads), ", ".join(sorted(stream.can))))
    names = ("connector", "stream", "entity", "reads", "writes")
    frame.voice.result([dict(zip(names, row, strict=True)) for row in rows])
    frame.voice.table(names, rows)
