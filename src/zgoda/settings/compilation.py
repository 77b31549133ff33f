"""A checked project becomes the engine's `Setup`: tables turn into closures, names into the database's numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from zgoda.kit.mapping import Mapping as FieldMapping
from zgoda.kit.mapping import field_of
from zgoda.kit.spec import Connector
from zgoda.settings.connection_file import streams_of
from zgoda.settings.filters import Filter
from zgoda.settings.project import Connection, Project, StreamPlan
from zgoda.sync.merge import FieldRule
from zgoda.sync.policy import Ask
from zgoda.sync.setup import Setup, Source, parents_first


def compile_setup(
    project: Project, connectors: Mapping[str, Connector], source_ids: Mapping[tuple[str, str], int]
) -> Setup:
    """The engine's view of a project. `source_ids` are those of the table `source`, by (connection, stream); it must
    have all of `project.sources()`, else `KeyError`."""
    sources = [
        _source(project, connection, plan, connectors[connection.connector], source_ids[(connection.name, plan.stream)])
        for connection in project.connections.values()
        for plan in connection.streams
    ]
    return Setup(
        sources={source.id: source for source in sources},
        entities=parents_first(project.entities),
        fields={name: _rules(project, name) for name in project.entities},
        identity=project.identity,
        order=project.order,
        brakes=project.brakes,
        merge_window_s=project.merge_window_s,
        version=_version(project, sources),
    )


def _source(project: Project, connection: Connection, plan: StreamPlan, connector: Connector, id: int) -> Source:
    streams = {stream.name: stream for stream in streams_of(connector, connection.settings)}
    entity = project.entities[plan.entity]
    return Source(
        id=id,
        connection=connection.name,
        stream=streams[plan.stream],
        entity=entity,
        mapping=FieldMapping(plan.maps, entity, connector.dialect),
        may=plan.may,
        admits=Filter(plan.filter, entity, project.consents.fields) if plan.filter else None,
        filter_text=plan.filter,
        on_delete=plan.on_delete,
        on_leave=plan.on_leave,
        delete_wins=plan.delete_wins,
        quiet_s=plan.quiet_s,
        required=tuple(m.field for m in plan.maps if m.required),
        sends_mail=entity.name == "person" and connection.role == "marketing",
        poll_s=plan.poll_s,
        sweep_s=plan.verify_s,
    )


def _rules(project: Project, entity: str) -> dict[str, FieldRule]:
    fields = project.entities[entity].fields
    rules = {name: FieldRule(field=field, policy=project.policies[entity][name]) for name, field in fields.items()}
    if entity == "person":
        for name in project.consents.fields:
            # merging never asks a consent's policy; it has rules of its own
            rules[name] = FieldRule(field=field_of(project.entities[entity], name), policy=Ask())
    return rules


def _version(project: Project, sources: list[Source]) -> str:
    """Changes with everything that influences what is merged and written, and with nothing else: not with the order of
    files or keys, source ids, polling or brakes."""
    flows: list[Any] = [
        [
            source.connection,
            source.stream.name,
            source.entity.name,
            source.mapping.version,
            sorted(source.may),
            source.filter_text,
            source.on_delete,
            source.on_leave,
            source.delete_wins,
            source.quiet_s,
            source.required,
        ]
        for source in sorted(sources, key=lambda s: s.name)
    ]
    whole = [
        flows,
        [project.entities[name] for name in sorted(project.entities)],
        project.policies,
        project.identity,
        sorted(project.consents.fields),
        project.order,
        project.merge_window_s,
    ]
    return hashlib.blake2b(msgspec.json.encode(whole, order="deterministic"), digest_size=16).hexdigest()
