"""`companies` and `people`: both are `res.partner`, told apart by `is_company`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from zgoda.connectors.odoo import consent, names
from zgoda.connectors.odoo.addresses import address_of, by_address
from zgoda.connectors.odoo.columns import columns, first_of, optional_columns
from zgoda.connectors.odoo.records import Draft, Table, number_of
from zgoda.connectors.odoo.rpc import Fault, call, reach, search_read
from zgoda.connectors.odoo.writing import in_halves, receipt
from zgoda.kit.errors import Refusal, RefusalKind, Temporary
from zgoda.kit.spec import Cursor, Receipt, Removed, Row, Session, Write

MERGE_WIZARD: Final = "base.partner.merge.automatic.wizard"
MERGED_AT_ONCE: Final = 3
_NOTES_AT_ONCE: Final = 50
ERASED: Final = "erased"


def people_domain(session: Session) -> list[Any]:
    """People, not their invoice and delivery addresses, and not the colleagues who log in to Odoo."""
    domain: list[Any] = [["is_company", "=", False], ["type", "in", ["contact", False]]]
    return domain if session.settings.get("include_colleagues") else [*domain, ["partner_share", "=", True]]


def companies_domain(session: Session) -> list[Any]:
    return [["is_company", "=", True]]


async def fill_people(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    order = session.settings.get("name_order") or "given_first"
    refused: dict[str, str] = {}
    if tops & {"opted_out", "opted_out_at"}:
        refused = await consent.withdrawn(session, {address_of(raw.get("email")) for raw in raws} - {""})
    rows: list[Row | None] = []
    for raw in raws:
        stamp = refused.get(address_of(raw.get("email")))
        opted_out = raw.get("opt_out") is True or stamp is not None
        rows.append(
            {"name": name_parts(raw.get("name"), order), "opted_out": opted_out, "opted_out_at": stamp or False}
        )
    return rows


def name_parts(name: Any, order: str) -> Row:
    """The two parts, blank for records that only carry their address as a name."""
    if not isinstance(name, str) or ("@" in name and " " not in name.strip()):
        return {"given": False, "family": False}
    given, family = names.split(name, order)
    return {"given": given or False, "family": family or False}


async def prepare_people(session: Session, drafts: list[Draft]) -> None:
    await join_names(session, drafts, "res.partner", "name", "email")
    for draft in drafts:
        if "opted_out" in draft.values:
            refused = draft.values.pop("opted_out") is True
            if refused or draft.write.op == "update":
                draft.values["opt_out"] = refused
        name = draft.values.get("name")
        if (draft.write.op == "create" or "name" in draft.values) and not name and not draft.refusal:
            # Odoo insists on a name; like its own forms we take the address
            draft.values["name"] = draft.values.get("email") or draft.write.values.get("email")
            if not draft.values["name"]:
                draft.refusal = Refusal(kind=RefusalKind.REJECTED, code="name_required", fields=("name.family",))


async def join_names(session: Session, drafts: list[Draft], model: str, column: str, email: str) -> None:
    """Replace `{"given": …, "family": …}` by Odoo's one name; a part that is not written keeps what Odoo has."""
    order = session.settings.get("name_order") or "given_first"
    named = [draft for draft in drafts if isinstance(draft.values.get(column), dict)]
    ids = sorted({draft.id for draft in named if draft.id})
    rows = await search_read(session, model, [["id", "in", ids]], [column, email]) if ids else []
    now = {row["id"]: row for row in rows}
    for draft in named:
        held = now.get(draft.id, {})
        parts = name_parts(held.get(column), order) | cast("Row", draft.values[column])
        name = names.join(parts.get("given") or "", parts.get("family") or "", order)
        draft.values[column] = name or (held.get(email) if column == "name" and email not in draft.values else False)


async def set_opt_outs(session: Session, drafts: list[Draft]) -> None:
    """Before a person is written: every place that keeps refusals by address says what the write says. A new person who
    has not refused lifts nothing: somebody with the address may have."""
    asked = [draft for draft in drafts if "opted_out" in draft.write.values]
    ids = sorted({draft.id for draft in asked if draft.id})
    rows = await search_read(session, "res.partner", [["id", "in", ids]], ["email"]) if ids else []
    held = {row["id"]: address_of(row.get("email")) for row in rows}
    refused: set[str] = set()
    lifted: set[str] = set()
    for draft in asked:
        new, old = address_of(draft.write.values.get("email")), held.get(draft.id, "")
        if draft.write.values["opted_out"] is True:
            refused |= {new, old}
        elif draft.write.op == "update":
            lifted.add(new or old)
    await consent.settle(session, refused - {""}, refused=True)
    await consent.settle(session, lifted - refused - {""}, refused=False)


async def people_with_changed_opt_outs(session: Session, at: Cursor) -> AsyncIterator[tuple[list[int], Cursor]]:
    async for addresses, moved in consent.changed(session, at):
        only = (*people_domain(session), ["active", "=", True])
        found = await by_address(session, "res.partner", "email", addresses, [], only) if addresses else []
        yield [row["id"] for _, row in found], moved


async def gone_people(session: Session, ids: list[int]) -> list[Removed]:
    return await _gone(session, ids, is_company=True, stream="companies")


async def gone_companies(session: Session, ids: list[int]) -> list[Removed]:
    return await _gone(session, ids, is_company=False, stream="people")


