"""One audience (list): its members with their indexes, merge fields, groups, tags, webhooks.

Members are found by the hash of their address. Two orders are kept: by last change, for incremental reads, and by
creation, for reads without a sort.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from zgoda.twins.faults import Fault, Switchboard
from zgoda.twins.mailchimp.member import Member, hash_of, unique_id_of
from zgoda.twins.ordered import Ordered, ordered

Stamped = tuple[str, str]
"""A member's last change and hash."""


class MergeField(msgspec.Struct, kw_only=True):
    """`stored` is the tag values are kept under; it differs only while a rename fault stands."""

    id: int
    tag: str
    name: str
    type: str
    required: bool = False
    default: str = ""
    public: bool = True
    order: int = 0
    options: dict[str, Any] = {}
    help_text: str = ""
    stored: str = ""


class Category(msgspec.Struct, kw_only=True):
    id: str
    title: str
    type: str
    order: int = 0


class Interest(msgspec.Struct, kw_only=True):
    id: str
    category: str
    name: str
    order: int = 0


class Segment(msgspec.Struct, kw_only=True):
    """A static segment is a tag; a saved one has conditions instead of members."""

    id: int
    name: str
    type: str
    created_at: str
    updated_at: str
    contacts: set[str] = set()
    options: dict[str, Any] = {}


class Webhook(msgspec.Struct, kw_only=True):
    id: str
    url: str
    events: dict[str, bool]
    sources: dict[str, bool]


class Event(msgspec.Struct, kw_only=True):
    """Something a member did or that happened to them, for activity feeds."""

    at: str
    kind: str
    campaign: str = ""
    details: dict[str, Any] = {}


