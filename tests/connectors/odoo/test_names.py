"""One name for two: whatever the hub joins comes apart again as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zgoda.connectors.odoo.names import join, split

WORD = st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1, max_size=8)
PART = st.one_of(st.just(""), st.lists(WORD, min_size=1, max_size=4).map(" ".join))
ORDER = st.sampled_from(["given_first", "family_first"])


@given(PART, PART, ORDER)
def test_joined_names_come_apart_as_they_were(first: str, second: str, order: str):
    assert split(join(first, second, order), order) == (first, second)


@given(PART, ORDER)
def test_names_typed_in_odoo_settle_after_one_reading(name: str, order: str):
    parts = split(name, order)
    assert split(join(*parts, order), order) == parts
    assert "".join(join(*parts, order).split()) == "".join(name.split())


@pytest.mark.parametrize(
    ("name", "order", "parts"),
    [
        ("Anna Maria Kowalska", "given_first", ("Anna Maria", "Kowalska")),
        ("Kowalska Anna Maria", "family_first", ("Anna Maria", "Kowalska")),
        ("Cher", "given_first", ("Cher", "")),
        ("Cher", "family_first", ("", "Cher")),
        ("", "given_first", ("", "")),
    ],
)
def test_the_guess_for_names_typed_in_odoo(name: str, order: str, parts: tuple[str, str]):
    assert split(name, order) == parts
