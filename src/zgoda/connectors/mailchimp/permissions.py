"""Marketing permissions (the GDPR boxes of an audience): Mailchimp keeps a list of `{marketing_permission_id, text,
enabled}`, the hub one box per id, so that a mapping can name it as `marketing_permissions.ID`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from zgoda.connectors.mailchimp.exchange import as_dict, as_list, audience_path, call, decoded
from zgoda.kit.spec import Row, Session, VendorField

FIELD = "marketing_permissions"
NAME = "marketing_permission_id"


class _Members(msgspec.Struct):
    members: list[Row]


def asked(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields to ask Mailchimp for: it gives all boxes or none."""
    return tuple(dict.fromkeys(FIELD if _is_box(field) else field for field in fields))


def to_boxes(rows: list[Row], fields: tuple[str, ...]) -> None:
    """Turns each row's list into `{id: ticked}` with the wanted boxes only, in place."""
    wanted = {field.partition(".")[2] for field in fields if _is_box(field)}
    for row in rows:
        if FIELD in row:
            row[FIELD] = {id: ticked for id, ticked in _boxes(row[FIELD]).items() if id in wanted}


def to_list(boxes: Any) -> list[dict[str, Any]]:
    """The vendor's form of `{id: ticked}`. Boxes that are not named stay as they are."""
    return [{NAME: id, "enabled": ticked is True} for id, ticked in as_dict(boxes).items()]


async def described(session: Session) -> tuple[VendorField, ...]:
    """The audience's boxes, as any one member shows them: there is no call that lists them."""
    params: dict[str, str | int] = {"count": 1, "fields": f"members.{FIELD}"}
    answer = await call(session, "GET", audience_path(session, "/members"), params=params)
    boxes = [as_dict(box) for row in decoded(answer, _Members).members for box in as_list(row.get(FIELD))]
    return tuple(
        VendorField(name=f"{FIELD}.{box[NAME]}", label=str(box.get("text") or ""), type="boolean")
        for box in boxes
        if isinstance(box.get(NAME), str)
    )


def _is_box(field: str) -> bool:
    return field.startswith(f"{FIELD}.")


def _boxes(raw: Any) -> dict[str, bool]:
    boxes = map(as_dict, as_list(raw))
    return {id: box.get("enabled") is True for box in boxes if isinstance(id := box.get(NAME), str)}
