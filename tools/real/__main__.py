"""`python -m tools.real prepare|up|status|down|story`: the real servers by hand; see docs/real-servers.md."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from tools.real import keeper, odoo_server, tryton_server
from tools.real.cache import build_seconds, cache_folder, size_mb
from tools.real.install import environment
from tools.real.processes import ServerFailed
from tools.real.smtp import smtp_sink

TEMPLATES: dict[str, Callable[[], Path]] = {"tryton": tryton_server.template, "odoo": odoo_server.template}
NAMES = click.argument("names", nargs=-1, type=click.Choice(sorted(TEMPLATES)))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command(help="Install the servers and prepare their databases, where that is not done yet.")
@NAMES
@AS_JSON
def prepare(names: tuple[str, ...], as_json: bool) -> None:
    facts: dict[str, Any] = {}
    for name in names or tuple(TEMPLATES):
        for part, folder in (("environment", environment(name)), ("template", TEMPLATES[name]())):
            facts[f"{name} {part}"] = {"folder": str(folder), "seconds": build_seconds(folder), "mb": size_mb(folder)}
    _show(facts, as_json)


@main.command(help="Start fresh servers and an SMTP sink that stay up until `down`.")
@NAMES
@AS_JSON
def up(names: tuple[str, ...], as_json: bool) -> None:
    try:
        _show(keeper.up(names or tuple(TEMPLATES)), as_json)
    except ServerFailed as failed:
        raise click.ClickException(str(failed)) from failed


@main.command(help="Show what `up` started.")
@AS_JSON
def status(as_json: bool) -> None:
    _show(keeper.status(), as_json)


@main.command(help="Stop and remove what `up` started.")
@AS_JSON
def down(as_json: bool) -> None:
    _show({"stopped": keeper.down()}, as_json)


@main.command(help="Run the main job on both servers; exit code 0 only if every mapped field agrees.")
@click.option("--keep/--once", default=False, help="Leave the servers running after the summary, until Ctrl-C.")
@AS_JSON
def story(keep: bool, as_json: bool) -> None:
    from tools.real.story import tell

    from zgoda.entrypoints.cli.speak import Voice

    voice = Voice(json=as_json)
    with smtp_sink() as sink, tryton_server.tryton(sink.port) as crm, odoo_server.odoo(sink.port) as marketing:
        code = tell(voice, cache_folder() / "story", crm, marketing, sink)
        if keep:
            voice.say("Both servers keep running. Stop with Ctrl-C.")
            signal.pause()
    raise SystemExit(code)


@main.command(hidden=True)
@NAMES
@click.option("--folder", type=click.Path(path_type=Path), help="Only names the process for those who look for it.")
def keep(names: tuple[str, ...], folder: Path) -> None:
    keeper.keep(names)


def _show(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items() or [("nothing runs", "")]:
        click.echo(f"{name}: {json.dumps(value)}" if value != "" else name)


if __name__ == "__main__":
    main()
