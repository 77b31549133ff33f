"""How an audience's members are found: by ids of any kind, by status, by last change, by creation.

Every answer that is a page costs what the page costs, however many members there are.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zgoda.twins.mailchimp.member import Member
from zgoda.twins.ordered import Ordered, ordered

Stamped = tuple[str, str]
"""A member's last change and hash."""

Numbered = tuple[int, str]
"""A member's web id, which counts up, and hash."""

ARCHIVED = "archived"
UNARCHIVED = ""
"""Name of the view of everybody who is not archived: what reads without a status show."""


@dataclass
class View:
    """Members of one status in both orders. Web ids count up, so `created` mostly grows at its end."""

    changed: Ordered[Stamped] = field(default_factory=lambda: ordered(Stamped))
    created: list[Numbered] = field(default_factory=list[Numbered])

    def enter(self, member: Member) -> None:
        self.changed.add((member.last_changed, member.hash))
        numbered = (member.web_id, member.hash)
        if not self.created or self.created[-1] < numbered:
            self.created.append(numbered)
        else:
            insort(self.created, numbered)

    def leave(self, member: Member) -> None:
        self.changed.remove((member.last_changed, member.hash))
        del self.created[bisect_left(self.created, (member.web_id, member.hash))]

    def enter_many(self, members: Sequence[Member]) -> None:
        self.changed.update((member.last_changed, member.hash) for member in members)
        self.created = sorted([*self.created, *((member.web_id, member.hash) for member in members)])


class Indexes:
    """Kept in step with the members by `enter` and `leave`."""

    def __init__(self) -> None:
        self.views: defaultdict[str, View] = defaultdict(View)
        self._by_id: dict[str, str] = {}

    def hash_of(self, id: str) -> str:
        """The subscriber hash behind a contact id or unique e-mail id, empty if there is none."""
        return self._by_id.get(id, "")

    def enter(self, member: Member) -> None:
        self._by_id[member.contact_id] = self._by_id[member.unique_id] = member.hash
        for name in _views_of(member):
            self.views[name].enter(member)

    def leave(self, member: Member) -> None:
        self._by_id.pop(member.contact_id, None)
        self._by_id.pop(member.unique_id, None)
        for name in _views_of(member):
            self.views[name].leave(member)

    def change(self, old: Member, new: Member) -> None:
        """A member that was changed; mostly only the stamp is another, or not even that."""
        if (old.hash, old.status) != (new.hash, new.status):
            self.leave(old)
            self.enter(new)
        elif old.last_changed != new.last_changed:
            for name in _views_of(new):
                changed = self.views[name].changed
                changed.remove((old.last_changed, old.hash))
                changed.add((new.last_changed, new.hash))

    def enter_many(self, members: Sequence[Member]) -> None:
        """Many new members at once; much faster than one by one."""
        for member in members:
            self._by_id[member.contact_id] = self._by_id[member.unique_id] = member.hash
        by_view: defaultdict[str, list[Member]] = defaultdict(list)
        for member in members:
            for name in _views_of(member):
                by_view[name].append(member)
        for name, inside in by_view.items():
            self.views[name].enter_many(inside)


def _views_of(member: Member) -> Iterable[str]:
    return (ARCHIVED,) if member.status == ARCHIVED else (UNARCHIVED, member.status)
