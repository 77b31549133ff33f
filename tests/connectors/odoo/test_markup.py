"""Odoo's rich text as plain text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zgoda.connectors.odoo.markup import to_html, to_text

LINE = st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1, max_size=9)


@given(st.lists(LINE, min_size=1, max_size=4))
def test_plain_text_comes_back(lines: list[str]):
    assert to_text(to_html("\n".join(lines))) == "\n".join(lines)


@pytest.mark.parametrize("text", ["a < b & c", "one\ntwo\n\nfour", "ż 🦢 &amp; <p>", "x"])
def test_plain_text_survives_rich_text(text: str):
    assert to_text(to_html(text)) == text


@pytest.mark.parametrize(
    "markup", ["<p>a<br/>b</p>", "<div>a</div>b", "<style>x</style>a\nb", "<script>a</script>a\nb"]
)
def test_rich_text_is_read_as_seen(markup: str):
    assert to_text(markup) == "a\nb"


@pytest.mark.parametrize("markup", ["<![x", "<![CDATA[x", "<!x [", "<p", "&#99999999999;", "<" * 5000])
def test_broken_markup_ends_in_text(markup: str):
    assert isinstance(to_text(markup), str)
