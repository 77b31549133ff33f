"""What holds for every command: options anywhere, one JSON document, helpful helps, nearest words, no surprises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from tests.cli.conftest import run, told
from zgoda.entrypoints.cli import COMMANDS, main
from zgoda.entrypoints.cli.speak import Voice, printable

LOOKS = [
    ["status"], ["runs"], ["held"], ["held", "list"], ["dead-letters", "--failing"], ["conflicts"], ["validate"],
    ["policy"], ["policy", "explain", "email"], ["connectors"], ["discover", "crm", "contacts"], ["check"], ["doctor"],
    ["plan"], ["sync"], ["drift"],
]  # fmt: skip


def every_command() -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(main)
    for name in COMMANDS:
        found = main.get_command(ctx, name)
        assert found is not None, name
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in found.commands.items())


@pytest.mark.parametrize(
    ("name", "found"), list(every_command()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_help_has_an_example_and_the_shared_options(name: str, found: click.Command) -> None:
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"zgoda {name.split()[0]}" in result.stdout.partition("Example")[2], name
    assert "--json" in result.stdout
    assert "--project" in result.stdout
    assert "Exit code" in result.stdout or isinstance(found, click.Group)


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_json_is_one_document_on_standard_output(project: Path, words: list[str]) -> None:
    result = run(*words, "--json", "-C", str(project))
    assert result.exit_code in (0, 2), result.output
    json.loads(result.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["why", "nobody-at-all"], ["undo", "99999"], ["held", "approve"], ["held", "approve", "99999"],
        ["conflicts", "settle", "99999", "--take", "lost"], ["pause", "crn"], ["policy", "explain", "person.emial"],
        ["held", "aprove"], ["status", "--bogus"], ["chek"], ["recreate", "x", "crm/contcts"], ["discover", "nws"],
        ["check", "nws"], ["kill", "--direction", "in"], ["sync", "--approve", "seven"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_errors_are_one_json_document_too_and_exit_with_1(project: Path, words: list[str]) -> None:
    result = run(*words, "--json", "-C", str(project))
    assert result.exit_code == 1, result.output
    assert told(result)["error"]


@pytest.mark.parametrize(
    "place",
    [
        lambda folder: ["-C", folder, "dead-letters"],
        lambda folder: ["--project", folder, "dead-letters", "list"],
        lambda folder: ["dead-letters", "-C", folder],
        lambda folder: ["dead-letters", "-C", folder, "list"],
        lambda folder: ["dead-letters", "list", "-C", folder],
        lambda folder: ["-C", "/nowhere", "dead-letters", "list", "-C", folder],
    ],
)
def test_the_project_may_be_named_anywhere_on_the_line(project: Path, place: Callable[[str], list[str]]) -> None:
    assert told(run("--json", *place(str(project)))) == []
    assert told(run(*place(str(project)), "--json")) == []


def test_the_project_may_come_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZGODA_PROJECT", str(project))
    assert told(run("held", "--json")) == []
    assert run("-C", "/nowhere", "held").exit_code == 1


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["chek"], "did you mean 'check'?"),
        (["held", "aprove"], "did you mean 'approve'?"),
        (["pause", "crn"], "did you mean crm?"),
        (["pause", "crm/contcts"], "did you mean crm/contacts?"),
        (["check", "nws"], "did you mean news?"),
        (["discover", "crm", "contcts"], "did you mean contacts?"),
        (["kill", "--only", "crn"], "did you mean crm?"),
        (["policy", "explain", "person.emial"], "did you mean email?"),
        (["policy", "list", "persn"], "did you mean person?"),
        (["recreate", "x", "news/mmbers"], "did you mean news/members?"),
        (["undo", "99999"], "the latest: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_nearest_right_word_is_told(project: Path, words: list[str], near: str) -> None:
    result = run(*words, "-C", str(project))
    assert result.exit_code == 1
    assert near in result.stderr
    assert not (project / ".zgoda" / "KILL").exists()


def test_a_mistyped_name_finds_its_record(project: Path, in_store: Callable[..., None]) -> None:
    in_store(
        "INSERT INTO golden (id, entity, fields, claims, created_at, changed_at) VALUES (777001, 'person', "
        """'{"given_name": "Ada", "family_name": "Lovelace", "email": "ada@example.org"}', '{}', now(), now())"""
        " ON CONFLICT (id) DO NOTHING"
    )
    try:
        assert "did you mean Ada Lovelace (#777001)?" in run("why", "ada lovelase", "-C", str(project)).stderr
        assert "did you mean email?" in run("why", "Ada Lovelace", "emial", "-C", str(project)).stderr
        assert told(run("why", "ada lovelace", "email", "--json", "-C", str(project)))["golden_id"] == 777001
    finally:
        in_store("DELETE FROM golden WHERE id = 777001")


def test_an_unexpected_error_names_its_place_and_no_data(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("ada@example.org")

    monkeypatch.setattr("zgoda.app.read_project", broken)
    result = run("status", "-C", str(project))
    assert result.exit_code == 1
    assert "KeyError at test_lines.py:" in result.stderr
    assert "ada@example.org" not in result.output


def test_a_store_that_does_not_answer_is_told_at_once(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "connections").mkdir(parents=True)
    (copy / "connections" / "crm.yaml").write_text((project / "connections" / "crm.yaml").read_text())
    (copy / "zgoda.yaml").write_text("name: x\nstore: postgresql://127.0.0.1:1/x\n")
    result = run("status", "-C", str(copy))
    assert result.exit_code == 1
    assert "the store does not answer" in result.stderr
    assert "zgoda doctor" in result.stderr


def test_nothing_a_vendor_holds_reaches_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[2Jb\u202ec\td") == "a?[2Jb?c\td"
    voice = Voice(json=False)
    voice.table(["name", ">n"], [("Ada\x1b[31m\nLovelace", 1)])
    assert capsys.readouterr().out == "name               n\nAda?[31m Lovelace  1\n"


def test_only_the_first_result_is_spoken(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice(json=True)
    voice.result({"a": 1})
    with pytest.raises(SystemExit):
        voice.fail("too late")
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_completion_knows_the_commands() -> None:
    found = BashComplete(main, {}, "zgoda", "_ZGODA_COMPLETE").get_completions([], "do")
    assert [item.value for item in found] == ["doctor"]
