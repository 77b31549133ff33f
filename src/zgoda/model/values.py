"""Canonical values: one JSON-able form per type, and when two of them say the same thing.

| type | form |
|---|---|
| text, url, choice, email, phone | `str`, NFC, outer white space removed, never empty |
| country | two capital letters |
| integer | `int` |
| decimal | `str`, plain notation without superfluous zeros |
| boolean | `bool` |
| date | `YYYY-MM-DD` |
| instant | `YYYY-MM-DDTHH:MM:SS[.ffffff]Z` |
| set | sorted `list[str]` without repetition, never empty |
| ref | `int`, the golden record's id (vendors' ids are resolved before) |

`None` is "known to be blank"; a field that is not in a mapping of values is "not known".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from zgoda.model.entities import FieldType

Value: TypeAlias = str | int | bool | list[str] | None
Values: TypeAlias = dict[str, Any]
"""Canonical values by field name. `Any` stands for `Value`: the checker cannot follow JSON through a `dict`."""

CONSENT_PREFIX = "consent:"
"""Consent travels as fields of a person named `consent:CHANNEL:PURPOSE`, see `zgoda.model.consent`."""


def same(type: FieldType, a: Any, b: Any) -> bool:
    """Whether two canonical values mean the same, so that differing spelling is no reason to write.

    The values themselves are left as their authors typed them; only the comparison folds.
    """
    if a == b:
        return True
    if a is None or b is None:
        return False
    fold = _FOLD.get(type)
    return fold is not None and fold(a) == fold(b)


def rewritten(a: Any, b: Any) -> bool:
    """Whether `b` looks like what a vendor makes of `a` when it tidies values up (trim, case, digits only)."""
    if isinstance(a, str) and isinstance(b, str):
        return _bare(a) == _bare(b)
    return a == b


def clean_text(raw: str) -> str | None:
    """NFC, outer white space removed; nothing left is blank."""
    text = raw.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text or None


def fold_email(address: str) -> str:
    """The address for comparing: case, white space and IDN folded. Plus-tags and dots stay (they are the owner's)."""
    local, at, domain = address.strip().casefold().rpartition("@")
    if not domain.isascii():
        domain = _to_ascii(domain)
    return f"{local}{at}{domain}"


def fold_phone(number: str) -> str:
    """Digits for comparing, with a leading `+` where the country is known."""
    text = number.strip()
    digits = text.translate(_DIGITS) if text.isascii() else _NO_DIGIT.sub("", text)
    if text.startswith("+"):
        return "+" + digits
    if text.startswith("00"):
        return "+" + digits[2:]
    return digits


_DIGITS = {code: None for code in range(128) if not chr(code).isdigit()}
_NO_DIGIT = re.compile(r"[^0-9]+")


def fold_url(address: str) -> str:
    text = address.strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        rest = scheme
    host, slash, path = rest.partition("/")
    host = host.casefold().removeprefix("www.")
    return (host + slash + path).rstrip("/")


@lru_cache(maxsize=4096)
def _to_ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in folded if c.isalnum())


_FOLD: Mapping[FieldType, Callable[[Any], Any]] = {
    FieldType.EMAIL: fold_email,
    FieldType.PHONE: fold_phone,
    FieldType.URL: fold_url,
}

FOLDED = frozenset(_FOLD)
"""Types of which two spellings may mean the same."""
