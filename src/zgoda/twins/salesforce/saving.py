"""One write to one record with its outcome and its line in the write log; refusals are outcomes, not exceptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from zgoda.twins.salesforce.errors import RowError
from zgoda.twins.salesforce.fields import FieldSpec, ObjectSpec
from zgoda.twins.salesforce.ids import full_id
from zgoda.twins.salesforce.org import Attempt, Org
from zgoda.twins.salesforce.records import Writer, create, update
from zgoda.twins.salesforce.removal import delete, hard_delete
from zgoda.twins.salesforce.table import Row
from zgoda.twins.write_log import Write

Operation = Literal["create", "update", "delete", "hard_delete"]

ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


@dataclass(slots=True)
class Outcome:
    """What became of one record. `log` is its line in the write log, which an all-or-none call may have to correct."""

    id: str = ""
    created: bool = False
    error: RowError | None = None
    log: Write | None = field(default=None, repr=False)

    @property
    def success(self) -> bool:
        return self.error is None

    def as_result(self, with_created: bool = False) -> dict[str, Any]:
        """The shape of collection results. Failures carry no id."""
        if self.error is not None:
            return {"success": False, "errors": [self.error.in_collection()]}
        result: dict[str, Any] = {"id": self.id, "success": True, "errors": []}
        if with_created:
            result["created"] = self.created
        return result


def save(org: Org, writer: Writer, operation: Operation, spec: ObjectSpec, id: str, values: dict[str, Any]) -> Outcome:
    """Do one write and log it."""
    try:
        row = _do(org, writer, operation, spec, id, values)
        outcome = Outcome(row["Id"], operation == "create")
    except RowError as error:
        outcome = Outcome(full_id(id) or id, error=error)
    if writer.call is not None:
        outcome.log = org.around.writes.add(
            org.now(), spec.name, operation, outcome.id, values,
            "ok" if outcome.error is None else outcome.error.code, writer.call.n, writer.call.caller,
        )  # fmt: skip
    return outcome


def upsert(org: Org, writer: Writer, spec: ObjectSpec, key: FieldSpec, value: Any, values: dict[str, Any]) -> Outcome:
    """Create, or update the one record whose `key` field has this value. Without a value it creates."""
    if value is None or value == "":
        return save(org, writer, "create", spec, "", values)
    if key.name == "Id":
        return save(org, writer, "update", spec, str(value), values)
    found = org.tables[spec.name].by_key(key.stored, str(value).strip())
    if not found:
        return save(org, writer, "create", spec, "", {**values, key.name: value})
    if len(found) == 1:
        return save(org, writer, "update", spec, found[0], values)
    error = RowError(
        "DUPLICATE_EXTERNAL_ID", f"{key.name}: more than one record found for external id field: [{', '.join(found)}]",
        (key.name,),
    )  # fmt: skip
    return Outcome("", error=error)


def all_or_none(org: Org, attempt: Attempt, outcomes: list[Outcome]) -> list[Outcome]:
    """When any outcome failed, take all changes back and say so in every other outcome and in the log."""
    if all(outcome.success for outcome in outcomes):
        return outcomes
    org.roll_back(attempt)
    for outcome in outcomes:
        if outcome.error is None:
            outcome.error = ROLLED_BACK
            if outcome.log is not None:
                outcome.log.outcome = ROLLED_BACK.code
    return outcomes


def _do(org: Org, writer: Writer, operation: Operation, spec: ObjectSpec, id: str, values: dict[str, Any]) -> Row:
    match operation:
        case "create":
            return create(org, writer, spec, values)
        case "update":
            return update(org, writer, spec, id, values)
        case "delete":
            return delete(org, writer, spec, id)
        case "hard_delete":
            return hard_delete(org, writer, spec, id)
