"""Salesforce Sales Cloud by its REST API. See README.md of this folder for set-up, limits and gaps."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from zgoda.connectors.salesforce import mapping
from zgoda.connectors.salesforce.call import API_VERSION
from zgoda.connectors.salesforce.describe import check, discover, used_today
from zgoda.connectors.salesforce.find import find
from zgoda.connectors.salesforce.objects import (
    ACCOUNT,
    ACTIVITY,
    CAMPAIGN,
    CAMPAIGN_MEMBER,
    CASE,
    CONTACT,
    LEAD,
    OPPORTUNITY,
    STAMP,
    TASK,
    VERSION,
    SObject,
)
from zgoda.connectors.salesforce.outbound import ACKNOWLEDGEMENT, receive
from zgoda.connectors.salesforce.place import OVERLAP_S
from zgoda.connectors.salesforce.proof import Grant, prove
from zgoda.connectors.salesforce.reads import IDS_PER_QUERY, read_all, read_changes, read_ids
from zgoda.connectors.salesforce.roles import write_deals
from zgoda.connectors.salesforce.tombstones import read_deletes
from zgoda.connectors.salesforce.writes import COLLECTION, write
from zgoda.kit.convert import Dialect
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Identity, Op, Session, Setting, Stream, VendorObject, WriteFunction
from zgoda.model.clock import Clock

ALL: Final[frozenset[Op]] = frozenset({"create", "update", "delete"})

OBJECTS: Final[dict[str, SObject]] = {
    sobject.stream: sobject
    for sobject in (ACCOUNT, CONTACT, LEAD, OPPORTUNITY, CAMPAIGN, CAMPAIGN_MEMBER, TASK, ACTIVITY, CASE)
}

SETTINGS: Final = (
    Setting(
        name="base_url",
        meaning="The organisation's My Domain address; calls go there and nowhere else",
        required=True,
        example="https://example.my.salesforce.com",
    ),
    Setting(
        name="auth",
        meaning="client_credentials, jwt, refresh_token or session",
        default="client_credentials",
    ),
    Setting(name="token_url", meaning="Token endpoint; by default /services/oauth2/token at base_url"),
    Setting(name="client_id", meaning="Consumer key of the external client app"),
    Setting(name="client_secret", meaning="Its consumer secret", secret=True),
    Setting(name="username", meaning="jwt: the integration user's name"),
    Setting(name="private_key", meaning="jwt: RSA private key, PEM, not encrypted", secret=True),
    Setting(name="audience", meaning="jwt: audience", default="https://login.salesforce.com"),
    Setting(name="refresh_token", meaning="refresh_token: the token", secret=True),
    Setting(name="access_token", meaning="session: a session id; cannot be renewed", secret=True),
    Setting(name="api_version", meaning="REST API version, pinned", default=API_VERSION),
    Setting(name="organization_id", meaning="The organisation's id; needed to receive outbound messages"),
    Setting(name="daily_calls", meaning="Calls a day we may use of the organisation's", default=100_000),
    Setting(name="overlap_s", meaning="How far changes are read again, seconds", default=OVERLAP_S),
    Setting(name="country_codes", meaning="The organisation uses state and country picklists", default=False),
    Setting(
        name="interaction_key_field",
        meaning="Unique external id field of Task (text, 32) by which an interaction is written once only",
        example="Zgoda_Key__c",
    ),
)


def streams(settings: Any) -> tuple[Stream, ...]:
    """The nine streams. Campaigns are lists, because their members are the only groups of people that can be edited."""
    table = mapping.with_codes if settings.get("country_codes") else _as_it_is
    return (
        _stream(ACCOUNT, "organization", table(mapping.ACCOUNTS), "Accounts"),
        _stream(CONTACT, "person", table(mapping.CONTACTS), "Contacts"),
        _stream(LEAD, "person", table(mapping.LEADS), "Leads not yet converted"),
        _stream(OPPORTUNITY, "deal", mapping.OPPORTUNITIES, "Opportunities", write=partial(write_deals, OPPORTUNITY)),
        _stream(CAMPAIGN, "list", mapping.CAMPAIGNS, "Campaigns as lists of people"),
        _stream(CAMPAIGN_MEMBER, "membership", mapping.CAMPAIGN_MEMBERS, "Campaign members"),
        _stream(TASK, "task", mapping.TASKS, "Tasks"),
        _stream(ACTIVITY, "interaction", mapping.ACTIVITIES, "E-mails and calls, as completed tasks", immutable=True),
        _stream(CASE, "ticket", mapping.CASES, "Cases"),
    )


def _stream(
    sobject: SObject,
    entity: str,
    maps: tuple[Map, ...],
    title: str,
    *,
    immutable: bool = False,
    write: WriteFunction | None = None,
) -> Stream:
    return Stream(
        name=sobject.stream,
        entity=entity,
        mapping=maps,
        title=title,
        id="Id",
        modified=STAMP,
        version=VERSION,
        can=frozenset({"create"}) if immutable else ALL,
        immutable=immutable,
        batch=COLLECTION,
        batch_ids=IDS_PER_QUERY,
        read_all=partial(read_all, sobject),
        read_changes=partial(read_changes, sobject),
        read_deletes=partial(read_deletes, sobject),
        read_ids=partial(read_ids, sobject),
        write=write or partial(_write, sobject),
        find=partial(find, sobject),
    )


_write = write


def _as_it_is(maps: tuple[Map, ...]) -> tuple[Map, ...]:
    return maps


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    grant = Grant()
    return Session(http=http.with_auth(prove(settings, clock, grant)), settings=settings, clock=clock, resources=grant)


async def _check(session: Session) -> Identity:
    return await check(session, tuple(OBJECTS.values()))


async def _discover(session: Session, stream: Stream) -> VendorObject:
    return await discover(session, OBJECTS[stream.name])


def limits(settings: Any) -> Limits:
    """The organisation's calls in any 24 hours (100,000 and more by edition and users), and 20 of the 25 long-running
    calls at a time (app limits cheat sheet)."""
    return Limits(concurrent=20, daily=int(settings.get("daily_calls") or 100_000))


CONNECTOR: Final = Connector(
    key="salesforce",
    title="Salesforce",
    role="crm",
    settings=SETTINGS,
    streams=streams,
    open=_open,
    check=_check,
    discover=_discover,
    limits=limits,
    dialect=Dialect(instant="salesforce", set_separator=";"),
    receive=receive,
    acknowledgement=("text/xml", ACKNOWLEDGEMENT),
    used_today=used_today,
    scopes=("api", "refresh_token"),
)
