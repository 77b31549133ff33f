"""Fills an audience from an invented world, as a marketing platform would know the people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from zgoda.twins.mailchimp.account import Account, moment_text
from zgoda.twins.mailchimp.audience import Audience
from zgoda.twins.mailchimp.member import Member, hash_of, unique_id_of
from zgoda.twins.world import Known, World

_LANGUAGES = {"pl": "Polish", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "cs": "Czech"}


def fill_audience(account: Account, audience: Audience, world: World) -> None:
    """Add a world's people. Of several people behind one address only the first can be a member."""
    audience.load(_members(account, audience, world))


def _members(account: Account, audience: Audience, world: World) -> Iterator[Member]:
    interests = list(audience.interests)
    now, seen = account.around.time.now(), set(audience.members)
    for known in world.ma():
        hash = hash_of(known.email)
        if hash in seen:
            continue
        seen.add(hash)
        dice = known.person.dice
        changed = moment_text(now - timedelta(seconds=known.age_s))
        status = "unsubscribed" if known.opted_out else "cleaned" if dice >> 40 & 63 == 0 else "subscribed"
        yield Member(
            email=known.email, hash=hash, unique_id=unique_id_of(known.email),
            contact_id=account.new_id("contact", 32), web_id=account.web_id(),
            status=status, last_changed=changed, merge=_merge(world, known),
            interests=[id for bit, id in enumerate(interests) if dice >> 44 + bit & 3 == 0],
            language=known.person.language,
            timestamp_opt=changed if status == "subscribed" else "", source="Import",
            unsubscribed_at=changed if status == "unsubscribed" else "",
        )  # fmt: skip


def _merge(world: World, known: Known) -> dict[str, Any]:
    person = known.person
    values: dict[str, Any] = {
        "FNAME": known.given, "LNAME": known.family, "PHONE": known.phone, "JOBTITLE": known.title,
        "COMPANY": world.companies[person.company].name if person.company >= 0 else "",
        "BIRTHDAY": f"{person.birthday[5:7]}/{person.birthday[8:]}" if person.birthday else "",
        "LANGUAGE": _LANGUAGES.get(person.language, "Other"),
    }  # fmt: skip
    if person.dice >> 50 & 1:
        values["ADDRESS"] = {
            "addr1": person.street, "addr2": "", "city": person.town, "state": "-", "zip": person.postcode,
            "country": person.country,
        }  # fmt: skip
    return {tag: value for tag, value in values.items() if value}
