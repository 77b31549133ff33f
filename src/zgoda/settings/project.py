"""A project once it is read and checked: what the user wants, typed and frozen. Holds references, never secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from zgoda.identity.match import IdentityRules
from zgoda.kit.mapping import Map
from zgoda.kit.spec import Op
from zgoda.model.entities import Entity
from zgoda.settings.references import Reference
from zgoda.sync.policy import Policy
from zgoda.sync.setup import Brakes, OnDelete, OnLeave

Role: TypeAlias = Literal["crm", "marketing", "generic"]

SettingValue: TypeAlias = Any
"""What a connection file says for a setting: plain data, or a `Reference` to it."""


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that takes part, with the user's rules for it. Durations in seconds; `filter` is CEL, empty for none."""

    stream: str
    entity: str
    maps: tuple[Map, ...]
    may: frozenset[Op]
    filter: str = ""
    on_delete: OnDelete = "ask"
    on_leave: OnLeave = "keep"
    delete_wins: bool = False
    quiet_s: float = 0.0
    poll_s: float = 60.0
    verify_s: float = 24 * 3600.0


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's account we talk to. `settings` are as written: resolve them with `connection_settings`."""

    name: str
    connector: str
    role: Role
    branch: str = ""
    settings: Mapping[str, SettingValue] = msgspec.field(default_factory=dict[str, Any])
    streams: tuple[StreamPlan, ...] = ()


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """Where the hub keeps its data: an embedded server in `folder`, or the PostgreSQL server at `url`."""

    folder: Path | None
    url: str | Reference = ""


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the hub's HTTP server listens."""

    host: str = "127.0.0.1"
    port: int = 8420


class ConsentNames(msgspec.Struct, frozen=True, kw_only=True):
    """Which consents exist. `fields` are their canonical names: `consent:CHANNEL:PURPOSE` and, for each brand,
    `consent:CHANNEL:PURPOSE:BRAND`."""

    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    brands: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the project folder says. `order` ranks connections for "rank of systems". `notes` tell what was left
    out without being a fault."""

    folder: Path
    name: str
    store: Store
    time_zone: str
    listen: Listen
    order: tuple[str, ...]
    brakes: Brakes
    merge_window_s: float
    connections: Mapping[str, Connection]
    entities: Mapping[str, Entity]
    policies: Mapping[str, Mapping[str, Policy]]
    identity: Mapping[str, IdentityRules]
    consents: ConsentNames
    notes: tuple[str, ...] = ()

    def sources(self) -> list[tuple[str, str, str]]:
        """Every (connection, stream, entity), for the database's table `source`."""
        return [(c.name, plan.stream, plan.entity) for c in self.connections.values() for plan in c.streams]
