"""One Mailchimp account: its audiences, campaigns and batches, and how it names and dates things."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from zgoda.model.clock import Clock, SystemClock
from zgoda.twins.exchange import Call
from zgoda.twins.mailchimp.audience import Audience, Category, Event, Interest, MergeField, Segment, Webhook
from zgoda.twins.mailchimp.batch import Batch
from zgoda.twins.mailchimp.campaign import Campaign
from zgoda.twins.mailchimp.member import Member
from zgoda.twins.mailchimp.problems import not_found
from zgoda.twins.names import INTERESTS
from zgoda.twins.vendor import Surroundings

_FIRST_WEB_ID = 100_000
_MERGE_FIELDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("FNAME", "First Name", "text", {"size": 25}),
    ("LNAME", "Last Name", "text", {"size": 25}),
    ("ADDRESS", "Address", "address", {"default_country": 164}),
    ("PHONE", "Phone Number", "phone", {"phone_format": "none"}),
    ("BIRTHDAY", "Birthday", "birthday", {"date_format": "MM/DD"}),
    ("COMPANY", "Company", "text", {"size": 25}),
    ("JOBTITLE", "Job Title", "text", {"size": 25}),
    ("WEBSITE", "Website", "url", {"size": 25}),
    ("SINCE", "Member since", "date", {"date_format": "MM/DD/YYYY"}),
    ("SCORE", "Score", "number", {"size": 25}),
    (
        "LANGUAGE",
        "Language",
        "dropdown",
        {"choices": ["Polish", "English", "German", "French", "Spanish", "Czech", "Other"]},
    ),
    ("HUBID", "Hub id", "text", {"size": 36}),
)
_PERMISSIONS = ("Email", "Direct Mail", "Customized Online Advertising")


@dataclass
class Account:
    """State of the twin. It starts with one audience with the vendor's default merge fields and a few more."""

    around: Surroundings
    audiences: dict[str, Audience] = field(default_factory=dict[str, Audience])
    campaigns: dict[str, Campaign] = field(default_factory=dict[str, Campaign])
    batches: dict[str, Batch] = field(default_factory=dict[str, Batch])
    pace: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self.id = hashlib.md5(b"account", usedforsecurity=False).hexdigest()[:20]
        self._numbers: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        self._numbers.clear()
        self.campaigns.clear()
        self.batches.clear()
        self.audiences.clear()
        self.add_audience("Customers", {})

    def now(self) -> str:
        return moment_text(self.around.time.now())

    def number(self, series: str) -> int:
        self._numbers[series] += 1
        return self._numbers[series]

    def new_id(self, series: str, length: int = 10) -> str:
        """A hexadecimal id that looks random and is the same in every run."""
        text = f"{series} {self.number(series)}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:length]

    def web_id(self) -> int:
        return _FIRST_WEB_ID + self.number("web id")

    def audience(self, id: str) -> Audience:
        """Raises Problem 404."""
        found = self.audiences.get(id)
        if found is None:
            raise not_found()
        found.base_url = self.around.base_url
        return found

    def add_audience(self, name: str, settings: dict[str, Any]) -> Audience:
        audience = Audience(
            self.new_id("list"), self.web_id(), name, self.now(), self.around.base_url, self.around.faults, settings
        )
        for number, (tag, title, kind, options) in enumerate(_MERGE_FIELDS, start=1):
            audience.merge_fields[number] = MergeField(
                id=number, tag=tag, name=title, type=kind, order=number, options=options, stored=tag
            )
        self.number_from(f"merge field {audience.id}", len(_MERGE_FIELDS))
        category = Category(id=self.new_id("category"), title="Interests", type="checkboxes")
        audience.categories[category.id] = category
        for order, title in enumerate(INTERESTS, start=1):
            id = self.new_id("interest")
            audience.interests[id] = Interest(id=id, category=category.id, name=title, order=order)
        audience.permissions = {self.new_id("permission"): text for text in _PERMISSIONS}
        self.audiences[audience.id] = audience
        return audience

    def number_from(self, series: str, last: int) -> None:
        self._numbers[series] = max(self._numbers[series], last)

    def log(self, author: Author, operation: str, id: str, values: dict[str, Any], outcome: str = "ok") -> None:
        """Note a write that came through the API; edits of users are logged by the kit."""
        if author.call is not None:
            self.around.writes.add(
                self.now(), "members", operation, id, values, outcome, author.call.n, author.call.caller
            )

    def snapshot(self) -> dict[str, Any]:
        return {
            "numbers": dict(self._numbers),
            "audiences": [_saved(audience) for audience in self.audiences.values()],
            "campaigns": msgspec.to_builtins(self.campaigns),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._numbers = Counter(saved["numbers"])
        self.audiences = {a["id"]: self._restored(a) for a in saved["audiences"]}
        self.campaigns = msgspec.convert(saved["campaigns"], dict[str, Campaign])

    def _restored(self, saved: dict[str, Any]) -> Audience:
        audience = Audience(
            saved["id"], saved["web_id"], saved["name"], saved["created"], "", self.around.faults, saved["settings"]
        )
        audience.merge_fields = msgspec.convert(saved["merge_fields"], dict[int, MergeField], str_keys=False)
        audience.categories = msgspec.convert(saved["categories"], dict[str, Category])
        audience.interests = msgspec.convert(saved["interests"], dict[str, Interest])
        audience.segments = msgspec.convert(saved["segments"], dict[int, Segment])
        audience.webhooks = msgspec.convert(saved["webhooks"], dict[str, Webhook])
        audience.events = msgspec.convert(saved["events"], dict[str, list[Event]])
        audience.permissions, audience.notes = saved["permissions"], saved["notes"]
        audience.forgotten = set(saved["forgotten"])
        audience.load(msgspec.convert(saved["members"], list[Member]))
        return audience


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change: the API, the person themselves, or an admin of the account. `at` back-dates it."""

    source: str = "api"
    call: Call | None = None
    at: str | None = None


def moment_text(moment: datetime) -> str:
    """A moment in the API's form, to the second."""
    return moment.astimezone(UTC).isoformat()[:19] + "+00:00"


def _saved(audience: Audience) -> dict[str, Any]:
    plain = {
        name: getattr(audience, name)
        for name in ("id", "web_id", "name", "created", "settings", "permissions", "notes")
    }
    rich = {
        name: msgspec.to_builtins(getattr(audience, name), str_keys=False)
        for name in ("merge_fields", "categories", "interests", "segments", "webhooks", "events")
    }
    members = msgspec.to_builtins(list(audience.members.values()))
    return {**plain, **rich, "members": members, "forgotten": sorted(audience.forgotten)}
