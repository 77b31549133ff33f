"""Before anything is opened: Python, the version, the disk, the project's files and where its secrets are."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from zgoda.app import read_project
from zgoda.settings.faults import ProjectError
from zgoda.settings.opening import read_secret_file
from zgoda.settings.project import Project
from zgoda.settings.references import Reference
from zgoda.settings.root_file import ROOT_FILE

from .finding import Finding, fail, ok, warn

OLDEST_PYTHON: Final = (3, 11)
GB: Final = 10**9
SPARE_GB: Final = 2.0
LEAST_GB: Final = 0.2
MOST_FAULTS: Final = 5


def examine_python() -> Finding:
    running = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return fail("python", f"this is Python {running}", "install Python 3.11 or newer, and zgoda into it")
    return ok("python", running)


def examine_version() -> Finding:
    return ok("version", f"zgoda {version('zgoda')}")


def examine_disk(folder: Path) -> Finding:
    """The disk of the project folder, where the embedded store lives."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free_gb = shutil.disk_usage(place).free / GB
    said = f"{free_gb:.1f} GB free at {place}"
    if free_gb < LEAST_GB:
        return fail("disk", said, "make room: a full disk stops the store")
    if free_gb < SPARE_GB:
        return warn("disk", said, "make room soon: a full disk stops the store")
    return ok("disk", said)


def examine_project(folder: Path) -> tuple[Project | None, Finding]:
    """The project, if its files are in order."""
    try:
        project = read_project(folder)
    except ProjectError as error:
        if not (folder / ROOT_FILE).exists():
            said = f"there is no project in {folder}"
            return None, fail("project", said, "`zgoda init FOLDER` writes one, `-C FOLDER` names one")
        listed = "; ".join(map(str, error.faults[:MOST_FAULTS]))
        counted = f"{len(error.faults)} fault{'s' * (len(error.faults) != 1)}"
        more = f" and {len(error.faults) - MOST_FAULTS} more" if len(error.faults) > MOST_FAULTS else ""
        return None, fail("project", f"{counted}: {listed}{more}", "mend them, then `zgoda validate`")
    streams = sum(len(connection.streams) for connection in project.connections.values())
    return project, ok("project", f"{project.name}: {len(project.connections)} connections, {streams} streams")


def examine_secrets(project: Project) -> list[Finding]:
    """Whether every reference leads somewhere. Values are looked at and never kept or shown."""
    found = [_secret(project.folder, where, reference) for where, reference in _references(project)]
    bad = [finding for finding in found if finding.level != "ok"]
    return bad or [ok("secrets", f"{len(found)} references, all of them lead somewhere")]


def _references(project: Project) -> Iterator[tuple[str, Reference]]:
    yield from _within("store", project.store.url)
    for name, connection in project.connections.items():
        for key, value in connection.settings.items():
            yield from _within(f"{name}: {key}", value)


def _within(where: str, value: Any) -> Iterator[tuple[str, Reference]]:
    if isinstance(value, Reference):
        yield where, value
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _within(where, item)


def _secret(folder: Path, where: str, reference: Reference) -> Finding:
    if reference.kind == "env":
        if os.environ.get(reference.name):
            return ok("secrets", where)
        return fail("secrets", f"{where}: ${reference.name} is not set", f"export {reference.name}=…")
    path = folder / reference.name
    try:
        there = bool(read_secret_file(path))
    except (OSError, ValueError) as error:
        said = f"{where}: {reference} cannot be read ({type(error).__name__})"
        return fail("secrets", said, f"write the secret into {path}")
    if not there:
        return fail("secrets", f"{where}: {reference} is empty", f"write the secret into {path}")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn("secrets", f"{where}: others on this machine may read {reference.name}", f"chmod 600 {path}")
    return ok("secrets", where)
