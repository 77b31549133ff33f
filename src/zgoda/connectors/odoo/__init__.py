"""Odoo: contacts, sales and e-mail marketing. Versions 11 to 18 over JSON-RPC, from 19 on over JSON-2."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from zgoda.connectors.odoo import activities, mailings, mapping, partners, records, sales, subscriptions, writing
from zgoda.connectors.odoo.account import check, discover
from zgoda.connectors.odoo.records import Table
from zgoda.connectors.odoo.rpc import Server
from zgoda.kit.auth import Fixed
from zgoda.kit.convert import Dialect
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits, Rate
from zgoda.kit.spec import Connector, Op, Session, Setting, Stream
from zgoda.model.clock import Clock

HOSTED: Final = ".odoo.com"

_CHOICES: Final = {
    "protocol": ("auto", "json2", "jsonrpc"),
    "name_order": ("given_first", "family_first"),
    "list_opt_out": ("withdraws", "list_only"),
    "on_delete": ("archive", "unlink"),
}


async def open_session(http: Http, settings: Any, clock: Clock) -> Session:
    """Prepares, but does not call: version and sign-in are found out with the first call."""
    for name, choices in _CHOICES.items():
        if settings.get(name, choices[0]) not in choices:
            raise NeedsAttention(Attention.SETTINGS, f"`{name}` must be one of {', '.join(choices)}")
    for name in ("overlap_s", "calls_per_s", "concurrent"):
        number = settings.get(name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or number < 0):
            raise NeedsAttention(Attention.SETTINGS, f"`{name}` must be a number")
    key, database = settings.get("api_key"), settings.get("database")
    if settings.get("protocol", "auto") != "jsonrpc" and isinstance(key, str):
        headers = {"Authorization": f"bearer {key}"}
        http = http.with_auth(Fixed(headers | ({"X-Odoo-Database": database} if database else {})))
    return Session(http=http, settings=settings, clock=clock, resources=Server())


def limits(settings: Any) -> Limits:
    """Odoo documents no limits for own servers; the hosted service wants about one call a second (not documented)."""
    host = str(settings.get("base_url", "")).partition("://")[2].partition("/")[0].partition(":")[0]
    calls_per_s = float(settings.get("calls_per_s") or (1 if host.endswith(HOSTED) else 0))
    rates = (Rate(calls=max(1, round(calls_per_s * 10)), per_s=10.0),) if calls_per_s else ()
    return Limits(rates=rates, concurrent=int(settings.get("concurrent") or 4))


def streams(settings: Any) -> tuple[Stream, ...]:
    """All streams; `leads` only where leads are to be people of their own."""
    return (*_STREAMS, _LEADS) if settings.get("leads_as_people") else _STREAMS


def _stream(name: str, entity: str, table: Table, maps: tuple[Map, ...], *can: Op, **more: Any) -> Stream:
    functions: dict[str, Any] = {
        "read_all": partial(records.read, table, whole=True),
        "read_changes": partial(records.read, table),
        "read_ids": partial(records.read_ids, table),
    }
    if can:
        functions["write"] = partial(writing.write, table)
    if "create" in can:
        functions["find"] = partial(records.find, table)
    return Stream(name=name, entity=entity, mapping=maps, modified="write_date", can=frozenset(can), **functions | more)


_STREAMS: Final = (
    _stream(
        *("companies", "organization", partners.COMPANIES, mapping.COMPANIES, "create", "update", "delete"),
        title="Companies",
        merge=partners.merge,
    ),
    _stream(
        *("people", "person", partners.PEOPLE, mapping.PEOPLE, "create", "update", "delete"),
        title="People",
        merge=partners.merge,
        erase=partners.erase,
    ),
    _stream(
        *("opportunities", "deal", sales.OPPORTUNITIES, mapping.OPPORTUNITIES, "create", "update", "delete"),
        title="Opportunities",
    ),
    _stream(
        *("mailing_lists", "list", subscriptions.MAILING_LISTS, mapping.MAILING_LISTS, "create", "update", "delete"),
        title="Mailing lists",
    ),
    _stream(
        *("subscriptions", "membership", subscriptions.SUBSCRIPTIONS, mapping.SUBSCRIPTIONS),
        *("create", "update", "delete"),
        title="Subscriptions to mailing lists",
        trusted_stamp=False,
        read_all=partial(subscriptions.read, whole=True),
        read_changes=subscriptions.read,
        read_ids=subscriptions.read_ids,
        write=subscriptions.write,
        find=subscriptions.find,
    ),
    _stream(*("mailings", "campaign", mailings.MAILINGS, mapping.MAILINGS), title="Mailings"),
    _stream(
        *("traces", "interaction", mailings.TRACES, mapping.TRACES),
        title="What became of each mail",
        immutable=True,
        read_all=mailings.read_traces,
        read_changes=mailings.read_traces,
        read_ids=mailings.read_trace_ids,
    ),
    _stream(
        *("activities", "interaction", activities.ACTIVITIES, mapping.ACTIVITIES, "create"),
        title="Notes and mails with people",
        immutable=True,
    ),
    _stream(
        *("tasks", "task", activities.TASKS, mapping.TASKS, "create", "update", "delete"),
        title="Planned activities",
    ),
)

_LEADS: Final = _stream(*("leads", "person", sales.LEADS, mapping.LEADS, "update"), title="Leads")

CONNECTOR: Final = Connector(
    key="odoo",
    title="Odoo",
    role="crm",
    settings=(
        Setting(name="base_url", meaning="address of the server", required=True, example="https://crm.example.org"),
        Setting(name="database", meaning="name of the database; may be left out on 19 and later if there is only one"),
        Setting(name="login", meaning="the hub's own user (before 19)", example="hub@example.org"),
        Setting(name="api_key", meaning="API key of that user; before 14, the password", required=True, secret=True),
        Setting(name="protocol", meaning="auto, json2 (19 and later) or jsonrpc", default="auto"),
        Setting(name="name_order", meaning="given_first or family_first", default="given_first"),
        Setting(name="leads_as_people", meaning="also read leads, each as a person of its own", default=False),
        Setting(name="include_colleagues", meaning="also read the contacts of Odoo's own users", default=False),
        Setting(
            name="list_opt_out",
            meaning="from 12 on: withdraws (leaving one list withdraws consent to e-mail) or list_only",
            default="withdraws",
        ),
        Setting(name="on_delete", meaning="archive or unlink", default="archive"),
        Setting(name="overlap_s", meaning="how far each read goes back, at least 60 s", default=records.OVERLAP_S),
        Setting(name="calls_per_s", meaning="pace; 0 is as fast as the server answers"),
        Setting(name="concurrent", meaning="calls under way at once", default=4),
    ),
    streams=streams,
    open=open_session,
    check=check,
    discover=discover,
    limits=limits,
    scopes=("Contact Creation", "Sales / User: All Documents", "Email Marketing / User"),
    dialect=Dialect(blank=(None, "", False), write_blank=False, instant="odoo"),
)
