"""Mailchimp's problem documents."""

from __future__ import annotations

import hashlib
from typing import Any

from zgoda.twins.exchange import Call, Reply, json_reply

PROBLEM_JSON = "application/problem+json; charset=utf-8"
_GLOSSARY = "https://mailchimp.com/developer/marketing/docs/errors/"

FieldErrors = list[dict[str, str]]


class Problem(Exception):
    """A call, or one member of a batch, refused."""

    def __init__(self, status: int, title: str, detail: str, errors: FieldErrors | None = None) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors or []

    def reply(self, call: Call) -> Reply:
        document: dict[str, Any] = {
            "type": _GLOSSARY, "title": self.title, "status": self.status, "detail": self.detail,
            "instance": instance_of(call),
        }  # fmt: skip
        if self.errors:
            document["errors"] = self.errors
        return json_reply(self.status, document, PROBLEM_JSON)


def instance_of(call: Call) -> str:
    """The id of one request, as X-Request-Id and in problem documents."""
    digest = hashlib.md5(f"request {call.n}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def not_found() -> Problem:
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def invalid(detail: str, errors: FieldErrors | None = None) -> Problem:
    return Problem(400, "Invalid Resource", detail, errors)


def invalid_fields(errors: FieldErrors) -> Problem:
    return invalid(
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array.", errors
    )


def not_among(accepted: tuple[str, ...]) -> str:
    """What the vendor says of a value outside a fixed set."""
    return f"Data presented is not one of the accepted values: {', '.join(accepted)}."


def too_long(most: int) -> str:
    return f"This value is too long. It should have {most} characters or less."


def wrong_method() -> Problem:
    return Problem(
        405, "Method Not Allowed", "The requested method and resource are not compatible. See the Allow header for "
        "this resource's available methods.",
    )  # fmt: skip


def in_compliance_state(email: str) -> Problem:
    return Problem(
        400, "Member In Compliance State",
        f"{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.",
    )  # fmt: skip


def forgotten(email: str) -> Problem:
    return Problem(
        400, "Forgotten Email Not Subscribed",
        f"{email} was permanently deleted and cannot be re-imported. "
        "The contact must re-subscribe to get back on the list.",
    )  # fmt: skip


def member_exists(email: str) -> Problem:
    return Problem(400, "Member Exists", f"{email} is already a list member. Use PUT to insert or update list members.")
