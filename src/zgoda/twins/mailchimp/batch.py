"""A batch of operations as it is kept."""

from __future__ import annotations

from typing import Any

import msgspec


class Batch(msgspec.Struct, kw_only=True):
    """`status` is pending, preprocessing, started, finalizing or finished. `archive` is the tar.gz of the results."""

    id: str
    operations: list[dict[str, Any]]
    submitted: str
    status: str = "pending"
    finished: int = 0
    errored: int = 0
    completed: str = ""
    archive: bytes = b""
