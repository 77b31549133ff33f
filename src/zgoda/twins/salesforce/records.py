"""Creating and updating single records, the same for every way into the org."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from zgoda.twins.exchange import Call
from zgoda.twins.record_faults import strike_record
from zgoda.twins.salesforce.derive import DEFAULTS, derive
from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.rules import check_duplicates, check_reference, check_required, check_unique
from zgoda.twins.salesforce.schema import BY_PREFIX
from zgoda.twins.salesforce.table import Row
from zgoda.twins.salesforce.values import stored

_AUDIT = ("CreatedDate", "LastModifiedDate")
_FAR_FUTURE = "9999-12-31T23:59:59.000+0000"
_FORBIDDEN = (
    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is "
    "read/write for your profile or permission set."
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and on what terms. `call` is None for a user's edit; `at` back-dates the change stamps."""

    user: str
    call: Call | None = None
    allow_duplicates: bool = False
    at: str | None = None

    @property
    def by_api(self) -> bool:
        return self.call is not None


def create(org: Org, writer: Writer, spec: ObjectSpec, values: dict[str, Any]) -> Row:
    """A new record. Raises RowError."""
    if not spec.createable:
        raise RowError("INVALID_TYPE_FOR_OPERATION", f"entity type {spec.name} does not support create")
    struck = strike_record(org.around.faults, writer.call, spec.name, values)
    taken = _taken(org, spec, struck.values, creating=True)
    if struck.refused is not None:
        raise _by_validation_rule(struck.refused.options)
    row = {"Id": "", **DEFAULTS.get(spec.name, {}), **{name: v for name, v in taken.items() if v is not None}}
    now = writer.at or org.now()
    row.setdefault("OwnerId", writer.user)
    for name in _AUDIT:
        row.setdefault(name, now)
    row["SystemModstamp"] = _FAR_FUTURE if struck.far_future else now
    row["CreatedById"] = row["LastModifiedById"] = writer.user
    if "ownerid" not in spec.fields:
        del row["OwnerId"]
    check_required(spec, row)
    _check_against_others(org, writer, spec, row, set(taken))
    row["Id"] = org.new_id(spec.prefix)
    derive(org, spec.name, row, now)
    org.put(spec.name, row)
    org.changed(spec.name, row)
    return row


def update(org: Org, writer: Writer, spec: ObjectSpec, id: str, values: dict[str, Any]) -> Row:
    """A changed record. Fields set to None are cleared. Raises RowError."""
    before = existing(org, spec, id)
    struck = strike_record(org.around.faults, writer.call, spec.name, values)
    if struck.locked:
        raise locked(before["Id"])
    if spec.name == "Lead" and before.get("IsConverted") and writer.by_api:
        raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    taken = _taken(org, spec, struck.values, creating=False)
    if struck.refused is not None:
        raise _by_validation_rule(struck.refused.options)
    row = {**before, **taken}
    for name, value in taken.items():
        if value is None:
            del row[name]
    check_required(spec, row)
    _check_against_others(org, writer, spec, row, set(taken))
    now = writer.at or org.now()
    row["LastModifiedDate"] = now
    row["SystemModstamp"] = _FAR_FUTURE if struck.far_future else now
    row["LastModifiedById"] = writer.user
    derive(org, spec.name, row, now)
    org.put(spec.name, row)
    org.changed(spec.name, row)
    return row


def existing(org: Org, spec: ObjectSpec, id: str) -> Row:
    """A live row by id. Raises RowError for malformed, foreign, unknown and deleted ids."""
    row = org.tables[spec.name].rows.get(id)
    if row is None:
        full = full_id(id)
        if full is None or BY_PREFIX.get(full[:3], spec.name) != spec.name:
            raise RowError("MALFORMED_ID", f"{spec.label} ID: id value of incorrect type: {id}", ("Id",))
        row = org.tables[spec.name].rows.get(full)
    if row is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row.get("IsDeleted"):
        raise RowError("ENTITY_IS_DELETED", "entity is deleted")
    return row


def _taken(org: Org, spec: ObjectSpec, values: dict[str, Any], creating: bool) -> Row:
    """Values as they will be stored, under stored names; None for cleared ones. Raises RowError."""
    taken: Row = {}
    fields, by_exact_name = spec.fields, spec.by_exact_name
    for name, value in values.items():
        field = by_exact_name.get(name) or fields.get(name.lower())
        if field is None:
            if name.lower() == "attributes":
                continue
            field, value = _by_relation(org, spec, name, value)
        if not (field.createable if creating else field.updateable) and not _may_set(org, field, creating):
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", _FORBIDDEN.format(field.name), (field.name,))
        kept = stored(field, value)
        if kept is not None and field.type == "reference":
            check_reference(org, field, kept)
        elif kept is None and field.type == "boolean":
            kept = False
        taken[field.stored] = kept
    return taken


def _may_set(org: Org, field: FieldSpec, creating: bool) -> bool:
    """Dates of creation and change can be given at creation where the org allows it."""
    return creating and field.name in _AUDIT and org.settings.set_audit_fields


def _by_relation(org: Org, spec: ObjectSpec, name: str, value: Any) -> tuple[FieldSpec, str]:
    """A parent named by its external id: `"Account": {"Hub_Id__c": "x"}`. Raises RowError."""
    field = spec.relation(name)
    if field is None or not isinstance(value, dict):
        raise RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {spec.name}")
    wanted = {k: v for k, v in cast(dict[str, Any], value).items() if k != "attributes"}
    for parent in field.refers:
        for key, sought in wanted.items():
            key_field = org.tables[parent].spec.field(key)
            if key_field is None or not key_field.key:
                continue
            found = (
                [full_id(sought)]
                if key_field.name == "Id"
                else org.tables[parent].by_key(key_field.stored, str(sought))
            )
            if len(found) == 1 and found[0] is not None:
                return field, found[0]
            raise RowError(
                "INVALID_FIELD", f"Foreign key external ID: {sought} not found for field {key} in entity {parent}"
            )
    raise RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {spec.name}")


def _check_against_others(org: Org, writer: Writer, spec: ObjectSpec, row: Row, changed: set[str]) -> None:
    check_unique(org, spec, row, changed)
    if not writer.allow_duplicates:
        check_duplicates(org, spec, row)


def _by_validation_rule(options: dict[str, Any]) -> RowError:
    fields = (str(options["field"]),) if "field" in options else ()
    return RowError(
        "FIELD_CUSTOM_VALIDATION_EXCEPTION", str(options.get("message", "A rule refuses this value.")), fields
    )


def locked(id: str) -> RowError:
    return RowError("UNABLE_TO_LOCK_ROW", f"unable to obtain exclusive access to this record or 1 records: {id}")
