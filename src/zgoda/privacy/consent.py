"""Consent is not a field among others: the most restrictive word wins, and only proof lifts it.

Consent is held per person, channel and purpose (and brand, as a suffix of the purpose), and also per contact point, so
that a new address or a duplicate does not bring an opted-out person back. States:

`granted` (with evidence), `pending` (asked, not answered), `unknown` (nothing said), `withdrawn`, `undeliverable` (a
fact about the address, which does not travel as a person's will).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.model.values import CONSENT_PREFIX

Status: TypeAlias = Literal["granted", "pending", "unknown", "withdrawn", "undeliverable"]

STATUSES: tuple[Status, ...] = ("granted", "pending", "unknown", "withdrawn", "undeliverable")

TRAVELS: frozenset[Any] = frozenset({"granted", "withdrawn"})
"""What is told to other systems. Not knowing is no news."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's word about a consent: what, when at the latest it was said, and since when proof of it exists.

    Times are microseconds since 1970; `proof_us` is None without evidence. `at_us` of a bare check box is the stamp of
    the record, hence an upper bound.
    """

    status: Any
    at_us: int
    proof_us: int | None = None


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """The status that holds, the rule that says so, and whether the offered word was overruled."""

    status: Any
    rule: str
    overruled: bool = False


def weigh(held: Word, offered: Word) -> Weighed:
    """Which of two words holds.

    Never lifts a withdrawal without evidence that is newer than it (GDPR Art. 7(1), (3)); never makes a grant of a
    word without evidence; a late, older withdrawal does not undo a newer proven grant.
    """
    match held.status, offered.status:
        case "withdrawn", "granted" if _proves(offered, newer_than_us=held.at_us):
            return Weighed(status="granted", rule="newer grant with evidence")
        case "withdrawn", "withdrawn":
            return Weighed(status="withdrawn", rule="both withdrawn")
        case "withdrawn", _:
            return Weighed(status="withdrawn", rule="withdrawn until a newer grant with evidence", overruled=True)
        case "granted", "withdrawn" if held.proof_us is not None and held.proof_us > offered.at_us:
            return Weighed(status="granted", rule="the grant is newer than this withdrawal", overruled=True)
        case _, "withdrawn":
            return Weighed(status="withdrawn", rule="withdrawal wins")
        case "granted", _:
            return Weighed(status="granted", rule="granted before")
        case _, "granted" if offered.proof_us is not None:
            return Weighed(status="granted", rule="grant with evidence")
        case _, "granted":
            return Weighed(status=held.status or "unknown", rule="no evidence for this grant")
        case _:
            return Weighed(status=held.status or offered.status or "unknown", rule="nothing decided")


def is_consent(field: str) -> bool:
    return field.startswith(CONSENT_PREFIX)


def channel_of(field: str) -> tuple[str, str]:
    """`consent:email:marketing` -> (`email`, `marketing`); a brand stays part of the purpose."""
    channel, _, purpose = field.removeprefix(CONSENT_PREFIX).partition(":")
    return channel, purpose


def _proves(word: Word, *, newer_than_us: int) -> bool:
    return word.proof_us is not None and word.proof_us > newer_than_us
