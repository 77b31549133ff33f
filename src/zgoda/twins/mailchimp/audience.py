"""One audience (list): its members with their indexes, merge fields, groups, tags, webhooks.

Members are kept by the hash of their address; `indexes` finds them by everything else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from zgoda.twins.faults import Fault, Switchboard
from zgoda.twins.mailchimp.indexes import Indexes
from zgoda.twins.mailchimp.member import Member, hash_of


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

    def __post_init__(self) -> None:
        self.indexes = Indexes()
        self._hashes: list[str] | None = None
        self._in_order: list[MergeField] | None = None
        self._by_tag: dict[str, MergeField] | None = None
        self._links: tuple[str, list[bytes]] | None = None
        self.filtered: dict[tuple[Any, ...], list[str]] = {}

    def find(self, key: str) -> Member | None:
        """A member by subscriber hash, plain address, contact id or unique e-mail id."""
        lower = key.lower()
        if "@" in lower:
            return self.members.get(hash_of(lower))
        return self.members.get(lower) or self.members.get(self.indexes.hash_of(lower))

    def add(self, member: Member) -> None:
        self.members[member.hash] = member
        self.indexes.enter(member)
        self._hashes = None
        self.touched()

    def remove(self, member: Member) -> None:
        """Take a member out without a trace in the list."""
        del self.members[member.hash]
        self._hashes = None
        self.indexes.leave(member)
        self.touched()
        for segment_id in member.tags:
            self.segments[segment_id].contacts.discard(member.contact_id)

    def replace(self, member: Member, **changes: Any) -> Member:
        """Change a member, its address and archiving included."""
        new = msgspec.structs.replace(member, **changes)
        if new.hash != member.hash:
            del self.members[member.hash]
            self._hashes = None
        self.members[new.hash] = new
        self.indexes.change(member, new)
        self.touched()
        return new

    def load(self, members: Iterable[Member]) -> int:
        """Add many new members at once; those whose address is there already stay away."""
        fresh = {member.hash: member for member in members if member.hash not in self.members}
        self.members.update(fresh)
        self._hashes = None
        self.indexes.enter_many(list(fresh.values()))
        self.touched()
        return len(fresh)

    def touched(self) -> None:
        """Something changed that filters may look at."""
        self.filtered.clear()

    def after(self, hash: str) -> Iterator[Member]:
        """Members by hash, from above this one. Only the first question after members came or went has to sort them."""
        hashes = self._hashes = self._hashes or sorted(self.members)
        return (self.members[hashes[n]] for n in range(bisect_right(hashes, hash), len(hashes)))

    def contact(self, contact_id: str) -> Member | None:
        return self.members.get(self.indexes.hash_of(contact_id))

    def merge_fields_now(self) -> list[MergeField]:
        """The merge fields as armed schema faults make them look, in display order."""
        if self._in_order is None:
            self._in_order = sorted(self.merge_fields.values(), key=lambda f: f.order)
        fields = self._in_order
        if self.faults.any("schema"):
            for fault in self.faults.standing("schema", "members"):
                fields = [shown for f in fields if (shown := _drifted(f, fault)) is not None]
        return fields

    def merge_fields_by_tag(self) -> dict[str, MergeField]:
        if self.faults.any("schema"):
            return {field.tag: field for field in self.merge_fields_now()}
        if self._by_tag is None:
            self._by_tag = {field.tag: field for field in self.merge_fields_now()}
        return self._by_tag

    def required_now(self) -> list[MergeField]:
        """The merge fields a member must have."""
        return [field for field in self.merge_fields_by_tag().values() if field.required]

    def set_merge_field(self, field: MergeField) -> None:
        """Add a merge field, or put it in place of the one with its id."""
        self.merge_fields[field.id] = field
        self._in_order = self._by_tag = None

    def remove_merge_field(self, field: MergeField) -> None:
        del self.merge_fields[field.id]
        self._in_order = self._by_tag = None

    def count(self, status: str) -> int:
        return len(self.indexes.views[status].changed)

    def note_event(self, contact_id: str, event: Event) -> None:
        self.events.setdefault(contact_id, []).append(event)

    def member_links_around_hash(self) -> list[bytes]:
        """The JSON of a member's links, cut where the subscriber hash goes."""
        if self._links is None or self._links[0] != self.base_url:
            self._links = (self.base_url, msgspec.json.encode(self.member_links("{hash}")).split(b"{hash}"))
        return self._links[1]

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
        case "picklist_value_removed":
            choices = list(field.options.get("choices", []))
            gone = str(fault.option("value", choices[0] if choices else ""))
            left = [choice for choice in choices if choice != gone]
            return msgspec.structs.replace(field, options={**field.options, "choices": left})
        case _:
            choices = [*field.options.get("choices", []), str(fault.option("value", "New value"))]
            return msgspec.structs.replace(field, options={**field.options, "choices": choices})
