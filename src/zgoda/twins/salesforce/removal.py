"""Deleting into the recycle bin, bringing back, and removing for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from zgoda.twins.record_faults import strike_record
from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.fields import ObjectSpec
from zgoda.twins.salesforce.org import Binned, Org
from zgoda.twins.salesforce.records import Writer, existing, locked
from zgoda.twins.salesforce.schema import BY_PREFIX, OBJECTS, children_of
from zgoda.twins.salesforce.table import Row
from zgoda.twins.salesforce.values import stamp

_BLOCKING = {("Account", "Case"), ("Contact", "Case")}


def delete(org: Org, writer: Writer, spec: ObjectSpec, id: str) -> Row:
    """Move a record, and the children that go with it, to the recycle bin; some kinds never rest there. Raises
    RowError."""
    if not spec.deletable:
        raise RowError("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type {spec.name} does not support delete")
    row = existing(org, spec, id)
    struck = strike_record(org.around.faults, writer.call, spec.name, {})
    if struck.locked:
        raise locked(row["Id"])
    _refuse_if_blocked(org, spec, row)
    bin_row(org, writer, spec.name, row, {})
    if not spec.undeletable:
        purge(org, row["Id"])
    return row


def bin_row(org: Org, writer: Writer, object: str, row: Row, extra: Row) -> Binned:
    """Mark a row deleted with its cascade; `extra` fields are set on it as well."""
    now = writer.at or org.now()
    went = Binned()
    for child in children_of(object):
        for child_id in org.tables[child.child].children(child.field, row["Id"]):
            child_row = org.tables[child.child].rows[child_id]
            if child.cascade:
                bin_row(org, writer, child.child, child_row, {})
                went.children.append(child_id)
            else:
                kept = {name: value for name, value in child_row.items() if name != child.field}
                org.put(child.child, {**kept, "SystemModstamp": now})
                went.cleared.append((child.child, child_id, child.field))
    org.put(object, {
        **row, **extra, "IsDeleted": True, "SystemModstamp": now, "LastModifiedDate": now,
        "LastModifiedById": writer.user,
    })  # fmt: skip
    org.tables[object].deletions.append((now, row["Id"]))
    org.binned[row["Id"]] = went
    return went


def undelete(org: Org, writer: Writer, id: str) -> Row:
    """Bring a record back from the recycle bin with what went with it. Raises RowError."""
    row = org.row(id)
    if row is None or not row.get("IsDeleted"):
        raise RowError("UNDELETE_FAILED", "Entity is not in the recycle bin")
    object = BY_PREFIX[row["Id"][:3]]
    if not OBJECTS[object].undeletable or "MasterRecordId" in row:
        raise RowError("UNDELETE_FAILED", "Entity cannot be undeleted")
    return _bring_back(org, writer, row)


def hard_delete(org: Org, writer: Writer, spec: ObjectSpec, id: str) -> Row:
    """Delete without the recycle bin. Raises RowError."""
    row = delete(org, writer, spec, id)
    if spec.undeletable:
        purge(org, row["Id"])
    return row


def purge(org: Org, id: str) -> None:
    """Remove a deleted record, and what was deleted with it, for good. Raises RowError when it is not in the bin."""
    row = org.row(id)
    if row is None or not row.get("IsDeleted"):
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "Entity is not in the recycle bin")
    for child_id in org.binned.get(row["Id"], Binned()).children:
        if (child := org.row(child_id)) is not None and child.get("IsDeleted"):
            purge(org, child_id)
    org.remove(BY_PREFIX[row["Id"][:3]], row["Id"])


def empty_old_bins(org: Org) -> None:
    """Remove what has been in the recycle bin longer than the org keeps it."""
    oldest = stamp(org.moment() - timedelta(days=org.settings.bin_days))
    for table in org.tables.values():
        for at, id in list(table.bin):
            if at >= oldest:
                break
            purge(org, id)


def _bring_back(org: Org, writer: Writer, row: Row) -> Row:
    """A row from the bin and all that went with it, also what cannot be undeleted by itself."""
    object = BY_PREFIX[row["Id"][:3]]
    now = writer.at or org.now()
    back = {name: value for name, value in row.items() if name != "IsDeleted"}
    back |= {"SystemModstamp": now, "LastModifiedDate": now, "LastModifiedById": writer.user}
    org.put(object, back)
    org.tables[object].deletions = [entry for entry in org.tables[object].deletions if entry[1] != row["Id"]]
    went = org.binned.pop(row["Id"], Binned())
    for child_id in went.children:
        if (child := org.row(child_id)) is not None and child.get("IsDeleted"):
            _bring_back(org, writer, child)
    for child_object, child_id, field in went.cleared:
        child = org.tables[child_object].rows.get(child_id)
        if child is not None and field not in child:
            org.put(child_object, {**child, field: row["Id"], "SystemModstamp": now})
    org.changed(object, back)
    return back


def _refuse_if_blocked(org: Org, spec: ObjectSpec, row: Row) -> None:
    for child in children_of(spec.name):
        if (spec.name, child.child) not in _BLOCKING:
            continue
        held: list[Any] = org.tables[child.child].children(child.field, row["Id"])
        if held:
            numbers = ", ".join(org.tables[child.child].rows[id].get("CaseNumber", id) for id in held[:5])
            raise RowError(
                "DELETE_FAILED", f"Your attempt to delete {row.get('Name')} could not be completed because it is "
                f"associated with the following cases.: {numbers}",
            )  # fmt: skip
