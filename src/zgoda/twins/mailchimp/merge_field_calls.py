"""Calls about merge fields: the columns of an audience."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from zgoda.twins.exchange import Call, Reply, empty_reply, json_reply
from zgoda.twins.mailchimp.account import Account
from zgoda.twins.mailchimp.audience import Audience, MergeField
from zgoda.twins.mailchimp.bodies import body_of, number_in, object_in, text_in
from zgoda.twins.mailchimp.merge_values import TYPES
from zgoda.twins.mailchimp.paging import cut_reply, page_of
from zgoda.twins.mailchimp.problems import FieldErrors, invalid, invalid_fields, not_among, not_found, too_long

_LONGEST_TAG = 10
_MOST_FIELDS = 30
_WITH_CHOICES = ("radio", "dropdown")


def list_merge_fields(account: Account, call: Call, list_id: str) -> Reply:
    audience = account.audience(list_id)
    kind, required = call.query.get("type"), call.query.get("required")
    fields = [f for f in audience.merge_fields_now() if kind in (None, "", f.type)]
    if required:
        fields = [f for f in fields if f.required == (required == "true")]
    page = [_shown(audience, field) for field in page_of(fields, call, account.around.limits.page_size)]
    return cut_reply(call, {"merge_fields": page, "list_id": list_id, "total_items": len(fields), "_links": []})


def create_merge_field(account: Account, call: Call, list_id: str) -> Reply:
    """Without a tag the name gives one."""
    audience, body = account.audience(list_id), body_of(call)
    name, kind = text_in(body, "name"), text_in(body, "type")
    if len(audience.merge_fields) >= _MOST_FIELDS:
        raise invalid(f"This list already has the maximum of {_MOST_FIELDS} merge fields.")
    tag = str(body.get("tag") or re.sub(r"\W", "", name)[:_LONGEST_TAG]).upper()
    _check(audience, tag, kind, body)
    number = account.number(f"merge field {audience.id}")
    field = MergeField(
        id=number, tag=tag, name=name, type=kind, required=bool(body.get("required", False)),
        default=str(body.get("default_value", "")), public=bool(body.get("public", False)),
        order=number_in(body, "display_order", number), options=object_in(body, "options"),
        help_text=str(body.get("help_text", "")), stored=tag,
    )  # fmt: skip
    audience.set_merge_field(field)
    return json_reply(200, _shown(audience, field))


def show_merge_field(account: Account, call: Call, list_id: str, merge_id: str) -> Reply:
    audience = account.audience(list_id)
    return cut_reply(call, _shown(audience, _field(audience, merge_id)))


def change_merge_field(account: Account, call: Call, list_id: str, merge_id: str) -> Reply:
    """A type cannot be changed; a new tag takes the values along."""
    audience, body = account.audience(list_id), body_of(call)
    field = _field(audience, merge_id)
    tag = str(body.get("tag", field.tag)).upper()
    if tag != field.tag:
        _check(audience, tag, field.type, {"options": field.options})
        for member in audience.members.values():
            if field.stored in member.merge:
                member.merge[tag] = member.merge.pop(field.stored)
    changed = msgspec.structs.replace(
        field, tag=tag, stored=tag, name=str(body.get("name", field.name)), required=bool(body.get("required",
        field.required)),
        options={**field.options, **object_in(body, "options")}, order=number_in(body, "display_order", field.order),
        default=str(body.get("default_value", field.default)),
    )  # fmt: skip
    audience.set_merge_field(changed)
    return json_reply(200, _shown(audience, changed))


def delete_merge_field(account: Account, call: Call, list_id: str, merge_id: str) -> Reply:
    audience = account.audience(list_id)
    field = _field(audience, merge_id)
    audience.remove_merge_field(field)
    for member in audience.members.values():
        member.merge.pop(field.stored, None)
    return empty_reply()


def _check(audience: Audience, tag: str, kind: str, body: dict[str, Any]) -> None:
    errors: FieldErrors = []
    if kind not in TYPES:
        errors.append({"field": "type", "message": not_among(TYPES)})
    if len(tag) > _LONGEST_TAG or re.fullmatch(r"[A-Z0-9_]+", tag) is None:
        errors.append({"field": "tag", "message": too_long(_LONGEST_TAG)})
    if kind in _WITH_CHOICES and not object_in(body, "options").get("choices"):
        errors.append({"field": "options.choices", "message": "This value should not be blank."})
    if errors:
        raise invalid_fields(errors)
    if tag == "EMAIL" or any(field.tag == tag for field in audience.merge_fields.values()):
        raise invalid(f'A Merge Field with the tag "{tag}" already exists for this list.')


def _field(audience: Audience, id: str) -> MergeField:
    found = next((field for field in audience.merge_fields_now() if str(field.id) == id), None)
    if found is None:
        raise not_found()
    return found


def _shown(audience: Audience, field: MergeField) -> dict[str, Any]:
    options: dict[str, Any] = {
        "default_country": 0,
        "phone_format": "",
        "date_format": "",
        "choices": [],
        "size": 0,
        **field.options,
    }
    return {
        "merge_id": field.id, "tag": field.tag, "name": field.name, "type": field.type, "required": field.required,
        "default_value": field.default, "public": field.public, "display_order": field.order, "options": options,
        "help_text": field.help_text, "list_id": audience.id, "_links": [],
    }  # fmt: skip
