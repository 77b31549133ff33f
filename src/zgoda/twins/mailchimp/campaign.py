"""A campaign as it is kept, and what happened to each address it went to."""

from __future__ import annotations

from typing import Any

import msgspec


class Sent(msgspec.Struct, kw_only=True):
    """One recipient. `status` is sent, hard or soft (bounced)."""

    email: str
    hash: str
    contact_id: str
    status: str = "sent"
    activity: list[dict[str, str]] = []
    unsubscribed_at: str = ""
    reason: str = ""


class Campaign(msgspec.Struct, kw_only=True):
    """`status` is save, paused, schedule, sending or sent. `links` are those clicked so far, by id."""

    id: str
    web_id: int
    type: str
    status: str
    created: str
    list_id: str = ""
    recipients: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    tracking: dict[str, Any] = {}
    content: dict[str, str] = {}
    send_time: str = ""
    sent: dict[str, Sent] = {}
    links: dict[str, str] = {}
