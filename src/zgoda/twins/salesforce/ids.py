"""Salesforce record ids: 15 characters that tell upper from lower case, or 18 with a suffix that repairs lost case."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_POD = "8d0"


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the `number`-th record under a three-character key prefix."""
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    short = prefix + _POD + digits
    return short + suffix(short)


def suffix(short: str) -> str:
    """Three characters that say which of the 15 are capitals."""
    return "".join(
        _SUFFIX[sum(1 << bit for bit in range(5) if "A" <= short[start + bit] <= "Z")] for start in (0, 5, 10)
    )


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
