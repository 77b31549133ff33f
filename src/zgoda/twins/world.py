"""A believable invented world of people and companies, and how a CRM and a marketing platform each know it.

The two systems overlap (about 70 % of the people are in both) and disagree: fields are missing, phones are older,
titles differ, addresses are typed otherwise, one says opted out where the other does not. Some people are in the CRM
twice, some share a mailbox, some addresses are broken. A person's true address is the same in both. Equal seeds give
equal worlds; a larger world begins with other people than a smaller one, because companies are drawn first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from zgoda.twins.names import (
    COMPANY_FORMS,
    COMPANY_ROOTS,
    COMPANY_TRADES,
    CULTURES,
    DEPARTMENTS,
    INDUSTRIES,
    PRIVATE_DOMAINS,
    ROLE_MAILBOXES,
    TITLES,
    Culture,
    latin,
)

Draw = Callable[[], float]
T = TypeVar("T")
_BY_WEIGHT: tuple[Culture, ...] = tuple(culture for culture in CULTURES for _ in range(culture.weight))
_ROOTS_LATIN = tuple(latin(root) for root in COMPANY_ROOTS)
_SHARE_BOTH, _SHARE_ONLY_CRM = 0.70, 0.18
_SHARE_EMPLOYED, _SHARE_SHARED_MAILBOX = 0.72, 0.015


class Company(msgspec.Struct, frozen=True, gc=False):
    """`number` counts from 0. Money is in whole euros."""

    number: int
    name: str
    domain: str
    country: str
    town: str
    postcode: str
    street: str
    phone: str
    industry: str
    employees: int
    revenue: int


class Person(msgspec.Struct, frozen=True, gc=False):
    """The truth about one person. `company` is a company's number, or -1; `dice` decides how the systems differ."""

    number: int
    given: str
    family: str
    woman: bool
    email: str
    phone: str
    country: str
    language: str
    town: str
    postcode: str
    street: str
    birthday: str
    company: int
    title: str
    department: str
    opted_out: bool
    in_crm: bool
    in_ma: bool
    dice: int


class Known(msgspec.Struct, frozen=True, gc=False):
    """What one system holds about a person. `copy` is 1 for a duplicate of the same person in the same system.

    `lead` says the CRM has them as a lead. `age_s` is how long before the filling the record was last changed.
    """

    person: Person
    copy: int
    given: str
    family: str
    email: str
    phone: str
    title: str
    opted_out: bool
    lead: bool
    age_s: int


class Deal(msgspec.Struct, frozen=True, gc=False):
    """`stage` from 0 (new) to 9; `days` until it is due to close, negative when that is past."""

    number: int
    company: int
    person: int
    name: str
    amount: int
    stage: int
    days: int


