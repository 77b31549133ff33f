"""A project folder becomes a `Project`, or a list of everything that is wrong with it (T-73)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from zgoda.kit.spec import Connector
from zgoda.settings.conformity import conform
from zgoda.settings.connection_file import CONNECTIONS, ROLES, Account, read_account
from zgoda.settings.consent_file import CONSENT_FILE, CONSENT_SHAPE, read_consents
from zgoda.settings.document import read_document
from zgoda.settings.faults import Faults, Mark, nearest, shown
from zgoda.settings.identity_file import IDENTITY_FILE, identity_shape, read_identity
from zgoda.settings.mapping_file import (
    MAPPINGS,
    Discovered,
    World,
    check_consents,
    consents_of,
    read_mapping,
)
from zgoda.settings.nodes import Block, Node
from zgoda.settings.policies_file import POLICIES_FILE, read_policies
from zgoda.settings.policy_shape import policies_shape
from zgoda.settings.project import Connection, ConsentNames, Project, StreamPlan
from zgoda.settings.root_file import ROOT_FILE, Root, read_root, root_shape
from zgoda.settings.shapes import Form

ROOT_FILES: Final = (ROOT_FILE, POLICIES_FILE, IDENTITY_FILE, CONSENT_FILE)


def load_project(folder: Path, connectors: Mapping[str, Connector], discovered: Discovered | None = None) -> Project:
    """Read and check the whole folder. Raises `ProjectError` with all faults, never only the first.

    `discovered` holds vendors' descriptions of their streams, if they have been asked; mappings are then checked
    against what the vendor's fields really are.
    """
    faults = Faults()
    folder = folder.absolute()
    files = _read_files(folder, faults)
    project = _assemble(folder, files, connectors, discovered or {}, faults)
    faults.raise_any()
    return project


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """The trees of a folder's files; a file that is missing or unreadable is absent. `names` are all connections'."""

    root: Mapping[str, Node]
    connections: Mapping[str, Node]
    mappings: Mapping[str, Node]
    names: tuple[str, ...]


def _read_files(folder: Path, faults: Faults) -> Files:
    root: dict[str, Node] = {}
    for name in ROOT_FILES:
        path = folder / name
        if path.exists() or path.is_symlink():
            if (node := read_document(path, name, faults)) is not None:
                root[name] = node
        elif name == ROOT_FILE:
            faults.add(Mark(file=name), "there is no project here", "zgoda init writes a small one")
    _check_file_names(folder, faults)
    names, connections = _read_named(folder, CONNECTIONS, faults)
    mapped, mappings = _read_named(folder, MAPPINGS, faults)
    for name in mapped:
        if name not in names:
            hint = f"mapping files are called like their connection: {nearest(name, names)}"
            faults.add(Mark(file=f"{MAPPINGS}/{name}.yaml"), f"there is no connection {shown(name)}", hint)
    if not names and ROOT_FILE in root:
        faults.add(Mark(file=ROOT_FILE), "the project has no connections", f"add {CONNECTIONS}/NAME.yaml")
    return Files(root=root, connections=connections, mappings=mappings, names=names)


def _check_file_names(folder: Path, faults: Faults) -> None:
    """A file whose name is nearly right would otherwise be ignored without a word."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in (".yaml", ".yml") and path.name not in ROOT_FILES:
            hint = nearest(path.with_suffix(".yaml").name, ROOT_FILES)
            if hint.startswith("did you mean"):
                faults.add(Mark(file=shown(path.name)), "this file is none of a project's files", hint)


def _read_named(folder: Path, kind: str, faults: Faults) -> tuple[tuple[str, ...], dict[str, Node]]:
    names: list[str] = []
    nodes: dict[str, Node] = {}
    place = folder / kind
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        file = f"{kind}/{shown(path.name)}"
        if path.name.startswith(".") or path.suffix not in (".yaml", ".yml"):
            continue
        if path.suffix == ".yml":
            faults.add(Mark(file=file), "project files end in .yaml", f"rename it to {shown(path.stem)}.yaml")
        elif not re.fullmatch(CONNECTION_NAME, path.stem):
            hint = "lower-case letters, digits and _, beginning with a letter"
            faults.add(Mark(file=file), "a connection cannot be called like this", hint)
        else:
            names.append(path.stem)
            if (node := read_document(path, file, faults)) is not None:
                nodes[path.stem] = node
    return tuple(names), nodes


CONNECTION_NAME: Final = r"[a-z][a-z0-9_]{0,40}"


def _assemble(
    folder: Path, files: Files, connectors: Mapping[str, Connector], discovered: Discovered, faults: Faults
) -> Project:
    root = read_root(_conformed(files, ROOT_FILE, root_shape(files.names), faults), folder, faults)
    accounts = [
        account
        for name, node in files.connections.items()
        if (account := read_account(name, node, connectors, faults)) is not None
    ]
    consents = _consents(files, accounts, faults)
    world = World(entities=root.entities, consents=consents, discovered=discovered)
    notes: list[str] = []
    plans = {a.name: read_mapping(a, files.mappings.get(a.name), world, faults, notes) for a in accounts}
    if CONSENT_FILE in files.root:
        check_consents(plans, consents, files.root[CONSENT_FILE].mark, faults)
    policies = _conformed(files, POLICIES_FILE, policies_shape(root.entities, files.names), faults)
    identity = _conformed(files, IDENTITY_FILE, identity_shape(root.entities), faults)
    return Project(
        folder=folder,
        name=root.name,
        store=root.store,
        time_zone=root.time_zone,
        listen=root.listen,
        order=_order(root, accounts),
        brakes=root.brakes,
        merge_window_s=root.merge_window_s,
        connections={account.name: _connection(account, plans[account.name]) for account in accounts},
        entities=root.entities,
        policies=read_policies(policies, root.entities, faults),
        identity=read_identity(identity, root.entities, faults),
        consents=consents,
        notes=tuple(notes),
    )


def _conformed(files: Files, name: str, shape: Form, faults: Faults) -> Block:
    """The trustworthy part of a file; empty where there is none, so that the defaults hold."""
    node = files.root.get(name)
    found = None if node is None else conform(node, shape, faults)
    return found if isinstance(found, Block) else Block(mark=Mark(file=name))


def _consents(files: Files, accounts: list[Account], faults: Faults) -> ConsentNames:
    """What `consent.yaml` names; without it the usual ones and those the connectors carry."""
    if CONSENT_FILE in files.root:
        return read_consents(_conformed(files, CONSENT_FILE, CONSENT_SHAPE, faults))
    usual = read_consents(None)
    return msgspec.structs.replace(usual, fields=tuple(sorted({*usual.fields, *consents_of(accounts)})))


def _order(root: Root, accounts: list[Account]) -> tuple[str, ...]:
    """The rank the user gave, then CRM systems, then the rest, by name."""
    rest = sorted((a for a in accounts if a.name not in root.order), key=lambda a: (ROLES.index(a.role), a.name))
    return (*root.order, *(account.name for account in rest))


def _connection(account: Account, plans: tuple[StreamPlan, ...]) -> Connection:
    return Connection(
        name=account.name,
        connector=account.connector.key,
        role=account.role,
        branch=account.branch,
        settings=account.settings,
        streams=plans,
    )
