"""Who we are at Odoo, what we may do there, and what its models look like."""

from __future__ import annotations

from typing import Any, Final, cast

from zgoda.connectors.odoo import activities, mailings, partners, sales, subscriptions
from zgoda.connectors.odoo.columns import columns, optional_columns
from zgoda.connectors.odoo.rpc import Fault, Server, call, name_at, reach, search_read
from zgoda.connectors.odoo.writing import may
from zgoda.kit.spec import Identity, Row, Session, Stream, VendorField, VendorObject

TABLES: Final = {
    "companies": partners.COMPANIES,
    "people": partners.PEOPLE,
    "opportunities": sales.OPPORTUNITIES,
    "leads": sales.LEADS,
    "mailing_lists": subscriptions.MAILING_LISTS,
    "subscriptions": subscriptions.SUBSCRIPTIONS,
    "mailings": mailings.MAILINGS,
    "traces": mailings.TRACES,
    "activities": activities.ACTIVITIES,
    "tasks": activities.TASKS,
}

NEEDED: Final = {
    "res.partner": ("read", "write", "create"),
    "crm.lead": ("read", "write", "create"),
    "mailing.list": ("read", "write", "create"),
    "mailing.contact": ("read", "write", "create"),
    "mail.blacklist": ("read", "write", "create"),
    "mailing.mailing": ("read",),
    "mailing.trace": ("read",),
    "mail.activity": ("read", "write", "create"),
}


async def check(session: Session) -> Identity:
    """Proves the credentials. The account is the database's own id where the user may read it, else its name."""
    server = await reach(session)
    uid = server.uid or await _own_id(session)
    rows = await search_read(session, "res.users", [["id", "=", uid]], ["login", "email"])
    me = rows[0] if rows else {}
    notes = [note for model, wanted in NEEDED.items() for note in await _lacking(session, server, model, wanted)]
    if not me.get("email"):
        notes.append("the hub's user has no e-mail address: Odoo refuses changes it wants to write a note about")
    return Identity(
        account=await _account(session), user=str(me.get("login") or uid), version=server.version, notes=tuple(notes)
    )


async def discover(session: Session, stream: Stream) -> VendorObject:
    """The model's columns, and the fields the connector makes of them for the stream."""
    model, made = TABLES[stream.name].model, {*TABLES[stream.name].virtual}
    if stream.name == "subscriptions" and (await reach(session)).major < subscriptions.FIRST_RECORDS:
        model, made = "mailing.contact", {*made, "list_id"}
    known = await columns(session, model)
    fields = [
        VendorField(
            name=name,
            label=column.label,
            type=column.type,
            required=column.required,
            writable=not column.readonly,
            calculated=column.readonly,
            choices=column.choices,
            open_choices=column.type != "selection",
            refers_to=(column.relation,) if column.relation else (),
        )
        for name, column in sorted(known.items())
    ]
    for m in stream.mapping:
        top, _, part = m.vendor.partition(".")
        if top in made or (part and top in known):
            label = known[top].label if top in known else m.vendor
            fields.append(VendorField(name=m.vendor, label=label, type="through", writable=m.direction != "in"))
    can = {operation: await may(session, model, operation) for operation in ("read", "create", "write", "unlink")}
    return VendorObject(
        stream=stream.name,
        fields=tuple(fields),
        readable=can["read"],
        creatable=can["create"],
        updatable=can["write"],
        deletable=can["unlink"],
    )


async def _own_id(session: Session) -> int:
    said = await call(session, "res.users", "context_get")
    uid: Any = cast("Row", said).get("uid") if isinstance(said, dict) else None
    return uid if isinstance(uid, int) else 0


async def _account(session: Session) -> str:
    try:
        uuid = await call(session, "ir.config_parameter", "get_param", key="database.uuid")
    except Fault:
        uuid = None
    host = str(session.settings.get("base_url", "")).partition("://")[2].partition("/")[0]
    return str(uuid or session.settings.get("database") or host)


async def _lacking(session: Session, server: Server, model: str, wanted: tuple[str, ...]) -> list[str]:
    """Notes on a model: its app is missing, or rights are."""
    if model == "mail.blacklist" and server.major < 12:
        return []
    if not await optional_columns(session, model):
        return [f"{name_at(model, server.major)} is not installed"]
    missing = [operation for operation in wanted if not await may(session, model, operation)]
    return [f"no right to {', '.join(missing)} {name_at(model, server.major)}"] if missing else []
