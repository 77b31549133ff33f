"""A toy system for engine tests: a plain reference model of a vendor, without HTTP.

It holds the truth (every record, every write, in order) and offers the engine a connector like any other. Character:
polling with stamps of a chosen step, deletes with or without tombstones, merges, rewriting of values, partial success,
lost answers. It decides nothing for the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from zgoda.kit.convert import Dialect
from zgoda.kit.errors import ConnectorError, Refusal, RefusalKind
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import (
    Connector,
    Identity,
    Lookup,
    Page,
    Reading,
    Receipt,
    Removed,
    Session,
    Stream,
    VendorObject,
    Write,
)
from zgoda.model.clock import Clock

Row = dict[str, Any]


class Toy:
    """One system. `edit`, `create`, `delete`, `merge` are people at work in it; `writes` is what the hub did."""

    def __init__(self, name: str, clock: Clock, *, step_s: float = 0.001, tombstones: bool = True) -> None:
        self.name = name
        self.clock = clock
        self.step_s = step_s
        self.tombstones = tombstones
        self.rows: dict[str, dict[str, Row]] = {}
        self.graves: dict[str, list[tuple[str, Removed]]] = {}
        self.writes: list[tuple[str, str, str, Row]] = []
        self.rewrite: Callable[[str, Any], Any] = lambda field, value: value
        self.drop_fields: set[str] = set()
        self.refuse: Callable[[Write], Refusal | None] = lambda write: None
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[list[Write]], None] = lambda writes: None
        self.fail_reads: ConnectorError | None = None
        self.page_size = 50
        self.reads = 0
        self._ids = 0
        self._tick = 0

    # people -----------------------------------------------------------------------------------------------------

    def create(self, stream: str, **values: Any) -> str:
        self._ids += 1
        id = f"{self.name}-{stream}-{self._ids}"
        self.rows.setdefault(stream, {})[id] = {**values, "id": id, "modified": self._stamp()}
        return id

    def edit(self, stream: str, id: str, **values: Any) -> None:
        self.rows[stream][id].update(values, modified=self._stamp())

    def delete(self, stream: str, id: str) -> None:
        del self.rows[stream][id]
        if self.tombstones:
            self.graves.setdefault(stream, []).append((self._stamp(), Removed(id=id)))

    def merge(self, stream: str, loser: str, winner: str, **values: Any) -> None:
        del self.rows[stream][loser]
        self.graves.setdefault(stream, []).append((self._stamp(), Removed(id=loser, merged_into=winner)))
        self.edit(stream, winner, **values)

    def row(self, stream: str, id: str) -> Row:
        return {k: v for k, v in self.rows[stream][id].items() if k not in ("id", "modified")}

    def find(self, stream: str, **values: Any) -> list[str]:
        rows = self.rows.get(stream, {})
        return [id for id, row in rows.items() if all(row.get(k) == v for k, v in values.items())]

    def _stamp(self) -> str:
        now = self.clock.now()
        if self.step_s < 1:
            self._tick += 1
            now += timedelta(microseconds=self._tick % 1000)
        else:
            epoch = int(now.timestamp() / self.step_s) * self.step_s
            now = datetime.fromtimestamp(epoch, UTC)
        return now.isoformat().replace("+00:00", "Z")

    # the connector ----------------------------------------------------------------------------------------------

    def connector(self, *streams: tuple[str, str, tuple[Map, ...]]) -> Connector:
        return Connector(
            key=f"toy-{self.name}",
            title=f"Toy {self.name}",
            role="generic",
            settings=(),
            streams=tuple(self._stream(name, entity, maps) for name, entity, maps in streams),
            open=self._open,
            check=self._check,
            discover=self._discover,
            limits=lambda settings: Limits(concurrent=4),
            dialect=Dialect(),
        )

    def _stream(self, name: str, entity: str, maps: tuple[Map, ...]) -> Stream:
        async def read_all(session: Session, reading: Reading) -> AsyncIterator[Page]:
            async for page in self._read(name, reading, ""):
                yield page

        async def read_changes(session: Session, reading: Reading) -> AsyncIterator[Page]:
            since = (reading.cursor or {}).get("stamp", "")
            async for page in self._read(name, reading, since):
                yield page

        async def read_deletes(session: Session, reading: Reading) -> AsyncIterator[Page]:
            since = (reading.cursor or {}).get("stamp", "")
            graves = [(stamp, grave) for stamp, grave in self.graves.get(name, []) if stamp >= since]
            stamp = max([stamp for stamp, _ in graves], default=since)
            yield Page(removed=[grave for _, grave in graves], cursor={"stamp": stamp})

        async def read_ids(session: Session, reading: Reading, ids: list[str]) -> Page:
            self._check_reads()
            rows = self.rows.get(name, {})
            return Page(
                rows=[self._shown(rows[id], reading) for id in ids if id in rows],
                removed=[Removed(id=id) for id in ids if id not in rows],
            )

        async def write(session: Session, writes: list[Write]) -> list[Receipt]:
            await asyncio.sleep(0)
            self.before_write()
            receipts = [self._write(name, write) for write in writes]
            self.after_write(writes)
            return receipts

        async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
            found: dict[str, str] = {}
            for lookup in lookups:
                for id in self.find(name, **{k: v for k, v in lookup.values.items() if k == "email"}):
                    found[lookup.key] = id
            return found

        return Stream(
            name=name,
            entity=entity,
            mapping=maps,
            modified="modified",
            can=frozenset({"create", "update", "delete"}),
            batch=20,
            read_all=read_all,
            read_changes=read_changes,
            read_deletes=read_deletes if self.tombstones else None,
            read_ids=read_ids,
            write=write,
            find=find,
        )

    async def _read(self, stream: str, reading: Reading, since: str) -> AsyncIterator[Page]:
        self._check_reads()
        start = self._stamp()
        rows = sorted(self.rows.get(stream, {}).values(), key=lambda row: (row["modified"], row["id"]))
        rows = [row for row in rows if row["modified"] >= since]
        shown = [self._shown(row, reading) for row in rows]
        pages = [shown[i : i + self.page_size] for i in range(0, len(shown), self.page_size)] or [[]]
        for number, page in enumerate(pages):
            self.reads += 1
            last = number == len(pages) - 1
            stamp = (start if not since else max([r["modified"] for r in page], default=since)) if last else since
            yield Page(rows=page, cursor={"stamp": stamp or since}, total=len(shown) if not since else None)

    def _check_reads(self) -> None:
        if self.fail_reads is not None:
            raise self.fail_reads

    def _shown(self, row: Row, reading: Reading) -> Row:
        return {name: row.get(name) for name in (*reading.fields, "id", "modified")}

    def _write(self, stream: str, write: Write) -> Receipt:
        refusal = self.refuse(write)
        rows = self.rows.setdefault(stream, {})
        if refusal is None and write.op != "create" and write.id not in rows:
            refusal = Refusal(kind=RefusalKind.GONE, code="GONE")
        if refusal is not None:
            return Receipt(key=write.key, id=write.id, refusal=refusal)
        self.writes.append((stream, write.op, write.id, dict(write.values)))
        if write.op == "delete":
            self.delete(stream, write.id)
            return Receipt(key=write.key, id=write.id)
        values = {
            name: self.rewrite(name, value) for name, value in write.values.items() if name not in self.drop_fields
        }
        if write.op == "create":
            return Receipt(key=write.key, id=self.create(stream, **values))
        self.edit(stream, write.id, **values)
        return Receipt(key=write.key, id=write.id)

    async def _open(self, http: Http, settings: Any, clock: Clock) -> Session:
        return Session(http=http, settings=settings, clock=clock)

    async def _check(self, session: Session) -> Identity:
        return Identity(account=self.name, user="toy")

    async def _discover(self, session: Session, stream: Stream) -> VendorObject:
        return VendorObject(stream=stream.name, fields=())
