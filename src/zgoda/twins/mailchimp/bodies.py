"""Reads request bodies and says what is wrong with them the way the vendor's schema check does."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from zgoda.twins.exchange import Call
from zgoda.twins.mailchimp.problems import FieldErrors, Problem, invalid_fields

_KINDS: dict[str, tuple[type, str]] = {
    "email_address": (str, "string"), "status": (str, "string"), "status_if_new": (str, "string"),
    "email_type": (str, "string"), "merge_fields": (dict, "object"), "interests": (dict, "object"),
    "language": (str, "string"), "vip": (bool, "boolean"), "location": (dict, "object"),
    "marketing_permissions": (list, "array"), "ip_signup": (str, "string"), "timestamp_signup": (str, "string"),
    "ip_opt": (str, "string"), "timestamp_opt": (str, "string"), "tags": (list, "array"),
}  # fmt: skip
_NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "NULL",
}


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object sent. Raises Problem."""
    try:
        body = call.json()
    except msgspec.DecodeError:
        raise Problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.") from None
    if not isinstance(body, dict):
        raise Problem(400, "JSON Parse Error", "We expected a JSON object.")
    return cast(dict[str, Any], body)


def member_body(call: Call) -> dict[str, Any]:
    """The body of a member call with every field of the right JSON type. Raises Problem."""
    body = body_of(call)
    check_member(body)
    return body


def check_member(body: dict[str, Any]) -> None:
    """Raises Problem that names every field of a wrong JSON type. Fields the API does not know are left alone."""
    errors: FieldErrors = []
    for name, value in body.items():
        if name in _KINDS and not isinstance(value, _KINDS[name][0]):
            found = _NAMES.get(value.__class__, "object")
            errors.append({"field": name, "message": f"Schema describes {_KINDS[name][1]}, {found} found instead"})
    if errors:
        raise invalid_fields(errors)


def object_in(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A nested object, empty when it is not given. Raises Problem when it is something else."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise invalid_fields([{"field": name, "message": "Schema describes object, other type found instead"}])
    return cast(dict[str, Any], value)


def text_in(body: dict[str, Any], name: str) -> str:
    """A text that must be there. Raises Problem."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_fields([{"field": name, "message": "Required fields were not provided: " + name}])
    return value


def number_in(body: dict[str, Any], name: str, otherwise: int = 0) -> int:
    value = body.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_fields([{"field": name, "message": "Schema describes integer, other type found instead"}])
    return value
