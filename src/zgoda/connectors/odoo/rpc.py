"""The one way to call Odoo: JSON-2 (19 and later) or JSON-RPC `execute_kw` (before), behind `call`.

Sources: Odoo's "External JSON-2 API" page (content/developer/reference/external_api.rst); for JSON-RPC a real Odoo 11.
Everything above this file uses the names of today's models; older servers are spoken to in their own words here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from zgoda.kit.errors import Attention, NeedsAttention, Refusal, RefusalKind, Temporary
from zgoda.kit.http import Answer, expect
from zgoda.kit.spec import Row, Session

FIRST_JSON2: Final = 19
LOAD_TIMEOUT_S: Final = 300.0

CONTEXT: Final = {"active_test": False, "tz": "UTC", "mail_create_nosubscribe": True, "mail_create_nolog": True}
"""Archived records are seen, times are UTC, and the hub's user follows nothing and logs no "record created" notes."""

OLDER_NAMES: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    "mailing.list": ((13, "mail.mass_mailing.list"),),
    "mailing.contact": ((13, "mail.mass_mailing.contact"),),
    "mailing.mailing": ((13, "mail.mass_mailing"),),
    "mailing.trace": ((13, "mail.mail.statistics"),),
    "mailing.subscription": ((13, "mail.mass_mailing.list_contact_rel"), (17, "mailing.contact.subscription")),
}
"""Model -> (before which major version, what it was called)."""

_POSITIONAL: Final = {
    "write": ("vals",),
    "create": ("vals_list",),
    "load": ("fields", "data"),
    "search_count": ("domain",),
}
"""Methods whose parameters have other names in older versions or from model to model, so they go by position."""

_BUSY: Final = frozenset(
    "OperationalError TransactionRollbackError SerializationFailure DeadlockDetected LockNotAvailable LockError "
    "ConcurrencyError InterfaceError PoolError QueryCanceled".split()
)
_REFUSALS: Final = {"AccessError": RefusalKind.RIGHTS, "MissingError": RefusalKind.GONE}


@dataclass
class Server:
    """What a session learns of its server once: how to speak to it, and what its models look like."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    protocol: str = ""
    major: int = 0
    version: str = ""
    uid: int = 0
    columns: dict[str, Any] = field(default_factory=dict[str, Any])
    related: dict[tuple[str, int], Row] = field(default_factory=dict[tuple[str, int], Row])
    books: dict[str, tuple[float, dict[str, list[Row]]]] = field(
        default_factory=dict[str, tuple[float, dict[str, list[Row]]]]
    )


class Fault(NeedsAttention):
    """Odoo understood a call and said no. Writers make it the record's `Refusal`; elsewhere a person has to look."""

    def __init__(self, refusal: Refusal, where: str) -> None:
        kind = Attention.RIGHTS if refusal.kind is RefusalKind.RIGHTS else Attention.SCHEMA
        super().__init__(kind, f"{where}: Odoo refused ({refusal.code})")
        self.refusal = refusal


async def call(session: Session, model: str, method: str, *, ids: list[int] | None = None, **named: Any) -> Any:
    """Call a model's method with named arguments; one call is one transaction.

    `Fault` when Odoo says no, `Temporary` when the database was busy (nothing was done) or the answer is nonsense.
    """
    server = await reach(session)
    model = name_at(model, server.major)
    timeout_s = LOAD_TIMEOUT_S if method == "load" else None
    named = {"context": CONTEXT, **named}
    if server.protocol == "json2":
        body = named if ids is None else {"ids": ids, **named}
        answer = await session.http.request("POST", f"json/2/{model}/{method}", json=body, timeout_s=timeout_s)
        return _json2_result(answer, f"{model}.{method}")
    args: list[Any] = [] if ids is None else [ids]
    args += [named.pop(name) for name in _POSITIONAL.get(method, ()) if name in named]
    sign_in = [setting(session, "database"), server.uid, setting(session, "api_key")]
    sent = [*sign_in, model, method, args, named]
    return await _jsonrpc(session, "object", "execute_kw", sent, f"{model}.{method}", timeout_s)


async def search_read(
    session: Session, model: str, domain: list[Any], fields: list[str], *, order: str = "id", limit: int = 0
) -> list[Row]:
    """Records with `id` and the named columns, nothing else (Odoo takes an empty list of columns for "all")."""
    named: dict[str, Any] = {"domain": domain, "fields": ["id", *fields], "order": order}
    if limit:
        named["limit"] = limit
    rows = await call(session, model, "search_read", **named)
    if not isinstance(rows, list) or not all(_is_record(row) for row in cast("list[Any]", rows)):
        raise Temporary(f"{model}.search_read: the answer is no list of records")
    return cast("list[Row]", rows)


