"""Merge field values: what each type accepts and how it is stored. Unknown tags are dropped without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, cast

from zgoda.twins.mailchimp.audience import Audience, MergeField
from zgoda.twins.mailchimp.problems import FieldErrors, too_long

_BLANK = "This value should not be blank."
_LONGEST_TEXT = 255
_ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
_ADDRESS_NEEDED = ("addr1", "city", "state", "zip")


class _Unfit(Exception):
    pass


def checked(
    audience: Audience, given: dict[str, Any], present: dict[str, Any], skip_validation: bool
) -> tuple[dict[str, Any], FieldErrors]:
    """The member's merge values after taking in the given ones, and what is wrong with them.

    `present` is what the member has already. With `skip_validation` required fields may stay empty, as the vendor's
    parameter of that name allows; wrong types are refused all the same.
    """
    values, errors, by_tag = dict(present), FieldErrors(), audience.merge_fields_by_tag()
    unfit_tags: set[str] = set()
    for tag, value in given.items():
        if (field := by_tag.get(tag)) is not None:
            try:
                _take(values, field, value)
            except _Unfit as unfit:
                unfit_tags.add(tag)
                errors.append({"field": tag, "message": str(unfit)})
    if not skip_validation:
        for field in audience.required_now():
            if field.tag not in unfit_tags and not values.get(field.stored):
                errors.append({"field": field.tag, "message": _BLANK})
    return values, errors


def _take(values: dict[str, Any], field: MergeField, value: Any) -> None:
    if value is None or value == "" or value == {}:
        values.pop(field.stored, None)
        return
    values[field.stored] = _TYPES[field.type](field, value)


def _text(field: MergeField, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Unfit("Data did not match any of the schemas described in anyOf.")
    text = str(value)
    if len(text) > _LONGEST_TEXT:
        raise _Unfit(too_long(_LONGEST_TEXT))
    return text


def _number(field: MergeField, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Unfit("This value should be a valid number.")
    try:
        number = float(value)
    except ValueError:
        raise _Unfit("This value should be a valid number.") from None
    return int(number) if number == int(number) else number


def _address(field: MergeField, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _Unfit("Please enter a complete address")
    parts = {part: str(cast(dict[str, Any], value).get(part) or "") for part in _ADDRESS_PARTS}
    if not all(parts[part] for part in _ADDRESS_NEEDED):
        raise _Unfit("Please enter a complete address")
    return parts


def _phone(field: MergeField, value: Any) -> str:
    text = _text(field, value)
    if field.options.get("phone_format") == "US":
        digits = re.sub(r"\D", "", text)
        if len(digits) != 10:
            raise _Unfit("Please enter a valid phone number")
        return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    return text


def _date(field: MergeField, value: Any) -> str:
    text = _text(field, value)
    american = re.fullmatch(r"(\d\d?)/(\d\d?)/(\d{4})", text)
    try:
        if american:
            return date(int(american[3]), int(american[1]), int(american[2])).isoformat()
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise _Unfit("Please enter a valid date.") from None


def _birthday(field: MergeField, value: Any) -> str:
    found = re.fullmatch(r"(\d\d?)[/-](\d\d?)", _text(field, value))
    try:
        if found is None:
            raise ValueError
        day = date(2000, int(found[1]), int(found[2]))
    except ValueError:
        raise _Unfit("Birthday must be a month/day") from None
    return f"{day.month:02}/{day.day:02}"


def _url(field: MergeField, value: Any) -> str:
    text = _text(field, value)
    if re.match(r"https?://[^\s/]+\.[^\s]+", text) is None:
        raise _Unfit("This value is not a valid URL.")
    return text


def _choice(field: MergeField, value: Any) -> str:
    text = _text(field, value)
    if text not in field.options.get("choices", []):
        raise _Unfit("Value must be one of: " + ", ".join(field.options.get("choices", [])))
    return text


def _zip(field: MergeField, value: Any) -> str:
    text = _text(field, value)
    if re.fullmatch(r"\d{5}", text) is None:
        raise _Unfit("Please enter a valid zip code")
    return text


_TYPES: dict[str, Callable[[MergeField, Any], Any]] = {
    "text": _text,
    "number": _number,
    "address": _address,
    "phone": _phone,
    "date": _date,
    "url": _url,
    "imageurl": _url,
    "radio": _choice,
    "dropdown": _choice,
    "birthday": _birthday,
    "zip": _zip,
}

TYPES: tuple[str, ...] = tuple(_TYPES)
