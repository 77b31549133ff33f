"""The command line. Commands load their code only when called, so that `zgoda --help` is instant."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final[dict[str, str]] = {
    "init": "begin",
    "check": "begin",
    "discover": "begin",
    "validate": "begin",
    "connectors": "begin",
    "plan": "flow",
    "sync": "flow",
    "drift": "flow",
    "run": "serve",
    "worker": "serve",
    "status": "look",
    "why": "look",
    "conflicts": "decide",
    "held": "decide",
    "dead-letters": "decide",
    "runs": "look",
    "policy": "look",
    "undo": "decide",
    "recreate": "decide",
    "pause": "switch",
    "resume": "switch",
    "kill": "switch",
    "twin": "twin",
    "demo": "demo",
}
"""Command -> the module of this package that holds it."""


class Lazy(click.Group):
    """A group that imports a command's module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        return getattr(import_module(f"{__name__}.{module}"), cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"no such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


SUMMARIES: Final[dict[str, str]] = {
    "init": "write a small commented project folder",
    "check": "say what the systems let us do",
    "discover": "read a system's fields and propose mappings",
    "validate": "check the project's files",
    "connectors": "list the connectors and what they can do",
    "plan": "show what a sync would do (exit 0: nothing, 2: changes)",
    "sync": "read, reconcile and deliver once",
    "drift": "compare everything and repair, without deleting",
    "run": "keep the systems in agreement: schedule, webhooks, workers",
    "worker": "one more worker for a running hub",
    "status": "how connections, streams and queues stand",
    "why": "why a record or a field is what it is",
    "conflicts": "list and decide disagreements",
    "held": "list, approve or reject what a brake holds",
    "dead-letters": "list and redeliver what was refused",
    "runs": "list runs and their results",
    "policy": "print a field's policy as a truth table",
    "undo": "put back what a run changed",
    "recreate": "create a record again where it was deleted",
    "pause": "stop a connection",
    "resume": "let a connection go on",
    "kill": "stop all writes at once (and let them go on)",
    "twin": "start a realistic vendor server",
    "demo": "the whole story on two twins",
}


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="zgoda")
def main() -> None:
    """Zgoda keeps CRM systems and marketing platforms in agreement. Consent always wins."""