async def _gone(session: Session, ids: list[int], *, is_company: bool, stream: str) -> list[Removed]:
    """Ids that left a stream: become the other kind of partner under the same id, merged into another, or gone."""
    rows = await search_read(session, "res.partner", [["id", "in", ids]], ["is_company", "active"])
    turned = {row["id"] for row in rows if row.get("is_company") is is_company and row.get("active") is True}
    survivors = await _survivors(session, sorted(set(ids) - {row["id"] for row in rows}))
    return [
        Removed(id=str(id), stream=stream if id in turned else "", merged_into=str(survivors.get(id) or ""))
        for id in ids
    ]


async def _survivors(session: Session, ids: list[int]) -> dict[int, int]:
    """Where deleted partners were merged to. All that tells is the note Odoo's wizard leaves with the survivor, which
    names each loser as `(ID 7)`. Users cannot write messages of this type by hand."""
    found: dict[int, int] = {}
    for start in range(0, len(ids), _NOTES_AT_ONCE):
        chunk = ids[start : start + _NOTES_AT_ONCE]
        named: list[Any] = [["body", "ilike", f"(ID {id})"] for id in chunk]
        domain = [
            ["model", "=", "res.partner"],
            ["message_type", "=", "notification"],
            *["|"] * (len(named) - 1),
            *named,
        ]
        for note in await search_read(session, "mail.message", domain, ["body", "res_id"]):
            losers = {int(id) for id in re.findall(r"\(ID (\d{1,10})\)", str(note.get("body") or ""))}
            found |= dict.fromkeys(losers & set(chunk), number_of(str(note.get("res_id") or "")))
    return found


async def merge(session: Session, survivor: str, losers: list[str]) -> None:
    """Merge partners with Odoo's wizard, which moves what refers to them and takes three at a time.

    Losers that are gone already were merged by an earlier try. Only administrators may merge different addresses.
    """
    kept, wanted = number_of(survivor), [number_of(id) for id in losers]
    present = {row["id"] for row in await search_read(session, "res.partner", [["id", "in", [kept, *wanted]]], [])}
    if kept not in present:
        raise Fault(Refusal(kind=RefusalKind.GONE, code="MissingError"), MERGE_WIZARD)
    left = [id for id in wanted if id in present and id != kept]
    step = MERGED_AT_ONCE - 1
    for start in range(0, len(left), step):
        values = {"partner_ids": [[6, 0, [kept, *left[start : start + step]]]], "dst_partner_id": kept}
        many = (await reach(session)).protocol == "json2"
        made = await call(session, MERGE_WIZARD, "create", vals_list=[values] if many else values)
        wizard = first_of(made)
        if not wizard:
            raise Temporary(f"{MERGE_WIZARD}.create: the answer is no id")
        await call(session, MERGE_WIZARD, "action_merge", ids=[wizard])


async def erase(session: Session, ids: list[str]) -> list[Receipt]:
    """Delete people and the mailing contacts of their addresses, and empty their leads; addresses that somebody else
    has too are left alone. Who cannot be deleted, because invoices or users refer to them, is emptied and archived.
    Blacklist entries stay: they keep a promise."""
    drafts = [Draft(write=Write(key=id, op="delete", id=id), values={}, id=number_of(id)) for id in ids]
    numbers = [draft.id for draft in drafts if draft.id]
    rows = await search_read(session, "res.partner", [["id", "in", numbers]], ["email"])
    addresses = {address_of(row.get("email")) for row in rows} - {""}
    sharing = await by_address(session, "res.partner", "email", addresses, [])
    addresses -= {address for address, row in sharing if row["id"] not in numbers}
    if await optional_columns(session, "mailing.contact"):
        contacts = [row["id"] for _, row in await by_address(session, "mailing.contact", "email", addresses, [])]
        if contacts:
            await call(session, "mailing.contact", "unlink", ids=contacts)
    if await optional_columns(session, "crm.lead"):
        leads = [row["id"] for _, row in await by_address(session, "crm.lead", "email_from", addresses, [])]
        if leads:
            await call(session, "crm.lead", "write", ids=leads, vals=await _empty(session, "crm.lead"))
    kept = await in_halves([row["id"] for row in rows], lambda some: call(session, "res.partner", "unlink", ids=some))
    vals = await _empty(session, "res.partner") | {"active": False}
    refused = await in_halves(sorted(kept), lambda some: call(session, "res.partner", "write", ids=some, vals=vals))
    for draft in drafts:
        draft.refusal = refused.get(draft.id)
    return [receipt(draft) for draft in drafts]


async def _empty(session: Session, model: str) -> Row:
    """Values that take every text, date, picture and tag out of a record."""
    values: Row = {"name": ERASED}
    for column in (await columns(session, model)).values():
        if column.readonly or column.required or column.name == "name":
            continue
        if column.type in ("char", "text", "html", "date", "binary"):
            values[column.name] = False
        elif column.name in ("category_id", "tag_ids"):
            values[column.name] = [[6, 0, []]]
    return values


COMPANIES: Final = Table(
    model="res.partner",
    domain=companies_domain,
    fixed={"is_company": True},
    gone=gone_companies,
    telling=("name", "email"),
)

PEOPLE: Final = Table(
    model="res.partner",
    domain=people_domain,
    fixed={"is_company": False},
    virtual={
        "name": ("name", "email"),
        "opted_out": ("email", "opt_out"),
        "opted_out_at": ("email", "opt_out"),
    },
    fill=fill_people,
    prepare=prepare_people,
    before=set_opt_outs,
    gone=gone_people,
    elsewhere={"opted_out": people_with_changed_opt_outs},
    telling=("name", "email"),
)
