"""A toy system for engine tests: a plain reference model of a vendor, without HTTP.

It holds the truth (every record, every write, in order) and offers the engine a connector like any other. Character:
polling with stamps of a chosen step, clocks that are off, webhooks, deletes with or without tombstones, merges and
conversions, rewriting of values, partial success, cut and lying reads, lost answers. It decides nothing for the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from zgoda.kit.convert import Dialect
from zgoda.kit.errors import Attention, ConnectorError, NeedsAttention, Refusal, RefusalKind, Temporary
from zgoda.kit.http import Http
from zgoda.kit.mapping import Map
from zgoda.kit.pace import Limits
from zgoda.kit.spec import (
    Connector,
    Hint,
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
    """One system. `edit`, `create`, `delete`, `merge`, `convert` are people at work in it; `writes` is what the hub did.

    `step_s` is the resolution of its stamps, `skew_s` how far its clock is off, `offset_h` the zone it spells stamps
    in. `webhooks` collects what it would tell about every change, its own users' and the hub's alike. `attempts` are
    all writes that came in, refused ones included. `hidden` ids are left out of full reads (a wrong filter, an outage),
    `claimed_total` is what a full read says it has (None: the truth), `cut_after` pages a read breaks off. `frozen`
    streams are immutable. `echo` puts the stored row into receipts. `gone_fields` were removed by the system's
    administrator: asking for them fails, writing them is refused by name.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        step_s: float = 0.001,
        tombstones: bool = True,
        dialect: Dialect | None = None,
        skew_s: float = 0.0,
        offset_h: float = 0.0,
        trusted: bool = True,
    ) -> None:
        self.name = name
        self.url = "http://127.0.0.1:9"
        self.clock = clock
        self.step_s = step_s
        self.tombstones = tombstones
        self.dialect = dialect or Dialect()
        self.skew_s = skew_s
        self.offset_h = offset_h
        self.trusted = trusted
        self.webhooks: list[tuple[str, Hint]] = []
        self.attempts: list[Write] = []
        self.hidden: set[str] = set()
        self.claimed_total: int | None = None
        self.cut_after: int | None = None
        self.frozen: set[str] = set()
        self.echo = False
        self.gone_fields: set[str] = set()
        self.rows: dict[str, dict[str, Row]] = {}
        self.graves: dict[str, list[tuple[str, Removed]]] = {}
        self.writes: list[tuple[str, str, str, Row]] = []
        self.rewrite: Callable[[str, Any], Any] = lambda field, value: value
        self.drop_fields: set[str] = set()
        self.refuse: Callable[[Write], Refusal | None] = lambda write: None
        self.before_write: Callable[[], None] = lambda: None
        self.before_call: Callable[[list[Write]], None] = lambda writes: None
        self.after_write: Callable[[list[Write]], None] = lambda writes: None
        self.fail_reads: ConnectorError | None = None
        self.page_size = 50
        self.reads = 0
        self._ids = 0
        self._latest = datetime(1970, 1, 1, tzinfo=UTC)

    # people -----------------------------------------------------------------------------------------------------

    def create(self, stream: str, **values: Any) -> str:
        self._ids += 1
        id = f"{self.name}-{stream}-{self._ids}"
        self.rows.setdefault(stream, {})[id] = {**values, "id": id, "modified": self._stamp()}
        self._tell(stream, id)
        return id

    def edit(self, stream: str, id: str, **values: Any) -> None:
        self.rows[stream][id].update(values, modified=self._stamp())
        self._tell(stream, id)

    def edit_unstamped(self, stream: str, id: str, **values: Any) -> None:
        """A formula or a roll-up: the value changes, the stamp does not, and nobody is told."""
        self.rows[stream][id].update(values)

    def delete(self, stream: str, id: str) -> None:
        del self.rows[stream][id]
        if self.tombstones:
            self.graves.setdefault(stream, []).append((self._stamp(), Removed(id=id)))
        self._tell(stream, id)

    def restore(self, stream: str, row: Row) -> None:
        """Somebody takes a deleted record out of the bin, under its old id."""
        self.rows[stream][row["id"]] = {**row, "modified": self._stamp()}
        self._tell(stream, row["id"])

    def merge(self, stream: str, loser: str, winner: str, **values: Any) -> None:
        del self.rows[stream][loser]
        grave = Removed(id=loser, merged_into=winner)
        self.graves.setdefault(stream, []).append((self._stamp(), grave))
        self._tell(stream, loser, grave)
        self.edit(stream, winner, **values)

    def convert(self, stream: str, id: str, into: str, **values: Any) -> str:
        """A lead becomes a contact: it lives on in another stream under another id."""
        row = self.row(stream, id)
        del self.rows[stream][id]
        new_id = self.create(into, **{**row, **values})
        grave = Removed(id=id, merged_into=new_id, stream=into)
        self.graves.setdefault(stream, []).append((self._stamp(), grave))
        self._tell(stream, id, grave)
        return new_id

    def row(self, stream: str, id: str) -> Row:
        return {k: v for k, v in self.rows[stream][id].items() if k not in ("id", "modified")}

    def find(self, stream: str, **values: Any) -> list[str]:
        rows = self.rows.get(stream, {})
        return [id for id, row in rows.items() if all(row.get(k) == v for k, v in values.items())]

    def _tell(self, stream: str, id: str, grave: Removed | None = None) -> None:
        self.webhooks.append((stream, Hint(stream=stream, id=id, removed=grave)))

    def _stamp(self) -> str:
        now = self.clock.now() + timedelta(seconds=self.skew_s)
        if self.step_s < 1:
            # stamps of one moment still tell what came first
            now = self._latest = max(now, self._latest + timedelta(microseconds=1))
        else:
            epoch = int(now.timestamp() / self.step_s) * self.step_s
            now = datetime.fromtimestamp(epoch, UTC)
        return now.isoformat(timespec="microseconds").replace("+00:00", "Z")  # one width: stamps are compared as text

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
            dialect=self.dialect,
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
            self._check_reads(name, reading)
            rows = self.rows.get(name, {})
            return Page(
                rows=[self._shown(rows[id], reading) for id in ids if id in rows],
                removed=[Removed(id=id) for id in ids if id not in rows],
            )

        async def write(session: Session, writes: list[Write]) -> list[Receipt]:
            await asyncio.sleep(0)
            self.before_write()
            self.before_call(writes)
            receipts = [self._write(name, write) for write in writes]
            self.after_write(writes)
            return receipts

        async def find(session: Session, lookups: list[Lookup]) -> dict[str, str]:
            found: dict[str, str] = {}
            for lookup in lookups:
                known = {k: v for k, v in lookup.values.items() if k in ("email", "name") and v}
                for id in self.find(name, **known) if known else ():
                    found[lookup.key] = id
            return found

        return Stream(
            name=name,
            entity=entity,
            mapping=maps,
            modified="modified",
            trusted_stamp=self.trusted,
            immutable=name in self.frozen,
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
        self._check_reads(stream, reading)
        start = self._stamp()
        rows = sorted(self.rows.get(stream, {}).values(), key=lambda row: (row["modified"], row["id"]))
        rows = [row for row in rows if row["modified"] >= since and (since or row["id"] not in self.hidden)]
        shown = [self._shown(row, reading) for row in rows]
        pages = [shown[i : i + self.page_size] for i in range(0, len(shown), self.page_size)] or [[]]
        total = len(shown) if self.claimed_total is None else self.claimed_total
        for number, page in enumerate(pages):
            if self.cut_after is not None and number >= self.cut_after:
                raise Temporary("the line was cut")
            self.reads += 1
            last = number == len(pages) - 1
            newest = max([row["modified"] for row in rows], default=since)
            stamp = (newest if since else start) if last else since
            yield Page(rows=page, cursor={"stamp": stamp}, total=None if since else total)

    def _check_reads(self, stream: str, reading: Reading) -> None:
        if self.fail_reads is not None:
            raise self.fail_reads
        if unknown := tuple(sorted(self.gone_fields & set(reading.fields))):
            raise NeedsAttention(Attention.SCHEMA, "there are no such fields", fields=unknown, stream=stream)

    def _shown(self, row: Row, reading: Reading) -> Row:
        shown = {name: row.get(name) for name in (*reading.fields, "id", "modified")}
        if self.offset_h:
            zone = timezone(timedelta(hours=self.offset_h))
            shown["modified"] = datetime.fromisoformat(row["modified"]).astimezone(zone).isoformat()
        return shown

    def _write(self, stream: str, write: Write) -> Receipt:
        self.attempts.append(write)
        refusal = self.refuse(write) or self._unknown(write)
        rows = self.rows.setdefault(stream, {})
        if refusal is None and write.op != "create" and write.id not in rows:
            moved = [grave.merged_into for _, grave in self.graves.get(stream, []) if grave.id == write.id]
            refusal = Refusal(kind=RefusalKind.GONE, code="GONE", moved_to=moved[0] if moved else "")
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
            return self._receipt(stream, write.key, self.create(stream, **values))
        self.edit(stream, write.id, **values)
        return self._receipt(stream, write.key, write.id)

    def _unknown(self, write: Write) -> Refusal | None:
        unknown = tuple(sorted(self.gone_fields & write.values.keys()))
        return Refusal(kind=RefusalKind.REJECTED, code="NO_FIELD", fields=unknown) if unknown else None

    def _receipt(self, stream: str, key: str, id: str) -> Receipt:
        return Receipt(key=key, id=id, stored=dict(self.rows[stream][id]) if self.echo else None)

    async def _open(self, http: Http, settings: Any, clock: Clock) -> Session:
        return Session(http=http, settings=settings, clock=clock)

    async def _check(self, session: Session) -> Identity:
        return Identity(account=self.name, user="toy")

    async def _discover(self, session: Session, stream: Stream) -> VendorObject:
        return VendorObject(stream=stream.name, fields=())
