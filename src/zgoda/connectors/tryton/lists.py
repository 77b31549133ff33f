"""Mailing lists and who is on them. The list that stands for the consent to e-mail marketing is none of them.

A subscription belongs to an address, not to a party: the person is the live party with that e-mail address (the oldest,
if several share it).
"""

from __future__ import annotations

from typing import Final

from zgoda.connectors.tryton.consent import parties_by_address, status
from zgoda.connectors.tryton.directory import MAIL, MAIL_LIST
from zgoda.connectors.tryton.kinds import ABSENT, ANY, LOCK, STAMP, Kind, Virtual
from zgoda.connectors.tryton.options import Options
from zgoda.connectors.tryton.rpc import parent
from zgoda.kit.convert import parse_instant
from zgoda.kit.spec import Reading, Removed, Row, Session


def _no_list(record: Row, told: Options) -> Removed | None:
    stamp = record.get(STAMP)
    if record.get("active") and record.get("name") != told.consent_list:
        return None
    return Removed(id=str(record["id"]), at=parse_instant(stamp) if isinstance(stamp, str) else None)


def _no_membership(record: Row, told: Options) -> Removed | None:
    is_consent = parent(record, "list_").get("name") == told.consent_list
    return Removed(id=str(record["id"])) if is_consent else None


async def _add_people(session: Session, pairs: list[tuple[Row, Row]], reading: Reading) -> None:
    if "person" not in reading.fields:
        return
    addresses = list(dict.fromkeys(str(record.get("email")) for record, _ in pairs))
    people = await parties_by_address(session, addresses)
    for record, row in pairs:
        found = people.get(str(record.get("email")))
        if found:  # else nobody is known by this address, which does not mean that there is nobody
            row["person"] = str(found[0])


LISTS: Final = Kind(
    stream="lists",
    model=MAIL_LIST,
    module="marketing_email",
    virtual={"is_static": Virtual((), lambda record, told: True)},
    base=(STAMP, LOCK, "active", "name"),
    archives=True,
    only=lambda told: [["name", "!=", told.consent_list]],
    removed=_no_list,
)

SUBSCRIPTIONS: Final = Kind(
    stream="subscriptions",
    model=MAIL,
    module="marketing_email",
    virtual={
        "person": Virtual(("email",), lambda record, told: ABSENT),
        "list": Virtual(("list_",), lambda record, told: str(record.get("list_")) if record.get("list_") else None),
        "status": Virtual(
            ("active", "write_date"),
            lambda record, told: status(record, active="subscribed", archived="unsubscribed"),
        ),
    },
    base=(STAMP, LOCK, "list_.name"),
    archives=True,
    only=lambda told: [["list_.name", "!=", told.consent_list], ANY],
    removed=_no_membership,
    enrich=_add_people,
)
