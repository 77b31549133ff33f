"""How Salesforce takes in a field's value: what it accepts, trims, lower-cases or refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.fields import FieldSpec
from zgoda.twins.salesforce.ids import full_id

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]+@[^\s@<>()\[\],;:\\\".]+(\.[^\s@<>()\[\],;:\\\".]+)+")
_MAX_SHOWN = 80


def stamp(moment: datetime) -> str:
    """A moment in Salesforce's form, cut to the second as its change stamps are."""
    return moment.astimezone(UTC).isoformat()[:19] + ".000+0000"


def instant(text: str) -> str | None:
    """A datetime in any form the API takes, in the stored form; None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}+0000"


def stored(field: FieldSpec, value: Any) -> Any:
    """What is kept for a value that was sent; None clears the field. Raises RowError."""
    if value is None or value == "":
        return None
    return _TAKE[field.type](field, value)


def _text(field: FieldSpec, value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise _unreadable(field, "string", value)
    text = value.strip() if isinstance(value, str) else _spoken(value)
    if len(text) > field.length:
        shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN]
        raise RowError(
            "STRING_TOO_LONG",
            f"{_label(field)}: data value too large: {shown} (max length={field.length})",
            (field.name,),
        )
    return text or None


def _email(field: FieldSpec, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None and _EMAIL.fullmatch(text) is None:
        raise RowError("INVALID_EMAIL_ADDRESS", f"{_label(field)}: invalid email address: {text}", (field.name,))
    return None if text is None else text.lower()


def _picklist(field: FieldSpec, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None and field.restricted and text not in field.picklist:
        raise _bad_pick(field, text)
    return text


def _multipicklist(field: FieldSpec, value: Any) -> str | None:
    """Chosen values in the order of the picklist, separated by semicolons."""
    text = _text(field, value)
    if text is None:
        return None
    chosen = {part.strip() for part in text.split(";") if part.strip()}
    if field.restricted and (unknown := chosen - set(field.picklist)):
        raise _bad_pick(field, sorted(unknown)[0])
    known = [part for part in field.picklist if part in chosen]
    return ";".join(known + sorted(chosen - set(field.picklist))) or None


def _boolean(field: FieldSpec, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _unreadable(field, "boolean", value)


def _int(field: FieldSpec, value: Any) -> int:
    number = _double(field, value)
    if number != int(number):
        raise _unreadable(field, "int", value)
    return int(number)


def _double(field: FieldSpec, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _unreadable(field, "double", value)
    try:
        number = float(value)
    except ValueError:
        raise _unreadable(field, "double", value) from None
    if number != number or abs(number) > 1e18:
        raise RowError("NUMBER_OUTSIDE_VALID_RANGE", f"{_label(field)}: value outside of valid range", (field.name,))
    return round(number, field.scale) if field.type == "currency" else number


def _date(field: FieldSpec, value: Any) -> str:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value[:10]).isoformat()
        except ValueError:
            pass
    raise _unreadable(field, "date", value)


def _datetime(field: FieldSpec, value: Any) -> str:
    moment = instant(value) if isinstance(value, str) else None
    if moment is None:
        raise _unreadable(field, "datetime", value)
    return moment


def _reference(field: FieldSpec, value: Any) -> str:
    id = full_id(value) if isinstance(value, str) else None
    if id is None:
        raise RowError("MALFORMED_ID", f"{_label(field)}: id value of incorrect type: {_spoken(value)}", (field.name,))
    return id


def _not_writeable(field: FieldSpec, value: Any) -> Any:
    raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {field.name}", (field.name,))


def _bad_pick(field: FieldSpec, text: str) -> RowError:
    return RowError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{_label(field)}: bad value for restricted picklist field: {text}",
        (field.name,),
    )  # fmt: skip


def _unreadable(field: FieldSpec, wanted: str, value: Any) -> RowError:
    kind = (
        "VALUE_STRING"
        if isinstance(value, str)
        else "VALUE_NUMBER"
        if isinstance(value, int | float)
        else "START_OBJECT"
    )
    message = f"Cannot deserialize instance of {wanted} from {kind} value {_spoken(value)[:_MAX_SHOWN]}"
    return RowError("JSON_PARSER_ERROR", message + " or request may be missing a required field", (field.name,))


def _spoken(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _label(field: FieldSpec) -> str:
    return label_of(field.name)


def label_of(name: str) -> str:
    """The label people see for a field: `MailingPostalCode` is `Mailing Postal Code`."""
    plain = name.removesuffix("__c").replace("_", " ")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)


_TAKE: dict[str, Callable[[FieldSpec, Any], Any]] = {
    "string": _text,
    "textarea": _text,
    "phone": _text,
    "url": _text,
    "combobox": _text,
    "email": _email,
    "picklist": _picklist,
    "multipicklist": _multipicklist,
    "boolean": _boolean,
    "int": _int,
    "double": _double,
    "currency": _double,
    "percent": _double,
    "date": _date,
    "datetime": _datetime,
    "reference": _reference,
    "id": _not_writeable,
    "address": _not_writeable,
}
