"""Secrets are references, resolved when a connection is opened and never kept, shown or repeated (T-73, D2)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.settings.folders import load, said, setup_of
from zgoda.settings.opening import Unresolved, connection_settings, read_secret_file, store_url
from zgoda.settings.references import BadReference, Reference, holds_password, read_reference

SECRET = "s3cr3t-Va1ue"


def crm(token: str, more: str = "") -> dict[str, str]:
    return {
        "connections/crm.yaml": (
            f"connector: bigcrm\nsettings:\n  base_url: https://crm.example.com\n  token: {token}\n{more}"
        )
    }


def no_files(path: Path) -> str:
    raise FileNotFoundError(path)


def test_a_literal_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    lines = said(tmp_path, crm(SECRET))
    assert lines == [
        "connections/crm.yaml:4:10: a secret does not belong into a file (write ${env:TOKEN} or ${file:path})"
    ]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (f"${{env:T}}{SECRET}", "a reference stands alone"),
        (f"'${{vault:secret/crm#{SECRET}}}'", "references to a vault are not available yet (use ${env:NAME} or ${file"),
        (f"'${{env:{SECRET}}}'", "this is no name of an environment variable"),
        (f"'${{evn:{SECRET}}}'", "this is no kind of reference"),
        ("'${file: }'", "this reference names no file"),
        (f"[{SECRET}]", "a reference to a secret is expected, found a list"),
        ("12345678", "a secret does not belong into a file"),
        ("''", "a secret does not belong into a file"),
    ],
)
def test_what_only_looks_like_a_reference_is_refused_and_not_repeated(tmp_path: Path, token: str, message: str) -> None:
    lines = said(tmp_path, crm(token))
    assert len(lines) == 1
    assert lines[0].startswith(f"connections/crm.yaml:4:10: {message}")
    assert SECRET not in lines[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("zgoda.yaml", f"name: a\nstore: postgresql://zgoda:{SECRET}@db/zgoda\n"),
        ("zgoda.yaml", f"name: a\nstore: postgresql://db/zgoda?password={SECRET}\n"),
        (
            "connections/crm.yaml",
            f"connector: bigcrm\nsettings: {{token: '${{env:T}}', base_url: 'https://u:{SECRET}@crm.example.com'}}\n",
        ),
    ],
)
def test_a_password_within_an_address_is_refused_and_not_repeated(tmp_path: Path, file: str, text: str) -> None:
    lines = said(tmp_path, {file: text})
    assert len(lines) == 1
    assert "a password does not belong into a file (write the whole address as ${env:NAME})" in lines[0]
    assert SECRET not in lines[0]


def test_connection_settings_are_resolved_when_asked_for(tmp_path: Path) -> None:
    project = load(tmp_path, crm("'${env:CRM_TOKEN}'", "  scopes: [read, '${env:SCOPE}']\n  codes: true\n"))
    environ = {"CRM_TOKEN": SECRET, "SCOPE": "all"}
    assert connection_settings(project, "crm", environ, no_files) == {
        "base_url": "https://crm.example.com",
        "token": SECRET,
        "scopes": ["read", "all"],
        "codes": True,
    }


def test_files_are_found_from_the_project_folder(tmp_path: Path) -> None:
    project = load(tmp_path)
    (tmp_path / "key.txt").write_text(f"{SECRET}\n")
    assert connection_settings(project, "news", {}, read_secret_file) == {"api_key": SECRET}
    (tmp_path / "key.txt").unlink()
    (tmp_path / "elsewhere").write_text(SECRET)
    absolute = load(
        tmp_path,
        {"connections/news.yaml": f"connector: newsy\nsettings: {{api_key: '${{file:{tmp_path / 'elsewhere'}}}'}}\n"},
    )
    assert connection_settings(absolute, "news", {}, read_secret_file) == {"api_key": SECRET}


def test_a_reference_that_leads_nowhere_names_itself(tmp_path: Path) -> None:
    project = load(tmp_path)
    with pytest.raises(Unresolved, match=r"^crm: token: \$\{env:CRM_TOKEN\} is not set$"):
        connection_settings(project, "crm", {"CRM_TOKEN": ""}, no_files)
    with pytest.raises(Unresolved, match=r"^news: api_key: \$\{file:key.txt\} cannot be read \(FileNotFoundError\)$"):
        connection_settings(project, "news", {}, read_secret_file)
    (tmp_path / "key.txt").write_text("\n")
    with pytest.raises(Unresolved, match="is empty"):
        connection_settings(project, "news", {}, read_secret_file)
    (tmp_path / "key.txt").write_text("x" * 70_000)
    with pytest.raises(Unresolved, match="ValueError"):
        connection_settings(project, "news", {}, read_secret_file)
    (tmp_path / "key.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(Unresolved, match="UnicodeDecodeError"):
        connection_settings(project, "news", {}, read_secret_file)


def test_nothing_resolved_stays_in_the_project_or_the_setup(tmp_path: Path) -> None:
    project = load(tmp_path)
    connection_settings(project, "crm", {"CRM_TOKEN": SECRET}, no_files)
    assert SECRET not in repr(project)
    assert SECRET not in repr(setup_of(project))
    assert "${env:CRM_TOKEN}" in repr(project) or "CRM_TOKEN" in repr(project)
    assert SECRET.encode() not in msgspec.json.encode(project, enc_hook=str)


def test_the_store(tmp_path: Path) -> None:
    assert store_url(load(tmp_path), {}, no_files) == ""
    plain = load(tmp_path, {"zgoda.yaml": "name: a\nstore: postgresql://db.example.com/zgoda\n"})
    assert store_url(plain, {}, no_files) == "postgresql://db.example.com/zgoda"
    secret = load(tmp_path, {"zgoda.yaml": "name: a\nstore: ${env:DATABASE_URL}\n"})
    assert secret.store.folder is None
    assert store_url(secret, {"DATABASE_URL": f"postgresql://u:{SECRET}@db/z"}, no_files).endswith("@db/z")
    with pytest.raises(Unresolved, match=r"^store: \$\{env:DATABASE_URL\} is not set$"):
        store_url(secret, {}, no_files)


def test_references() -> None:
    assert read_reference("plain") is None
    assert read_reference(" ${env:A_1} ") == Reference(kind="env", name="A_1")
    assert read_reference("${file:/run/secrets/x}") == Reference(kind="file", name="/run/secrets/x")
    with pytest.raises(BadReference):
        read_reference("${env:A}${env:B}")
    assert not holds_password("https://example.com/a@b:c")
    assert holds_password("postgres://a:b@c/d")
