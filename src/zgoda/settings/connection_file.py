"""`connections/NAME.yaml`: a vendor's account, how to open it, and which of its streams take part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from zgoda.kit.errors import NeedsAttention
from zgoda.kit.spec import Connector, Setting, Stream
from zgoda.settings.conformity import conform
from zgoda.settings.document import plain_value
from zgoda.settings.faults import Faults, Mark
from zgoda.settings.nodes import Block, Listing, Node, Scalar
from zgoda.settings.project import Role
from zgoda.settings.references import Reference, read_reference
from zgoda.settings.shapes import (
    AnyOf,
    Duration,
    Form,
    Key,
    ListOf,
    MapOf,
    Plain,
    Secret,
    Shape,
    Text,
    Word,
)

CONNECTIONS: Final = "connections"
ROLES: Final[tuple[Role, ...]] = ("crm", "marketing", "generic")
STREAM_NAME: Final = r"[a-z][a-z0-9_]{0,40}"
DEFAULT_POLL_S: Final = 60.0
DEFAULT_VERIFY_S: Final = 24 * 3600.0

_POLL: Final = Key(
    name="poll",
    shape=Duration(least_s=1),
    meaning="How often to ask for changes, where no webhook tells of them",
    default="60s",
)
_VERIFY: Final = Key(
    name="verify",
    shape=Duration(example="1d", least_s=60),
    meaning="How often to compare everything, so that nothing missed stays missed",
    default="1d",
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection file says, before its mappings are known. `listed` names the streams the user chose (None: all
    that have a mapping) with how often to poll and verify them, in seconds."""

    name: str
    connector: Connector
    role: Role
    branch: str
    settings: Mapping[str, Any]
    streams: tuple[Stream, ...]
    listed: Mapping[str, Mark] | None
    poll_s: Mapping[str, float]
    verify_s: Mapping[str, float]


def connection_shape(
    connectors: Mapping[str, Connector], connector: Connector | None, streams: tuple[str, ...]
) -> Form:
    """What a connection file may say. Settings and streams are the connector's, if it is known."""
    return Form(
        of="a connection",
        keys=(
            Key(
                name="connector",
                shape=Word(of="connector", options=tuple(sorted(connectors))),
                meaning="The vendor's kind",
                required=True,
            ),
            Key(
                name="role",
                shape=Word(of="role", options=ROLES),
                meaning="What this system is to you, for reports and pictures",
                default=connector.role if connector else "the connector's",
            ),
            Key(
                name="branch",
                shape=Text(of="a branch", example="warsaw"),
                meaning="The branch or brand whose system this is",
                default="none",
            ),
            Key(
                name="settings",
                shape=_settings_shape(connector),
                meaning="How to open the connection; secrets only as ${env:NAME} or ${file:path}",
                required=connector is not None and any(map(_needed, connector.settings)),
            ),
            Key(
                name="streams",
                shape=_streams_shape(connector, streams),
                meaning="Which kinds of records take part, and how often to look",
                default="all that have a mapping",
            ),
            _POLL,
            _VERIFY,
        ),
    )


def _settings_shape(connector: Connector | None) -> Shape:
    if connector is None:
        return MapOf(key="a setting", value=AnyOf(item=Plain(references=True)))
    return Form(
        of=f"a {connector.title} connection",
        key_of="setting",
        keys=tuple(
            Key(
                name=setting.name,
                shape=_setting_shape(setting),
                meaning=setting.meaning,
                required=_needed(setting),
                default="" if setting.default is None else str(setting.default),
            )
            for setting in connector.settings
        ),
    )


def _needed(setting: Setting) -> bool:
    return setting.required and setting.default is None


def _setting_shape(setting: Setting, *, references: bool = True) -> Shape:
    if setting.secret:
        return Secret(example=f"${{env:{setting.name.upper()}}}")
    if setting.each:
        return _named_shape(setting)
    example = setting.example or ("" if setting.default is None else str(setting.default))
    if isinstance(setting.default, str) and not isinstance(plain_value(example), str):
        example = f'"{example}"'
    match setting.default:
        case bool():
            return Plain(kinds=frozenset({"boolean"}), example="true")
        case int() | float():
            return Plain(kinds=frozenset({"number"}), example=example)
        case str():
            return Plain(kinds=frozenset({"text"}), references=references, example=example)
        case list() | tuple():
            return ListOf(item=Plain(references=references))
        case _ if re.search("[A-Za-z]", example):
            return AnyOf(item=Plain(kinds=frozenset({"text"}), references=references, example=example))
        case _:
            return AnyOf(item=Plain(references=references))


