"""doctor: finds what commonly goes wrong, from the machine to the records, and says what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import Final

import click
import msgspec

from zgoda.app import Store
from zgoda.entrypoints.cli.frame import Frame, command, explain, first_error, store_of
from zgoda.entrypoints.cli.speak import Voice

from .connections import examine_connections
from .finding import Finding, fail, ok
from .machine import examine_disk, examine_project, examine_python, examine_secrets, examine_version
from .standing import examine_standing

STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(
    epilog="Examples:\n\n  zgoda doctor\n\n  zgoda doctor --offline\n\n"
    "  zgoda doctor --json | jq '.findings[] | select(.level != \"ok\")'"
)
@click.option("--offline", is_flag=True, help="Do not call the systems.")
@command
async def doctor(frame: Frame, offline: bool) -> int:
    """Find what commonly goes wrong, each with what to do next. Changes nothing and prints no secret.

    Exit code: 0 all is well or only worth a look (warn), 1 something has to be mended (fail).
    """
    found: list[Finding] = []

    def note(*findings: Finding) -> None:
        found.extend(findings)
        for finding in findings:
            _show(frame.voice, finding)

    note(examine_python(), examine_version(), examine_disk(frame.folder))
    project, about_project = examine_project(frame.folder)
    note(about_project)
    if project is not None:
        note(*examine_secrets(project))
        try:
            async with store_of(frame) as store:
                note(await _store_answers(store))
                note(*await examine_standing(store, frame.folder))
                note(*await examine_connections(store, call=not offline))
        except Exception as error:
            told = explain(first_error(error), frame.folder)
            if told is None:
                raise
            note(fail("store", told[0], told[1]))
    counts = Counter(finding.level for finding in found)
    frame.voice.result({"ok": not counts["fail"], "findings": msgspec.to_builtins(found)})
    frame.voice.say(f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail")
    return 1 if counts["fail"] else 0


async def _store_answers(store: Store) -> Finding:
    async with store.pool.report() as tx:
        row = await tx.row("SELECT current_setting('server_version'), pg_database_size(current_database())")
    server, size = row or ("?", 0)
    kind = "given" if store.project.store.url else "embedded"
    return ok("store", f"the {kind} PostgreSQL {server} answers, {size / 1e6:.0f} MB")


def _show(voice: Voice, finding: Finding) -> None:
    voice.say(f"{finding.level:<5} {finding.about}: {finding.said}", style=STYLES[finding.level])
    if finding.do and finding.level != "ok":
        voice.say(f"      do: {finding.do}")
