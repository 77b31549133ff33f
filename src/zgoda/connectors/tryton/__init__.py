"""Tryton 8: parties, opportunities and mailing lists over JSON-RPC. See the README beside this file."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from zgoda.connectors.tryton import finding, history, party_writes, plain, subscription_writes
from zgoda.connectors.tryton.account import KINDS, check, discover
from zgoda.connectors.tryton.directory import Directory
from zgoda.connectors.tryton.history import NOTES
from zgoda.connectors.tryton.kinds import STAMP, Kind
from zgoda.connectors.tryton.lists import LISTS, SUBSCRIPTIONS
from zgoda.connectors.tryton.mapping import DEAL, EMPLOYMENT, INTERACTION, LIST, MEMBERSHIP, ORGANIZATION, PERSON
from zgoda.connectors.tryton.options import SETTINGS, parse
from zgoda.connectors.tryton.parties import ORGANIZATIONS, PEOPLE
from zgoda.connectors.tryton.plain import EMPLOYMENTS, OPPORTUNITIES
from zgoda.connectors.tryton.reads import read_all, read_changes, read_ids
from zgoda.connectors.tryton.rpc import sign_in
from zgoda.connectors.tryton.tombstones import read_deletes
from zgoda.connectors.tryton.wizards import erase, merge
from zgoda.kit.convert import Dialect
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Op, Session, Stream
from zgoda.model.clock import Clock

_STEP_S: Final = 0.000001
_EVERYTHING: Final[frozenset[Op]] = frozenset({"create", "update", "delete"})


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    told = parse(settings)
    return Session(http=http.with_auth(sign_in(told)), settings=told, clock=clock, resources=Directory())


def _streams(settings: Any) -> tuple[Stream, ...]:
    found = (
        _stream(ORGANIZATIONS, "organization", ORGANIZATION, "Organisations", _parties(ORGANIZATIONS)),
        _stream(PEOPLE, "person", PERSON, "People", _parties(PEOPLE)),
        _stream(LISTS, "list", LIST, "Mailing lists", _plain(LISTS, plain.list_words)),
        _stream(
            SUBSCRIPTIONS,
            "membership",
            MEMBERSHIP,
            "Subscriptions",
            {"write": partial(subscription_writes.write, SUBSCRIPTIONS), "find": subscription_writes.find},
        ),
        _stream(EMPLOYMENTS, "employment", EMPLOYMENT, "Relations", _plain(EMPLOYMENTS, plain.employment_words)),
        _stream(OPPORTUNITIES, "deal", DEAL, "Opportunities", _plain(OPPORTUNITIES, plain.deal_words)),
        _activities(),
    )
    held = cast("dict[str, Any]", settings) if isinstance(settings, dict) else {}
    if held.get("deletions") != "compare":
        return found
    return tuple(_without_log(stream) for stream in found)


def _stream(kind: Kind, entity: str, maps: tuple[Map, ...], title: str, writing: dict[str, Any]) -> Stream:
    return Stream(
        name=kind.stream,
        entity=entity,
        mapping=maps,
        title=title,
        modified="modified" if STAMP in kind.base else "",
        version="version" if STAMP in kind.base else "",
        stamp_step_s=_STEP_S,
        can=_EVERYTHING,
        batch=200,
        batch_ids=500,
        read_all=partial(read_all, kind),
        read_changes=partial(read_changes, kind),
        read_deletes=partial(read_deletes, kind),
        read_ids=partial(read_ids, kind),
        **writing,
    )


def _parties(kind: Kind) -> dict[str, Any]:
    return {
        "write": partial(party_writes.write, kind),
        "find": partial(finding.find, kind),
        "merge": merge,
        "erase": erase,
    }


def _plain(kind: Kind, words: plain.Words) -> dict[str, Any]:
    return {"write": partial(plain.write, kind, words), "find": partial(plain.find, kind, words)}


def _activities() -> Stream:
    """Written only: a note is an entry in a party's history, and entries are not edited."""
    return Stream(
        name=NOTES.stream,
        entity="interaction",
        mapping=INTERACTION,
        title="Notes on parties",
        modified="modified",
        version="version",
        stamp_step_s=_STEP_S,
        can=frozenset({"create"}),
        immutable=True,
        batch=200,
        batch_ids=500,
        read_ids=partial(read_ids, NOTES),
        write=history.write,
        find=history.find,
    )


def _without_log(stream: Stream) -> Stream:
    names = (name for name in Stream.__struct_fields__ if name != "read_deletes")
    return Stream(**{name: getattr(stream, name) for name in names})


def _limits(settings: Any) -> Limits:
    """Tryton documents no limits but those on failed log-ins; its default server has few workers, SQLite one writer."""
    return Limits(concurrent=4)


CONNECTOR: Final = Connector(
    key="tryton",
    title="Tryton",
    role="crm",
    settings=SETTINGS,
    streams=_streams,
    open=_open,
    check=check,
    discover=discover,
    limits=_limits,
    dialect=Dialect(blank=(None, ""), write_blank=None, decimal="text"),
)

__all__ = ["CONNECTOR", "KINDS"]
