"""Commands with commands of their own (`held approve`): without one they list, and `-C` and `--json` go anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from zgoda.entrypoints.cli.frame import shared_options


class Section(click.Group):
    """A group whose `list` is meant where no command is said: `zgoda held`, `zgoda held --limit 5`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        silent = not args or args[0].startswith("-")
        asks_help = bool({"-h", "--help"} & set(args))
        if silent and not asks_help and not any(arg in self.commands for arg in args):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, known_command(ctx, args, self.commands))


def section(**attributes: Any) -> Callable[[Callable[[], None]], Section]:
    """A `Section` made of a function that has only a docstring."""

    def make(function: Callable[[], None]) -> Section:
        return click.group(cls=Section, **attributes)(shared_options(function))

    return make


def known_command(ctx: click.Context, args: list[str], known: Iterable[str]) -> list[str]:
    """The arguments, if the first of them is a command; else an error with the nearest one."""
    from difflib import get_close_matches

    words = list(known)
    if args and args[0] not in words:
        near = get_close_matches(args[0], words, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
        ctx.fail(f"there is no command {args[0]!r}; {hint}")
    return args
