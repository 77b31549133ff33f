"""What an examination ends with."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: `about` names it, `said` tells how it is, `do` what to do next (empty if nothing).
    `warn` is worth a look, `fail` has to be mended."""

    about: str
    level: Literal["ok", "warn", "fail"]
    said: str
    do: str = ""


def ok(about: str, said: str) -> Finding:
    return Finding(about=about, level="ok", said=said)


def warn(about: str, said: str, do: str) -> Finding:
    return Finding(about=about, level="warn", said=said, do=do)


def fail(about: str, said: str, do: str) -> Finding:
    return Finding(about=about, level="fail", said=said, do=do)
