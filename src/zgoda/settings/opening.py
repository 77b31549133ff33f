"""What is needed to open a connection or the store: settings with their secrets, fetched now and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from zgoda.settings.project import Project
from zgoda.settings.references import Reference

Environ: TypeAlias = Mapping[str, str]
Files: TypeAlias = Callable[[Path], str]
"""Gives the text of a secret's file; raises `OSError` or `ValueError` if it cannot."""

MOST_CHARACTERS: Final = 64_000


class Unresolved(Exception):
    """A reference that leads nowhere. Names the setting and the reference, never a value."""


def connection_settings(project: Project, name: str, environ: Environ, files: Files) -> dict[str, Any]:
    """A connection's settings with every reference resolved. Raises `Unresolved`.

    Defaults are the connector's business; `zgoda.kit.connection` adds them.
    """
    settings = project.connections[name].settings
    return {key: _resolved(value, f"{name}: {key}", project.folder, environ, files) for key, value in settings.items()}


def store_url(project: Project, environ: Environ, files: Files) -> str:
    """The store's URL; empty where the store is a folder. Raises `Unresolved`."""
    return str(_resolved(project.store.url, "store", project.folder, environ, files))


def read_secret_file(path: Path) -> str:
    """The text of a file without the line end editors add. What `files` is outside tests."""
    with path.open(encoding="utf-8") as file:
        text = file.read(MOST_CHARACTERS + 1)
    if len(text) > MOST_CHARACTERS:
        raise ValueError("too large to be a secret")
    return text.rstrip("\r\n")


def _resolved(value: Any, where: str, folder: Path, environ: Environ, files: Files) -> Any:
    match value:
        case Reference(kind="env"):
            found = environ.get(value.name, "")
            if not found:
                raise Unresolved(f"{where}: {value} is not set")
            return found
        case Reference():
            try:
                found = files(folder / value.name)
            except (OSError, ValueError) as error:
                raise Unresolved(f"{where}: {value} cannot be read ({type(error).__name__})") from None
            if not found:
                raise Unresolved(f"{where}: {value} is empty")
            return found
        case list():
            return [_resolved(item, where, folder, environ, files) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
