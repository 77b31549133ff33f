"""Secrets as references: `${env:NAME}` and `${file:path}`. A project never holds the value itself."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value is to be found when a connection is opened: a variable of the environment, or a file (relative to
    the project folder)."""

    kind: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"${{{self.kind}:{self.name}}}"


class BadReference(ValueError):
    """A reference that cannot be used; `hint` says what to write. The text itself is not repeated."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def read_reference(text: str) -> Reference | None:
    """The reference a text is, None if it is ordinary text. Raises `BadReference` for what only looks like one."""
    if "${" not in text:
        return None
    found = re.fullmatch(r"\$\{([a-z]*):([^${}\n]*)\}", text.strip())
    if found is None:
        raise BadReference("a reference stands alone", REFERENCES_LOOK_LIKE)
    match found[1]:
        case "env" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found[2], re.ASCII):
            return Reference(kind="env", name=found[2])
        case "env":
            raise BadReference("this is no name of an environment variable", "letters, digits and _ only")
        case "file" if found[2].strip():
            return Reference(kind="file", name=found[2].strip())
        case "file":
            raise BadReference("this reference names no file", "write ${file:path}")
        case "vault":
            raise BadReference("references to a vault are not available yet", "use ${env:NAME} or ${file:path}")
        case _:
            raise BadReference("this is no kind of reference", REFERENCES_LOOK_LIKE)


REFERENCES_LOOK_LIKE: Final = "write ${env:NAME} or ${file:path}"


def holds_password(text: str) -> bool:
    """Whether an address carries a password (`scheme://user:password@host`, or `password=` in its query)."""
    return bool(
        re.search(r"[a-z][a-z0-9+.-]*://[^/@\s]*:[^/\s]+@", text, re.IGNORECASE)
        or re.search(r"\bpassword=[^&\s]", text, re.IGNORECASE)
    )
