"""The floor of a merge: one loop over the fields, no policies, no claims, no explanation."""

from __future__ import annotations

from typing import Any


def merge_rows(base: dict[str, Any], here: dict[str, Any], there: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The merged record and the fields both sides changed; there, theirs stands."""
    merged: dict[str, Any] = {}
    conflicts: list[str] = []
    for name, was in base.items():
        ours, theirs = here[name], there[name]
        if ours == theirs or theirs == was:
            merged[name] = ours
        else:
            merged[name] = theirs
            if ours != was:
                conflicts.append(name)
    return merged, conflicts
