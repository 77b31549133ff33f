"""Keeps a twin's state in one file, replaced as a whole so that a crash leaves the old or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import msgspec

_VERSION = 1


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state atomically. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(msgspec.msgpack.encode({"version": _VERSION, "state": state}))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state, None when there is no file. Raises ValueError when the file is not a twin's."""
    if not path.exists():
        return None
    try:
        saved = msgspec.msgpack.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise ValueError(f"{path.name} is no twin state: {error}") from error
    if not isinstance(saved, dict) or cast(dict[str, Any], saved).get("version") != _VERSION:
        raise ValueError(f"{path.name} is of another version")
    return cast(dict[str, Any], saved)["state"]
