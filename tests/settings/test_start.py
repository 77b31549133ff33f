"""`init`: a small project that passes every check, explains every key, and overwrites nothing (T-73)."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import jsonschema
import pytest

from tests.settings.vendors import BIGCRM, NEWSY, VENDORS
from zgoda.app import CONNECTORS
from zgoda.kit.spec import Connector
from zgoda.settings.document import read_document
from zgoda.settings.faults import Faults
from zgoda.settings.load import load_project
from zgoda.settings.nodes import data_of
from zgoda.settings.schemas import json_schemas
from zgoda.settings.start import ProjectExists, init_project

PAIRS = [*combinations(CONNECTORS.values(), 2), (NEWSY, BIGCRM)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(c.key for c in pair))
def test_what_init_writes_passes_every_check(tmp_path: Path, pair: tuple[Connector, Connector]) -> None:
    written = init_project(tmp_path / "acme", pair)
    connectors = {c.key: c for c in pair}
    project = load_project(tmp_path / "acme", connectors)
    assert project.name == "acme"
    assert set(project.connections) == set(connectors)
    assert all(connection.streams for connection in project.connections.values())
    assert project.notes == ()
    schemas = json_schemas(connectors)
    for path in written:
        header = path.read_text().splitlines()[0]
        place = (path.parent / header.removeprefix("# yaml-language-server: $schema=")).resolve()
        assert place.is_file()
        node = read_document(path, path.name, Faults())
        assert node is not None
        jsonschema.validate(data_of(node), schemas[place.name])


def test_the_crm_ranks_first(tmp_path: Path) -> None:
    init_project(tmp_path, (NEWSY, BIGCRM), name="x: y")
    project = load_project(tmp_path, VENDORS)
    assert project.order == ("bigcrm", "newsy")
    assert project.name == "x: y"


def test_every_key_is_explained(tmp_path: Path) -> None:
    """Above each key that is said stands its meaning."""
    for path in init_project(tmp_path, (BIGCRM, NEWSY)):
        lines = path.read_text().splitlines()
        keys = [n for n, line in enumerate(lines) if re.match(r" *[a-z_]+:", line)]
        assert keys, path
        for n in keys:
            alone = lines[n - 1].strip() == "default:"  # its only key follows at once
            assert lines[n - 1].lstrip().startswith("# ") or alone, (path.name, lines[n])


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "policies.yaml").write_text("mine")
    with pytest.raises(ProjectExists, match=r"policies\.yaml exists already; nothing was written"):
        init_project(tmp_path, (BIGCRM, NEWSY))
    assert [path.name for path in tmp_path.iterdir()] == ["policies.yaml"]
    assert (tmp_path / "policies.yaml").read_text() == "mine"


def test_git_ignores_the_data_and_keeps_what_was_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    init_project(tmp_path, (BIGCRM, NEWSY))
    assert (tmp_path / ".gitignore").read_text() == "*.log\n.zgoda/\n"


def test_no_secret_is_asked_for_in_a_file(tmp_path: Path) -> None:
    init_project(tmp_path, (BIGCRM, NEWSY))
    text = (tmp_path / "connections" / "bigcrm.yaml").read_text()
    assert "\n  token: ${env:BIGCRM_TOKEN}\n" in text
    assert '\n  # api_version: "59.0"\n' in text
