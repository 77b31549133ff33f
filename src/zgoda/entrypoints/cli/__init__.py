"""The command line. Commands load their code only when called, so that `zgoda --help` is instant."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

import click

from zgoda.entrypoints.cli.frame import shared_options
from zgoda.entrypoints.cli.section import known_command
from zgoda.entrypoints.cli.speak import Voice

SECTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Begin": {
        "init": ("begin", "write a small commented project folder"),
        "connect": ("connect", "add a system, then say what it lets us do"),
        "check": ("begin", "say who we are in the systems and what we may do"),
        "discover": ("begin", "read a system's fields and propose mappings"),
        "validate": ("begin", "check the project's files"),
        "connectors": ("begin", "list the connectors, what they can do and their settings"),
        "demo": ("demo", "the whole story on two twins"),
        "twin": ("twin", "start a realistic vendor server"),
    },
    "Keep in agreement": {
        "plan": ("flow", "show what a sync would do (exit 0: nothing, 2: changes)"),
        "sync": ("flow", "read, reconcile and deliver once"),
        "drift": ("flow", "compare everything and repair, without deleting"),
        "run": ("serve", "keep the systems in agreement: schedule, webhooks, workers"),
        "worker": ("serve", "one more worker for a running hub"),
    },
    "Look": {
        "status": ("look", "how connections, streams and queues stand"),
        "doctor": ("doctor", "find what commonly goes wrong, and say what to do"),
        "why": ("look", "why a record or a field is what it is"),
        "runs": ("look", "list runs and their results"),
        "policy": ("look", "list the policies; print a field's as a truth table"),
    },
    "Decide": {
        "conflicts": ("decide", "list and decide disagreements"),
        "held": ("decide", "list, approve or reject what a brake holds"),
        "dead-letters": ("decide", "list and redeliver what was refused"),
        "undo": ("decide", "put back what a run changed"),
        "recreate": ("decide", "create a record again where it was deleted"),
    },
    "Stop and go on": {
        "pause": ("switch", "stop a connection or a stream"),
        "resume": ("switch", "let it go on"),
        "kill": ("switch", "stop all calls at once (and let them go on)"),
    },
}
"""The commands as `--help` shows them: command -> the module of this package that holds it, and a summary."""

COMMANDS: Final = {name: module for group in SECTIONS.values() for name, (module, _) in group.items()}


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
        width = max(map(len, COMMANDS))
        for title, group in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), summary) for name, (_, summary) in group.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, known_command(ctx, args, COMMANDS))

    def main(self, args: Any = None, *rest: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Wrong usage ends with 1: 2 means "there are differences" in `plan` and `drift`."""
        if not standalone_mode:
            return super().main(args, *rest, standalone_mode=False, **extra)
        words = sys.argv[1:] if args is None else list(args)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to fail
        try:
            sys.exit(super().main(args, *rest, standalone_mode=False, **extra))
        except click.ClickException as error:
            if "--json" in words:
                Voice(json=True).fail(error.format_message(), "see --help")
            error.show()
            sys.exit(1)
        except click.Abort:
            sys.exit(130)


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=(
        "Exit codes: 0 done; 1 error; 2 differences (plan, drift); 3 something waits for a person or is in trouble "
        "(sync, drift); 130 and 143 stopped by a signal."
    ),
)
@shared_options
@click.version_option(package_name="zgoda")
def main() -> None:
    """Zgoda keeps CRM systems and marketing platforms in agreement. Consent always wins."""
