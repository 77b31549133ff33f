"""Salesforce record ids: 15 characters that tell upper from lower case, or 18 with a suffix that repairs lost case."""

from __future__ import annotations

from functools import lru_cache

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_POD = "8d0"


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the `number`-th record under a three-character key prefix."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    short = prefix + _POD + digits.rjust(9, "0")
    return short + suffix(short)


def suffix(short: str) -> str:
    """Three characters that say which of the 15 are capitals."""
    return _mark(short[:5]) + _mark(short[5:10]) + _mark(short[10:])


@lru_cache(maxsize=8192)
def _mark(part: str) -> str:
    return _SUFFIX[sum(1 << bit for bit, letter in enumerate(part) if "A" <= letter <= "Z")]


def full_id(text: str) -> str | None:
    """The right 18-character form of an id given with 15 or 18 characters, None when it cannot be one."""
    if len(text) not in (15, 18) or not text.isascii() or not text.isalnum():
        return None
    if len(text) == 15:
        return text + suffix(text)
    return _with_case_repaired(text)


def _with_case_repaired(text: str) -> str | None:
    letters: list[str] = []
    for start, mark in zip((0, 5, 10), text[15:].upper(), strict=True):
        capitals = _SUFFIX.find(mark)
        if capitals < 0:
            return None
        letters += [
            letter.upper() if capitals >> bit & 1 else letter.lower()
            for bit, letter in enumerate(text[start : start + 5])
        ]
    return "".join(letters) + text[15:].upper()
