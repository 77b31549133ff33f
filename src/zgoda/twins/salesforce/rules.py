"""Rules that look at more than one field: required fields, references, unique values, duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.schema import BY_PREFIX
from zgoda.twins.salesforce.table import Row

if TYPE_CHECKING:
    from zgoda.twins.salesforce.org import Org


def check_required(spec: ObjectSpec, row: Row) -> None:
    """Raises RowError REQUIRED_FIELD_MISSING."""
    missing = tuple(f.name for f in spec.required if f.stored not in row)
    if spec.name == "CampaignMember" and "LeadId" not in row and "ContactId" not in row:
        missing = (*missing, "LeadId")
    if missing:
        raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)


def check_reference(org: Org, field: FieldSpec, id: str) -> None:
    """Raises RowError when the id is of the wrong kind, unknown, or of a deleted record."""
    object = BY_PREFIX.get(id[:3])
    if object not in field.refers:
        raise RowError("FIELD_INTEGRITY_EXCEPTION", f"{field.name}: id value of incorrect type: {id}", (field.name,))
    target = org.tables[object].rows.get(id)
    if target is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
    if target.get("IsDeleted"):
        raise RowError("ENTITY_IS_DELETED", "entity is deleted", (field.name,))


def check_unique(org: Org, spec: ObjectSpec, row: Row, changed: set[str]) -> None:
    """Raises RowError DUPLICATE_VALUE for unique fields and for a person twice in one campaign."""
    table = org.tables[spec.name]
    for field in spec.unique:
        if field.stored not in changed or field.stored not in row:
            continue
        others = [id for id in table.by_key(field.stored, row[field.stored]) if id != row["Id"]]
        if others:
            raise RowError(
                "DUPLICATE_VALUE",
                f"duplicate value found: {field.name} duplicates value on record with id: {others[0]}",
            )
    if spec.name == "CampaignMember" and changed & {"ContactId", "LeadId", "CampaignId"}:
        _check_pair(org, row)


def check_duplicates(org: Org, spec: ObjectSpec, row: Row) -> None:
    """Raises RowError DUPLICATES_DETECTED when a duplicate rule of the org finds another record like this one."""
    fields = org.settings.duplicate_rules.get(spec.name)
    if not fields:
        return
    wanted = {name: _plain(row.get(name)) for name in fields}
    if not all(wanted.values()):
        return
    table = org.tables[spec.name]
    key = next((name for name in fields if table.keyed(name)), None)
    candidates = [table.rows[id] for id in table.by_key(key, row[key])] if key else list(table.rows.values())
    for other in candidates:
        same = all(_plain(other.get(name)) == value for name, value in wanted.items())
        if same and other["Id"] != row["Id"] and not other.get("IsDeleted"):
            raise RowError("DUPLICATES_DETECTED", "Use one of these records?")


def _check_pair(org: Org, row: Row) -> None:
    members = org.tables["CampaignMember"]
    for field in ("ContactId", "LeadId"):
        for id in members.children(field, row.get(field, "")):
            if id != row["Id"] and members.rows[id]["CampaignId"] == row["CampaignId"]:
                kind = "contact" if field == "ContactId" else "lead"
                raise RowError("DUPLICATE_VALUE", f"This {kind} is already a member of this campaign: {id}")


def _plain(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value
