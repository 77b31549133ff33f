"""The invented world is believable, repeatable and as contradictory as two real systems are."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from zgoda.twins.world import World

SIZE = 5000


@pytest.fixture(scope="module")
def world() -> World:
    return World(SIZE, seed=7)


def test_equal_seeds_give_equal_worlds_and_other_seeds_others(world: World) -> None:
    assert list(World(300, 7).crm()) == list(World(300, 7).crm())
    assert list(World(300, 7).people()) != list(World(300, 8).people())
    assert list(world.ma()) == list(world.ma())


def test_about_seventy_of_a_hundred_people_are_in_both_systems(world: World) -> None:
    people = list(world.people())
    assert len(people) == SIZE
    assert 0.66 < sum(p.in_crm and p.in_ma for p in people) / SIZE < 0.74
    assert all(p.in_crm or p.in_ma for p in people)
    assert len(world.companies) == SIZE // 10
    assert len({company.domain for company in world.companies}) == SIZE // 10


def test_true_addresses_differ_except_in_shared_mailboxes(world: World) -> None:
    counts = Counter(person.email for person in world.people())
    shared = {email for email, count in counts.items() if count > 1}
    assert shared
    assert {email.split("@")[0] for email in shared} <= {
        "info",
        "office",
        "biuro",
        "kontakt",
        "sales",
        "hello",
        "admin",
    }
    assert all(email.endswith(".example") and email.isascii() and email == email.lower() for email in counts)


def test_the_systems_disagree_but_share_the_address(world: World) -> None:
    crm = {known.person.number: known for known in world.crm() if known.copy == 0}
    both = [(crm[k.person.number], k) for k in world.ma() if k.person.number in crm]
    same_address = sum(a.email.strip().lower() == b.email.lower() for a, b in both)
    assert same_address / len(both) > 0.95
    for name in ("phone", "title", "family", "opted_out"):
        differing = sum(getattr(a, name) != getattr(b, name) for a, b in both)
        assert 0 < differing < len(both), name
    assert any(a.opted_out and not b.opted_out for a, b in both)
    assert any(b.opted_out and not a.opted_out for a, b in both)


def test_the_crm_has_duplicates_broken_and_missing_addresses(world: World) -> None:
    known = list(world.crm())
    assert any(k.copy for k in known)
    emails = [k.email for k in known]
    assert "" in emails
    assert any("@@" in email for email in emails)
    assert any(email != email.strip() for email in emails)
    assert any(k.lead for k in known)
    assert any(k.email.isupper() for k in world.ma())


def test_names_come_in_many_scripts(world: World) -> None:
    names = "".join(p.given + p.family for p in world.people())
    for letter in "łżščőșåğ田Ш":
        assert letter in names or letter.upper() in names, letter
    assert any("\u0600" <= letter <= "\u06ff" for letter in names)
    assert any("\u0370" <= letter <= "\u03ff" for letter in names)


def test_deals_belong_to_people_in_the_crm_and_their_companies(world: World) -> None:
    people = {person.number: person for person in world.people()}
    deals = list(world.deals())
    assert len(deals) > SIZE // 50
    assert all(people[deal.person].company == deal.company and people[deal.person].in_crm for deal in deals)


def test_a_large_world_is_generated_quickly() -> None:
    begun = time.process_time()
    assert sum(1 for _ in World(20_000, 1).people()) == 20_000
    assert time.process_time() - begun < 2.0
