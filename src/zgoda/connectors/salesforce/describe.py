"""What the organisation has and what our user may do there: `check` and `discover`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from zgoda.connectors.salesforce.call import HEADERS, decoded, query, root
from zgoda.connectors.salesforce.objects import SObject
from zgoda.connectors.salesforce.recovery import accept
from zgoda.connectors.salesforce.soql import select
from zgoda.kit.errors import Attention, NeedsAttention
from zgoda.kit.http import Answer
from zgoda.kit.spec import Identity, Session, VendorField, VendorObject

LIMIT_HEADER: Final = "sforce-limit-info"


class _Rights(msgspec.Struct, frozen=True):
    name: str
    queryable: bool = False
    createable: bool = False
    updateable: bool = False
    deletable: bool = False


class _Global(msgspec.Struct, frozen=True):
    sobjects: list[_Rights]


class _Choice(msgspec.Struct, frozen=True):
    value: str
    label: str | None = None
    active: bool = True


class _Field(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    type: str
    label: str = ""
    createable: bool = False
    updateable: bool = False
    nillable: bool = True
    defaulted_on_create: bool = False
    calculated: bool = False
    unique: bool = False
    length: int = 0
    restricted_picklist: bool = False
    picklist_values: list[_Choice] = []
    reference_to: list[str] = []


class _Described(_Rights, frozen=True, kw_only=True):
    fields: list[_Field]


async def check(session: Session, sobjects: tuple[SObject, ...]) -> Identity:
    """Who we are there. Missing rights, a foreign host and the day's use of calls go into the notes."""
    answer = await _get(session, "/sobjects/")
    rights = {r.name: r for r in decoded(answer, _Global).sobjects}
    grant = session.resources
    account = grant.organization or await _organization(session)
    expected = session.settings.get("organization_id")
    if expected and str(expected)[:15] != account[:15]:
        do = "correct base_url or organization_id"
        raise NeedsAttention(Attention.ACCOUNT, "these credentials belong to another organisation", do=do)
    notes = [note for sobject in sobjects for note in _missing(sobject, rights.get(sobject.name))]
    notes += [*_foreign_host(session), *_use(answer)]
    version = str(session.settings.get("api_version") or root(session).rpartition("/v")[2])
    return Identity(account=account, user=grant.user, version=version, notes=tuple(notes))


async def discover(session: Session, sobject: SObject) -> VendorObject:
    """All fields of the object, and the virtual ones our rows have besides."""
    found = decoded(await _get(session, f"/sobjects/{sobject.name}/describe", sobject), _Described)
    own = tuple(_field(field) for field in found.fields)
    made = tuple(
        VendorField(name=name, label=name, type="reference", open_choices=True)
        for name in sobject.virtual
        if name not in {field.name for field in own}
    )
    return VendorObject(
        stream=sobject.stream,
        fields=own + made,
        readable=found.queryable,
        creatable=found.createable,
        updatable=found.updateable,
        deletable=found.deletable,
    )


async def _get(session: Session, path: str, sobject: SObject | None = None) -> Answer:
    answer = await session.http.request("GET", root(session) + path, headers=HEADERS, of="query")
    return accept(answer, sobject)


async def _organization(session: Session) -> str:
    """The organisation's id, where no token answer told it (a session that was given)."""
    records = (await query(session, select(["Id"], "Organization", limit=1))).records
    return str(records[0]["Id"]) if records else ""


def _missing(sobject: SObject, rights: _Rights | None) -> list[str]:
    if rights is None or not rights.queryable:
        return [f"{sobject.stream}: {sobject.name} cannot be read with these credentials"]
    named = {"create": rights.createable, "update": rights.updateable, "delete": rights.deletable}
    lacking = [op for op, may in named.items() if not may]
    return [f"{sobject.stream}: no right to {', '.join(lacking)} {sobject.name}"] if lacking else []


def _foreign_host(session: Session) -> list[str]:
    """The token's instance is told, not followed: a token answer must not send our data elsewhere."""
    host = session.resources.instance_host
    base = str(session.settings.get("base_url") or "").partition("://")[2].partition("/")[0]
    return [f"the token is meant for the host {host}; set base_url to it"] if host and host != base else []


def _use(answer: Answer) -> list[str]:
    told = answer.headers.get(LIMIT_HEADER, "")
    used, _, allowed = told.partition("api-usage=")[2].partition("/")
    return [f"{used} of {allowed} daily calls used"] if used.isdecimal() and allowed.isdecimal() else []


def _field(field: _Field) -> VendorField:
    return VendorField(
        name=field.name,
        label=field.label,
        type=field.type,
        required=field.createable and not field.nillable and not field.defaulted_on_create and field.type != "boolean",
        writable=field.createable or field.updateable,
        calculated=field.calculated,
        unique=field.unique,
        length=field.length or None,
        choices=tuple((c.value, c.label or c.value) for c in field.picklist_values if c.active),
        open_choices=not field.restricted_picklist,
        refers_to=tuple(field.reference_to),
    )


def used_today(headers: Mapping[str, str]) -> int | None:
    """The organisation's calls within 24 hours, as every answer tells (`api-usage=18/5000`); None where it does not."""
    found = re.search(r"api-usage=(\d{1,12})/", headers.get(LIMIT_HEADER, ""))
    return int(found[1]) if found else None
