"""`mailing_lists` and `subscriptions` (who is in which list).

A mailing contact is a record of its own, tied to a person by its e-mail address only, so a row names the person with
this address. From Odoo 12 on a subscription is a record; before, it is one of a contact's `list_ids` and its id here is
`CONTACT:LIST`. Odoo 11 has one opt-out per contact, for all lists; leaving one list there means leaving it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, cast

from zgoda.connectors.odoo import records, writing
from zgoda.connectors.odoo.addresses import address_of, by_address, people_by_address
from zgoda.connectors.odoo.columns import first_of
from zgoda.connectors.odoo.records import PAGE_SIZE, Draft, Table, number_of, walk
from zgoda.connectors.odoo.rpc import call, reach, search_read
from zgoda.kit.errors import Refusal, RefusalKind
from zgoda.kit.spec import Lookup, Page, Reading, Receipt, Removed, Row, Session, Write

FIRST_RECORDS: Final = 12
_CONTACT: Final = ["email", "list_ids", "opt_out", "unsubscription_date", "write_date"]


async def read(session: Session, reading: Reading, *, whole: bool = False) -> AsyncIterator[Page]:
    if (await reach(session)).major >= FIRST_RECORDS:
        async for page in records.read(SUBSCRIPTIONS, session, reading, whole=whole):
            yield page
        return
    at = dict(reading.cursor or {})
    since = cast("Row", at.get("records") or {}).get("since")
    every = [row["id"] for row in await search_read(session, "mailing.list", [], [])] if since else []
    size = reading.page_size or PAGE_SIZE
    async for found, position in walk(session, "mailing.contact", [], _CONTACT, at.get("records"), size):
        at = at | {"records": position}
        left = [f"{row['id']}:{id}" for row in found for id in every if id not in row["list_ids"]]
        rows = await _memberships(session, found, reading)
        yield Page(rows=rows, removed=[Removed(id=id) for id in left], cursor=at)


async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    if (await reach(session)).major >= FIRST_RECORDS:
        return await records.read_ids(SUBSCRIPTIONS, session, reading, ids)
    contacts = sorted({_pair(id)[0] for id in ids} - {0})
    found = await search_read(session, "mailing.contact", [["id", "in", contacts]], _CONTACT)
    rows = {row["id"]: row for row in await _memberships(session, found, reading)}
    return Page(rows=[rows[id] for id in ids if id in rows], removed=[Removed(id=id) for id in ids if id not in rows])


async def write(session: Session, writes: list[Write]) -> list[Receipt]:
    """Create, change or end memberships; a person without a mailing contact gets one."""
    if (await reach(session)).major >= FIRST_RECORDS:
        return await writing.write(SUBSCRIPTIONS, session, writes)
    drafts = [Draft(write=w, values=dict(w.values)) for w in writes]
    joins: dict[int, list[tuple[int, Draft]]] = {}
    leaves: dict[int, list[tuple[int, Draft]]] = {}
    await _find_contacts(session, [draft for draft in drafts if draft.write.op == "create"])
    out_of_all = await _opted_out(session, drafts)
    for draft in drafts:
        contact, list_id = _pair(draft.write.id)
        if draft.write.op == "create":
            contact, list_id = draft.values.get("contact_id") or 0, number_of(str(draft.values.get("list_id") or ""))
        wishes_off = draft.write.values.get("opt_out") is True and contact not in out_of_all
        if draft.refusal is None and not (contact and list_id):
            draft.refusal = Refusal(kind=RefusalKind.GONE, code="no_such_id")
        elif draft.refusal is None and draft.write.op == "create" and wishes_off:
            # no field is named: a create without it would put the person on the list they left
            draft.refusal = Refusal(kind=RefusalKind.REJECTED, code="no_list_opt_out", message="no opt-out of one list")
        elif draft.refusal is None:
            gone = draft.write.op == "delete" or wishes_off
            (leaves if gone else joins).setdefault(list_id, []).append((contact, draft))
    for command, lists in ((4, joins), (3, leaves)):
        for list_id, members in lists.items():
            await _link(session, command, list_id, members)
    return [Receipt(key=d.write.key, id=str(d.write.id or d.values.get("id", "")), refusal=d.refusal) for d in drafts]


async def _opted_out(session: Session, drafts: list[Draft]) -> set[int]:
    """The contacts that get no mail at all: they stay on their lists, where they count as unsubscribed."""
    wanted = {
        d.values.get("contact_id") or _pair(d.write.id)[0] for d in drafts if d.write.values.get("opt_out") is True
    }
    domain = [["id", "in", sorted(wanted - {0})], ["opt_out", "=", True]]
    return {row["id"] for row in await search_read(session, "mailing.contact", domain, [])} if wanted else set()


async def fill(session: Session, raws: list[Row], tops: set[str]) -> list[Row | None]:
    contacts = sorted({raw["contact_id"] for raw in raws if raw.get("contact_id")})
    found = await search_read(session, "mailing.contact", [["id", "in", contacts]], ["email"])
    addresses = {row["id"]: address_of(row.get("email")) for row in found}
    people = await people_by_address(session, set(addresses.values()) - {""})
    return [_person(people, addresses.get(raw.get("contact_id") or 0, "")) for raw in raws]


async def prepare(session: Session, drafts: list[Draft]) -> None:
    """A new membership of the person's mailing contact. One that exists already is left as it is, opted out or not."""
    for draft in drafts:
        if draft.write.op == "update":
            draft.values = {name: value for name, value in draft.values.items() if name == "opt_out"}
    created = [draft for draft in drafts if draft.write.op == "create"]
    await _find_contacts(session, created)
    contacts = sorted({draft.values["contact_id"] for draft in created if draft.values.get("contact_id")})
    domain = [["contact_id", "in", contacts]]
    held = await search_read(session, "mailing.subscription", domain, ["contact_id", "list_id"]) if contacts else []
    known = {(first_of(row["contact_id"]), first_of(row["list_id"])): row["id"] for row in held}
    for draft in created:
        list_id = draft.values["list_id"] = number_of(str(draft.values.get("list_id") or ""))
        draft.id = known.get((draft.values.get("contact_id") or 0, list_id), 0)
        draft.existing = draft.id > 0


