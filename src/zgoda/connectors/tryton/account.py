"""Who we are there, what we may do, and what the models look like."""

from __future__ import annotations

from typing import Any, Final, cast

from zgoda.connectors.tryton.consent import CONSENT, RUN
from zgoda.connectors.tryton.directory import PARTY, columns_of, id_of, preferences, server_now
from zgoda.connectors.tryton.employer import EMPLOYER, RELATION_TYPE
from zgoda.connectors.tryton.history import NOTES
from zgoda.connectors.tryton.kinds import STAMP, Kind
from zgoda.connectors.tryton.lists import LISTS, SUBSCRIPTIONS
from zgoda.connectors.tryton.options import Options, options
from zgoda.connectors.tryton.parties import ADDRESS, MECHANISMS, ORGANIZATIONS, PEOPLE
from zgoda.connectors.tryton.plain import EMPLOYMENTS, OPPORTUNITIES
from zgoda.connectors.tryton.rpc import call, rows
from zgoda.kit.errors import Temporary
from zgoda.kit.http import expect
from zgoda.kit.spec import Identity, Row, Session, Stream, VendorField, VendorObject

KINDS: Final[dict[str, Kind]] = {
    kind.stream: kind for kind in (ORGANIZATIONS, PEOPLE, LISTS, SUBSCRIPTIONS, EMPLOYMENTS, OPPORTUNITIES, NOTES)
}
_WRITABLE: Final = {
    *("given_name", "family_name", "language", "currency", "probability", "person", "organization", "list", "status"),
    *(*MECHANISMS, *(f"address.{part}" for part in ADDRESS), EMPLOYER, CONSENT),
}
_REFERS_TO: Final = {"works_for": "organizations", "person": "people", "organization": "organizations", "list": "lists"}


async def check(session: Session) -> Identity:
    """Log in and look around. The account is the database with the moment it was made: a copy under the same name that
    was set up anew is another account."""
    told = options(session)
    found = await preferences(session)
    english = await rows(session, "ir.lang", [["code", "=", "en"]], 1, ("create_date",))
    made = english[0].get("create_date") if english else ""
    return Identity(
        account=f"{told.database} of {made}",
        user=told.user,
        version=await _version(session),
        notes=(*_user_notes(told, found), *await _model_notes(session), *await _data_notes(session, told)),
    )


async def discover(session: Session, stream: Stream) -> VendorObject:
    """All fields of the stream's model, and those this connector makes of several."""
    kind = KINDS[stream.name]
    known = await columns_of(session, kind.model)
    made = (_virtual(name) for name in kind.virtual)
    given = (_field(name, about) for name, about in sorted(known.items()) if name not in kind.virtual)
    rights = (await _rights(session, [kind.model])).get(kind.model, {})
    return VendorObject(
        stream=stream.name,
        fields=(*made, *given),
        readable=bool(rights.get("read")),
        creatable=bool(rights.get("create")) and "create" in stream.can,
        updatable=bool(rights.get("write")) and "update" in stream.can,
        deletable=bool(rights.get("delete")) and "delete" in stream.can,
    )


def _virtual(name: str) -> VendorField:
    refers_to = (_REFERS_TO[name],) if name in _REFERS_TO else ()
    writable = name in _WRITABLE
    return VendorField(name=name, type="virtual", writable=writable, calculated=not writable, refers_to=refers_to)


def _field(name: str, about: Row) -> VendorField:
    choices = _choices(about.get("selection"))
    relation = about.get("relation")
    return VendorField(
        name=name,
        label=str(about.get("string") or ""),
        type=str(about.get("type") or ""),
        required=about.get("required") is True,
        writable=about.get("readonly") is not True,
        calculated=about.get("readonly") is True,
        choices=choices,
        open_choices=not choices,
        refers_to=tuple(kind.stream for kind in KINDS.values() if isinstance(relation, str) and kind.model == relation),
    )


def _choices(selection: Any) -> tuple[tuple[str, str], ...]:
    """The (value, label) pairs; Tryton names a method where they depend on something."""
    pairs = cast("list[Any]", selection) if isinstance(selection, list) else []
    found: list[tuple[str, str]] = []
    for pair in pairs:
        match pair:
            case [str(value), str(label)] if value:
                found.append((value, label))
            case _:
                pass
    return tuple(found)


async def _version(session: Session) -> str:
    body = {"id": 1, "method": "common.server.version", "params": list[Any]()}
    answer = expect(await session.http.request("POST", "/rpc/", json=body)).json()
    match answer:
        case {"result": str(version)}:
            return version
        case _:
            raise Temporary("the server did not tell its version")


def _user_notes(told: Options, found: Row) -> list[str]:
    if told.deletions == "log" and not found.get("administrator"):
        return ["the user is no administrator, so it cannot read deletions: set `deletions: compare` or make it one"]
    return []


async def _model_notes(session: Session) -> list[str]:
    """Missing modules and rights."""
    there = {kind.model: kind for kind in KINDS.values() if await columns_of(session, kind.model)}
    there |= {RUN: PEOPLE} if await columns_of(session, RUN) else {}
    notes = [
        f"{kind.stream}: the module {kind.module} is not active" for kind in KINDS.values() if kind.model not in there
    ]
    rights = await _rights(session, list(there))
    for model, kind in there.items():
        wanted = ("read", "write") if model == RUN else ("read", "write", "create")
        missing = [what for what in wanted if not rights.get(model, {}).get(what)]
        notes += [f"{kind.stream}: no right to {', '.join(missing)} {model}"] if missing else []
    return notes


async def _data_notes(session: Session, told: Options) -> list[str]:
    """What the streams rely on and is not there yet."""
    notes: list[str] = []
    if not await rows(session, "country.country", [], 1, ()):
        notes.append("no countries are loaded, so none can be written: run trytond_import_countries")
    relation = told.employment_relation
    if await columns_of(session, RELATION_TYPE) and not await id_of(session, RELATION_TYPE, "name", relation):
        notes.append(f"employments: there is no relation type {relation!r}")
    newest = await call(session, f"model.{PARTY}.search_read", [], 0, 1, [[STAMP, "DESC"]], [STAMP])
    match newest:
        case [{"last_modified_at": str(stamp)}] if stamp > await server_now(session, PARTY):
            notes.append("stamps lie in the future: let the database's time zone be UTC")
        case _:
            pass
    return notes


async def _rights(session: Session, models: list[str]) -> dict[str, dict[str, Any]]:
    found = await call(session, "model.ir.model.access.get_access", models)
    if not isinstance(found, dict):
        raise Temporary("the rights are no table")
    return cast("dict[str, dict[str, Any]]", found)
