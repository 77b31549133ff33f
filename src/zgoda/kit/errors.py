"""Errors sorted by how one recovers from them, which is all the engine needs to know.

A connector raises the exceptions below when a whole call failed and returns a `Refusal` per record when only that
record did. Messages are shown to people: they never carry a payload, a secret or personal data.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ConnectorError(Exception):
    """Base of what a call may raise."""


class Temporary(ConnectorError):
    """It may work later: time-out, cut line, 5xx, an answer that is no answer.

    `executed` tells whether the vendor may have done what was asked ("unknown outcome"): then a create must be looked
    up before it is repeated.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, executed: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.executed = executed


class Halted(Temporary):
    """The kill switch is on: nothing was sent, and it is nobody's fault."""


class Quota(ConnectorError):
    """The vendor's limit is reached; nothing was done. `retry_after_s` is the vendor's own word where it gave one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, daily: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.daily = daily


class Attention(StrEnum):
    """What a person has to mend."""

    CREDENTIALS = "credentials"
    RIGHTS = "rights"
    SCHEMA = "schema"
    ACCOUNT = "account"
    SETTINGS = "settings"


class NeedsAttention(ConnectorError):
    """Only a person can mend it. `fields` narrows it to vendor fields, `stream` to one stream, if that is known."""

    def __init__(
        self, kind: Attention, message: str, *, do: str = "", fields: tuple[str, ...] = (), stream: str = ""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.do = do
        self.fields = fields
        self.stream = stream


class RefusalKind(StrEnum):
    """Why one record was not written.

    `rejected`: the values will never be accepted; `stale`: somebody changed it meanwhile, read and merge again;
    `gone`: it does not exist any more (see `moved_to`); `exists`: a create met a twin (see `moved_to`);
    `temporary`: this record may work later (row lock); `rights`: not allowed for this record or field.
    """

    REJECTED = "rejected"
    STALE = "stale"
    GONE = "gone"
    EXISTS = "exists"
    TEMPORARY = "temporary"
    RIGHTS = "rights"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One record's error. `code` is the vendor's own, `fields` are vendor field names, `moved_to` a surviving id."""

    kind: RefusalKind
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    moved_to: str = ""
