"""Project files: every fault with file, line and column, all together, with the nearest right word (T-73)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.folders import GOOD, faults, load, said, write
from tests.settings.vendors import VENDORS
from zgoda.identity.match import DEFAULT_RULES
from zgoda.model.entities import Category, FieldType
from zgoda.settings.faults import ProjectError
from zgoda.settings.load import load_project
from zgoda.settings.references import Reference
from zgoda.sync.setup import Brakes

SETTINGS = "settings:\n  base_url: https://crm.example.com\n  token: ${env:T}\n"


def test_a_small_project_gets_all_the_defaults(tmp_path: Path) -> None:
    project = load(tmp_path)
    assert project.name == "acme"
    assert project.order == ("crm", "news")
    assert project.store.folder == tmp_path / ".zgoda" / "db"
    assert project.time_zone == "UTC"
    assert (project.listen.host, project.listen.port) == ("127.0.0.1", 8420)
    assert project.brakes == Brakes()
    assert project.merge_window_s == 60
    crm = project.connections["crm"]
    assert (crm.connector, crm.role) == ("bigcrm", "crm")
    assert [plan.stream for plan in crm.streams] == ["companies", "contacts", "deals", "visits"]
    contacts = crm.streams[1]
    assert contacts.may == {"create", "update"}
    assert (contacts.on_delete, contacts.on_leave, contacts.filter) == ("ask", "keep", "")
    assert (contacts.poll_s, contacts.verify_s, contacts.quiet_s) == (60, 86400, 0)
    assert crm.streams[3].may == frozenset()
    assert project.identity["person"] == DEFAULT_RULES["person"]


def test_all_files_and_all_keys_are_understood(tmp_path: Path) -> None:
    files = {
        "zgoda.yaml": (
            "name: acme\nstore: data\norder: [news, crm]\ntime_zone: Europe/Warsaw\nlisten: '[::1]:9000'\n"
            "merge_window: 5m\nbrakes: {delete_share: 2%, canary: 10, change_window: 2h, field_share: 0.1}\n"
            "entities:\n  person:\n    level:\n      {type: choice, order: [low, high], meaning: Level, "
            "category: user.preference}\n"
        ),
        "connections/crm.yaml": (
            "connector: bigcrm\nrole: generic\nbranch: warsaw\npoll: 5m\nverify: 2d\n" + SETTINGS + "  codes: true\n"
            "streams:\n  companies:\n  contacts: {poll: 10s, verify: 1h}\n"
        ),
        "mappings/crm.yaml": (
            "contacts:\n  filter: country != 'RU'\n  may: [update, delete]\n  on_delete: propagate\n  on_leave: hold\n"
            "  delete_wins: true\n  quiet: 30s\n  drop: [telephone]\n"
            "  fields:\n    - {field: given_name, nulls: fill}\n    - {field: level, vendor: Level}\n"
        ),
        "consent.yaml": "channels: [email]\npurposes: [marketing, events]\nbrands: [kids]\n",
    }
    project = load(tmp_path, files)
    assert project.store.folder == tmp_path / "data"
    assert project.order == ("news", "crm")
    assert (project.listen.host, project.listen.port) == ("::1", 9000)
    assert project.merge_window_s == 300
    brakes = project.brakes
    assert (brakes.delete_share, brakes.canary, brakes.change_window_s, brakes.field_share) == (0.02, 10, 7200, 0.1)
    assert brakes.delete_floor == Brakes().delete_floor
    level = project.entities["person"].fields["level"]
    assert (level.type, level.category, level.order) == (FieldType.CHOICE, Category.PREFERENCE, ("low", "high"))
    crm = project.connections["crm"]
    assert (crm.role, crm.branch, crm.settings["codes"]) == ("generic", "warsaw", True)
    assert crm.settings["token"] == Reference(kind="env", name="T")
    companies, contacts = crm.streams
    assert (companies.poll_s, companies.verify_s) == (300, 172800)
    assert (contacts.poll_s, contacts.verify_s) == (10, 3600)
    assert contacts.may == {"update", "delete"}
    assert (contacts.on_delete, contacts.on_leave, contacts.delete_wins) == ("propagate", "hold", True)
    assert contacts.quiet_s == 30
    rows = {m.field: m for m in contacts.maps}
    assert rows["given_name"].vendor == "First"
    assert rows["given_name"].nulls == "fill"
    assert rows["level"].vendor == "Level"
    assert "telephone" not in rows
    assert project.consents.fields == (
        "consent:email:marketing",
        "consent:email:events",
        "consent:email:marketing:kids",
        "consent:email:events:kids",
    )


ROOT = "zgoda.yaml"
CRM = "connections/crm.yaml"

WRONG: list[tuple[str, str, str]] = [
    (
        ROOT,
        "order: [crm]\n",
        "zgoda.yaml:1:1: the project needs name (A name for the project, shown in the console and",
    ),
    (ROOT, "name: [acme]\n", "zgoda.yaml:1:7: the project's name is expected, found a list (for example acme)"),
    (ROOT, "name: 5\n", "zgoda.yaml:1:7: the project's name is expected, found a number (put it in quotes)"),
    (ROOT, "- name: x\n", "zgoda.yaml:1:1: a mapping is expected (the project), found a list (for example key: value)"),
    (ROOT, "name: a\nordr: [crm]\n", "zgoda.yaml:2:1: the project has no key ordr (did you mean order?)"),
    (ROOT, "name: a\norder: [crm, nws]\n", "zgoda.yaml:2:14: there is no connection nws (did you mean news?)"),
    (ROOT, "name: a\norder: [crm, crm]\n", "zgoda.yaml:2:14: crm has two ranks (keep one)"),
    (ROOT, "name: a\norder: crm\n", "zgoda.yaml:2:8: a list is expected, found other text (for example [salesforce,"),
    (ROOT, "name: a\ntime_zone: Warsaw\n", "zgoda.yaml:2:12: there is no time zone Warsaw (did you mean Europe/War"),
    (ROOT, "name: a\nlisten: 8080\n", "zgoda.yaml:2:9: host and port is expected, found a number (put it in quotes)"),
    (ROOT, "name: a\nlisten: 'x:99999'\n", "zgoda.yaml:2:9: a port is a number from 1 to 65535"),
    (ROOT, "name: a\nmerge_window: 60\n", "zgoda.yaml:2:15: a duration is expected, found a number (say the unit: 60s"),
    (ROOT, "name: a\nmerge_window: 60 parsecs\n", "zgoda.yaml:2:15: a duration is expected, found other text (for ex"),
    (ROOT, "name: a\nmerge_window: 9999999d\n", "zgoda.yaml:2:15: a duration is expected"),
    (ROOT, "name: a\nstore: mysql://x/y\n", "zgoda.yaml:2:8: the store is a PostgreSQL server or a folder"),
    (ROOT, "name: a\nbrakes: {delete_share: 150%}\n", "zgoda.yaml:2:24: a share of 0 to 1 is expected"),
    (ROOT, "name: a\nbrakes: {canary: -1}\n", "zgoda.yaml:2:18: a whole number is expected"),
    (ROOT, "name: a\nbrakes: {canary: true}\n", "zgoda.yaml:2:18: a whole number is expected, found true or false"),
    (ROOT, "name: a\nbrakes: {canari: 1}\n", "zgoda.yaml:2:10: brakes has no key canari (did you mean canary?)"),
    (ROOT, "name: a\nentities: {persn: {}}\n", "zgoda.yaml:2:12: entities has no entity persn (did you mean person?)"),
    (
        ROOT,
        "name: a\nentities: {person: {email: {type: text, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:28: person has a field email already",
    ),
    (
        ROOT,
        "name: a\nentities: {person: {x: {type: strng, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:31: there is no field type strng (known are boolean, choice",
    ),
    (ROOT, "name: a\nentities: {person: {x: {type: text}}}\n", "zgoda.yaml:2:24: a custom field needs meaning"),
    (
        ROOT,
        "name: a\nentities: {person: {in: {type: text, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:25: in cannot be a field's name (for example person_in)",
    ),
    (
        ROOT,
        "name: a\nentities: {person: {Big Name: {type: text, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:21: Big Name cannot be a field's name",
    ),
    (
        ROOT,
        "name: a\nentities: {person: {boss: {type: ref, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:27: a ref needs refers_to",
    ),
    (
        ROOT,
        "name: a\nentities: {person: {x: {type: text, order: [a], meaning: x, category: none}}}\n",
        "zgoda.yaml:2:44: order is for fields of type choice (this one is text)",
    ),
    (
        ROOT,
        "name: a\nentities: {person: {x: {type: consent, meaning: x, category: none}}}\n",
        "zgoda.yaml:2:31: there is no field type consent",
    ),
    (
        CRM,
        "connector: bigcrn\n" + SETTINGS,
        "connections/crm.yaml:1:12: there is no connector bigcrn (did you mean bigc",
    ),
    (CRM, SETTINGS, "connections/crm.yaml:1:1: a connection needs connector"),
    (CRM, "connector: bigcrm\n", "connections/crm.yaml:1:1: a connection needs settings (How to open the connection"),
    (
        CRM,
        "connector: bigcrm\nsettings: {token: '${env:T}'}\n",
        "connections/crm.yaml:2:11: a Big CRM connection needs base_url (Its address; base_url: https://crm.example.com)",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "  tokn: x\n",
        "connections/crm.yaml:5:3: a Big CRM connection has no setting tokn (did you mean token?)",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "  api_version: 59.0\n",
        "connections/crm.yaml:5:16: a text is expected, found a number (put it in quotes)",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "  codes: yes\n",
        "connections/crm.yaml:5:10: true or false is expected, found other text (for example true)",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "streams: {contcts: }\n",
        "connections/crm.yaml:5:11: Big CRM has no stream contcts (did you mean contacts?)",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "streams: [contacts]\n",
        "connections/crm.yaml:5:10: a mapping is expected (Big CRM), found a list",
    ),
    (
        CRM,
        "connector: bigcrm\n" + SETTINGS + "streams: {contacts: {poll: 0s}}\n",
        "connections/crm.yaml:5:28: a duration of at least 1s is expected",
    ),
    (
        CRM,
        "connector: bigcrm\nrole: crmm\n" + SETTINGS,
        "connections/crm.yaml:2:7: there is no role crmm (did you mean",
    ),
    (
        "consent.yaml",
        "channels: [E-Mail, email, phone]\n",
        "consent.yaml:1:12: a channel is expected, found other text",
    ),
    (
        "consent.yaml",
        "channels: [phone]\n",
        "consent.yaml:1:1: crm/contacts carries consent:email:marketing, which does not exist",
    ),
    (
        "mappings/cmr.yaml",
        "{}",
        "mappings/cmr.yaml:1:1: there is no connection cmr (mapping files are called like their",
    ),
    ("polices.yaml", "{}", "polices.yaml:1:1: this file is none of a project's files (did you mean policies.yaml?)"),
    ("policies.yml", "{}", "policies.yml:1:1: this file is none of a project's files (did you mean policies.yaml?)"),
    ("connections/x.yml", "{}", "connections/x.yml:1:1: project files end in .yaml (rename it to x.yaml)"),
    ("connections/My CRM.yaml", "{}", "connections/My CRM.yaml:1:1: a connection cannot be called like this"),
]


@pytest.mark.parametrize(("file", "text", "expected"), WRONG, ids=[f"{w[0]}-{n}" for n, w in enumerate(WRONG)])
def test_faults_have_their_place_and_a_hint(tmp_path: Path, file: str, text: str, expected: str) -> None:
    lines = said(tmp_path, {file: text})
    assert any(line.startswith(expected) for line in lines), lines


def test_all_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    """T-73: never only the first."""
    files = {
        "zgoda.yaml": "nam: x\nmerge_window: soon\n",
        "connections/crm.yaml": "connector: bigcrm\nsettings: {token: abc, base_url: 5}\nstreams: {people: }\n",
        "connections/news.yaml": "a: 'unclosed\n",
        "mappings/crm.yaml": "contacts:\n  filter: contry == 'PL' && scor > 3\n  fields: [{field: emial, vendor: E}]\n",
        "policies.yaml": "person: {email: {preffer: crm}, job_title: union}\n",
        "identity.yaml": "person: {unkeyed: maybe}\n",
        "consent.yaml": "chanels: []\n",
    }
    found = faults(tmp_path, files)
    assert {fault.file for fault in found} == set(files)
    places = [(fault.file, fault.line, fault.column) for fault in found]
    assert places == sorted(places)
    expected = [
        ("connections/crm.yaml", 2, 19),
        ("connections/crm.yaml", 2, 34),
        ("connections/crm.yaml", 3, 11),
        ("connections/news.yaml", 2, 1),
        ("consent.yaml", 1, 1),
        ("identity.yaml", 1, 19),
        ("mappings/crm.yaml", 2, 11),
        ("mappings/crm.yaml", 2, 29),
        ("mappings/crm.yaml", 3, 20),
        ("policies.yaml", 1, 18),
        ("policies.yaml", 1, 44),
        ("zgoda.yaml", 1, 1),
        ("zgoda.yaml", 2, 15),
    ]
    assert set(expected) <= set(places)


def test_the_error_prints_a_line_for_each_fault(tmp_path: Path) -> None:
    write(tmp_path, {**GOOD, "zgoda.yaml": "nam: x\n"})
    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path, VENDORS)
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    assert len(caught.value.faults) == 2


def test_an_empty_folder_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"zgoda\.yaml:1:1: there is no project here \(zgoda init"):
        load_project(tmp_path, VENDORS)
    with pytest.raises(ProjectError, match="there is no project here"):
        load_project(tmp_path / "nowhere", VENDORS)


def test_a_project_without_connections_is_none(tmp_path: Path) -> None:
    write(tmp_path, {"zgoda.yaml": "name: acme\n"})
    with pytest.raises(ProjectError, match="the project has no connections"):
        load_project(tmp_path, VENDORS)


def test_unranked_connections_follow_crm_first(tmp_path: Path) -> None:
    files = {
        "zgoda.yaml": "name: acme\n",
        "connections/a_news.yaml": GOOD["connections/news.yaml"],
        "connections/z_crm.yaml": GOOD["connections/crm.yaml"],
    }
    assert load(tmp_path, files).order == ("crm", "z_crm", "a_news", "news")


def test_streams_may_be_declared_in_the_settings(tmp_path: Path) -> None:
    """Connectors such as SQL have the streams their settings name."""
    files = {
        "connections/sql.yaml": "connector: sqlish\nsettings: {url: '${env:U}', tables: [people, staff]}\n",
        "mappings/sql.yaml": "people: {fields: [{field: email, vendor: mail}]}\n",
    }
    project = load(tmp_path, files)
    assert [(plan.stream, plan.entity) for plan in project.connections["sql"].streams] == [("people", "person")]
    lines = said(tmp_path, {**files, "mappings/sql.yaml": "peple: {fields: [{field: email, vendor: mail}]}\n"})
    assert "mappings/sql.yaml:1:1: SQL has no stream peple (did you mean people?)" in lines


def test_settings_a_connector_cannot_use_are_a_fault_not_a_crash(tmp_path: Path) -> None:
    lines = said(tmp_path, {"connections/sql.yaml": "connector: sqlish\nsettings: {url: '${env:U}'}\n"})
    assert "connections/sql.yaml:2:11: these settings describe no streams: KeyError" in lines


def test_identity_rules(tmp_path: Path) -> None:
    text = (
        "person:\n  match:\n    - {fields: {email: email}, guarded: true}\n"
        "    - {name: phone+name, fields: {mobile: phone, family_name: name}}\n"
        "  blocked: [Reception@Example.COM, '600 000 000']\n  unkeyed: create\norganization: {unkeyed: hold}\n"
    )
    identity = load(tmp_path, {"identity.yaml": text}).identity
    person = identity["person"]
    assert [(key.name, key.parts, key.guarded) for key in person.keys] == [
        ("email", (("email", "email"),), True),
        ("phone+name", (("mobile", "phone"), ("family_name", "name")), False),
    ]
    assert {"600000000"} <= person.blocked
    assert person.create_unkeyed
    assert identity["organization"].keys == DEFAULT_RULES["organization"].keys
    assert not identity["organization"].create_unkeyed


def test_blocked_values_are_folded_as_the_rules_fold_them(tmp_path: Path) -> None:
    text = "person: {blocked: [Jan.Front@Example.COM]}\n"
    assert load(tmp_path, {"identity.yaml": text}).identity["person"].blocked >= {"jan.front@example.com"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "person: {match: [{fields: {emial: email}}]}\n",
            "identity.yaml:1:28: person has no field emial (did you mean em",
        ),
        (
            "person: {match: [{fields: {email: mail}}]}\n",
            "identity.yaml:1:35: there is no way to compare mail (did you mea",
        ),
        ("person: {match: [{name: x}]}\n", "identity.yaml:1:18: a rule needs fields"),
        (
            "person: {match: [{fields: {keywords: exact}}]}\n",
            "identity.yaml:1:38: keywords is a set of items, which ident",
        ),
        (
            "person: {match: [{fields: {email: email}}, {fields: {email: exact}}]}\n",
            "identity.yaml:1:44: two rules are called email (give one of them another name)",
        ),
        (
            "deal: {match: [{fields: {name: exact}, guarded: true}]}\n",
            "identity.yaml:1:49: only people have names to guard by",
        ),
        ("persons: {}\n", "identity.yaml:1:1: identity has no entity persons (did you mean person?)"),
        (
            "person: {blocked: [600000000]}\n",
            "identity.yaml:1:20: a value in quotes is expected, found a number (put it i",
        ),
    ],
)
def test_faults_of_identity(tmp_path: Path, text: str, expected: str) -> None:
    lines = said(tmp_path, {"identity.yaml": text})
    assert any(line.startswith(expected) for line in lines), lines
