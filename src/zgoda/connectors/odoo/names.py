"""Odoo has one field for a person's name; the hub has two. Splitting must not lose what joining put together.

`given_first`: the last word is the family name; `family_first`: the first word is. Where that guess would be wrong for
what the hub wrote ("van der Berg"), the words of that part are held together by no-break spaces, which look the same.
"""

from __future__ import annotations

from typing import Final

GLUE: Final = "\u00a0"


def split(name: str, order: str) -> tuple[str, str]:
    """(given, family); a part may be empty. A single word is the part that comes first."""
    lone_second = name.startswith(GLUE) and " " not in name
    first, _, second = name.rpartition(" ") if order == "given_first" else name.partition(" ")
    if not first or not second:
        first, second = ("", name) if lone_second else (name, "")
    first, second = first.replace(GLUE, " ").strip(), second.replace(GLUE, " ").strip()
    return (first, second) if order == "given_first" else (second, first)


def join(given: str, family: str, order: str) -> str:
    """The one name that `split` takes apart into just these two."""
    first, second = (given, family) if order == "given_first" else (family, given)
    if not second:
        return first.replace(" ", GLUE)
    if not first:
        return GLUE + second.replace(" ", GLUE)
    if order == "given_first":
        return f"{first} {second.replace(' ', GLUE)}"
    return f"{first.replace(' ', GLUE)} {second}"
