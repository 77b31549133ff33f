"""Two names from a party's one, and back without loss.

Which word of "Ada van der Berg" starts the family name is not in the text. What the hub writes says it: inside a family
name the spaces are no-break spaces, so the one that parts the two names is found again, and nobody sees a difference.
What a person types is split at the last space (`given_first`), the first (`family_first`) or the comma.
"""

from __future__ import annotations

from typing import Final

from zgoda.connectors.tryton.options import NameOrder

NO_BREAK: Final = "\u00a0"
_BETWEEN: Final[dict[NameOrder, str]] = {"given_first": " ", "family_first": " ", "family_comma": ", "}


def split(name: str | None, order: NameOrder) -> tuple[str | None, str | None]:
    """Given and family name. One word alone is a family name."""
    text = (name or "").strip(" \t\r\n")
    between = _BETWEEN[order]
    if order == "given_first":
        given, _, family = text.rpartition(between)
    else:
        family, _, given = text.partition(between)
    return _spaced(given), _spaced(family)


def join(given: str | None, family: str | None, order: NameOrder) -> str | None:
    """The one name that `split` takes apart into these two; None if there are none."""
    between = _BETWEEN[order]
    if not given:
        return _kept(family, between) if family else None
    last = _kept(family, between) if family else NO_BREAK
    return f"{given}{between}{last}" if order == "given_first" else f"{last}{between}{given}"


def _kept(family: str, between: str) -> str:
    return family.replace(between, between.replace(" ", NO_BREAK))


def _spaced(part: str) -> str | None:
    return part.replace(NO_BREAK, " ").strip() or None
