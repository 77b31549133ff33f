"""Writes a small project to begin with: every key it may have, in plain words, those that are needed filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from zgoda.kit.spec import Connector, Setting
from zgoda.model.values import CONSENT_PREFIX
from zgoda.settings.conformity import example_of
from zgoda.settings.connection_file import CONNECTIONS, ROLES, connection_shape, streams_of
from zgoda.settings.consent_file import CONSENT_FILE, CONSENT_SHAPE, DEFAULT_CHANNELS, DEFAULT_PURPOSES
from zgoda.settings.document import plain_value
from zgoda.settings.identity_file import IDENTITY_FILE
from zgoda.settings.policies_file import POLICIES_FILE
from zgoda.settings.policy_shape import policy_shape
from zgoda.settings.root_file import ROOT_FILE, root_shape
from zgoda.settings.schemas import schema_header, write_schemas
from zgoda.settings.shapes import Form, Key


class ProjectExists(Exception):
    """There is a project, or a part of one, already. Nothing was written."""


def init_project(folder: Path, connectors: Sequence[Connector], name: str = "") -> list[Path]:
    """Write a project that connects these systems (usually a CRM and a marketing platform) and passes all checks.
    Without any it waits for its first connection.

    Returns the files written. Raises `ProjectExists` rather than overwrite one. An existing `.gitignore` gets one line
    more.
    """
    ranked = sorted(connectors, key=lambda c: (ROLES.index(c.role), c.key))
    files = {
        ROOT_FILE: _root(name or folder.absolute().name or "zgoda", ranked),
        **{f"{CONNECTIONS}/{c.key}.yaml": connection_text(c.key, c, {}) for c in ranked},
        POLICIES_FILE: _policies(ranked),
        IDENTITY_FILE: _IDENTITY,
        CONSENT_FILE: _consent(ranked),
    }
    present = [file for file in files if (folder / file).exists()]
    if present:
        raise ProjectExists(
            f"{', '.join(present)} {'exists' if len(present) == 1 else 'exist'} already; nothing was written"
        )
    written = [_write_new(folder / file, text) for file, text in files.items()]
    _ignore(folder / ".gitignore")
    write_schemas(folder, {c.key: c for c in ranked})
    return written


def _write_new(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as opened:
        opened.write(text)
    return path


def _ignore(path: Path) -> None:
    """Data and secrets' neighbours stay out of git."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if ".zgoda/" not in lines:
        path.write_text("\n".join([*lines, ".zgoda/", ""]), encoding="utf-8")


def _root(name: str, connectors: Sequence[Connector]) -> str:
    said = {"name": _quoted(name)}
    if connectors:
        said["order"] = f"[{', '.join(c.key for c in connectors)}]"
    keys = [msgspec.structs.replace(key, default="") if key.name in said else key for key in root_shape(()).keys]
    return _file("zgoda", "What this hub connects, and where it keeps its data.", _keys(keys, said), _CUSTOM_FIELDS)


_CUSTOM_FIELDS: Final = """\
# entities:
#   person:
#     loyalty_level:
#       type: choice
#       order: [bronze, silver, gold]
#       meaning: Level in the loyalty programme
#       category: user.preference
"""


def connection_text(name: str, connector: Connector, said: Mapping[str, str]) -> str:
    """A connection file that explains every key. `said` are settings as they stand in YAML; those that are needed and
    not said get an example, or a reference to a variable called after the connection."""
    streams = streams_of(connector, {})
    shape = connection_shape({connector.key: connector}, connector, tuple(s.name for s in streams))
    top = [key for key in shape.keys if key.name not in ("settings", "streams")]
    told = {"connector": connector.key}
    settings = "\n".join(_setting(name, setting, said) for setting in connector.settings)
    listed = "".join(f"#   {s.name}:{' ' * max(1, 24 - len(s.name))}# {s.title or s.entity}\n" for s in streams)
    return _file(
        f"connection-{connector.key}",
        f"{connector.title}. What its fields mean is changed in mappings/{name}.yaml.",
        _keys(top, told),
        "# How to open the connection; secrets only as ${env:NAME} or ${file:path}\nsettings:\n" + settings,
        "# Which kinds of records take part. Without this key: all of them.\n# streams:\n" + listed,
        depth=1,
    )


def _setting(name: str, setting: Setting, said: Mapping[str, str]) -> str:
    needed = setting.required and setting.default is None
    note = f"  # {setting.meaning}" + ("" if setting.default is None else f" (default: {_yaml(setting.default)})")
    mark = "" if needed or setting.name in said else "# "
    value = said.get(setting.name) or _setting_value(name, setting)
    return f"{note}\n  {mark}{setting.name}: {value}\n"


def _setting_value(name: str, setting: Setting) -> str:
    if setting.default is not None:
        return _yaml(setting.default)
    if setting.each:
        return setting.example
    if setting.secret or not setting.example:
        return secret_reference(name, setting)
    return _yaml(setting.example)


