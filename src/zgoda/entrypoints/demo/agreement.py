"""Do the two systems agree? Asked of the systems themselves, field by field, without the hub's help.

People are paired by e-mail address, and fields are compared by the vendors' own names, so that a mistake in the hub's
mapping or bookkeeping cannot hide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

PAIRS = (
    ("FirstName", "FNAME"),
    ("LastName", "LNAME"),
    ("Phone", "PHONE"),
)


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How many fields of people known to both agree. `differing` names the fields that do not, with counts."""

    people: int
    fields: int
    agreeing: int
    differing: dict[str, int]
    only_crm: int
    only_news: int

    @property
    def percent(self) -> float:
        return 100.0 * self.agreeing / self.fields if self.fields else 100.0


def compare(contacts: Iterable[dict[str, Any]], members: Iterable[dict[str, Any]]) -> Agreement:
    """Compare everybody whose address is unique in both systems."""
    crm = _by_address((contact.get("Email"), contact) for contact in contacts)
    news = _by_address((member.get("email_address"), member) for member in members)
    both = crm.keys() & news.keys()
    differing: Counter[str] = Counter()
    for address in both:
        contact, member = crm[address], news[address]
        for theirs, ours in PAIRS:
            if _folded(contact.get(theirs)) != _folded(member["merge_fields"].get(ours)):
                differing[theirs] += 1
        if bool(contact.get("HasOptedOutOfEmail")) != (member.get("status") in ("unsubscribed",)):
            differing["HasOptedOutOfEmail"] += 1
    fields = len(both) * (len(PAIRS) + 1)
    return Agreement(
        people=len(both),
        fields=fields,
        agreeing=fields - sum(differing.values()),
        differing=dict(differing),
        only_crm=len(crm.keys() - both),
        only_news=len(news.keys() - both),
    )


def _by_address(records: Iterable[tuple[Any, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for address, record in records:
        if isinstance(address, str) and address.strip():
            found.setdefault(address.strip().casefold(), []).append(record)
    return {address: records[0] for address, records in found.items() if len(records) == 1}


def _folded(value: Any) -> str:
    """Spelling that means nothing: outer white space, and in telephone numbers all but digits (00 is +)."""
    text = str(value or "").strip()
    digits = "".join(c for c in text if c.isdigit())
    return digits.removeprefix("00") if len(digits) >= 7 else text