async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
    """A membership says by itself who is in which list; nothing is made here."""
    drafts = [
        Draft(write=Write(key=one.key, op="create", values=one.values), values=dict(one.values)) for one in lookups
    ]
    await _find_contacts(session, drafts, make=False)
    contacts = sorted({draft.values["contact_id"] for draft in drafts} - {0})
    if not contacts:
        return {}
    if (await reach(session)).major >= FIRST_RECORDS:
        domain = [["contact_id", "in", contacts]]
        rows = await search_read(session, "mailing.subscription", domain, ["contact_id", "list_id"])
        held = {(first_of(row["contact_id"]), first_of(row["list_id"])): str(row["id"]) for row in rows}
    else:
        rows = await search_read(session, "mailing.contact", [["id", "in", contacts]], ["list_ids"])
        held = {(row["id"], id): f"{row['id']}:{id}" for row in rows for id in cast("list[int]", row["list_ids"])}
    pairs = {d.write.key: (d.values["contact_id"], number_of(str(d.values.get("list_id") or ""))) for d in drafts}
    return {key: held[pair] for key, pair in pairs.items() if pair in held}


async def _find_contacts(session: Session, drafts: list[Draft], *, make: bool = True) -> None:
    """Set `contact_id` from `partner_id`: the oldest mailing contact with the person's address, or a new one."""
    wanted = {draft.write.key: number_of(str(draft.values.pop("partner_id", "") or "")) for draft in drafts}
    domain = [["id", "in", sorted(set(wanted.values()) - {0})]]
    rows = await search_read(session, "res.partner", domain, ["email", "name"]) if drafts else []
    people = {row["id"]: row for row in rows if address_of(row.get("email"))}
    addresses = {address_of(row["email"]): row for row in people.values()}
    contacts: dict[str, int] = {}
    for address, row in await by_address(session, "mailing.contact", "email", set(addresses), []):
        contacts.setdefault(address, row["id"])
    missing = [address for address in addresses if make and address not in contacts]
    made = [Draft(write=Write(key=address, op="create"), values={"email": address}) for address in missing]
    cells = [
        [
            f"{records.MODULE}.{records.external_id(_CONTACTS, draft)}",
            address,
            str(addresses[address]["name"] or address),
        ]
        for draft, address in zip(made, missing, strict=True)
    ]
    await writing.load(session, "mailing.contact", ["id", "email", "name"], list(zip(made, cells, strict=True)), set())
    contacts |= {draft.write.key: draft.id for draft in made if draft.id}
    refusals = {draft.write.key: draft.refusal for draft in made}
    nobody = Refusal(kind=RefusalKind.REJECTED, code="person_without_address", fields=("partner_id",))
    for draft in drafts:
        person = people.get(wanted[draft.write.key])
        address = address_of(person["email"]) if person else ""
        draft.values["contact_id"] = contacts.get(address, 0)
        if not draft.values["contact_id"]:
            draft.refusal = refusals.get(address) or nobody


