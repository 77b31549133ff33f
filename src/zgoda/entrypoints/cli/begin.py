"""init, check, discover, validate, connectors: from an empty folder to a checked project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zgoda.entrypoints.cli.frame import Frame, command, known_word, store_of

if TYPE_CHECKING:
    from zgoda.kit.spec import Connector, Setting


@click.command(
    epilog="Examples:\n\n  zgoda init my-hub\n\n  zgoda init my-hub --crm tryton --marketing odoo\n\n"
    "  zgoda init my-hub --bare"
)
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--crm", default="salesforce", show_default=True, help="Connector of the CRM.")
@click.option("--marketing", default="mailchimp", show_default=True, help="Connector of the marketing platform.")
@click.option("--bare", is_flag=True, help="Without connections: `zgoda connect` adds them.")
@command
async def init(frame: Frame, target: Path, crm: str, marketing: str, bare: bool) -> None:
    """Write a small commented project folder into TARGET. Never overwrites anything.

    Exit code: 0 written, 1 there is a project already (it stays as it is).
    """
    from zgoda.app import CONNECTORS
    from zgoda.settings.start import ProjectExists, init_project

    keys = (
        []
        if bare
        else [known_word(frame.voice, "connector", key, CONNECTORS) for key in dict.fromkeys((crm, marketing))]
    )
    try:
        written = init_project(target, [CONNECTORS[key] for key in keys])
    except ProjectExists as error:
        frame.voice.fail(
            f"{target}: {error}",
            f"go on with it (`zgoda validate -C {target}`) or name another folder",
        )
    frame.voice.result({"folder": str(target), "files": [str(path) for path in written]})
    for path in written:
        frame.voice.say(f"  {path}")
    if bare:
        frame.voice.say(f"next: `cd {target}`, then `zgoda connect NAME --vendor VENDOR` for each system")
    else:
        frame.voice.say(f"next: fill in {target}/connections, then `zgoda check -C {target}`")


@click.command(epilog="Examples:\n\n  zgoda check\n\n  zgoda check crm --json")
@click.argument("names", nargs=-1)
@command
async def check(frame: Frame, names: tuple[str, ...]) -> int:
    """Talk to the systems: who are we there, what can and may we do, what is missing? Writes nothing there.

    Exit code: 0 all let us in, 1 at least one does not.
    """
    from zgoda.app import read_project
    from zgoda.entrypoints.cli.visit import show_visit, visit

    project = read_project(frame.folder)
    chosen = [known_word(frame.voice, "connection", name, project.connections) for name in names]
    async with store_of(frame) as store:
        found = {name: await visit(store, name) for name in chosen or project.connections}
    frame.voice.result(found)
    for name, one in found.items():
        show_visit(frame.voice, name, one)
    return 0 if all(one.ok for one in found.values()) else 1


@click.command(epilog="Examples:\n\n  zgoda discover crm\n\n  zgoda discover crm contacts --json")
@click.argument("name")
@click.argument("stream", required=False)
@command
async def discover(frame: Frame, name: str, stream: str | None) -> None:
    """List the fields of connection NAME (or of one STREAM), what is mapped, and propose rows for what is not."""
    from zgoda.app import open_hub, read_project
    from zgoda.sync.propose_mapping import proposals

    known_word(frame.voice, "connection", name, read_project(frame.folder).connections)
    async with store_of(frame) as store, open_hub(store, [name]) as hub:
        connection = hub.connections[name]
        if stream is not None:
            known_word(frame.voice, f"stream of {name}", stream, connection.streams)
        streams = [s for s in connection.streams.values() if stream in (None, s.name)]
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


@click.command(epilog="Examples:\n\n  zgoda connectors\n\n  zgoda connectors salesforce --json")
@click.argument("vendor", required=False)
@command
async def connectors(frame: Frame, vendor: str | None) -> None:
    """List the connectors, their streams and what each can do; for one VENDOR its settings too."""
    from zgoda.app import CONNECTORS

    if vendor is not None:
        known_word(frame.voice, "connector", vendor, CONNECTORS)
    chosen = [connector for connector in CONNECTORS.values() if vendor in (None, connector.key)]
    rows = [row for connector in chosen for row in _streams(connector)]
    settings = [_setting(setting) for setting in chosen[0].settings] if vendor else []
    frame.voice.result(rows if vendor is None else {"streams": rows, "settings": settings})
    frame.voice.table(["connector", "stream", "entity", "reads", "writes"], [tuple(row.values()) for row in rows])
    if vendor is not None:
        frame.voice.say()
        frame.voice.table(
            ["setting", "needed", "default", "example", "meaning"], [tuple(row.values()) for row in settings]
        )
        frame.voice.say(f"`zgoda connect NAME --vendor {vendor} --set SETTING=VALUE` writes a connection")
    else:
        frame.voice.say("`zgoda connectors VENDOR` lists a connector's settings")


def _streams(connector: Connector) -> list[dict[str, Any]]:
    from zgoda.entrypoints.cli.visit import reads_of
    from zgoda.kit.connection import streams_of
    from zgoda.kit.errors import NeedsAttention

    given = {setting.name: setting.default for setting in connector.settings}
    try:
        streams = streams_of(connector, given)
    except NeedsAttention:
        streams = ()
    if not streams:
        return [{"connector": connector.key, "stream": "(yours)", "entity": "any", "reads": [], "writes": []}]
    return [
        {
            "connector": connector.key,
            "stream": stream.name,
            "entity": stream.entity,
            "reads": list(reads_of(stream)),
            "writes": sorted(stream.can),
        }
        for stream in streams
    ]


def _setting(setting: Setting) -> dict[str, Any]:
    needed = setting.required and setting.default is None
    return {
        "setting": setting.name,
        "needed": "secret, needed" if setting.secret and needed else "secret" if setting.secret else needed,
        "default": setting.default,
        "example": setting.example,
        "meaning": setting.meaning,
    }
