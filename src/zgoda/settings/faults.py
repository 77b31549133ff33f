"""What is wrong with a project: every fault with its place, all of them together, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a project file. `file` is relative to the project folder; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1


class Fault(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing to mend. `hint` says what to write instead, where that is known. Never holds a secret's value."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ProjectError(Exception):
    """A project that cannot be used. `faults` holds all of them, ordered by place; `str()` is one line for each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))


class Faults:
    """Collects faults while a project is read, so that one run shows all of them."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, mark: Mark, message: str, hint: str = "") -> None:
        self._found.append(Fault(file=mark.file, line=mark.line, column=mark.column, message=message, hint=hint))

    def __len__(self) -> int:
        return len(self._found)

    def raise_any(self) -> None:
        """Raises `ProjectError` if anything was found."""
        if self._found:
            raise ProjectError(self._found)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a word nobody knows: the closest known one, else all of them if they are few."""
    words = sorted(known)
    close = difflib.get_close_matches(word.casefold(), words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    if not words:
        return "there is none"
    if len(words) > MOST_WORDS_LISTED:
        return f"known are {', '.join(words[:MOST_WORDS_LISTED])} and {len(words) - MOST_WORDS_LISTED} more"
    return f"known: {', '.join(words)}" if len(words) > 1 else f"the only one is {words[0]}"


MOST_WORDS_LISTED = 12


def shown(word: object) -> str:
    """A word from a file as it may stand in a message: short, printable, on one line."""
    text = str(word)
    text = "".join(c if c.isprintable() else "?" for c in text[: MOST_CHARACTERS_SHOWN + 1])
    return text if len(text) <= MOST_CHARACTERS_SHOWN else text[:MOST_CHARACTERS_SHOWN] + "…"


MOST_CHARACTERS_SHOWN = 60