def _named_shape(setting: Setting) -> Shape:
    """Names of the user's choice, each with settings of its own. Secrets have no place there."""
    one = Form(
        of=f"one of {setting.name}",
        key_of="setting",
        keys=tuple(
            Key(
                name=inner.name,
                shape=_setting_shape(inner, references=False),
                meaning=inner.meaning,
                required=_needed(inner),
                default="" if inner.default is None else str(inner.default),
            )
            for inner in setting.each
        ),
    )
    return MapOf(key="the name of a stream", value=one, example=setting.example, pattern=STREAM_NAME)


def _streams_shape(connector: Connector | None, streams: tuple[str, ...]) -> Shape:
    each = Form(of="a stream", keys=(_POLL, _VERIFY))
    if connector is None or not streams:
        return MapOf(key="a stream's name", value=each, example="contacts: {poll: 60s}")
    return Form(
        of=connector.title,
        key_of="stream",
        keys=tuple(Key(name=name, shape=each, meaning="Takes part") for name in streams),
    )


def read_account(name: str, node: Node, connectors: Mapping[str, Connector], faults: Faults) -> Account | None:
    """The connection of a file, or None where its connector is unknown. Further faults are noted."""
    raw = node if isinstance(node, Block) else Block(mark=node.mark)
    connector = connectors.get(raw.text("connector"))
    settings = read_settings(raw.block("settings"))
    streams = _streams(connector, settings, raw.mark_of("settings"), faults) if connector else ()
    shape = connection_shape(connectors, connector, tuple(stream.name for stream in streams))
    block = conform(node, shape, faults)
    if not isinstance(block, Block) or connector is None:
        return None
    listed = block.block("streams") if "streams" in block else None
    poll_s, verify_s = block.number("poll", DEFAULT_POLL_S), block.number("verify", DEFAULT_VERIFY_S)
    chosen = dict(listed) if listed else {}
    return Account(
        name=name,
        connector=connector,
        role=cast("Role", block.text("role", connector.role)),
        branch=block.text("branch"),
        settings=read_settings(block.block("settings")),
        streams=streams,
        listed=None if listed is None else {str(entry.key.value): entry.key.mark for entry in listed.entries},
        poll_s={s.name: _number(chosen.get(s.name), "poll", poll_s) for s in streams},
        verify_s={s.name: _number(chosen.get(s.name), "verify", verify_s) for s in streams},
    )


def read_settings(block: Block) -> dict[str, Any]:
    """Plain data, with references as `Reference`."""
    return {name: _value(node) for name, node in block}


def _value(node: Node) -> Any:
    match node:
        case Scalar(value=str() as text):
            try:
                return read_reference(text) or text
            except ValueError:
                return text
        case Scalar():
            return node.value
        case Listing():
            return [_value(item) for item in node.items]
        case Block():
            return {name: _value(item) for name, item in node}


def _streams(connector: Connector, settings: Mapping[str, Any], mark: Mark, faults: Faults) -> tuple[Stream, ...]:
    try:
        return streams_of(connector, settings)
    except NeedsAttention as error:
        faults.add(mark, str(error), error.do)
        return ()
    except Exception as error:
        faults.add(mark, f"these settings describe no streams: {type(error).__name__}")
        return ()


def streams_of(connector: Connector, settings: Mapping[str, Any]) -> tuple[Stream, ...]:
    """A connector's streams for these settings, defaults filled in. References stand for themselves, as text: streams
    cannot depend on a secret."""
    if not callable(connector.streams):
        return connector.streams
    given = {setting.name: setting.default for setting in connector.settings if setting.default is not None}
    said = {name: str(value) if isinstance(value, Reference) else value for name, value in settings.items()}
    return connector.streams({**given, **said})


def _number(node: Node | None, key: str, default: float) -> float:
    return node.number(key, default) if isinstance(node, Block) else default
