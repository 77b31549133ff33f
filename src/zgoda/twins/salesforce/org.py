"""One Salesforce org: its tables, users, ids and clock. All changes to rows go through `put` and `remove` here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from zgoda.twins.salesforce.consequences import follow
from zgoda.twins.salesforce.errors import CallError, not_found
from zgoda.twins.salesforce.fields import ObjectSpec
from zgoda.twins.salesforce.ids import full_id, make_id
from zgoda.twins.salesforce.schema import BY_PREFIX, OBJECTS
from zgoda.twins.salesforce.schema_drift import drifted
from zgoda.twins.salesforce.table import Row, Table
from zgoda.twins.salesforce.values import stamp
from zgoda.twins.vendor import Surroundings

_BY_LOWER = {name.lower(): spec for name, spec in OBJECTS.items()}


class OrgSettings(msgspec.Struct, kw_only=True):
    """What an administrator of the org has set up.

    `duplicate_rules` maps an object to the fields that together must differ. `session_s` is how long an unused session
    lives. With `rotate_refresh` every refresh gives a new refresh token and ends the old one.
    """

    duplicate_rules: dict[str, list[str]] = {}
    session_s: float = 7200.0
    rotate_refresh: bool = False
    set_audit_fields: bool = False
    bin_days: int = 15


@dataclass
class Binned:
    """What went with a deleted record and must come back with it: children deleted, references cleared."""

    children: list[str] = field(default_factory=list[str])
    cleared: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


@dataclass
class Attempt:
    """Changes made inside `Org.attempt`, so that they can be taken back."""

    before: list[tuple[Table, str, Row | None]] = field(default_factory=list[tuple[Table, str, Row | None]])
    rolled_back: bool = False


class Org:
    """State of the twin's org. It starts with two users: the integration's and a salesperson's."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.settings = OrgSettings()
        self.tables: dict[str, Table] = {}
        self.binned: dict[str, Binned] = {}
        self._numbers: Counter[str] = Counter()
        self._attempt: Attempt | None = None
        self.listeners: list[Callable[[str, Row], None]] = []
        self.id = ""
        self.integration_user = ""
        self.sales_user = ""
        self.reset()

    def reset(self) -> None:
        self.tables = {name: Table(spec) for name, spec in OBJECTS.items()}
        self.binned = {}
        self._numbers.clear()
        self.id = make_id("00D", 1)
        self.integration_user = self._add_user("Integration", "User", "integration@twin.example")
        self.sales_user = self._add_user("Sandra", "Sales", "sandra@twin.example")
        self._add_organization()

    def find_spec(self, name: str) -> ObjectSpec | None:
        """The object of this name (any case) as it looks now, None when there is none."""
        spec = _BY_LOWER.get(name.lower())
        if spec is None or not self.around.faults.any("schema"):
            return spec
        faults = self.around.faults.standing("schema", spec.name)
        return drifted(spec, faults) if faults else spec

    def spec(self, name: str) -> ObjectSpec:
        """Like `find_spec`. Raises CallError NOT_FOUND."""
        spec = self.find_spec(name)
        if spec is None:
            raise not_found()
        return spec

    def row(self, id: str) -> Row | None:
        """Any row by its id, deleted or not."""
        full = full_id(id)
        if full is None:
            return None
        object = BY_PREFIX.get(full[:3])
        return None if object is None else self.tables[object].rows.get(full)

    def stored_row(self, id: str) -> Row | None:
        """Like `row`, for ids in stored form only; fast."""
        object = BY_PREFIX.get(id[:3])
        return None if object is None else self.tables[object].rows.get(id)

    def object_of(self, id: str) -> str:
        """The object an id's prefix belongs to. Raises KeyError for a foreign prefix."""
        return BY_PREFIX[id[:3]]

    def now(self) -> str:
        """This second as a change stamp."""
        return stamp(self.around.time.now())

    def moment(self) -> datetime:
        return self.around.time.now()

    def new_id(self, prefix: str) -> str:
        return make_id(prefix, self.next_number(prefix))

    def next_number(self, series: str) -> int:
        self._numbers[series] += 1
        return self._numbers[series]

    def put(self, object: str, row: Row) -> None:
        table = self.tables[object]
        before = table.put(row)
        if self._attempt is not None:
            self._attempt.before.append((table, row["Id"], before))
        follow(self, object, before, row)

    def remove(self, object: str, id: str) -> None:
        table = self.tables[object]
        before = table.remove(id)
        self.binned.pop(id, None)
        if self._attempt is not None:
            self._attempt.before.append((table, id, before))

    @contextmanager
    def attempt(self) -> Generator[Attempt]:
        """Changes made inside are kept, unless `roll_back` is called with what this yields."""
        if self._attempt is not None:
            raise CallError(400, "INVALID_INPUT", "all-or-none calls cannot be nested")
        self._attempt = Attempt()
        try:
            yield self._attempt
        finally:
            self._attempt = None

    def roll_back(self, attempt: Attempt) -> None:
        """Put every row back as it was before the attempt."""
        self._attempt = None
        attempt.rolled_back = True
        for table, id, before in reversed(attempt.before):
            if before is None:
                table.remove(id)
            else:
                table.put(before)

    def changed(self, object: str, row: Row) -> None:
        """Tell listeners that a record was created or updated."""
        for listen in self.listeners:
            listen(object, row)

    def hide(self, object: str, id: str, seconds: float) -> None:
        """Take a record out of sight for a while, as a store that is not yet consistent does."""
        row = self.tables[object].remove(id)
        if row is not None:
            self.around.spawn(self._show_again(object, row, seconds))

    def counts(self) -> dict[str, int]:
        return {name: len(table.live) for name, table in self.tables.items()}

    def snapshot(self) -> dict[str, Any]:
        return {
            "settings": msgspec.to_builtins(self.settings),
            "rows": {name: list(table.rows.values()) for name, table in self.tables.items()},
            "deletions": {name: table.deletions for name, table in self.tables.items()},
            "binned": {id: [went.children, went.cleared] for id, went in self.binned.items()},
            "numbers": dict(self._numbers),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.settings = msgspec.convert(saved["settings"], OrgSettings)
        self.tables = {name: Table(spec) for name, spec in OBJECTS.items()}
        for name, rows in saved["rows"].items():
            self.tables[name].load(rows)
            self.tables[name].deletions = [(at, id) for at, id in saved["deletions"][name]]
        self.binned = {
            id: Binned(children, [(o, i, f) for o, i, f in cleared])
            for id, (children, cleared) in saved["binned"].items()
        }
        self._numbers = Counter(saved["numbers"])

    async def _show_again(self, object: str, row: Row, seconds: float) -> None:
        await self.around.time.sleep(seconds)
        self.tables[object].put(row)

    def _add_organization(self) -> None:
        """The org as a record of its own, which tells a client where it is."""
        now, user = self.now(), self.integration_user
        self.tables["Organization"].put({
            "Id": self.id, "Name": "Twin", "Country": "PL", "DefaultLocaleSidKey": "pl_PL", "LanguageLocaleKey": "pl",
            "TimeZoneSidKey": "Europe/Warsaw", "OrganizationType": "Developer Edition", "InstanceName": "TWIN1",
            "CreatedDate": now, "CreatedById": user, "LastModifiedDate": now, "LastModifiedById": user,
            "SystemModstamp": now,
        })  # fmt: skip

    def _add_user(self, given: str, family: str, username: str) -> str:
        id = self.new_id("005")
        now = self.now()
        self.tables["User"].put({
            "Id": id, "Username": username, "FirstName": given, "LastName": family, "Name": f"{given} {family}",
            "Email": username, "Alias": given[:8].lower(), "IsActive": True, "TimeZoneSidKey": "Europe/Warsaw",
            "CreatedDate": now, "CreatedById": id, "LastModifiedDate": now, "LastModifiedById": id,
            "SystemModstamp": now,
        })  # fmt: skip
        return id
