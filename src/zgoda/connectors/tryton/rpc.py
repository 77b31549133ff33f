"""The one way to call Tryton: JSON-RPC on `/<database>/rpc/`, and what its refusals mean.

Every application error comes with HTTP 200 and `{"error": [kind, detail]}`. All kinds of user error share one kind and
differ only in their text, which quotes values; so calls ask for English, texts are compared with Tryton's own patterns
(trytond/ir/message.xml) and never passed on. One call is one transaction.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from zgoda.connectors.tryton.options import Options, options
from zgoda.connectors.tryton.values import plain
from zgoda.kit.auth import Call, Fetched
from zgoda.kit.errors import Attention, NeedsAttention, Quota, Refusal, RefusalKind, Temporary
from zgoda.kit.http import expect
from zgoda.kit.spec import Row, Session

LANGUAGE: Final = "en"
SESSION_HOLDS_S: Final = 12 * 3600.0
"""Tryton ends sessions after `session.max_age` (30 days by default); an earlier end shows as a 401."""
LOGIN_PAUSE_S: Final = 300.0
"""Failed log-ins count for so long (`session.timeout`), and each further try counts too; no Retry-After is sent."""

_GONE: Final = re.compile(r"^You are trying to \w+( to)? records? .* that (don't|doesn't) exist", re.S)
_FORBIDDEN: Final = re.compile(r"^You are not allowed to ")
_FORBIDDEN_ALL: Final = re.compile(r"^You are not allowed to (access \"[^\".]*\"\.|execute |search on )")
_TWICE: Final = re.compile(r"(must be unique|can only be subscribed once)")
_WHY: Final = {
    RefusalKind.GONE: "there is no such record",
    RefusalKind.RIGHTS: "the hub's user may not do this, or the record is locked",
    RefusalKind.EXISTS: "there is a record with such a value already",
    RefusalKind.REJECTED: "Tryton does not accept the values",
}
_BAD_CONTACT: Final = {"The email address ": ("email",), "The phone number ": ("phone", "mobile", "fax")}
"""Servers with the libraries to check addresses and numbers refuse bad ones."""

_FIELD: Final = re.compile(r"field \"([^\"]{1,60})\"")
_NAME: Final = re.compile(r"^'[\w.]{1,80}'$")


class Fault(NeedsAttention):
    """Tryton understood a call and said no. Writers make it the records' `Refusal`; elsewhere a person has to look.

    `labels` are the field labels the text may name and `missing` the unknown model or field; both are to be checked
    against known names before anybody sees them, as texts quote values. `whole` tells that it is about the model and
    not about one record, `warning` is the name of a question that a user may answer with yes.
    """

    def __init__(
        self,
        refusal: Refusal,
        where: str,
        *,
        labels: tuple[str, ...] = (),
        whole: bool = False,
        warning: str = "",
        missing: str = "",
    ) -> None:
        kind = Attention.RIGHTS if refusal.kind is RefusalKind.RIGHTS else Attention.SCHEMA
        super().__init__(kind, f"{where}: Tryton refused ({refusal.code})")
        self.refusal = refusal
        self.labels = labels
        self.whole = whole
        self.warning = warning
        self.missing = missing


def sign_in(told: Options) -> Fetched:
    """Logs in on first use and again when a session ended."""

    async def fetch(call: Call) -> tuple[dict[str, str], float]:
        params = [told.user, {"password": told.password}, LANGUAGE]
        body = msgspec.json.encode({"id": 0, "method": "common.db.login", "params": params})
        status, answer = await call("POST", _path(told), {"Content-Type": "application/json"}, body)
        return {"Authorization": f"Session {_token(told, status, answer)}"}, SESSION_HOLDS_S

    return Fetched(fetch)


async def call(session: Session, method: str, *params: Any, context: Row | None = None, of: str = "*") -> Any:
    """The result of a method, with dates and decimals as text.

    `Fault` when Tryton says no; `Temporary` when the database is locked (503, nothing was done), the server failed or
    the answer is nonsense.
    """
    body = {"id": 1, "method": method, "params": [*params, {**(context or {}), "language": LANGUAGE}]}
    answer = expect(await session.http.request("POST", _path(options(session)), json=body, of=of))
    told = answer.json()
    if not isinstance(told, dict) or not {"result", "error"} & told.keys():
        raise Temporary(f"{method}: the answer is no JSON-RPC answer", executed=True)
    found = cast("dict[str, Any]", told)
    if "error" in found:
        raise _fault(method, found["error"])
    return plain(found["result"])


async def rows(
    session: Session, model: str, domain: list[Any], limit: int | None, columns: tuple[str, ...]
) -> list[Row]:
    """`search_read` in the order of the ids. A column the server does not know is `NeedsAttention` naming it."""
    asked = ["id", *(name for name in columns if name != "id")]
    try:
        found = await call(session, f"model.{model}.search_read", domain, 0, limit, [["id", "ASC"]], asked)
    except Fault as fault:
        raise _read_error(fault, model, columns) from None
    if not isinstance(found, list) or not all(_has_id(row) for row in cast("list[Any]", found)):
        raise Temporary(f"{model}: the answer is no list of records")
    return sorted(cast("list[Row]", found), key=lambda row: row["id"])


async def ids(session: Session, model: str, domain: list[Any], limit: int | None = None) -> list[int]:
    """`search` in the order of the ids."""
    found = await call(session, f"model.{model}.search", domain, 0, limit, [["id", "ASC"]])
    return id_list(found, model)


def id_list(found: Any, model: str) -> list[int]:
    """A checked list of ids."""
    if not isinstance(found, list) or not all(type(id) is int for id in cast("list[Any]", found)):
        raise Temporary(f"{model}: the answer is no list of ids", executed=True)
    return cast("list[int]", found)


def children(row: Row, name: str) -> list[Row]:
    """The sub-records of a row that were asked for by dotted columns."""
    found = row.get(f"{name}.", [])
    if not isinstance(found, list) or not all(_has_id(child) for child in cast("list[Any]", found)):
        raise Temporary(f"{name}: the sub-records are no list of records")
    return cast("list[Row]", found)


def parent(row: Row, name: str) -> Row:
    """The record that a many2one column points to; empty if none."""
    found = row.get(f"{name}.")
    return cast("Row", found) if isinstance(found, dict) else {}


def _read_error(fault: Fault, model: str, columns: tuple[str, ...]) -> NeedsAttention | Temporary:
    """What a refused read means: a column that is not there, a broken server, or what the fault says."""
    unknown = tuple(name for name in columns if fault.missing and fault.missing in name.split("."))
    if fault.refusal.code == "server_error":
        return Temporary(f"{model}: the server failed while reading")
    if unknown or fault.missing == model:
        why = f"{model}: Tryton has no such model or field"
        return NeedsAttention(Attention.SCHEMA, why, do="activate the module or change the mapping", fields=unknown)
    return fault


def _path(told: Options) -> str:
    return f"/{quote(told.database, safe='')}/rpc/"


def _token(told: Options, status: int, body: bytes) -> str:
    if status == 429:
        raise Quota("Tryton: too many failed log-ins", retry_after_s=LOGIN_PAUSE_S)
    if status in (401, 403):
        raise NeedsAttention(Attention.CREDENTIALS, "Tryton refused user or password", do="correct them")
    if status in (404, 405):
        why = "no such database, or a Tryton before 8.0"
        raise NeedsAttention(Attention.SETTINGS, f"Tryton: {why}", do="check base_url and database")
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        raise Temporary(f"the Tryton log-in answered {status} without JSON") from None
    match answer:
        case {"result": [int(user_id), str(key), *_]}:
            return base64.b64encode(f"{told.user}:{user_id}:{key}".encode()).decode()
        case {"error": ["LoginException", *_]}:
            why = "Tryton asks this user for more than a password"
            raise NeedsAttention(Attention.CREDENTIALS, why, do="use a user without a second factor")
        case _:
            raise Temporary(f"the Tryton log-in answered {status} and no session")


def _fault(method: str, error: Any) -> Fault | Temporary:
    match error:
        case ["UserError", [str(text), *_]] | ["UserError", str(text)]:
            kind, code = _judge(text)
            contact = next((fields for start, fields in _BAD_CONTACT.items() if text.startswith(start)), ())
            why = Refusal(kind=kind, code=code, message=_WHY[kind], fields=contact)
            labels = tuple(_FIELD.findall(text))
            return Fault(why, method, labels=labels, whole=bool(_FORBIDDEN_ALL.match(text)))
        case ["ConcurrencyException", *_]:
            return Fault(Refusal(kind=RefusalKind.STALE, code="ConcurrencyException"), method)
        case ["UserWarning", [str(name), *_]]:
            return Fault(Refusal(kind=RefusalKind.REJECTED, code="UserWarning"), method, warning=name)
        case [str(text), *_] if _NAME.match(text):
            return Fault(Refusal(kind=RefusalKind.REJECTED, code="unknown_name"), method, missing=text.strip("'"))
        case [str(), *_]:
            return Fault(Refusal(kind=RefusalKind.REJECTED, code="server_error"), method)
        case _:
            return Temporary(f"{method}: the error is no Tryton error", executed=True)


def _judge(text: str) -> tuple[RefusalKind, str]:
    if _GONE.search(text):
        return RefusalKind.GONE, "missing_record"
    if _FORBIDDEN.search(text):
        return RefusalKind.RIGHTS, "access"
    if _TWICE.search(text):
        return RefusalKind.EXISTS, "not_unique"
    return RefusalKind.REJECTED, "UserError"


def _has_id(row: Any) -> bool:
    return isinstance(row, dict) and type(cast("Row", row).get("id")) is int
