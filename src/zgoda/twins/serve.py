"""Runs one twin as a process of its own until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import msgspec

from zgoda.twins.mailchimp import MailchimpTwin
from zgoda.twins.salesforce import Credentials, SalesforceTwin
from zgoda.twins.twin import Settings, Twin

VENDORS = ("salesforce", "mailchimp")


def serve(
    vendor: str,
    settings: Settings,
    announce: TextIO,
    public_key: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then save and return. Writes one JSON line about how to connect to `announce`.

    `public_key` is a PEM file for Salesforce's JWT bearer grant. Raises ValueError for an unknown vendor or a state
    file that is not this vendor's, OSError when the port is taken.
    """
    asyncio.run(_serve(_made(vendor, settings, public_key), announce))


async def _serve(make: Callable[[], Twin], announce: TextIO) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(name, stopped.set)
    async with make() as twin:
        gc.freeze()  # what was loaded stays; looking through it again and again would only cost time
        announce.write(msgspec.json.encode(twin.connection()).decode() + "\n")
        announce.flush()
        await stopped.wait()


def _made(vendor: str, settings: Settings, public_key: Path | None) -> Callable[[], Twin]:
    """A function that makes the twin once the event loop runs."""
    given = msgspec.structs.asdict(settings)
    if vendor == "salesforce":
        credentials = Credentials(public_key=public_key.read_text() if public_key else None)
        return lambda: SalesforceTwin(**given, credentials=credentials)
    if vendor == "mailchimp":
        return lambda: MailchimpTwin(**given)
    raise ValueError(f"there are twins of {', '.join(VENDORS)}, not of {vendor!r}")
