"""`opportunities` and `leads`: both are `crm.lead`, told apart by `type`."""

from __future__ import annotations

from typing import Any, Final, cast

from zgoda.connectors.odoo import consent
from zgoda.connectors.odoo.addresses import address_of
from zgoda.connectors.odoo.columns import first_of, related
from zgoda.connectors.odoo.partners import join_names, name_parts
from zgoda.connectors.odoo.records import Draft, Table, number_of
from zgoda.connectors.odoo.rpc import search_read
from zgoda.kit.spec import Removed, Row, Session

LOST: Final = "Lost"
"""What a lost opportunity has for a stage: Odoo archives it, sets its probability to 0 and leaves the stage."""


async def fill_opportunities(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    """One `partner_id` is the customer: a person, with the company behind them, or a company."""
    ids = {raw["partner_id"] for raw in raws if raw.get("partner_id")} if "customer" in tops else set[int]()
    partners = await related(session, "res.partner", ids, {"is_company", "commercial_partner_id"})
    stages = {raw["stage_id"] for raw in raws if raw.get("stage_id")} if "stage" in tops else set[int]()
    named = await related(session, "crm.stage", stages, {"name"})
    rows: list[Row | None] = []
    for raw in raws:
        won = raw["won_status"] == "won" if "won_status" in raw else (raw.get("probability") or 0) >= 100
        lost = raw.get("active") is False and not raw.get("probability")
        stage = LOST if lost else named.get(raw.get("stage_id") or 0, {}).get("name", False)
        buyer = customer(partners.get(raw.get("partner_id") or 0))
        # text, because `false` is how Odoo says blank
        rows.append({"customer": buyer, "stage": {"name": stage}, "won": "true" if won else "false"})
    return rows


def customer(partner: Row | None) -> Row:
    if not partner:
        return {"person": False, "company": False}
    if partner.get("is_company") is True:
        return {"person": False, "company": partner["id"]}
    behind = first_of(partner.get("commercial_partner_id"))
    return {"person": partner["id"], "company": behind if behind not in (0, partner["id"]) else False}


async def prepare_opportunities(session: Session, drafts: list[Draft]) -> None:
    """The person goes to Odoo as its customer, or the company where there is no person.

    The company behind a person is the person's own affair in Odoo, so it is not written through the opportunity.
    """
    for draft in drafts:
        stage: Any = draft.values.pop("stage", None)
        name = cast("Row", stage).get("name") if isinstance(stage, dict) else None
        if name == LOST:
            draft.values |= {"active": False, "probability": 0}
        elif name:
            draft.values |= {"active": True, "stage_id": {"name": name}}
    asked = [draft for draft in drafts if isinstance(draft.values.get("customer"), dict)]
    ids = sorted({draft.id for draft in asked if draft.id})
    rows = await search_read(session, "crm.lead", [["id", "in", ids]], ["partner_id"]) if ids else []
    held = {row["id"]: first_of(row.get("partner_id")) for row in rows}
    partners = await related(session, "res.partner", set(held.values()) - {0}, {"is_company", "commercial_partner_id"})
    for draft in asked:
        parts = customer(partners.get(held.get(draft.id, 0))) | cast("Row", draft.values.pop("customer"))
        draft.values["partner_id"] = number_of(str(parts["person"] or parts["company"] or "")) or False


async def fill_leads(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    order = session.settings.get("name_order") or "given_first"
    refused: dict[str, str] = {}
    if tops & {"opted_out", "opted_out_at"}:
        refused = await consent.withdrawn(session, {address_of(raw.get("email_from")) for raw in raws} - {""})
    rows: list[Row | None] = []
    for raw in raws:
        stamp = refused.get(address_of(raw.get("email_from")))
        rows.append(
            {
                "contact_name": name_parts(raw.get("contact_name"), order),
                "opted_out": raw.get("opt_out") is True or stamp is not None,
                "opted_out_at": stamp or False,
            }
        )
    return rows


async def prepare_leads(session: Session, drafts: list[Draft]) -> None:
    await join_names(session, drafts, "crm.lead", "contact_name", "email_from")


async def gone_leads(session: Session, ids: list[int]) -> list[Removed]:
    """A converted lead keeps its id as an opportunity; its person lives on as the partner it was given."""
    domain: list[Any] = [["id", "in", ids], ["type", "=", "opportunity"], ["partner_id.is_company", "=", False]]
    rows = await search_read(session, "crm.lead", domain, ["partner_id"])
    people = {row["id"]: first_of(row.get("partner_id")) for row in rows}
    return [
        Removed(id=str(id), merged_into=str(people[id]), stream="people") if people.get(id) else Removed(id=str(id))
        for id in ids
    ]


OPPORTUNITIES: Final = Table(
    model="crm.lead",
    domain=lambda session: [["type", "=", "opportunity"]],
    fixed={"type": "opportunity"},
    virtual={
        "customer": ("partner_id",),
        "stage": ("stage_id", "active", "probability"),
        "won": ("won_status", "probability"),
    },
    fill=fill_opportunities,
    prepare=prepare_opportunities,
    archives=False,
    telling=("name", "partner_id"),
)

LEADS: Final = Table(
    model="crm.lead",
    domain=lambda session: [["type", "=", "lead"]],
    virtual={
        "contact_name": ("contact_name", "email_from"),
        "opted_out": ("email_from", "opt_out"),
        "opted_out_at": ("email_from", "opt_out"),
    },
    fill=fill_leads,
    prepare=prepare_leads,
    gone=gone_leads,
)