@dataclass
class Audience:
    """Fields from `members` on are content, those before are settings."""

    id: str
    web_id: int
    name: str
    created: str
    base_url: str
    faults: Switchboard
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    merge_fields: dict[int, MergeField] = field(default_factory=dict[int, MergeField])
    categories: dict[str, Category] = field(default_factory=dict[str, Category])
    interests: dict[str, Interest] = field(default_factory=dict[str, Interest])
    permissions: dict[str, str] = field(default_factory=dict[str, str])
    segments: dict[int, Segment] = field(default_factory=dict[int, Segment])
    webhooks: dict[str, Webhook] = field(default_factory=dict[str, Webhook])
    members: dict[str, Member] = field(default_factory=dict[str, Member])
    forgotten: set[str] = field(default_factory=set[str])
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    events: dict[str, list[Event]] = field(default_factory=dict[str, list[Event]])
    changes: int = 0

    def __post_init__(self) -> None:
        self.shown = ordered(Stamped)
        self.archived = ordered(Stamped)
        self._by_contact: dict[str, str] = {}
        self._by_unique_id: dict[str, str] = {}
        self._by_creation: list[str] | None = None
        self._in_order: list[MergeField] | None = None
        self.filtered: dict[tuple[Any, ...], list[str]] = {}

    def find(self, key: str) -> Member | None:
        """A member by subscriber hash, plain address, contact id or unique e-mail id."""
        lower = key.lower()
        if "@" in lower:
            return self.members.get(hash_of(lower))
        return self.members.get(lower) or self.members.get(
            self._by_contact.get(lower) or self._by_unique_id.get(lower, "")
        )

    def add(self, member: Member) -> None:
        self._note_change(membership=True)
        self.members[member.hash] = member
        self._by_contact[member.contact_id] = member.hash
        self._by_unique_id[unique_id_of(member.email)] = member.hash
        self._order(member).add((member.last_changed, member.hash))

    def remove(self, member: Member) -> None:
        """Take a member out without a trace in the list."""
        self._note_change(membership=True)
        del self.members[member.hash]
        del self._by_contact[member.contact_id]
        self._by_unique_id.pop(unique_id_of(member.email), None)
        self._order(member).remove((member.last_changed, member.hash))
        for segment_id in member.tags:
            self.segments[segment_id].contacts.discard(member.contact_id)

    def replace(self, member: Member, **changes: Any) -> Member:
        """Change a member, its address and archiving included."""
        new = msgspec.structs.replace(member, **changes)
        moved = new.hash != member.hash or (new.status == "archived") != (member.status == "archived")
        self._order(member).remove((member.last_changed, member.hash))
        if new.hash != member.hash:
            del self.members[member.hash]
            self._by_unique_id.pop(unique_id_of(member.email), None)
            self._by_unique_id[unique_id_of(new.email)] = new.hash
            self._by_contact[new.contact_id] = new.hash
        self.members[new.hash] = new
        self._order(new).add((new.last_changed, new.hash))
        self._note_change(membership=moved)
        return new

    def load(self, members: Iterable[Member]) -> int:
        """Add many new members at once."""
        fresh = list(members)
        for member in fresh:
            self.members[member.hash] = member
            self._by_contact[member.contact_id] = member.hash
            self._by_unique_id[unique_id_of(member.email)] = member.hash
        self.shown.update((m.last_changed, m.hash) for m in fresh if m.status != "archived")
        self.archived.update((m.last_changed, m.hash) for m in fresh if m.status == "archived")
        self._note_change(membership=True)
        return len(fresh)

    def by_creation(self) -> list[str]:
        """Hashes of all members that are not archived, oldest first."""
        if self._by_creation is None:
            present = [(member.web_id, hash) for hash, member in self.members.items() if member.status != "archived"]
            self._by_creation = [hash for _, hash in sorted(present)]
        return self._by_creation

    def touched(self) -> None:
        """Something besides members changed that filters may look at."""
        self._note_change(membership=False)

    def contact(self, contact_id: str) -> Member | None:
        return self.members.get(self._by_contact.get(contact_id, ""))

    def merge_fields_now(self) -> list[MergeField]:
        """The merge fields as armed schema faults make them look, in display order."""
        if self._in_order is None:
            self._in_order = sorted(self.merge_fields.values(), key=lambda f: f.order)
        fields = self._in_order
        if self.faults.any("schema"):
            for fault in self.faults.standing("schema", "members"):
                fields = [shown for f in fields if (shown := _drifted(f, fault)) is not None]
        return fields

    def set_merge_field(self, field: MergeField) -> None:
        """Add a merge field, or put it in place of the one with its id."""
        self.merge_fields[field.id] = field
        self._in_order = None

    def remove_merge_field(self, field: MergeField) -> None:
        del self.merge_fields[field.id]
        self._in_order = None

    def count(self, status: str) -> int:
        return sum(member.status == status for member in self.members.values())

    def note_event(self, contact_id: str, event: Event) -> None:
        self.events.setdefault(contact_id, []).append(event)

    def member_links(self, hash: str) -> list[dict[str, str]]:
        here = f"{self.base_url}/3.0/lists/{self.id}/members"
        schema = f"{self.base_url}/schema/3.0/Definitions/Lists/Members/Response.json"

        def link(rel: str, method: str, path: str) -> dict[str, str]:
            return {"rel": rel, "href": here + path, "method": method, "targetSchema": schema, "schema": schema}

        return [
            link("self", "GET", f"/{hash}"), link("parent", "GET", ""), link("update", "PATCH", f"/{hash}"),
            link("upsert", "PUT", f"/{hash}"), link("delete", "DELETE", f"/{hash}"),
            link("notes", "GET", f"/{hash}/notes"), link("tags", "GET", f"/{hash}/tags"),
            link("delete_permanent", "POST", f"/{hash}/actions/delete-permanent"),
        ]  # fmt: skip

    def _order(self, member: Member) -> Ordered[Stamped]:
        return self.archived if member.status == "archived" else self.shown

    def _note_change(self, membership: bool) -> None:
        self.changes += 1
        self.filtered.clear()
        if membership:
            self._by_creation = None


def _drifted(field: MergeField, fault: Fault) -> MergeField | None:
    if field.tag != str(fault.option("field", "")):
        return field
    match fault.name:
        case "field_removed":
            return None
        case "field_renamed":
            return msgspec.structs.replace(field, tag=str(fault.option("to", f"{field.tag[:8]}_2")))
        case "field_retyped":
            return msgspec.structs.replace(field, type=str(fault.option("type", "text")))
        case _:
            choices = [*field.options.get("choices", []), str(fault.option("value", "New value"))]
            return msgspec.structs.replace(field, options={**field.options, "choices": choices})