class World:
    """`people` persons and a tenth as many companies. Companies are kept, people are generated anew at each pass."""

    def __init__(self, people: int, seed: int = 1) -> None:
        self.size = people
        self.seed = seed
        self.companies: list[Company] = _companies(max(1, people // 10), seed) if people else []

    def people(self) -> Iterator[Person]:
        """Everybody, colleagues next to each other."""
        draw = random.Random(f"people {self.seed}").random  # noqa: S311 - an invented world, not secrets
        company_no, left = -1, 0
        taken: set[str] = set()
        for number in range(self.size):
            employed = draw() < _SHARE_EMPLOYED
            if employed and left == 0:
                company_no += 1
                left = 1 + int(draw() ** 2 * 20)
                taken = set()
            left -= employed
            company = self.companies[company_no % len(self.companies)] if employed else None
            yield _person(number, company, draw, taken if company_no < len(self.companies) else None)

    def crm(self) -> Iterator[Known]:
        """The people as a CRM knows them; about one in a hundred twice."""
        for person in self.people():
            if not person.in_crm:
                continue
            yield _in_crm(person)
            if person.dice >> 20 & 127 == 0:
                yield _crm_duplicate(person)

    def ma(self) -> Iterator[Known]:
        """The people as a marketing platform knows them; only those whose address could be mailed."""
        for person in self.people():
            if person.in_ma:
                yield _in_ma(person)

    def deals(self) -> Iterator[Deal]:
        """About one deal for every other company, held by one of its people."""
        draw = random.Random(f"deals {self.seed}").random  # noqa: S311 - an invented world, not secrets
        number, last = 0, -1
        for person in self.people():
            if person.company < 0 or person.company == last or not person.in_crm:
                continue
            last = person.company
            if draw() < 0.5:
                name = f"{self.companies[last].name} – {_pick(COMPANY_TRADES, draw)}"
                amount, stage, days = int(draw() ** 3 * 200_000) + 500, int(draw() * 10), int(draw() * 400) - 200
                yield Deal(number, last, person.number, name[:120], amount, stage, days)
                number += 1


def _companies(count: int, seed: int) -> list[Company]:
    draw = random.Random(f"companies {seed}").random  # noqa: S311 - an invented world, not secrets
    return [_company(number, draw) for number in range(count)]


def _company(number: int, draw: Draw) -> Company:
    culture = _pick(_BY_WEIGHT, draw)
    root_no = int(draw() * len(COMPANY_ROOTS))
    trade = _pick(COMPANY_TRADES, draw)
    form = _pick(COMPANY_FORMS.get(culture.country, ("Ltd", "Co.")), draw)
    serial = number // (len(COMPANY_ROOTS) * len(COMPANY_TRADES) // 40) + 1
    name = (
        f"{COMPANY_ROOTS[root_no]} {trade} {serial} {form}"
        if serial > 1
        else f"{COMPANY_ROOTS[root_no]} {trade} {form}"
    )
    town, postcode = _pick(culture.towns, draw)
    employees = int(draw() ** 4 * 5000) + 1
    return Company(
        number, name, f"{_ROOTS_LATIN[root_no]}-{trade.lower()}{number}.example", culture.country, town, postcode,
        _street(culture, draw), _phone(culture, draw), _pick(INDUSTRIES, draw), employees, employees * 90_000,
    )  # fmt: skip


def _person(number: int, company: Company | None, draw: Draw, taken: set[str] | None) -> Person:
    culture = _pick(_BY_WEIGHT, draw)
    woman = draw() < 0.5
    names, latins = (culture.women, culture.women_latin) if woman else (culture.men, culture.men_latin)
    chosen = int(draw() * len(names))
    family, family_latin = _pick(culture.families_by_sex[woman], draw)
    town, postcode = _pick(culture.towns, draw)
    share = draw()
    dice = int(draw() * (1 << 53))
    email = _email(number, company, latins[chosen], family_latin, draw, taken)
    return Person(
        number, names[chosen], family, woman, email, _phone(culture, draw), culture.country, culture.language, town,
        postcode, _street(culture, draw), _birthday(dice), company.number if company else -1,
        _pick(TITLES, draw) if company else "", _pick(DEPARTMENTS, draw) if company else "", draw() < 0.08,
        share < _SHARE_BOTH + _SHARE_ONLY_CRM, share < _SHARE_BOTH or share >= _SHARE_BOTH + _SHARE_ONLY_CRM, dice,
    )  # fmt: skip


def _email(number: int, company: Company | None, given: str, family: str, draw: Draw, taken: set[str] | None) -> str:
    """Private addresses carry the person's number. A colleague's does only when the plain one is `taken`.

    Without `taken` the company's plain addresses are no longer known, so every address gets the number.
    """
    if company is None:
        return f"{given}.{family}{number}@{_pick(PRIVATE_DOMAINS, draw)}"
    luck = draw()
    if luck < _SHARE_SHARED_MAILBOX:
        return f"{ROLE_MAILBOXES[company.number % len(ROLE_MAILBOXES)]}@{company.domain}"
    local = f"{given}.{family}" if luck < 0.7 else f"{given[:1]}{family}" if luck < 0.9 else given
    if taken is None or local in taken:
        return f"{local}{number}@{company.domain}"
    taken.add(local)
    return f"{local}@{company.domain}"


def _in_crm(person: Person) -> Known:
    dice = person.dice
    return Known(
        person, 0, person.given, person.family, _crm_email(person.email, dice & 255), person.phone, person.title,
        person.opted_out, lead=dice >> 8 & 7 == 0, age_s=_age_s(dice >> 12),
    )  # fmt: skip


def _crm_email(email: str, luck: int) -> str:
    match luck:
        case 0:
            return email.replace("@", "@@")
        case 1:
            return email.replace(".example", "")
        case 2:
            return f" {email} "
        case 3 | 4 | 5:
            return ""
        case 6:
            return email.split("@", maxsplit=1)[0]
        case _:
            return email


def _crm_duplicate(person: Person) -> Known:
    dice = person.dice
    given = person.given[:1] + "." if dice >> 27 & 1 else person.given
    return Known(
        person, 1, given, person.family.upper(), person.email, "", "", opted_out=bool(dice >> 28 & 1),
        lead=bool(dice >> 29 & 1), age_s=_age_s(dice >> 13),
    )  # fmt: skip


def _in_ma(person: Person) -> Known:
    dice = person.dice >> 5
    luck = dice & 15
    title = "" if luck < 3 else TITLES[dice >> 4 & 15] if luck < 5 and person.title else person.title
    given = person.given if dice >> 8 & 31 else ""
    family = person.family if dice >> 13 & 31 else person.family.upper()
    email = person.email if dice >> 18 & 63 else person.email.upper()
    opted_out = person.opted_out if dice >> 24 & 63 else not person.opted_out
    return Known(
        person, 0, given, family, email, _ma_phone(person.phone, dice >> 30 & 15), title, opted_out, lead=False,
        age_s=_age_s(person.dice >> 14),
    )  # fmt: skip


def _ma_phone(phone: str, luck: int) -> str:
    """None, an older number, or the same number typed otherwise."""
    match luck:
        case 0 | 1 | 2 | 3:
            return ""
        case 4 | 5:
            return phone[:-3] + phone[:-4:-1]
        case 6 | 7:
            return phone.replace(" ", "")
        case 8:
            return "00" + phone[1:]
        case 9:
            return phone.replace(" ", "-")
        case _:
            return phone


def _age_s(dice: int) -> int:
    return dice % (400 * 86_400)


def _birthday(dice: int) -> str:
    if dice & 3 == 0:
        return ""
    return f"{1945 + dice % 61}-{1 + dice % 12:02}-{1 + dice % 28:02}"


def _street(culture: Culture, draw: Draw) -> str:
    number = 1 + int(draw() * 190)
    return culture.street_form.format(street=_pick(culture.streets, draw), number=number)


def _phone(culture: Culture, draw: Draw) -> str:
    digits = f"{int(draw() * 1e9):09}"
    return f"{culture.dial} {digits[:3]} {digits[3:6]} {digits[6:]}"


def _pick(pool: tuple[T, ...], draw: Draw) -> T:
    return pool[int(draw() * len(pool))]