async def _link(session: Session, command: int, list_id: int, members: list[tuple[int, Draft]]) -> None:
    """Odoo's commands on a many-to-many column: 4 links, 3 unlinks; both may be repeated."""

    async def act(contacts: list[int]) -> None:
        await call(session, "mailing.contact", "write", ids=contacts, vals={"list_ids": [[command, list_id]]})

    refusals = await writing.in_halves(sorted({contact for contact, _ in members}), act)
    for contact, draft in members:
        draft.refusal = refusals.get(contact)
        draft.values["id"] = f"{contact}:{list_id}"
        if draft.write.op == "delete" and draft.refusal and draft.refusal.kind is RefusalKind.GONE:
            draft.refusal = None


async def _memberships(session: Session, found: list[Row], reading: Reading) -> list[Row]:
    wanted = {path.partition(".")[0] for path in reading.fields}
    addresses = {row["id"]: address_of(row.get("email")) for row in found if row.get("list_ids")}
    people = await people_by_address(session, set(addresses.values()) - {""}) if "partner_id" in wanted else {}
    rows: list[Row] = []
    for row in found:
        for list_id in cast("list[int]", row.get("list_ids") or []):
            full: Row = {
                **_person(people, addresses.get(row["id"], "")),
                "contact_id": row["id"],
                "list_id": list_id,
                "opt_out": row.get("opt_out") is True,
                "opt_out_datetime": row.get("unsubscription_date", False),
            }
            kept = {name: value for name, value in full.items() if name in wanted}
            rows.append({"id": f"{row['id']}:{list_id}", "write_date": row["write_date"], **kept})
    return rows


def _person(people: dict[str, int], address: str) -> Row:
    """Where nobody is known by the address, the field is left out: that does not mean that there is nobody."""
    return {"partner_id": people[address]} if address in people else {}


def _pair(id: str) -> tuple[int, int]:
    contact, _, list_id = id.partition(":")
    return number_of(contact), number_of(list_id)


_CONTACTS: Final = Table(model="mailing.contact", domain=lambda session: [], same=("email",))

SUBSCRIPTIONS: Final = Table(
    model="mailing.subscription",
    domain=lambda session: [],
    virtual={"partner_id": ("contact_id",)},
    fill=fill,
    prepare=prepare,
    archives=False,
    unstamped=True,
    telling=("contact_id", "list_id"),
)

MAILING_LISTS: Final = Table(model="mailing.list", domain=lambda session: [])
