"""What may stand where in a project file, as data.

The loader checks files against these shapes, the editors' JSON Schemas and the reference in the documentation are made
from them, so the three cannot disagree.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Any text. `of` says what for, in words; `pattern` is a regular expression it must match wholly."""

    of: str = "a text"
    example: str = ""
    pattern: str = ""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One of a set of words. `of` is their common name."""

    of: str
    options: tuple[str, ...]


class Flag(msgspec.Struct, frozen=True):
    """`true` or `false`."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A whole number, not negative."""

    example: str = "20"


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, written `60s`, `5m`, `2h`, `1d`."""

    example: str = "60s"
    least_s: float = 0.0


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a whole, written `5%` or `0.05`; a number from 0 to 1 once read."""

    example: str = "5%"


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """A single value of one of `kinds` (`text`, `number`, `boolean`, `blank`). `references`: a reference to it will do
    (`${env:NAME}`), and an address must not carry a password."""

    kinds: frozenset[str] = frozenset({"text", "number", "boolean"})
    example: str = ""
    references: bool = False


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A reference to a secret, never the secret."""

    example: str = "${env:NAME}"


class ListOf(msgspec.Struct, frozen=True, kw_only=True):
    """A list. `example` is one line of YAML."""

    item: Shape
    example: str = "[a, b]"


class MapOf(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with keys of the user's choice; `key` says what they are. `any_key` admits numbers and booleans."""

    key: str
    value: Shape
    example: str = ""
    pattern: str = ""
    any_key: bool = False


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a `Form`. `meaning` is one sentence for people, `default` is what holds without the key."""

    name: str
    shape: Shape
    meaning: str
    required: bool = False
    default: str = ""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with known keys. `of` is what it describes, for messages. `refuses` gives reasons for words people may
    look for here: (beginning of the key, message, hint)."""

    of: str
    keys: tuple[Key, ...]
    refuses: tuple[tuple[str, str, str], ...] = ()
    key_of: str = "key"

    def find(self, name: object) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)


class OneOf(msgspec.Struct, frozen=True, kw_only=True):
    """One word, alone or with something to say about it: `ask` or `prefer: crm`. Reads as a mapping with one entry.
    `bare` are the words that may stand alone."""

    of: str
    keys: tuple[Key, ...]
    bare: frozenset[str]

    def find(self, name: object) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)


class Short(msgspec.Struct, frozen=True, kw_only=True):
    """A form that may be shortened to the value of its main key: `crm` for `{system: crm}`."""

    form: Form
    main: str


class AnyOf(msgspec.Struct, frozen=True, kw_only=True):
    """A single value or a list of such."""

    item: Shape


Shape: TypeAlias = (
    Text | Word | Flag | Whole | Duration | Share | Plain | Secret | ListOf | MapOf | Form | OneOf | Short | AnyOf
)
