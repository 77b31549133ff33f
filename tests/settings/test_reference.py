"""The documentation's list of keys is the one the loader reads by."""

from __future__ import annotations

from pathlib import Path

from zgoda.settings.reference import with_reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_documented_keys_are_current() -> None:
    """`make docs` renews them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_reference(text) == text
