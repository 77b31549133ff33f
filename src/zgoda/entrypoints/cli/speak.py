"""How commands speak: people get tables and sentences, programs get one JSON document (`--json`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.table import Table


class Voice:
    """Where a command's words go. In JSON mode only `result` and `fail` speak, on standard output."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console = Console(highlight=False, emoji=False, markup=False, soft_wrap=not sys.stdout.isatty())

    @property
    def is_terminal(self) -> bool:
        return self._console.is_terminal and not self.json

    @property
    def console(self) -> Console:
        return self._console

    def say(self, text: str = "", style: str | None = None) -> None:
        if not self.json:
            self._console.print(text, style=style)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
        """A table for people; nothing in JSON mode."""
        if self.json:
            return
        table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
        for column in columns:
            numeric = column.startswith(">")
            table.add_column(column.lstrip(">"), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self._console.print(table)

    def result(self, value: Any) -> None:
        """The command's result for programs; nothing for people."""
        if self.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")

    def fail(self, message: str, do: str = "", code: int = 1, **details: Any) -> NoReturn:
        """Say what went wrong and what to do next, and leave."""
        if self.json:
            self.result({"error": message, "do": do, **details})
        else:
            click.echo(f"error: {message}", err=True)
            if do:
                click.echo(f"  do: {do}", err=True)
        raise SystemExit(code)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)
