"""Two made-up vendors with every feature a mapping can touch, and a third whose streams the user declares."""

from __future__ import annotations

from typing import Any

from zgoda.kit.convert import Dialect
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import Connector, Identity, Op, Session, Setting, Stream, VendorField, VendorObject
from zgoda.model.clock import Clock

ALL: frozenset[Op] = frozenset({"create", "update", "delete"})

CONTACTS = (
    Map(vendor="First", field="given_name"),
    Map(vendor="Last", field="family_name", placeholder="?"),
    Map(vendor="Email", field="email"),
    Map(vendor="Phone", field="telephone"),
    Map(vendor="Born", field="birth_date"),
    Map(vendor="Tags", field="keywords"),
    Map(vendor="Points", field="score", direction="in", derived=True),
    Map(vendor="Stage", field="lifecycle_stage", values=(("L", "lead"), ("C", "customer"))),
    Map(vendor="Sex", field="gender", values=(("M", "male"), ("F", "female")), otherwise="hold"),
    Map(vendor="Company", field="works_for", refers_to=("companies",)),
    Map(
        vendor="NoMail",
        field="consent:email:marketing",
        values=((True, "withdrawn"), (False, "unknown"), (False, "granted")),
        otherwise="hold",
    ),
)

COMPANIES = (
    Map(vendor="Name", field="name"),
    Map(vendor="Turnover", field="annual_revenue"),
    Map(vendor="Staff", field="number_of_employees"),
)

DEALS = (
    Map(vendor="Title", field="name"),
    Map(vendor="Closed", field="close_date"),
    Map(vendor="Amount", field="amount"),
    Map(vendor="Won", field="is_won"),
    Map(vendor="Contact", field="person", refers_to=("contacts",)),
)

VISITS = (Map(vendor="At", field="occurred_at"), Map(vendor="Who", field="person", refers_to=("contacts",)))

MEMBERS = (
    Map(vendor="email_address", field="email"),
    Map(vendor="merge.FNAME", field="given_name"),
    Map(vendor="merge.LNAME", field="family_name"),
    Map(vendor="tags", field="keywords"),
    Map(
        vendor="status",
        field="consent:email:marketing",
        values=(("subscribed", "granted"), ("unsubscribed", "withdrawn"), ("transactional", "unknown")),
        otherwise="hold",
        evidence="opted_in_at",
    ),
)


async def _open(http: Http, settings: Any, clock: Clock) -> Session:
    return Session(http=http, settings=settings, clock=clock)


async def _check(session: Session) -> Identity:
    return Identity(account="1", user="2")


async def _discover(session: Session, stream: Stream) -> VendorObject:
    return VendorObject(stream=stream.name, fields=())


def _limits(settings: Any) -> Limits:
    return Limits()


BIGCRM = Connector(
    key="bigcrm",
    title="Big CRM",
    role="crm",
    settings=(
        Setting(name="base_url", meaning="Its address", required=True, example="https://crm.example.com"),
        Setting(name="token", meaning="Access token", required=True, secret=True),
        Setting(name="api_version", meaning="Version", default="59.0"),
        Setting(name="codes", meaning="Whether it uses codes", default=False),
        Setting(name="daily_calls", meaning="Calls a day", default=1000),
        Setting(name="scopes", meaning="Scopes", default=["read", "write"]),
    ),
    streams=(
        Stream(name="companies", entity="organization", mapping=COMPANIES, can=ALL),
        Stream(name="contacts", entity="person", mapping=CONTACTS, can=ALL),
        Stream(name="deals", entity="deal", mapping=DEALS, can=frozenset({"create", "update"})),
        Stream(name="visits", entity="interaction", mapping=VISITS, immutable=True),
        Stream(name="extras", entity="ticket", mapping=(), can=ALL),
    ),
    open=_open,
    check=_check,
    discover=_discover,
    limits=_limits,
)

NEWSY = Connector(
    key="newsy",
    title="Newsy",
    role="marketing",
    settings=(Setting(name="api_key", meaning="API key", secret=True),),
    streams=(Stream(name="members", entity="person", mapping=MEMBERS, can=ALL),),
    open=_open,
    check=_check,
    discover=_discover,
    limits=_limits,
    dialect=Dialect(write_blank=""),
)


def _declared(settings: Any) -> tuple[Stream, ...]:
    return tuple(Stream(name=table, entity="person", mapping=(), can=ALL) for table in settings["tables"])


SQLISH = Connector(
    key="sqlish",
    title="SQL",
    role="generic",
    settings=(
        Setting(name="url", meaning="Database", required=True),
        Setting(name="tables", meaning="Tables that are streams", required=True),
    ),
    streams=_declared,
    open=_open,
    check=_check,
    discover=_discover,
    limits=_limits,
)

VENDORS = {connector.key: connector for connector in (BIGCRM, NEWSY, SQLISH)}

DESCRIBED = VendorObject(
    stream="contacts",
    fields=(
        VendorField(name="First", type="string"),
        VendorField(name="Last", type="string"),
        VendorField(name="Email", type="email"),
        VendorField(name="Score__c", type="double", calculated=True),
        VendorField(name="Seen__c", type="datetime"),
        VendorField(name="Locked__c", type="string", writable=False),
        VendorField(
            name="Sex", type="picklist", choices=(("M", "Male"), ("F", "Female"), ("X", "Other")), open_choices=False
        ),
    ),
)
"""What Big CRM's `discover` might say of contacts."""
