"""`mappings/NAME.yaml`: what a connection's streams mean, and what may happen there. Becomes the streams' plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

import msgspec

from zgoda.kit.mapping import Map
from zgoda.kit.spec import Op, Stream, VendorObject
from zgoda.model.entities import Entity
from zgoda.settings.conformity import conform
from zgoda.settings.connection_file import Account
from zgoda.settings.expressions import examine, note_complaints
from zgoda.settings.faults import Faults, Mark, shown
from zgoda.settings.filters import filter_variables
from zgoda.settings.mapping_shape import mapping_shape
from zgoda.settings.meaning import check_rows, place_of
from zgoda.settings.nodes import Block, Node, Scalar
from zgoda.settings.project import ConsentNames, StreamPlan
from zgoda.settings.rows import Row, is_ref, rows_of
from zgoda.sync.setup import OnDelete, OnLeave

MAPPINGS: Final = "mappings"

Discovered: TypeAlias = Mapping[tuple[str, str], VendorObject]
"""What vendors said of their streams when they were last asked: (connection, stream) -> description."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping may speak of besides its own connection."""

    entities: Mapping[str, Entity]
    consents: ConsentNames
    discovered: Discovered


def read_mapping(
    account: Account, node: Node | None, world: World, faults: Faults, notes: list[str]
) -> tuple[StreamPlan, ...]:
    """The plans of the streams that take part. Without a file the connector's own tables hold."""
    block = Block(mark=Mark(file=f"{MAPPINGS}/{account.name}.yaml"))
    if node is not None:
        shape = mapping_shape(account.connector.title, account.streams, world.entities)
        conformed = conform(node, shape, faults)
        block = conformed if isinstance(conformed, Block) else block
    streams = _taking_part(account, block, faults)
    held = {stream.name: _entity(block.block(stream.name), stream, world.entities).name for stream in streams}
    plans = [_plan(account, stream, block, held, world, faults, notes) for stream in streams]
    return tuple(plans)


def _taking_part(account: Account, block: Block, faults: Faults) -> list[Stream]:
    """The streams the connection lists; if it lists none, all that have rows. A mapping of another stream is a fault,
    and read all the same for the faults within."""
    said = dict(block)
    if account.listed is None:
        return [s for s in account.streams if s.mapping or s.name in said]
    for name, node in said.items():
        if name not in account.listed:
            hint = f"add {name} to streams in connections/{account.name}.yaml, or remove its mapping"
            faults.add(node.mark, f"the stream {name} takes no part in this connection", hint)
    return [s for s in account.streams if s.name in account.listed or s.name in said]


def _entity(said: Block, stream: Stream, entities: Mapping[str, Entity]) -> Entity:
    return entities[said.text("entity", stream.entity)]


def _plan(
    account: Account,
    stream: Stream,
    block: Block,
    held: Mapping[str, str],
    world: World,
    faults: Faults,
    notes: list[str],
) -> StreamPlan:
    said = block.block(stream.name)
    entity = world.entities[held[stream.name]]
    rows = _without_absent_parents(rows_of(stream, entity, said, world.consents.fields, faults), held, account, notes)
    vendor = world.discovered.get((account.name, stream.name))
    check_rows(rows, place_of(stream, held, vendor, world.entities), faults)
    if not rows:
        hint = "add fields, or leave the stream out"
        faults.add(said.mark, f"no row says what the fields of {account.name}/{stream.name} mean", hint)
    return StreamPlan(
        stream=stream.name,
        entity=entity.name,
        maps=tuple(row.map for row in rows),
        may=_may(said, stream, faults),
        filter=_filter(said, entity, world.consents, faults),
        on_delete=cast("OnDelete", said.text("on_delete", "ask")),
        on_leave=cast("OnLeave", said.text("on_leave", "keep")),
        delete_wins=said.flag("delete_wins", False),
        quiet_s=said.number("quiet", 0.0),
        poll_s=account.poll_s[stream.name],
        verify_s=account.verify_s[stream.name],
    )


def _without_absent_parents(
    rows: Sequence[Row], held: Mapping[str, str], account: Account, notes: list[str]
) -> list[Row]:
    """A connector's row that points at streams which take no part cannot be resolved: it is left out, and said so."""
    kept: list[Row] = []
    for row in rows:
        present = tuple(name for name in row.map.refers_to if name in held)
        if row.said is not None or not is_ref(row) or present == row.map.refers_to:
            kept.append(row)
        elif present:
            kept.append(msgspec.structs.replace(row, map=msgspec.structs.replace(row.map, refers_to=present)))
        else:
            absent = " and ".join(row.map.refers_to)
            notes.append(f"{account.name}: {row.map.field} is left out, because {absent} takes no part")
    return kept


def _may(said: Block, stream: Stream, faults: Faults) -> frozenset[Op]:
    """What is allowed: what the user says, else creating and updating; never more than the stream can."""
    if "may" not in said:
        return stream.can & {"create", "update"}
    for item in said.items("may"):
        if isinstance(item, Scalar) and item.value not in stream.can:
            can = f"it can {', '.join(sorted(stream.can))}" if stream.can else "it can only be read"
            faults.add(item.mark, f"{stream.name} cannot {shown(item.value)} at this vendor", can)
    return frozenset(cast("tuple[Op, ...]", said.words("may"))) & stream.can


def _filter(said: Block, entity: Entity, consents: ConsentNames, faults: Faults) -> str:
    node = said.get("filter")
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return ""
    verdict = examine(node.value, filter_variables(entity, consents.fields))
    note_complaints(node, verdict.complaints, faults)
    if verdict.gives not in ("", "BOOL", "DYN"):
        faults.add(node.mark, "a filter must say true or false", 'for example country == "PL"')
    return node.value


def consents_of(accounts: Sequence[Account]) -> set[str]:
    """The consents that connectors' own tables carry, so that none is lost for want of a file."""
    maps: list[Map] = [m for account in accounts for stream in account.streams for m in stream.mapping]
    return {m.field for m in maps if m.field.startswith("consent:")}


def check_consents(
    plans: Mapping[str, Sequence[StreamPlan]], consents: ConsentNames, mark: Mark, faults: Faults
) -> None:
    """A consent that a connector carries must exist: an unknown one would stop travelling without a word."""
    for connection, streams in plans.items():
        for plan in streams:
            for m in plan.maps:
                if m.field.startswith("consent:") and m.field not in consents.fields:
                    hint = f"name its channel and purpose here, or drop it in {MAPPINGS}/{connection}.yaml"
                    faults.add(mark, f"{connection}/{plan.stream} carries {m.field}, which does not exist", hint)
