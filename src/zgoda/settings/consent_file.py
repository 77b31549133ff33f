"""`consent.yaml`: which consents exist. Rules about them are not configuration: the most restrictive word wins."""

from __future__ import annotations

from typing import Final

from zgoda.model.values import CONSENT_PREFIX
from zgoda.settings.faults import Mark
from zgoda.settings.nodes import Block
from zgoda.settings.project import ConsentNames
from zgoda.settings.shapes import Form, Key, ListOf, Text

CONSENT_FILE: Final = "consent.yaml"
DEFAULT_CHANNELS: Final = ("email", "phone")
DEFAULT_PURPOSES: Final = ("marketing",)

_NAMES: Final = r"[a-z][a-z0-9_]{0,30}"

CONSENT_SHAPE: Final = Form(
    of="consent",
    keys=(
        Key(
            name="channels",
            shape=ListOf(item=Text(of="a channel", example="email", pattern=_NAMES), example="[email, phone, sms]"),
            meaning="Ways to reach a person",
            default="[email, phone]",
        ),
        Key(
            name="purposes",
            shape=ListOf(item=Text(of="a purpose", example="marketing", pattern=_NAMES), example="[marketing]"),
            meaning="What a person may agree to be contacted for",
            default="[marketing]",
        ),
        Key(
            name="brands",
            shape=ListOf(item=Text(of="a brand", example="acme", pattern=_NAMES), example="[acme, acme_kids]"),
            meaning="Brands that ask for consent on their own, besides the one that holds for all",
            default="none",
        ),
    ),
)


def read_consents(block: Block | None) -> ConsentNames:
    """The names of all consents that exist. Without the file: e-mail and phone marketing."""
    said = block or Block(mark=Mark(file=CONSENT_FILE))
    channels = said.words("channels") or DEFAULT_CHANNELS
    purposes = said.words("purposes") or DEFAULT_PURPOSES
    brands = said.words("brands")
    general = [f"{CONSENT_PREFIX}{channel}:{purpose}" for channel in channels for purpose in purposes]
    branded = [f"{name}:{brand}" for name in general for brand in brands]
    return ConsentNames(channels=channels, purposes=purposes, brands=brands, fields=(*general, *branded))
