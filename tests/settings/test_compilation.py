"""From project to `Setup`: what arrives in the engine, and the version that changes with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.settings.folders import GOOD, load, setup_of, write
from tests.settings.vendors import CONTACTS, VENDORS
from zgoda.settings.compilation import compile_setup
from zgoda.sync.setup import parents_first

MAPPING = (
    "contacts:\n  filter: country == 'PL'\n  may: [update]\n  on_delete: unlink\n  on_leave: hold\n"
    "  delete_wins: true\n  quiet: 10s\n  fields:\n    - {field: email, required: true}\n"
)


def test_sources_carry_what_the_project_says(tmp_path: Path) -> None:
    setup = setup_of(load(tmp_path, {"mappings/crm.yaml": MAPPING}))
    source = setup.find("crm", "contacts")
    assert source is not None
    assert setup.sources[source.id] is source
    assert source.entity.name == "person"
    assert source.may == {"update"}
    assert (source.on_delete, source.on_leave, source.delete_wins) == ("unlink", "hold", True)
    assert (source.quiet_s, source.poll_s, source.sweep_s) == (10, 60, 86400)
    assert source.required == ("email",)
    assert source.stream is next(s for s in VENDORS["bigcrm"].streams if s.name == "contacts")  # pyright: ignore
    assert set(source.mapping.by_field) == {m.field for m in CONTACTS}
    assert source.mapping.read({"Email": "a@b.example", "NoMail": True}).values == {
        "email": "a@b.example",
        "consent:email:marketing": "withdrawn",
    }


def test_the_dialect_of_the_connector_is_used(tmp_path: Path) -> None:
    source = setup_of(load(tmp_path)).find("news", "members")
    assert source is not None
    assert source.mapping.write({"given_name": None}, creating=False) == ({"merge": {"FNAME": ""}}, [])


def test_entities_come_parents_first_and_all_have_rules(tmp_path: Path) -> None:
    project = load(tmp_path)
    setup = setup_of(project)
    assert setup.entities == parents_first(project.entities)
    assert set(setup.fields) == set(setup.identity) == set(project.entities)
    for entity in setup.entities:
        assert set(entity.fields) <= set(setup.fields[entity.name])
    for source in setup.sources.values():
        assert source.mapping.readable <= set(setup.fields[source.entity.name])


def test_ids_come_from_the_database(tmp_path: Path) -> None:
    project = load(tmp_path)
    assert project.sources() == [
        ("crm", "companies", "organization"),
        ("crm", "contacts", "person"),
        ("crm", "deals", "deal"),
        ("crm", "visits", "interaction"),
        ("news", "members", "person"),
    ]
    ids = {(c, s): 100 + n for n, (c, s, _) in enumerate(project.sources())}
    assert set(compile_setup(project, VENDORS, ids).sources) == {100, 101, 102, 103, 104}
    del ids[("crm", "deals")]
    with pytest.raises(KeyError, match="deals"):
        compile_setup(project, VENDORS, ids)


CHANGES: dict[str, dict[str, str]] = {
    "order": {"zgoda.yaml": "name: acme\norder: [news, crm]\n"},
    "merge window": {"zgoda.yaml": "name: acme\norder: [crm, news]\nmerge_window: 1m1s\n".replace("1m1s", "61s")},
    "custom field": {
        "zgoda.yaml": GOOD["zgoda.yaml"] + "entities: {person: {x: {type: text, meaning: x, category: none}}}\n"
    },
    "policy": {"policies.yaml": "person: {email: ask}\n"},
    "tolerance": {"policies.yaml": "default: {most_recent: {tolerance: 61s}}\n"},
    "identity": {"identity.yaml": "person: {unkeyed: create}\n"},
    "consents": {"consent.yaml": "brands: [kids]\n"},
    "filter": {"mappings/crm.yaml": "contacts: {filter: 'score > 1'}\n"},
    "may": {"mappings/crm.yaml": "contacts: {may: [create, update, delete]}\n"},
    "on_delete": {"mappings/crm.yaml": "contacts: {on_delete: unlink}\n"},
    "row": {"mappings/crm.yaml": "contacts: {fields: [{field: email, nulls: ignore}]}\n"},
    "required": {"mappings/crm.yaml": "contacts: {fields: [{field: email, required: true}]}\n"},
    "streams": {"connections/crm.yaml": GOOD["connections/crm.yaml"] + "streams: {companies: , contacts: , deals: }\n"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_version_changes_with_what_influences_merging(tmp_path: Path, change: dict[str, str]) -> None:
    before = setup_of(load(tmp_path)).version
    assert setup_of(load(tmp_path, change)).version != before


@pytest.mark.parametrize(
    "change",
    [
        {"zgoda.yaml": "order: [crm, news]   # rank\nname: another\nlisten: 0.0.0.0:80\nbrakes: {canary: 1}\n"},
        {"connections/crm.yaml": GOOD["connections/crm.yaml"] + "poll: 1s\nrole: generic\n"},
        {"mappings/crm.yaml": "contacts: {fields: [{field: email}]}\n"},
        {"policies.yaml": "person: {email: {most_recent: {tolerance: 1m}}}\n"},
        {"policies.yaml": "person: {keywords: union, lifecycle_stage: ratchet}\n"},
    ],
)
def test_the_version_stays_when_nothing_that_counts_changed(tmp_path: Path, change: dict[str, str]) -> None:
    before = setup_of(load(tmp_path)).version
    assert setup_of(load(tmp_path, change)).version == before


def test_source_ids_do_not_count(tmp_path: Path) -> None:
    project = load(tmp_path)
    ids: Callable[[int], dict[tuple[str, str], int]] = lambda first: {  # noqa: E731
        (c, s): first + n for n, (c, s, _) in enumerate(project.sources())
    }
    assert compile_setup(project, VENDORS, ids(1)).version == compile_setup(project, VENDORS, ids(50)).version


def test_the_version_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Sets are in it, and their order differs between processes."""
    write(tmp_path, {**GOOD, "identity.yaml": "person: {blocked: [a@b.example, c@d.example, e@f.example]}\n"})
    code = (
        "import sys; from pathlib import Path; from tests.settings.folders import load, setup_of; "
        "print(setup_of(load(Path(sys.argv[1]))).version)"
    )
    versions = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(versions) == 1
