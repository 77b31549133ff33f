"""Project folders for tests: a small good one, and what its loading says after a change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.settings.vendors import VENDORS
from zgoda.settings.compilation import compile_setup
from zgoda.settings.faults import Fault, ProjectError
from zgoda.settings.load import load_project
from zgoda.settings.mapping_file import Discovered
from zgoda.settings.project import Project
from zgoda.sync.setup import Setup

GOOD: Mapping[str, str] = {
    "zgoda.yaml": "name: acme\norder: [crm, news]\n",
    "connections/crm.yaml": (
        "connector: bigcrm\nsettings:\n  base_url: https://crm.example.com\n  token: ${env:CRM_TOKEN}\n"
    ),
    "connections/news.yaml": "connector: newsy\nsettings: {api_key: '${file:key.txt}'}\n",
}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def load(folder: Path, files: Mapping[str, str | bytes] | None = None, discovered: Discovered | None = None) -> Project:
    """The good project with these files instead of (or besides) its own."""
    write(folder, {**GOOD, **(files or {})})
    return load_project(folder, VENDORS, discovered)


def faults(
    folder: Path, files: Mapping[str, str | bytes] | None = None, discovered: Discovered | None = None
) -> tuple[Fault, ...]:
    """The faults of that project; empty if it has none."""
    try:
        load(folder, files, discovered)
    except ProjectError as error:
        return error.faults
    return ()


def said(folder: Path, files: Mapping[str, str | bytes], discovered: Discovered | None = None) -> list[str]:
    """The same, as the lines people see."""
    return [str(fault) for fault in faults(folder, files, discovered)]


def setup_of(project: Project) -> Setup:
    ids = {(connection, stream): n for n, (connection, stream, _) in enumerate(project.sources(), 1)}
    return compile_setup(project, VENDORS, ids)
