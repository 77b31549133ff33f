"""Do the two systems agree? Asked of the systems themselves, field by field, without the hub's help.

Records are paired by what people would pair them by (an e-mail address), and fields are read by the vendors' own names,
so that a mistake in the hub's mapping or bookkeeping cannot hide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from zgoda.identity.match import ROLE_NAMES

Side: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What one system holds: key -> field -> value. Both sides name the fields alike."""

PAIRS = (
    ("FirstName", "FNAME"),
    ("LastName", "LNAME"),
    ("Phone", "PHONE"),
)


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How many fields of records known to both agree. `differing` names the fields that do not, with counts."""

    both: int
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
    return agree(
        by_key((contact.get("Email"), _contact(contact)) for contact in contacts),
        by_key((member.get("email_address"), _member(member)) for member in members),
    )


def agree(crm: Side, news: Side) -> Agreement:
    """Compare, field by field, what both sides have under the same key."""
    both = crm.keys() & news.keys()
    pairs = [(name, value, news[key].get(name)) for key in both for name, value in crm[key].items()]
    differing = Counter(name for name, one, other in pairs if folded(one) != folded(other))
    return Agreement(
        both=len(both),
        fields=len(pairs),
        agreeing=len(pairs) - sum(differing.values()),
        differing=dict(differing),
        only_crm=len(crm.keys() - both),
        only_news=len(news.keys() - both),
    )


def by_key(records: Iterable[tuple[Any, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Records by their key, whatever its case. Left out are those without one, with somebody else's, and with a role's
    (office@…, which says of nobody who they are)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for key, record in records:
        folded_key = key.strip().casefold() if isinstance(key, str) else ""
        if folded_key and folded_key.partition("@")[0] not in ROLE_NAMES:
            found.setdefault(folded_key, []).append(record)
    return {key: records[0] for key, records in found.items() if len(records) == 1}


def folded(value: Any) -> str:
    """Spelling that means nothing: outer white space, and in telephone numbers all but digits (00 is +)."""
    text = str(value or "").strip()
    digits = "".join(c for c in text if c.isdigit())
    return digits.removeprefix("00") if len(digits) >= 7 else text


def _contact(contact: dict[str, Any]) -> dict[str, Any]:
    opted_out = bool(contact.get("HasOptedOutOfEmail"))
    return {name: contact.get(name) for name, _ in PAIRS} | {"HasOptedOutOfEmail": opted_out}


def _member(member: dict[str, Any]) -> dict[str, Any]:
    opted_out = member.get("status") in ("unsubscribed",)
    return {name: member["merge_fields"].get(tag) for name, tag in PAIRS} | {"HasOptedOutOfEmail": opted_out}
