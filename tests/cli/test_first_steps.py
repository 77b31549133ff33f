"""From nothing to a connected system: init, connect, check, and what they say when something is missing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import database, run, told
from zgoda.entrypoints.demo.scenery import Twin

SECRET = "hunter2-hunter2"


@pytest.fixture(scope="module")
def other_store_url(server_url: str) -> Iterator[str]:
    """A database for projects that come and go."""
    with database(server_url, "bare") as url:
        yield url


@pytest.fixture
def bare(tmp_path: Path, other_store_url: str) -> Path:
    """A project without connections, on the tests' server."""
    folder = tmp_path / "hub"
    assert run("init", str(folder), "--bare").exit_code == 0
    (folder / "secrets").mkdir()
    (folder / "secrets" / "store").write_text(other_store_url)
    with (folder / "zgoda.yaml").open("a") as root:
        root.write("store: ${file:secrets/store}\n")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_init_says_what_to_do_next_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    first = run("init", str(folder))
    assert first.exit_code == 0
    assert "zgoda check" in first.stdout
    before = (folder / "zgoda.yaml").read_text()
    again = run("init", str(folder))
    assert again.exit_code == 1
    assert "nothing was written" in again.stderr
    assert "Traceback" not in again.output
    assert (folder / "zgoda.yaml").read_text() == before
    assert run("validate", "-C", str(folder)).exit_code == 0


def test_outside_a_project_folder_every_command_says_how_to_get_one(tmp_path: Path) -> None:
    for words in (
        ["status"],
        ["sync"],
        ["plan"],
        ["doctor"],
        ["held"],
        ["kill"],
        ["connect", "crm", "--vendor", "odoo"],
    ):
        result = run(*words)
        assert result.exit_code == 1, words
        assert "zgoda init" in result.output, words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [SECRET, f"https://me:{SECRET}@crm.example.com", ""])
def test_a_secret_in_clear_is_refused_and_not_repeated(bare: Path, value: str) -> None:
    key = "base_url" if "//" in value else "client_secret"
    result = run("connect", "crm", "--vendor", "salesforce", "--set", f"{key}={value}", "-C", str(bare))
    assert result.exit_code == 1
    assert SECRET not in result.output
    assert f"env:CRM_{key.upper()}" in result.stderr
    assert not (bare / "connections").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["crm", "--vendor", "salesfroce"], "did you mean salesforce?"),
        (["crm", "--vendor", "salesforce"], "base_url=https://example.my.salesforce.com"),
        (["crm", "--vendor", "salesforce", "--set", "bse_url=x"], "did you mean base_url?"),
        (["crm", "--vendor", "salesforce", "--set", "base_url=x", "--set", "daily_calls=many"], "a number"),
        (["crm", "--vendor", "salesforce", "--set", "base_url"], "KEY=VALUE"),
        (["CRM!", "--vendor", "salesforce", "--set", "base_url=x"], "lower-case"),
        (
            ["f", "--vendor", "files", "--set", "folder=x", "--set", "tables={p: {enty: person}}"],
            "did you mean entity?",
        ),
        (["s", "--vendor", "sql", "--set", "url=env:9", "--set", "tables={}"], "environment variable"),
    ],
)
def test_connect_says_what_is_wrong_and_writes_nothing(bare: Path, words: list[str], said: str) -> None:
    result = run("connect", *words, "-C", str(bare))
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (bare / "connections").exists()


def test_connect_writes_one_file_visits_the_system_and_may_be_repeated(
    bare: Path, twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = twins[0].facts
    monkeypatch.setenv("CRM_CLIENT_SECRET", facts["client_secret"])
    given = [f"--set={key}={value}" for key, value in {
        "base_url": facts["url"],
        "token_url": facts["token_url"],
        "client_id": facts["client_id"],
        "client_secret": "env:CRM_CLIENT_SECRET",
        "daily_calls": "5000",
    }.items()]  # fmt: skip
    words = ("connect", "crm2", "--vendor", "salesforce", *given, "-C", str(bare))
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    document = told(result)
    assert (document["written"], document["ok"], document["account"]) == ("written", True, facts["organization_id"])
    contacts = next(stream for stream in document["streams"] if stream["stream"] == "contacts")
    assert (contacts["reads"], contacts["writes"]) == (["all", "changes", "deletes"], ["create", "update"])
    text = (bare / "connections" / "crm2.yaml").read_text()
    assert facts["client_secret"] not in text
    assert "client_secret: ${env:CRM_CLIENT_SECRET}" in text
    assert "daily_calls: 5000" in text

    assert told(run(*words, "--json"))["written"] == "unchanged"
    other = run(*words, "--set", "overlap_s=60")
    assert other.exit_code == 1
    assert "--force" in other.stderr
    assert (bare / "connections" / "crm2.yaml").read_text() == text
    assert told(run(*words, "--set", "overlap_s=60", "--force", "--json"))["written"] == "replaced"
    assert "overlap_s: 60" in (bare / "connections" / "crm2.yaml").read_text()
    assert run("check", "crm2", "-C", str(bare)).exit_code == 0


def test_a_system_that_cannot_be_reached_leaves_the_file_in_place(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["connect", "news", "--vendor", "mailchimp", "--set", f"base_url=http://127.0.0.1:{free_port()}/3.0"]
    words += ["--set", "audience=abc", "--set", "api_key=env:NEWS_KEY", "-C", str(bare)]
    unset = run(*words)
    assert unset.exit_code == 1
    assert "${env:NEWS_KEY} is not set" in unset.stdout
    monkeypatch.setenv("NEWS_KEY", SECRET)
    result = run(*words)
    assert result.exit_code == 1
    assert "cannot connect" in result.stdout
    assert "zgoda check news" in result.stdout
    assert SECRET not in result.output
    assert (bare / "connections" / "news.yaml").exists()
    assert told(run("check", "--json", "-C", str(bare)))["news"]["ok"] is False


def test_connectors_tells_what_connect_wants(bare: Path) -> None:
    document = told(run("connectors", "tryton", "--json"))
    assert {"base_url", "password"} <= {setting["setting"] for setting in document["settings"]}
    assert "did you mean tryton?" in run("connectors", "triton").stderr
