"""connect: from a vendor's name and a few settings to a checked connection file, and a first visit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from zgoda.entrypoints.cli.frame import Frame, command, known_word, store_of

if TYPE_CHECKING:
    from zgoda.kit.spec import Connector, Setting

SHORT_REFERENCE: Final = re.compile(r"(env|file):\S.*")


@click.command(
    epilog="Examples:\n\n"
    "  zgoda connect crm --vendor salesforce --set base_url=https://acme.my.salesforce.com \\\n"
    "      --set client_id=3MVG9 --set client_secret=env:CRM_CLIENT_SECRET\n\n"
    "  zgoda connect erp --vendor sql --set url=file:secrets/erp \\\n"
    "      --set 'tables={people: {entity: person, table: customers, changed: updated_at}}'\n\n"
    "What a vendor may be told: zgoda connectors salesforce"
)
@click.argument("name")
@click.option("--vendor", required=True, help="The connector: salesforce, mailchimp, tryton, odoo, sql, files.")
@click.option("--set", "given", metavar="KEY=VALUE", multiple=True, help="A setting; may be said many times.")
@click.option("--force", is_flag=True, help="Replace the connection's file if there is another one.")
@command
async def connect(frame: Frame, name: str, vendor: str, given: tuple[str, ...], force: bool) -> int:
    """Write connections/NAME.yaml, then say what the system lets us do (as `zgoda check NAME` does).

    A secret is never written, only where to find it: env:VARIABLE or file:path (relative to the project folder).
    Secrets that are needed and not said are looked for in NAME_SETTING, such as $CRM_PASSWORD.

    Exit code: 0 written and it works; 1 error: nothing was written, or the file is there and the system does not let
    us in yet.
    """
    from zgoda.app import CONNECTORS, read_project
    from zgoda.entrypoints.cli.visit import show_visit, visit

    known_word(frame.voice, "vendor", vendor, CONNECTORS)
    text = _file_text(frame, name, CONNECTORS[vendor], given)
    path = frame.folder / "connections" / f"{name}.yaml"
    done = _write(frame, path, text, force=force)
    read_project(frame.folder)
    async with store_of(frame) as store:
        found = await visit(store, name)
    frame.voice.result({"file": str(path), "written": done, **msgspec.to_builtins(found)})
    frame.voice.say(f"  {path} {done}")
    show_visit(frame.voice, name, found)
    if found.ok:
        frame.voice.say(f"next: `zgoda discover {name}` shows its fields, `zgoda plan` what a sync would do")
    else:
        frame.voice.say(f"the file stays; mend what is said above, then `zgoda check {name}`")
    return 0 if found.ok else 1


def _file_text(frame: Frame, name: str, connector: Connector, given: tuple[str, ...]) -> str:
    """The connection's file, checked by the project's own rules before anything is written."""
    from zgoda.settings.connection_file import read_account
    from zgoda.settings.document import parse_document
    from zgoda.settings.faults import Faults, ProjectError
    from zgoda.settings.load import CONNECTION_NAME
    from zgoda.settings.root_file import ROOT_FILE
    from zgoda.settings.start import connection_text

    if not (frame.folder / ROOT_FILE).exists():
        frame.voice.fail(
            f"there is no project in {frame.folder} (no {ROOT_FILE})",
            "`zgoda init --bare FOLDER` writes one to connect to; `-C FOLDER` names one that exists",
        )
    if not re.fullmatch(CONNECTION_NAME, name):
        frame.voice.fail(
            "a connection cannot be called like this", "lower-case letters, digits and _, beginning with a letter"
        )
    text = connection_text(name, connector, _said(frame, name, connector, given))
    faults = Faults()
    node = parse_document(text, f"connections/{name}.yaml", faults)
    if node is not None:
        read_account(name, node, {connector.key: connector}, faults)
    try:
        faults.raise_any()
    except ProjectError as error:
        told = "\n".join(f"  {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults)
        frame.voice.fail(f"these settings do not do; nothing was written\n{told}", _more(connector))
    return text


def _said(frame: Frame, name: str, connector: Connector, given: tuple[str, ...]) -> dict[str, str]:
    """Each setting as it has to stand in YAML. Fails for unknown and missing ones, and for secrets said in clear."""
    from zgoda.settings.start import setting_yaml

    known = {setting.name: setting for setting in connector.settings}
    said: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals:
            frame.voice.fail("--set wants KEY=VALUE", "for example --set base_url=https://crm.example.com")
        known_word(frame.voice, f"setting of {connector.key}", key, known)
        reference = _reference(frame, name, known[key], value)
        try:
            said[key] = reference or setting_yaml(known[key], value)
        except ValueError as error:
            frame.voice.fail(f"{key} takes {error}", known[key].meaning)
    missing = [
        s for s in connector.settings if s.required and s.default is None and not s.secret and s.name not in said
    ]
    if missing:
        wanted = " ".join(f"--set {s.name}={_example(s)}" for s in missing)
        meant = "".join(f"\n  {s.name}: {s.meaning}" for s in missing)
        frame.voice.fail(f"{connector.key} needs more to be told{meant}", f"add {wanted}; {_more(connector)}")
    return said


def _reference(frame: Frame, name: str, setting: Setting, value: str) -> str:
    """Where the value is to be found, as `${env:NAME}` or `${file:path}`; empty for a value that may stand in the file
    itself. A secret in clear is refused and never repeated."""
    from zgoda.settings.references import BadReference, holds_password, read_reference
    from zgoda.settings.start import secret_reference

    short = SHORT_REFERENCE.fullmatch(value) if setting.secret else None
    try:
        reference = read_reference(f"${{{value}}}" if short else value)
    except BadReference as error:
        frame.voice.fail(f"{setting.name}: {error}", error.hint)
    if reference is not None:
        return str(reference)
    if not setting.secret and not holds_password(value):
        return ""
    variable = secret_reference(name, setting)[6:-1]
    if not value:
        frame.voice.fail(
            f"{setting.name} is empty: the shell takes ${{…}} for its own", f"write --set {setting.name}=env:{variable}"
        )
    return frame.voice.fail(
        f"{setting.name} is a secret: it does not belong into a file, nor into the shell's history",
        f"put it into a variable and say --set {setting.name}=env:{variable}, "
        f"or into a file and say --set {setting.name}=file:secrets/{name}_{setting.name}",
    )


def _example(setting: Setting) -> str:
    example = setting.example or "…"
    return f"'{example}'" if re.search(r"[\s{}$]", example) else example


def _more(connector: Connector) -> str:
    return f"`zgoda connectors {connector.key}` lists all settings"


def _write(frame: Frame, path: Path, text: str, *, force: bool) -> str:
    """Write the file; one that says the same stays. Returns what was done, in a word."""
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") == text:
            return "unchanged"
        if not force:
            frame.voice.fail(
                f"{path} exists already; nothing was written",
                f"edit it and `zgoda check {path.stem}`, or replace it with --force, or choose another name",
            )
    done = "replaced" if path.exists() else "written"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    return done
