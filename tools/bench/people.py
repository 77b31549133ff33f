"""Invented people: the same number gives the same person, in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec

from zgoda.kit.mapping import Map

MAPPING = (
    Map(vendor="email", field="email"),
    Map(vendor="first", field="given_name"),
    Map(vendor="last", field="family_name"),
    Map(vendor="phone", field="telephone"),
    Map(vendor="title", field="job_title"),
    Map(vendor="company", field="organization_name"),
    Map(vendor="street", field="street_address"),
    Map(vendor="city", field="locality"),
    Map(vendor="zip", field="postal_code"),
    Map(vendor="country", field="country"),
    Map(vendor="lang", field="language"),
    Map(vendor="born", field="birth_date"),
    Map(
        vendor="opted_out",
        field="consent:email:marketing",
        values=((True, "withdrawn"), (False, "unknown")),
        otherwise="default",
        default_in="unknown",
        default_out=False,
    ),
)
"""The vendors' fields and what they mean."""

FIELDS = tuple(row.vendor for row in MAPPING)

FIRST = "Anna Jan Zofia Piotr Maja Leon Ewa Adam Iga Oskar Lena Karol Nina Igor Hanna Borys Łucja Marek Olga".split()
LAST = "Nowak Wójcik Kowal Mazur Krawiec Zając Król Wrona Dudek Sowa Lis Kania Bąk Gajda Pająk Szewc Cieśla".split()
TITLES = "buyer owner engineer analyst teacher director assistant designer planner accountant".split()
CITIES = (("Łódź", "PL"), ("Berlin", "DE"), ("Lyon", "FR"), ("Brno", "CZ"), ("Porto", "PT"), ("Gdańsk", "PL"))


def person(number: int) -> dict[str, Any]:
    """One person in the vendors' fields, about 320 bytes of JSON without id and stamp."""
    draw = Random(number)
    first, last = draw.choice(FIRST), draw.choice(LAST)
    city, country = draw.choice(CITIES)
    return {
        "email": f"person{number}@mail{number % 97}.example",
        "first": first,
        "last": last,
        "phone": f"+48 {draw.randrange(500_000_000, 800_000_000)}",
        "title": draw.choice(TITLES),
        "company": f"{last} & {draw.choice(LAST)} {number % 1009}",
        "street": f"{draw.choice(LAST)}strasse {draw.randrange(1, 200)}",
        "city": city,
        "zip": f"{draw.randrange(10_000, 99_999)}",
        "country": country,
        "lang": country.lower(),
        "born": f"{draw.randrange(1940, 2006)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}",
        "opted_out": draw.random() < 0.05,
    }


def digest(rows: Iterable[dict[str, Any]]) -> str:
    """Equal for equal sets of people, whatever their order and ids. Counts repetitions."""
    total = 0
    for row in rows:
        raw = msgspec.msgpack.encode([row.get(name) for name in FIELDS])
        total += int.from_bytes(hashlib.blake2b(raw, digest_size=16).digest(), "big")
    return f"{total % (1 << 128):032x}"