async def reach(session: Session) -> Server:
    """The session's server; the first caller finds out its version and, for JSON-RPC, signs in."""
    server = session.resources
    if not isinstance(server, Server):
        raise NeedsAttention(Attention.SETTINGS, "the session was not opened by this connector")
    if not server.protocol:
        async with server.lock:
            if not server.protocol:
                await _learn(session, server)
    return server


def setting(session: Session, name: str, default: str = "") -> str:
    """A text setting; `NeedsAttention` when it is wanted (no default) and missing."""
    value = session.settings.get(name) or default
    if not isinstance(value, str) or (not value and not default):
        raise NeedsAttention(Attention.SETTINGS, f"the setting `{name}` is missing")
    return value


def name_at(model: str, major: int) -> str:
    """What today's model was called in a major version."""
    for before, older in OLDER_NAMES.get(model, ()):
        if major < before:
            return older
    return model


async def _learn(session: Session, server: Server) -> None:
    protocol = session.settings.get("protocol") or "auto"
    info: Any = None
    if protocol in ("auto", "json2"):
        answer = await session.http.request("GET", "web/version")
        if answer.status == 429 or answer.status >= 500:
            expect(answer)
        if answer.ok:
            info = answer.json()
        elif protocol == "json2":
            expect(answer)
    major, version = _version(info, "version_info", "version")
    if protocol == "json2" or (protocol == "auto" and major >= FIRST_JSON2):
        server.major, server.version, server.protocol = major, version, "json2"
        return
    info = await _jsonrpc(session, "common", "version", [], "common.version")
    server.major, server.version = _version(info, "server_version_info", "server_version")
    sign_in: list[Any] = [setting(session, "database"), setting(session, "login"), setting(session, "api_key"), {}]
    uid = await _jsonrpc(session, "common", "authenticate", sign_in, "common.authenticate")
    if not isinstance(uid, int) or uid is False:
        raise NeedsAttention(Attention.CREDENTIALS, "Odoo refused the login", do="check login, api_key and database")
    server.uid, server.protocol = uid, "jsonrpc"


def _version(info: Any, parts: str, text: str) -> tuple[int, str]:
    """(major, text) from Odoo's version answers; hosted versions call themselves `saas~18`."""
    known = cast("Row", info) if isinstance(info, dict) else {}
    first = known.get(parts)
    found = re.search(r"\d+", str(cast("list[Any]", first)[0])) if isinstance(first, list) and first else None
    return (int(found[0]) if found else 0, str(known.get(text, ""))[:40])


async def _jsonrpc(
    session: Session, service: str, method: str, args: list[Any], where: str, timeout_s: float | None = None
) -> Any:
    params = {"service": service, "method": method, "args": args}
    body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
    answer = expect(await session.http.request("POST", "jsonrpc", json=body, timeout_s=timeout_s))
    said = answer.json()
    if not isinstance(said, dict):
        raise Temporary(f"{where}: the answer is no JSON-RPC answer", executed=True)
    said = cast("Row", said)
    error = said.get("error")
    if error is None:
        return said.get("result")
    data: Any = cast("Row", error).get("data") if isinstance(error, dict) else None
    raise _fault(cast("Row", data).get("name") if isinstance(data, dict) else None, where)


def _json2_result(answer: Answer, where: str) -> Any:
    if answer.ok:
        return answer.json()
    if answer.status in (401, 429):
        expect(answer)
    try:
        name = msgspec.json.decode(answer.body, type=dict[str, Any]).get("name")
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        name = None
    if not isinstance(name, str):
        expect(answer)
    raise _fault(name, where)


def _fault(name: Any, where: str) -> Exception:
    """The error for Odoo's exception class. Texts and arguments quote values, so only the class is taken over."""
    code = name.rpartition(".")[2] if isinstance(name, str) else ""
    if code in ("AccessDenied", "SessionExpiredException", "Unauthorized"):
        return NeedsAttention(Attention.CREDENTIALS, f"{where}: the credentials were refused", do="renew the API key")
    if code in _BUSY:
        return Temporary(f"{where}: the database was busy or away ({code})")
    if not re.fullmatch(r"\w{1,60}", code):
        return Temporary(f"{where}: an error without a name", executed=True)
    return Fault(Refusal(kind=_REFUSALS.get(code, RefusalKind.REJECTED), code=code), where)


def _is_record(row: Any) -> bool:
    found: Any = cast("Row", row).get("id") if isinstance(row, dict) else None
    return isinstance(found, int) and not isinstance(found, bool)
