"""`mailings` (campaigns) and `traces` (what happened to each mail of a mailing). Both are read only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, cast

from zgoda.connectors.odoo.addresses import address_of, people_by_address
from zgoda.connectors.odoo.columns import first_of, optional_columns
from zgoda.connectors.odoo.records import PAGE_SIZE, Table, ask_for, number_of, shape, walk
from zgoda.connectors.odoo.rpc import search_read
from zgoda.connectors.odoo.writing import may
from zgoda.kit.spec import Page, Reading, Removed, Row, Session

KINDS: Final = {
    "sent": "sent_datetime",
    "opened": "open_datetime",
    "clicked": "links_click_datetime",
    "replied": "reply_datetime",
    "bounced": "bounced",
}
"""Kind of interaction -> the column with its time. From Odoo 15 on a bounce has no time of its own, only a status."""

CHANNELS: Final = {"mail": "email", "sms": "sms", "whatsapp": "whatsapp"}

MAILINGS: Final = Table(model="mailing.mailing", domain=lambda session: [], archives=False)

_EVENT: Final = ("model", "res_id", "trace_type", "trace_status", *KINDS.values())
TRACES: Final = Table(
    model="mailing.trace",
    domain=lambda session: [],
    virtual={
        **dict.fromkeys(("kind", "occurred_at", "channel", "person"), _EVENT),
        "title": ("mass_mailing_id",),
        "url": ("links_click_ids",),
    },
    archives=False,
)


async def read_traces(session: Session, reading: Reading) -> AsyncIterator[Page]:
    """Every trace that changed becomes one row per thing that happened so far; ids are `TRACE:KIND`."""
    at = dict(reading.cursor or {})
    ask = await _ask(session, reading)
    size = reading.page_size or PAGE_SIZE
    async for found, position in walk(session, TRACES.model, [], ask, at.get("records"), size):
        at = at | {"records": position}
        yield Page(rows=await _events(session, found, reading), cursor=at)


async def read_trace_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
    numbers = sorted({number_of(id.partition(":")[0]) for id in ids} - {0})
    found = await search_read(session, TRACES.model, [["id", "in", numbers]], await _ask(session, reading))
    events = {row["id"]: row for row in await _events(session, found, reading)}
    return Page(
        rows=[events[id] for id in ids if id in events], removed=[Removed(id=id) for id in ids if id not in events]
    )


async def people_of(session: Session, records: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The person behind each (model, id): a partner itself, or by the address of a mailing contact or lead."""
    ids: dict[str, list[int]] = {}
    for model, id in sorted(records):
        ids.setdefault(model, []).append(id)
    found: dict[tuple[str, int], int] = {}
    domain = [["id", "in", ids.get("res.partner", [])], ["is_company", "=", False]]
    if "res.partner" in ids:
        found |= {
            ("res.partner", row["id"]): row["id"] for row in await search_read(session, "res.partner", domain, [])
        }
    addresses: dict[tuple[str, int], str] = {}
    for model, column in _ADDRESSED.items():
        for row in await search_read(session, model, [["id", "in", ids[model]]], [column]) if model in ids else []:
            addresses[model, row["id"]] = address_of(row.get(column))
    people = await people_by_address(session, set(addresses.values()) - {""})
    return found | {record: people[address] for record, address in addresses.items() if address in people}


_ADDRESSED: Final = {"mailing.contact": "email", "mail.mass_mailing.contact": "email", "crm.lead": "email_from"}


async def _ask(session: Session, reading: Reading) -> list[str]:
    return await ask_for(TRACES, session, ("kind", *reading.fields))


async def _events(session: Session, found: list[Row], reading: Reading) -> list[Row]:
    known = await optional_columns(session, TRACES.model)
    rows, _ = await shape(TRACES, session, found, reading.fields)
    records = {(raw["model"], raw["res_id"]) for raw in found if raw.get("model") and raw.get("res_id")}
    wanted = {path.partition(".")[0] for path in reading.fields}
    people = await people_of(session, records) if "person" in wanted else {}
    titles = await _titles(session, found) if "title" in wanted else {}
    addresses = await _clicked(session, found) if "url" in wanted else {}
    events: list[Row] = []
    for raw, row in zip(found, rows, strict=True):
        for kind, name in KINDS.items():
            at: Any = raw.get(known[name].name) if name in known else False
            if kind == "bounced" and name not in known and raw.get("trace_status") == "bounce":
                at = raw.get("write_date")
            if at:
                more: Row = {
                    "kind": kind,
                    "occurred_at": at,
                    "channel": CHANNELS.get(str(raw.get("trace_type")), "email"),
                }
                more["person"] = people.get((str(raw.get("model")), first_of(raw.get("res_id"))), False)
                more["title"] = titles.get(first_of(raw.get("mass_mailing_id")), False)
                more["url"] = addresses.get(raw["id"], False) if kind == "clicked" else False
                kept = {name: value for name, value in more.items() if name in wanted}
                events.append({**row, **kept, "id": f"{row['id']}:{kind}"})
    return events


async def _titles(session: Session, found: list[Row]) -> dict[int, str]:
    """The subject lines of mailings; until Odoo 12 it is their name."""
    ids = sorted({first_of(raw.get("mass_mailing_id")) for raw in found} - {0})
    if not ids:
        return {}
    column = "subject" if "subject" in await optional_columns(session, MAILINGS.model) else "name"
    return {row["id"]: row[column] for row in await search_read(session, MAILINGS.model, [["id", "in", ids]], [column])}


async def _clicked(session: Session, found: list[Row]) -> dict[int, str]:
    """Trace -> the address behind its first click. Users without the right to the link tracker see none."""
    firsts: dict[int, int] = {}
    for raw in found:
        clicks = raw.get("links_click_ids")
        if isinstance(clicks, list) and clicks:
            firsts[raw["id"]] = min(cast("list[int]", clicks))
    if not firsts or not await may(session, "link.tracker", "read"):
        return {}
    clicks = await search_read(session, "link.tracker.click", [["id", "in", sorted(firsts.values())]], ["link_id"])
    links = {row["id"]: first_of(row["link_id"]) for row in clicks}
    behind = await search_read(session, "link.tracker", [["id", "in", sorted(set(links.values()) - {0})]], ["url"])
    urls = {row["id"]: row["url"] for row in behind}
    return {trace: urls[link] for trace, click in firsts.items() if (link := links.get(click)) in urls}
