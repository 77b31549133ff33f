"""What a session learns of its Tryton once: what its models look like, and the ids behind codes and names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, cast

from zgoda.connectors.tryton.options import options
from zgoda.connectors.tryton.rpc import Fault, call, id_list, ids
from zgoda.kit.errors import Temporary
from zgoda.kit.spec import Row, Session

PARTY: Final = "party.party"
MAIL: Final = "marketing.email"
MAIL_LIST: Final = "marketing.email.list"


@dataclass
class Directory:
    """Filled as needed. Only what was found is kept: what is missing today may be there tomorrow."""

    columns: dict[str, dict[str, Row]] = field(default_factory=dict[str, dict[str, Row]])
    known: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    preferences: Row = field(default_factory=dict[str, Any])


def directory(session: Session) -> Directory:
    held: Directory = session.resources
    return held


async def columns_of(session: Session, model: str) -> dict[str, Row]:
    """Name -> description of every field of a model (`fields_get`); empty if the server has no such model."""
    held = directory(session).columns
    if model not in held:
        try:
            found = await call(session, f"model.{model}.fields_get", [])
        except Fault as fault:
            if fault.missing != model:
                raise
            return {}
        if not isinstance(found, dict):
            raise Temporary(f"{model}: the description of its fields is none")
        told = cast("dict[str, Any]", found)
        held[model] = {name: cast("Row", about) for name, about in told.items() if isinstance(about, dict)}
    return held[model]


async def id_of(session: Session, model: str, column: str, value: str) -> int | None:
    """The lowest id of the record whose column has exactly this value: countries, currencies, categories, lists."""
    held = directory(session).known
    key = (model, column, value)
    if key not in held:
        found = await ids(session, model, [[column, "=", value]], 1)
        if not found:
            return None
        held[key] = found[0]
    return held[key]


async def id_made(session: Session, model: str, name: str) -> int:
    """The id of the record with this name; it is made if there is none."""
    found = await id_of(session, model, "name", name)
    if found is not None:
        return found
    made = id_list(await call(session, f"model.{model}.create", [{"name": name}]), model)
    directory(session).known[(model, "name", name)] = made[0]
    return made[0]


async def preferences(session: Session) -> Row:
    """The user's own preferences: company, companies, employee, whether it is an administrator."""
    held = directory(session)
    if not held.preferences:
        found = await call(session, "model.res.user.get_preferences", True)
        if not isinstance(found, dict):
            raise Temporary("the user's preferences are none")
        held.preferences = cast("Row", found)
    return held.preferences


async def company_context(session: Session) -> Row:
    """The context that records of a company need (opportunities)."""
    found = await preferences(session)
    company = options(session).company or found.get("company")
    context: Row = {"company": company, "companies": found.get("companies") or ([company] if company else [])}
    return {name: value for name, value in context.items() if value}


async def server_now(session: Session, model: str) -> str:
    """The server's own clock with microseconds: the default of `create_date`."""
    found = await call(session, f"model.{model}.default_get", ["create_date"], False)
    stamp = cast("Row", found).get("create_date") if isinstance(found, dict) else None
    if not isinstance(stamp, str) or not stamp.endswith("Z"):
        raise Temporary(f"{model}: the server did not tell its time")
    return stamp