def secret_reference(name: str, setting: Setting) -> str:
    """The variable a connection's setting is looked for in, unless the user says another."""
    return f"${{env:{name.upper()}_{setting.name.upper()}}}"


def setting_yaml(setting: Setting, text: str) -> str:
    """A setting's value, as it was typed, as it has to stand in YAML. Raises `ValueError` saying what is expected."""
    match setting.default:
        case _ if setting.each or isinstance(setting.default, list | tuple):
            return text  # YAML already: a mapping or a list, checked with the file
        case bool() if text not in ("true", "false"):
            raise ValueError("true or false")
        case int() | float() if not isinstance(plain_value(text), int | float):
            raise ValueError("a number")
        case bool() | int() | float():
            return text
        case None if isinstance(plain_value(setting.example), int | float):
            return text
        case _:
            return _yaml(text)


def _policies(connectors: Sequence[Connector]) -> str:
    first = connectors[0].key if connectors else "crm"
    shape = policy_shape(tuple(c.key for c in connectors))
    words = "".join(f"#   {key.name:<12} {key.meaning}\n" for key in shape.keys)
    return _file(
        "policies",
        "Which value prevails when systems say different things. What a policy does: zgoda policy explain person.email",
        f"# The policies:\n{words}#\n# Consent takes none: the most restrictive word wins.\n",
        "# For all fields without a policy of their own. Sets are united, ordered choices only move forward.\n"
        "default:\n  most_recent:\n    # edits closer together than this count as simultaneous\n    tolerance: 60s\n"
        "    # who wins then: rank (the order in zgoda.yaml) or ask (a person decides)\n    then: rank\n",
        "# For single fields, by entity\n# person:\n"
        f"#   email: {{prefer: {first}}}\n#   job_title: {{prefer: {{system: {first}, unless_blank: true}}}}\n"
        "#   score: max\n#   description: ask\n",
    )


_IDENTITY: Final = f"""\
{schema_header("identity")}
# By which values a new record is recognised as one we know. Without this file the built-in rules hold:
# people by e-mail, or by telephone and name; organisations by tax number, domain, or name and town.

# People; other entities have the same keys
person:
  # A person nothing identifies: hold (wait for somebody to look) or create (in the other systems, too)
  unkeyed: hold

  # Values that identify nobody, such as an address many people share
  # blocked: ["reception@example.com"]

  # Rules of your own, strongest first; they replace the built-in ones
  # match:
  #   - fields: {{email: email}}
  #     guarded: true
  #   - name: mobile+name
  #     fields: {{mobile: phone, family_name: name, given_name: name}}
"""


def _consent(connectors: Sequence[Connector]) -> str:
    carried = [
        m.field.removeprefix(CONSENT_PREFIX).split(":")
        for connector in connectors
        for stream in streams_of(connector, {})
        for m in stream.mapping
        if m.field.startswith(CONSENT_PREFIX)
    ]
    channels = dict.fromkeys([*DEFAULT_CHANNELS, *sorted(parts[0] for parts in carried)])
    purposes = dict.fromkeys([*DEFAULT_PURPOSES, *sorted(parts[1] for parts in carried)])
    said = {"channels": f"[{', '.join(channels)}]", "purposes": f"[{', '.join(purposes)}]"}
    keys = [msgspec.structs.replace(key, default="") if key.name in said else key for key in CONSENT_SHAPE.keys]
    about = "Which consents exist. There is no policy for them: the most restrictive word wins."
    return _file("consent", about, _keys(keys, said))


def _keys(keys: Sequence[Key], said: Mapping[str, str]) -> str:
    """Each key with its meaning: said, or as a comment that shows how to say it."""
    lines: list[str] = []
    for key in keys:
        if isinstance(key.shape, Form) and key.name == "entities":
            lines.append(f"# {key.meaning}")
            continue
        lines.append(f"# {key.meaning}" + (f" (default: {key.default})" if key.default else ""))
        if key.name in said:
            lines.append(f"{key.name}: {said[key.name]}\n")
        elif isinstance(key.shape, Form):
            lines.append(f"# {key.name}:")
            for inner in key.shape.keys:
                lines.append(f"#   # {inner.meaning}")
                lines.append(f"#   {inner.name}: {inner.default}")
            lines.append("")
        else:
            lines.append(f"# {example_of(key)}\n")
    return "\n".join(lines)


def _file(schema: str, about: str, *parts: str, depth: int = 0) -> str:
    body = "\n".join(part if part.endswith("\n") else part + "\n" for part in parts)
    return f"{schema_header(schema, depth=depth)}\n# {about}\n\n{body}"


def _yaml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case list() | tuple():
            return "[" + ", ".join(_yaml(item) for item in value) + "]"  # pyright: ignore[reportUnknownVariableType]
        case _:
            return str(value)


def _quoted(text: str) -> str:
    """JSON strings are YAML strings."""
    return msgspec.json.encode(text).decode()
