"""How commands speak: people get tables and sentences, programs get one JSON document (`--json`).

On a terminal tables fit its width; anywhere else every row is one line and nothing is cut, for `grep` and `awk`. What
vendors hold may carry control characters: they never reach a terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

import click
import msgspec
from rich.console import Console
from rich.table import Table


class Voice:
    """Where a command's words go. In JSON mode only `result` and `fail` speak, once, on standard output."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._told = False
        self._console = Console(highlight=False, emoji=False, markup=False)

    @property
    def is_terminal(self) -> bool:
        return self._console.is_terminal and not self.json

    def say(self, text: str = "", style: str | None = None) -> None:
        """A sentence for people; nothing in JSON mode."""
        if self.json:
            return
        if self._console.is_terminal:
            self._console.print(printable(text), style=style)
        else:
            click.echo(printable(text))

    def warn(self, text: str, do: str = "") -> None:
        """Something nobody may overlook: on standard error, in JSON mode too."""
        _loudly(f"warning: {text}")
        if do:
            click.echo(printable(f"  do: {do}"), err=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
        """A table for people; nothing in JSON mode. A column whose name begins with `>` holds numbers."""
        if self.json:
            return
        cells = [[_cell(value) for value in row] for row in rows]
        if title:
            self.say(title, style="italic")
        if self._console.is_terminal:
            self._console.print(_fitting(columns, cells))
        else:
            for line in _lines(columns, cells):
                click.echo(line)

    def result(self, value: Any) -> None:
        """The command's result for programs; nothing for people. Only the first one counts."""
        if self.json and not self._told:
            self._told = True
            text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
            click.echo(text)

    def fail(self, message: str, do: str = "", code: int = 1, **details: Any) -> NoReturn:
        """Say what went wrong and what to do next, and leave."""
        self.result({"error": message, "do": do, **details})
        if not self.json:
            _loudly(f"error: {message}")
            if do:
                click.echo(printable(f"  do: {do}"), err=True)
        sys.exit(code)


def _loudly(text: str) -> None:
    plain = bool(os.environ.get("NO_COLOR"))
    click.secho(printable(text), err=True, fg=None if plain else "red", bold=not plain)


_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Without what could move the cursor, colour the screen or turn the reading direction round."""
    return _UNPRINTABLE.sub("?", text)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_cell, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return printable(" ".join(str(value).split()))


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """For a terminal: without columns that say nothing, numbers and the first column never broken."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    shown = [n for n in range(len(columns)) if not rows or n == 0 or any(row[n] not in ("", "0") for row in rows)]
    for n in shown:
        number = columns[n].startswith(">")
        justify = "right" if number else "left"
        table.add_column(columns[n].lstrip(">"), justify=justify, overflow="fold", no_wrap=number or n == 0)
    for row in rows:
        table.add_row(*(row[n] for n in shown))
    return table


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """For files and pipes: one line a row, as wide as it needs to be."""
    lines = [[name.lstrip(">") for name in columns], *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
