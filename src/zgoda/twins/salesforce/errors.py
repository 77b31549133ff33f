"""Salesforce's error codes and the two shapes it reports them in."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Reply, json_reply


class RowError(Exception):
    """One record refused. `code` and `fields` are what the vendor reports."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields

    def in_collection(self) -> dict[str, Any]:
        """The shape inside collection results, which names the code otherwise."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def in_array(self) -> dict[str, Any]:
        """The shape of single-record answers. Only some codes carry fields there."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.code in _WITH_FIELDS or self.fields:
            body["fields"] = list(self.fields)
        return body


class CallError(Exception):
    """A whole call refused, with the HTTP status to answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def reply(self) -> Reply:
        return error_reply(self.status, self.code, self.message)


_WITH_FIELDS = frozenset({
    "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS", "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "DUPLICATE_VALUE", "INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED",
    "UNABLE_TO_LOCK_ROW", "DUPLICATES_DETECTED", "CANNOT_UPDATE_CONVERTED_LEAD",
})  # fmt: skip

_STATUS = {
    "NOT_FOUND": 404,
    "UNABLE_TO_LOCK_ROW": 400,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "METHOD_NOT_ALLOWED": 405,
}


def error_reply(status: int, code: str, message: str) -> Reply:
    return json_reply(status, [{"message": message, "errorCode": code}])


def row_reply(error: RowError) -> Reply:
    """A single record's refusal as the answer to a row call."""
    return json_reply(_STATUS.get(error.code, 400), [error.in_array()])


def not_found(message: str = "The requested resource does not exist") -> CallError:
    return CallError(404, "NOT_FOUND", message)
