"""What people do in the org's own interface, for tests: the `op` names of `POST /_twin/edit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from zgoda.twins.salesforce.api import Api
from zgoda.twins.salesforce.errors import CallError, RowError
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.merging import convert_lead, merge
from zgoda.twins.salesforce.oauth import Sessions
from zgoda.twins.salesforce.org import OrgSettings
from zgoda.twins.salesforce.outbound import OutboundMessages
from zgoda.twins.salesforce.records import Writer, create, existing, update
from zgoda.twins.salesforce.removal import delete, empty_old_bins, purge, undelete
from zgoda.twins.salesforce.values import stamp
from zgoda.twins.timepiece import parse_moment
from zgoda.twins.vendor import EditRefused

Fields = dict[str, Any]


class Edits:
    """Does one edit after another for one org."""

    def __init__(self, api: Api, sessions: Sessions, outbound: OutboundMessages) -> None:
        self.api = api
        self.sessions = sessions
        self.outbound = outbound

    def do(self, op: str, fields: Fields) -> dict[str, Any]:
        """Raises EditRefused with the vendor's code, or UNKNOWN_OPERATION."""
        deed = _DEEDS.get(op)
        if deed is None:
            raise EditRefused("UNKNOWN_OPERATION", f"{op!r} is none of {', '.join(_DEEDS)}")
        try:
            return deed(self, fields)
        except (RowError, CallError) as error:
            raise EditRefused(error.code, error.message) from error
        except KeyError as error:
            raise EditRefused("MISSING_ARGUMENT", f"{op} needs {error}") from error
        finally:
            self.api.flush()

    def writer(self, fields: Fields) -> Writer:
        at = stamp(parse_moment(str(fields["at"]))) if fields.get("at") else None
        return Writer(self.api.org.sales_user, None, allow_duplicates=True, at=at)


def _create(edits: Edits, fields: Fields) -> Fields:
    org = edits.api.org
    spec = org.spec(fields["object"])
    id = create(org, edits.writer(fields), spec, fields.get("values", {}))["Id"]
    late = org.around.faults.strike("record", None, spec.name, ("record_late",))
    if late is not None:
        edits.api.flush()
        org.hide(spec.name, id, float(late.option("seconds", 5)))
    return {"id": id}


def _update(edits: Edits, fields: Fields) -> Fields:
    org = edits.api.org
    return {"id": update(org, edits.writer(fields), org.spec(fields["object"]), fields["id"], fields["values"])["Id"]}


def _delete(edits: Edits, fields: Fields) -> Fields:
    org = edits.api.org
    return {"id": delete(org, edits.writer(fields), org.spec(fields["object"]), fields["id"])["Id"]}


def _undelete(edits: Edits, fields: Fields) -> Fields:
    return {"id": undelete(edits.api.org, edits.writer(fields), fields["id"])["Id"]}


def _purge(edits: Edits, fields: Fields) -> Fields:
    purge(edits.api.org, fields["id"])
    return {"id": full_id(fields["id"])}


def _empty_bin(edits: Edits, fields: Fields) -> Fields:
    """Everything in the recycle bin, or only what is past its days with `old_only`."""
    org = edits.api.org
    if fields.get("old_only"):
        empty_old_bins(org)
        return {}
    for table in org.tables.values():
        while table.bin:
            purge(org, table.bin[0][1])
    return {}


def _merge(edits: Edits, fields: Fields) -> Fields:
    row = merge(
        edits.api.org, edits.writer(fields), edits.api.org.spec(fields["object"]).name, fields["id"], fields["losers"],
        fields.get("values", {}),
    )  # fmt: skip
    return {"id": row["Id"]}


def _convert(edits: Edits, fields: Fields) -> Fields:
    return {"id": full_id(fields["id"]), **convert_lead(edits.api.org, edits.writer(fields), fields["id"], fields)}


def _touch(edits: Edits, fields: Fields) -> Fields:
    """The system changes something: SystemModstamp moves, LastModifiedDate does not."""
    org = edits.api.org
    spec = org.spec(fields["object"])
    row = existing(org, spec, fields["id"])
    org.put(spec.name, {**row, "SystemModstamp": edits.writer(fields).at or org.now()})
    return {"id": row["Id"]}


def _settings(edits: Edits, fields: Fields) -> Fields:
    """Change org settings: duplicate_rules, session_s, rotate_refresh, set_audit_fields, bin_days."""
    org = edits.api.org
    try:
        org.settings = msgspec.convert({**msgspec.to_builtins(org.settings), **fields["values"]}, OrgSettings)
    except msgspec.ValidationError as error:
        raise EditRefused("INVALID_INPUT", str(error)) from error
    return {"settings": msgspec.to_builtins(org.settings)}


def _outbound_message(edits: Edits, fields: Fields) -> Fields:
    spec = edits.api.org.spec(fields["object"])
    made = edits.outbound.subscribe(spec.name, fields["url"], fields.get("fields", ["Id"]))
    return {"id": made.id}


def _end_sessions(edits: Edits, fields: Fields) -> Fields:
    edits.sessions.revoke()
    return {}


_DEEDS: dict[str, Callable[[Edits, Fields], Fields]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
    "undelete": _undelete,
    "purge": _purge,
    "empty_bin": _empty_bin,
    "merge": _merge,
    "convert_lead": _convert,
    "touch": _touch,
    "settings": _settings,
    "outbound_message": _outbound_message,
    "end_sessions": _end_sessions,
}
