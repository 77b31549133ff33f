"""Odoo's rich text as plain text and back. `to_text(to_html(text))` is `text`."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser


def to_html(text: str) -> str:
    return "<p>" + "<br>".join(html.escape(line, quote=False) for line in text.splitlines()) + "</p>"


def to_text(markup: str) -> str:
    """What a reader sees: tags away, paragraphs and breaks as lines. Broken markup loses its tags only."""
    reader = _Reader()
    try:
        reader.feed(markup)
        reader.close()
    except AssertionError:  # what html.parser raises for some malformed declarations
        return html.unescape(re.sub(r"<[^>]*>?", "", markup)).strip()
    return "".join(reader.parts).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)
        elif tag in ("p", "div", "li", "tr", "h1", "h2", "h3", "h4"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
