"""What Odoo's models look like here and now (`fields_get`), and records seen through a relation.

A vendor field with a dot means "through a relation": `country_id.code` is the code of the country the record points to.
Reading fetches those in one call per related model, writing looks them up and makes missing tags.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from zgoda.connectors.odoo.rpc import Fault, call, name_at, reach, search_read
from zgoda.kit.errors import Attention, NeedsAttention, RefusalKind, Temporary
from zgoda.kit.spec import Row, Session

OLDER_COLUMNS: Final = {
    "mailing.trace": {
        "sent_datetime": "sent",
        "open_datetime": "opened",
        "links_click_datetime": "clicked",
        "reply_datetime": "replied",
    },
    "mailing.subscription": {"opt_out_datetime": "unsubscription_date"},
    "crm.lead": {"expected_revenue": "planned_revenue"},
}
"""Model -> today's column -> what it was called before. Where both exist the older one is meant: Odoo 12 and 13 have an
`expected_revenue` too, but it is the prorated one."""

STEADY: Final = frozenset({"res.country", "res.country.state", "res.currency", "res.partner.title"})
"""Related models remembered for the whole session; others are asked for again with every page."""

CREATABLE: Final = frozenset({"res.partner.category", "res.partner.title", "crm.tag", "crm.lead.tag"})
"""Related models in which a missing name is simply made, as Odoo's own forms do."""

X_TO_MANY: Final = ("many2many", "one2many")


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column; `name` is its name on this server."""

    name: str
    type: str
    label: str = ""
    relation: str = ""
    readonly: bool = False
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


async def columns(session: Session, model: str) -> dict[str, Column]:
    """A model's columns by today's name, asked once per session. A model that is not there needs a person."""
    found = await optional_columns(session, model)
    if not found:
        raise NeedsAttention(
            Attention.SCHEMA,
            f"Odoo has no model {model}",
            do="install its app, disable the stream, or check `database`",
        )
    return found


async def optional_columns(session: Session, model: str) -> dict[str, Column]:
    """The same, but nothing where the model's app is not installed."""
    server = await reach(session)
    if model not in server.columns:
        try:
            wanted = ["type", "string", "relation", "readonly", "required", "selection"]
            raw = await call(session, model, "fields_get", attributes=wanted)
        except Fault as fault:
            if fault.refusal.kind is RefusalKind.RIGHTS:
                raise
            raw = {}
        if not isinstance(raw, dict):
            raise Temporary(f"{model}.fields_get: the answer is no table of columns")
        table = cast("dict[str, Any]", raw)
        found = {name: _column(name, cast("Row", about)) for name, about in table.items() if isinstance(about, dict)}
        for today, older in OLDER_COLUMNS.get(model, {}).items():
            if older in found:
                found[today] = found[older]
        server.columns[model] = found
    return server.columns[model]


async def related(session: Session, model: str, ids: set[int], attributes: set[str]) -> dict[int, Row]:
    """Attributes of related records by id."""
    server = await reach(session)
    if model not in STEADY:
        wanted = sorted(attributes - {"id"})
        rows = await search_read(session, model, [["id", "in", sorted(ids)]], wanted) if ids and wanted else []
        return {id: {"id": id} for id in ids} | {row["id"]: row for row in rows}
    missing = sorted(id for id in ids if not attributes <= server.related.get((model, id), {}).keys())
    if missing:
        for row in await search_read(session, model, [["id", "in", missing]], sorted(attributes - {"id"})):
            server.related[model, row["id"]] = server.related.get((model, row["id"]), {}) | row
    return {id: server.related.get((model, id), {}) for id in ids}


async def identify(session: Session, model: str, attribute: str, values: set[str]) -> dict[str, int]:
    """Ids of related records by an attribute's value, the oldest where there are several; made where that is usual."""
    rows = await search_read(session, model, [[attribute, "in", sorted(values)]], [attribute]) if values else []
    found: dict[str, int] = {}
    for row in rows:
        found.setdefault(row[attribute], row["id"])
    missing = sorted(values - found.keys())
    server = await reach(session)
    if missing and attribute == "name" and name_at(model, server.major) in CREATABLE:
        made = await call(session, model, "load", fields=["name"], data=[[name] for name in missing])
        ids: Any = cast("Row", made).get("ids") if isinstance(made, dict) else None
        if isinstance(ids, list):
            found |= dict(zip(missing, cast("list[int]", ids), strict=False))
    return found


def first_of(pair: Any) -> int:
    """The id in Odoo's `[id, name]` for a many2one; 0 for blank."""
    first = cast("list[Any]", pair)[0] if isinstance(pair, list) and pair else cast("Any", pair)
    return first if isinstance(first, int) else 0


def _column(name: str, about: Row) -> Column:
    choices: Any = about.get("selection")
    pairs = [cast("list[Any]", one) for one in cast("list[Any]", choices) if one] if isinstance(choices, list) else []
    return Column(
        name=name,
        type=str(about.get("type", "char")),
        label=str(about.get("string", "")),
        relation=str(about.get("relation") or ""),
        readonly=about.get("readonly") is True,
        required=about.get("required") is True,
        choices=tuple((str(pair[0]), str(pair[-1])) for pair in pairs),
    )
