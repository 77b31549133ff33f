"""A small Odoo 19 made from the documentation of its JSON-2 interface, for what no real server here can show.

It knows the calls and models the connector uses, refuses what the documentation says is refused (no key, no database
name, positional or unknown arguments, ids for methods of a model, unknown models), and answers errors as documented.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

KEY, DATABASE = "key-of-the-hub", "prod"

CHAR, HTML, BOOL, TIME = ({"type": name} for name in ("char", "html", "boolean", "datetime"))


def many2one(model: str) -> dict[str, Any]:
    return {"type": "many2one", "relation": model}


MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "res.partner": {
        "name": CHAR,
        "email": CHAR,
        "email_normalized": CHAR,
        "phone": CHAR,
        "type": CHAR,
        "comment": HTML,
        "is_company": BOOL,
        "active": BOOL,
        "partner_share": BOOL,
        "parent_id": many2one("res.partner"),
        "country_id": many2one("res.country"),
        "category_id": {"type": "many2many", "relation": "res.partner.category"},
    },
    "res.partner.category": {"name": CHAR},
    "res.country": {"code": CHAR},
    "res.users": {"login": CHAR, "email": CHAR},
    "ir.model.data": {"module": CHAR, "name": CHAR, "res_id": {"type": "integer"}},
    "mail.blacklist": {"email": CHAR, "active": BOOL},
    "mailing.list": {"name": CHAR, "active": BOOL},
    "mailing.contact": {"name": CHAR, "email": CHAR, "email_normalized": CHAR},
    "mailing.subscription": {
        "contact_id": many2one("mailing.contact"),
        "list_id": many2one("mailing.list"),
        "opt_out": BOOL,
        "opt_out_datetime": TIME,
    },
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "res.partner": {"type": "contact", "active": True, "partner_share": True},
    "mail.blacklist": {"active": True},
    "mailing.list": {"active": True},
}
PARAMETERS = {
    "search_read": {"domain", "fields", "offset", "limit", "order"},
    "search_count": {"domain", "limit"},
    "load": {"fields", "data"},
    "fields_get": {"allfields", "attributes"},
    "create": {"vals_list"},
    "write": {"vals"},
    "unlink": set[str](),
    "has_access": {"operation"},
    "context_get": set[str](),
}
OF_RECORDS = {"write", "unlink", "has_access"}


class Refused(Exception):
    def __init__(self, status: int, name: str) -> None:
        super().__init__(name)
        self.status, self.name = status, name


class Odoo19:
    """The records by model and id; `unstamped` leaves `write_date` empty, as rows made by a many-to-many are."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, dict[str, Any]]] = {model: {} for model in MODELS}
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)
        self.calls: list[tuple[str, str]] = []
        self.add("res.country", code="PL")
        self.add("res.users", login="hub", email="hub@hub.test")
        self.methods: dict[str, Callable[..., Any]] = {
            "search_read": self.search_read,
            "search_count": lambda model, domain: len(self.found(model, domain)),
            "load": self.load,
            "fields_get": lambda model, attributes=None: {
                **MODELS[model],
                "write_date": TIME,
                "id": {"type": "integer"},
            },
            "create": lambda model, vals_list: [self.add(model, **values) for values in vals_list],
            "write": self.write,
            "unlink": lambda model, ids: [self.records[model].pop(id, None) for id in ids] and True,
            "has_access": lambda model, ids, operation: True,
            "context_get": lambda model: {"lang": "en_US", "tz": "UTC", "uid": 1},
        }

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/web/version", self.version)
        app.router.add_post("/json/2/{model}/{method}", self.rpc)
        return app

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"})

    async def rpc(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self.dispatch(request, await request.json()))
        except Refused as refused:
            text = "text with Anna Kowalska in it"
            body = {"name": refused.name, "message": text, "arguments": [text], "context": {}, "debug": text}
            return web.json_response(body, status=refused.status)

    def dispatch(self, request: web.Request, body: dict[str, Any]) -> Any:
        if request.headers.get("Authorization") != f"bearer {KEY}":
            raise Refused(401, "werkzeug.exceptions.Unauthorized")
        if request.headers.get("X-Odoo-Database") != DATABASE:
            raise Refused(404, "werkzeug.exceptions.NotFound")
        model, method = request.match_info["model"], request.match_info["method"]
        self.calls.append((model, method))
        if model not in MODELS or method not in PARAMETERS:
            raise Refused(404, "werkzeug.exceptions.NotFound")
        body.pop("context", None)
        ids = body.pop("ids", None)
        if not body.keys() <= PARAMETERS[method] or (ids is not None and method not in OF_RECORDS):
            raise Refused(422, "werkzeug.exceptions.UnprocessableEntity")
        return self.methods[method](model, **({"ids": ids or []} if method in OF_RECORDS else {}), **body)

    def add(self, model: str, *, unstamped: bool = False, **values: Any) -> int:
        blank = {name: [] if column["type"] == "many2many" else False for name, column in MODELS[model].items()}
        id = max(self.records[model], default=0) + 1
        self.records[model][id] = {**blank, "id": id, "write_date": False} | DEFAULTS.get(model, {})
        self.write(model, [id], values)
        if unstamped:
            self.records[model][id]["write_date"] = False
        return id

    def write(self, model: str, ids: list[int], vals: dict[str, Any]) -> bool:
        if not set(ids) <= self.records[model].keys():
            raise Refused(404, "odoo.exceptions.MissingError")
        if model == "res.partner" and vals.get("name") == "":
            raise Refused(422, "odoo.exceptions.ValidationError")
        for id in ids:
            record = self.records[model][id]
            record |= {
                k: v[0][2] if isinstance(v, list) and v and isinstance(v[0], list) else v for k, v in vals.items()
            }
            record["write_date"] = f"{self.now:%Y-%m-%d %H:%M:%S}"
            if "email_normalized" in record:
                text = str(record["email"] or "")
                record["email_normalized"] = text.rpartition("<")[2].rstrip(">").lower() or False
            if model == "mailing.subscription" and "opt_out" in vals:
                record["opt_out_datetime"] = vals["opt_out"] and record["write_date"]
        return True

    def search_read(
        self, model: str, domain: list[Any], fields: list[str], order: str = "id", limit: int = 0
    ) -> list[dict[str, Any]]:
        for name in fields:
            if name not in MODELS[model] and name not in ("id", "write_date"):
                raise Refused(500, "builtins.ValueError")
        found = self.found(model, domain)
        key, _, way = order.partition(" ")
        found.sort(key=lambda record: (record[key], record["id"]), reverse=way == "desc")
        rows = [{name: record[name] for name in {"id", *fields}} for record in found[: limit or None]]
        for row in rows:
            for name in row.keys() & MODELS[model].keys():
                if MODELS[model][name]["type"] == "many2one" and row[name]:
                    row[name] = [row[name], "its name"]
        return rows

    def found(self, model: str, domain: list[Any]) -> list[dict[str, Any]]:
        return [dict(record) for record in self.records[model].values() if holds(list(domain), record)]

    def load(self, model: str, fields: list[str], data: list[list[str]]) -> dict[str, Any]:
        """All rows or none; the messages say which rows stopped it."""
        before = {name: {id: dict(one) for id, one in held.items()} for name, held in self.records.items()}
        ids, messages = [], []
        for number, row in enumerate(data):
            try:
                ids.append(self.load_row(model, dict(zip(fields, row, strict=True))))
            except Refused as refused:
                place = {"rows": {"from": number, "to": number}, "record": number, "type": "error"}
                messages.append({**place, "message": "text with Anna in it", "field": refused.name})
        if messages:
            self.records = before
        return {"ids": False if messages else ids, "messages": messages, "nextrow": 0}

    def load_row(self, model: str, cells: dict[str, str]) -> int:
        external, database = cells.pop("id", ""), cells.pop(".id", "")
        values = {path.partition("/")[0]: self.cell(model, *path.split("/"), text=text) for path, text in cells.items()}
        if database:
            if int(database) not in self.records[model]:
                raise Refused(404, ".id")
            self.write(model, [int(database)], values)
            return int(database)
        if model == "res.partner" and not values.get("name"):
            raise Refused(422, "name")
        module, _, name = external.partition(".")
        for held in self.records["ir.model.data"].values():
            if external and (held["module"], held["name"]) == (module, name):
                self.write(model, [held["res_id"]], values)
                return held["res_id"]
        id = self.add(model, **values)
        if external:
            self.add("ir.model.data", module=module, name=name, res_id=id)
        return id

    def cell(self, model: str, name: str, through: str = "", *, text: str) -> Any:
        kind = MODELS[model][name]["type"]
        if not text:
            return False
        if kind == "boolean":
            return text in ("1", "true")
        if kind in ("many2one", "many2many") and through == ".id":
            ids = [int(part) for part in text.split(",")]
            if not set(ids) <= self.records[MODELS[model][name]["relation"]].keys():
                raise Refused(422, name)
            return ids if kind == "many2many" else ids[0]
        return text

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def holds(domain: list[Any], record: dict[str, Any]) -> bool:
    """Prefix notation: `|` joins the two that follow, everything else is joined by "and"."""
    met = True
    while domain:
        met &= term(domain, record)
    return met


def term(domain: list[Any], record: dict[str, Any]) -> bool:
    head = domain.pop(0)
    if head == "|":
        return [term(domain, record), term(domain, record)] != [False, False]
    name, operator, value = head
    held = record[name]
    match operator:
        case "=":
            return held == value
        case "!=":
            return held != value
        case "in":
            return held in value
        case ">":
            return bool(held) and held > value
        case ">=":
            return bool(held) and held >= value
        case _:
            return str(value).lower() in str(held or "").lower()
