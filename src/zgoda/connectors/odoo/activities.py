"""`activities` (notes and mails in a person's chatter) and `tasks` (planned activities)."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from zgoda.connectors.odoo.mailings import people_of
from zgoda.connectors.odoo.records import Draft, ExternalId, Table, number_of
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Row, Session

ABOUT: Final = {"person": ("res.partner", "base"), "company": ("res.partner", "base"), "deal": ("crm.lead", "crm")}
"""What a task can be about -> (model, the module of the model's external id)."""

_NATIVE: Final = {"comment": "note", "email": "email"}


async def fill_activities(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    """Messages about people; those about companies are left out. What the hub wrote says its kind in the subject:
    `[call] Asked for an offer`. Everything else is a `note` or an `email`."""
    people = await people_of(session, {("res.partner", raw["res_id"]) for raw in raws if raw.get("res_id")})
    rows: list[Row | None] = []
    for raw in raws:
        person = people.get(("res.partner", raw.get("res_id") or 0))
        subject = raw.get("subject") or ""
        said = re.fullmatch(r"\[([a-z_]{1,40})\] ?(.*)", subject, re.DOTALL)
        kind = said[1] if said else _NATIVE.get(str(raw.get("message_type")), "note")
        title = (said[2] if said else subject) or False
        rows.append({"person": person, "kind": kind, "title": title} if person else None)
    return rows


async def prepare_activities(session: Session, drafts: list[Draft]) -> None:
    """A note in the chatter: it stays inside Odoo and notifies nobody."""
    for draft in drafts:
        person = number_of(str(draft.values.pop("person", "") or ""))
        kind, title = draft.values.pop("kind", "") or "note", draft.values.pop("title", "") or ""
        if not person or not re.fullmatch(r"[a-z_]{1,40}", str(kind)):
            field = "kind" if person else "person"
            draft.refusal = Refusal(kind=RefusalKind.REJECTED, code=f"{field}_required", fields=(field,))
        draft.values |= {
            "model": "res.partner",
            "res_id": person,
            "subject": f"[{kind}] {title}".rstrip(),
            "message_type": "comment",
            "subtype_id": ExternalId("mail.mt_note"),
        }


async def fill_tasks(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    people = await people_of(session, {("res.partner", raw["res_id"]) for raw in raws if _about_partner(raw)})
    rows: list[Row | None] = []
    for raw in raws:
        about: Row = dict.fromkeys(ABOUT, False)
        kind = "deal"
        if _about_partner(raw):
            kind = "person" if ("res.partner", raw["res_id"]) in people else "company"
        about[kind] = raw.get("res_id") or False
        rows.append({"about": about, "status": "done" if raw.get("active") is False else "open"})
    return rows


async def prepare_tasks(session: Session, drafts: list[Draft]) -> None:
    """Odoo plans an activity on one record: the deal if there is one, else the person, else the company."""
    for draft in drafts:
        given: Any = draft.values.pop("about", None)
        about = cast("Row", given) if isinstance(given, dict) else {}
        draft.values.pop("status", None)
        kind = next((kind for kind in ("deal", "person", "company") if about.get(kind)), "")
        if kind:
            model, module = ABOUT[kind]
            draft.values["res_model_id"] = ExternalId(f"{module}.model_{model.replace('.', '_')}")
            draft.values["res_id"] = number_of(str(about[kind]))
        elif draft.write.op == "create":
            draft.refusal = Refusal(kind=RefusalKind.REJECTED, code="about_required", fields=("about.person",))


def _about_partner(raw: Row) -> bool:
    return raw.get("res_model") == "res.partner" and bool(raw.get("res_id"))


ACTIVITIES: Final = Table(
    model="mail.message",
    domain=lambda session: [["model", "=", "res.partner"], ["message_type", "in", ["comment", "email"]]],
    virtual={"person": ("res_id",), "kind": ("subject", "message_type"), "title": ("subject",)},
    fill=fill_activities,
    prepare=prepare_activities,
    archives=False,
    sifted=True,
    same=("res_id", "date", "subject"),
    telling=("res_id", "date", "subject"),
)

TASKS: Final = Table(
    model="mail.activity",
    domain=lambda session: [["res_model", "in", ["res.partner", "crm.lead"]]],
    virtual={"about": ("res_model", "res_id"), "status": ("active",)},
    fill=fill_tasks,
    prepare=prepare_tasks,
    archives=False,
    sifted=True,
    telling=("summary", "res_id", "date_deadline"),
)
