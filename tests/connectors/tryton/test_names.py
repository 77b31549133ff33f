"""One name and two: whatever the hub writes is read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zgoda.connectors.tryton.names import join, split
from zgoda.connectors.tryton.options import NameOrder
from zgoda.model.values import clean_text

ORDERS: tuple[NameOrder, ...] = ("given_first", "family_first", "family_comma")
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1)
names = st.one_of(st.none(), st.lists(words, min_size=1, max_size=3).map(" ".join).map(clean_text))


@pytest.mark.parametrize("order", ORDERS)
@given(given=names, family=names)
def test_round_trip_is_identity(order: NameOrder, given: str | None, family: str | None) -> None:
    assert split(join(given, family, order), order) == (given, family)


@pytest.mark.parametrize(
    ("order", "typed", "expected"),
    [
        ("given_first", "Ada Lovelace", ("Ada", "Lovelace")),
        ("given_first", "Ada King Lovelace", ("Ada King", "Lovelace")),
        ("given_first", "Madonna", (None, "Madonna")),
        ("family_first", "Kowalski Jan Maria", ("Jan Maria", "Kowalski")),
        ("family_comma", "van der Berg, Ada", ("Ada", "van der Berg")),
        ("family_comma", "Berg", (None, "Berg")),
        ("given_first", "  ", (None, None)),
        ("given_first", None, (None, None)),
    ],
)
def test_what_people_type(order: NameOrder, typed: str | None, expected: tuple[str | None, str | None]) -> None:
    assert split(typed, order) == expected
