"""The records of one object, with the indexes that let pages be served without scanning.

Rows are plain dicts that hold only fields with a value. A row in the table is never changed in place: a change puts a
new dict there, so whoever holds the old one (a journal, a cursor) keeps what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zgoda.twins.ordered import Ordered, ordered
from zgoda.twins.salesforce.fields import ObjectSpec
from zgoda.twins.salesforce.schema import followed

Row = dict[str, Any]
Stamped = tuple[str, str]
"""A record's SystemModstamp and id, the order change feeds are read in."""


class Table:
    """Rows by 18-character id."""

    def __init__(self, spec: ObjectSpec) -> None:
        self.spec = spec
        self.rows: dict[str, Row] = {}
        self.live = ordered(Stamped)
        self.bin = ordered(Stamped)
        self.ids = ordered(str)
        self.deletions: list[Stamped] = []
        self._keys = {f.name: dict[str, tuple[str, ...]]() for f in spec.fields.values() if f.key and f.name != "Id"}
        self._parents = {f.name: dict[str, set[str]]() for f in spec.fields.values() if followed(f)}

    def put(self, row: Row) -> Row | None:
        """Store a row under its Id. Returns the row it replaces."""
        id = row["Id"]
        old = self.rows.get(id)
        if old is not None:
            self._stamps(old).remove((old["SystemModstamp"], id))
        else:
            self.ids.add(id)
        self.rows[id] = row
        self._stamps(row).add((row["SystemModstamp"], id))
        self._index(id, old, row)
        return old

    def remove(self, id: str) -> Row | None:
        """Take a row out for good. Returns it, None when there was none."""
        old = self.rows.pop(id, None)
        if old is not None:
            self._stamps(old).remove((old["SystemModstamp"], id))
            self.ids.remove(id)
            self._index(id, old, {})
        return old

    def load(self, rows: Iterable[Row]) -> int:
        """Store many new rows at once; much faster than one by one."""
        fresh = list(rows)
        for row in fresh:
            self.rows[row["Id"]] = row
            self._index(row["Id"], None, row)
        self.ids.update(row["Id"] for row in fresh)
        self.live.update((row["SystemModstamp"], row["Id"]) for row in fresh if not row.get("IsDeleted"))
        self.bin.update((row["SystemModstamp"], row["Id"]) for row in fresh if row.get("IsDeleted"))
        return len(fresh)

    def by_key(self, field: str, value: str) -> tuple[str, ...]:
        """Ids of live records whose key field has this value, whatever its case."""
        found = self._keys[field].get(value.lower(), ())
        return tuple(id for id in found if not self.rows[id].get("IsDeleted"))

    def with_key(self, field: str, value: str) -> tuple[str, ...]:
        """Like `by_key`, deleted records too."""
        return self._keys[field].get(value.lower(), ())

    def pointing(self, field: str, parent: str) -> set[str]:
        """Like `children`, deleted records too, in no order."""
        return self._parents[field].get(parent, set())

    def keyed(self, field: str) -> bool:
        return field in self._keys

    def children(self, field: str, parent: str) -> list[str]:
        """Ids of live records that point at this parent, oldest first."""
        return sorted(id for id in self._parents[field].get(parent, ()) if not self.rows[id].get("IsDeleted"))

    def points(self, field: str) -> bool:
        return field in self._parents

    def each(self) -> Iterator[Row]:
        """All rows by id."""
        return (self.rows[id] for id in self.ids)

    def _stamps(self, row: Row) -> Ordered[Stamped]:
        return self.bin if row.get("IsDeleted") else self.live

    def _index(self, id: str, old: Row | None, new: Row) -> None:
        before = old or {}
        for field, index in self._keys.items():
            if (was := before.get(field)) != (now := new.get(field)):
                _take_out(index, was, id)
                if now is not None:
                    value = now.lower()
                    index[value] = (*index.get(value, ()), id)
        for field, parents in self._parents.items():
            if (was := before.get(field)) != (now := new.get(field)):
                if was is not None:
                    parents[was].discard(id)
                if now is not None:
                    parents.setdefault(now, set()).add(id)


def _take_out(index: dict[str, tuple[str, ...]], value: str | None, id: str) -> None:
    if value is None:
        return
    rest = tuple(other for other in index[value.lower()] if other != id)
    if rest:
        index[value.lower()] = rest
    else:
        del index[value.lower()]
