"""T-01 in a ring of three: a real Tryton, a real Odoo and a Mailchimp twin, each of which hears of the others' edits.

What was written is counted where it arrives: by the wires before the real servers and by the twin's own write log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.pair import Day, Pair, Who, somebody, working_day
from zgoda.db import embedded
from zgoda.twins.mailchimp import MailchimpTwin

# The first use installs and prepares both servers.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

CYCLES = 10
TOWN = "Ringtown"

ROOT = """\
name: ring
order: [crm, marketing, news]
"""

# Whoever else lives on the real servers is none of the ring's business.
PEOPLE_OF_THE_RING = f"""\
people:
  filter: locality == "{TOWN}"
"""

NEWS_FILE = """\
connector: mailchimp
settings:
  base_url: {api_url}
  audience: {list_id}
  api_key: ${{file:secrets/news}}
streams: {{members: {{}}}}
"""


@dataclass(frozen=True)
class Ring:
    """The pair and the twin, the hub that ties them, and how to see and edit one person in each."""

    pair: Pair
    twin: MailchimpTwin
    day: Day
    party: int
    partner: int
    member: str

    def phones(self) -> set[Any]:
        return {
            self.pair.contact(self.party, "phone"),
            self.pair.marketing.partner(self.partner)["phone"],
            self.the_member()["merge_fields"]["PHONE"],
        }

    def the_member(self) -> dict[str, Any]:
        return next(one for one in self.twin.records("members") if one["contact_id"] == self.member)

    async def told(self, edit: Callable[[], object]) -> tuple[int, int, int]:
        """How many writes each system gets after an edit, and in ten more cycles."""
        self.pair.quiet()
        before = len(self.twin.writes())
        edit()
        await self.day.calm()
        counted = (*self.pair.written(), len(self.twin.writes()) - before)
        for _ in range(CYCLES):
            await self.day.sync()
        assert (*self.pair.written(), len(self.twin.writes()) - before) == counted, "then there is silence"
        return counted


@pytest.fixture
async def ring(pair: Pair, tmp_path: Path) -> AsyncIterator[Ring]:
    """A person known to all three, who has opted in, and nothing left to do."""
    who = somebody()
    party = pair.crm.add_person(who.name, email=who.email, city=TOWN)
    pair.crm.subscribe(who.email)
    async with MailchimpTwin(seed=1) as twin:
        _write_project(tmp_path, pair, twin)
        tied = Pair(pair.crm, pair.marketing, pair.sink, pair.crm_wire, pair.marketing_wire, tmp_path)
        async with working_day(tied) as day:
            await day.calm()
            yield Ring(pair, twin, day, party, pair.partner(who)["id"], _member_of(twin, who))
    embedded.stop(tmp_path / ".zgoda" / "db")


def _write_project(folder: Path, pair: Pair, twin: MailchimpTwin) -> None:
    facts = twin.connection()
    files = {
        "zgoda.yaml": ROOT,
        "connections/crm.yaml": _people_only(pair.folder / "connections" / "crm.yaml"),
        "connections/marketing.yaml": _people_only(pair.folder / "connections" / "marketing.yaml"),
        "connections/news.yaml": NEWS_FILE.format_map(facts),
        "mappings/crm.yaml": PEOPLE_OF_THE_RING,
        "mappings/marketing.yaml": PEOPLE_OF_THE_RING,
        "secrets/crm": (pair.folder / "secrets" / "crm").read_text(),
        "secrets/marketing": (pair.folder / "secrets" / "marketing").read_text(),
        "secrets/news": str(facts["api_key"]),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _people_only(file: Path) -> str:
    return file.read_text().partition("streams:")[0] + "streams: {people: {}}\n"


def _member_of(twin: MailchimpTwin, who: Who) -> str:
    [member] = [one for one in twin.records("members") if one["email_address"] == who.email]
    return member["contact_id"]


async def test_t_01_one_edit_at_each_is_one_write_per_other_and_then_silence(ring: Ring) -> None:
    crm, marketing = ring.pair.crm, ring.pair.marketing
    number = "+48 100 000 00"
    assert await ring.told(lambda: crm.set_contact(ring.party, "phone", f"{number}1")) == (0, 1, 1)
    assert await ring.told(lambda: marketing.edit(ring.partner, phone=f"{number}2")) == (1, 0, 1)
    change = {"merge_fields": {"PHONE": f"{number}3"}}
    assert await ring.told(lambda: ring.twin.edit("update", id=ring.member, values=change)) == (1, 1, 0)
    assert ring.phones() == {f"{number}3"}


async def test_t_01_an_opt_out_at_one_is_told_once_to_each_other(ring: Ring) -> None:
    assert ring.the_member()["status"] == "subscribed"
    assert await ring.told(lambda: ring.twin.edit("unsubscribe", id=ring.member)) == (1, 1, 0)
    assert ring.pair.marketing.partner(ring.partner)["opt_out"] is True
    assert not any(ring.pair.crm.subscriptions(ring.the_member()["email_address"]).values())
