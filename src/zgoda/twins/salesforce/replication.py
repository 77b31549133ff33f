"""GET updated and deleted: what changed in a window, by SystemModstamp, as far back as the vendor remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api
from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.removal import empty_old_bins
from zgoda.twins.salesforce.values import stamp

_LONGEST_UPDATED = timedelta(days=30)
_LONGEST_DELETED = timedelta(days=15)


def updated(api: Api, call: Call, object: str) -> Reply:
    """Ids of live records created or changed in the window."""
    spec = api.org.spec(object)
    start, end = _window(api, call, _LONGEST_UPDATED)
    table = api.org.tables[spec.name]
    ids = [id for _, id in table.live.irange((stamp(start), ""), (stamp(end), ""))]
    _refuse_too_many(api, call, spec.name, len(ids))
    return json_reply(200, {"ids": ids, "latestDateCovered": stamp(_covered(api, end))})


def deleted(api: Api, call: Call, object: str) -> Reply:
    """Ids deleted in the window, also those already gone from the recycle bin; merged ones too.

    The vendor may purge its log of deletions early; whoever asks from before `earliestDateAvailable` has missed some.
    """
    spec = api.org.spec(object)
    start, end = _window(api, call, _LONGEST_DELETED)
    empty_old_bins(api.org)
    gap = api.org.around.faults.strike("feed", call, spec.name, ("feed_gap",))
    reach = _LONGEST_DELETED if gap is None else timedelta(hours=float(gap.option("hours", 2)))
    earliest = api.org.moment() - reach
    low, high = stamp(max(start, earliest)), stamp(end)
    found = [(at, id) for at, id in api.org.tables[spec.name].deletions if low <= at < high]
    _refuse_too_many(api, call, spec.name, len(found))
    return json_reply(200, {
        "deletedRecords": [{"id": id, "deletedDate": at} for at, id in found],
        "earliestDateAvailable": stamp(earliest),
        "latestDateCovered": stamp(_covered(api, end)),
    })  # fmt: skip


def _window(api: Api, call: Call, longest: timedelta) -> tuple[datetime, datetime]:
    """Start and end with their seconds ignored. Raises CallError."""
    start, end = _moment(call, "start"), _moment(call, "end")
    now = api.org.moment()
    if end <= start:
        raise CallError(400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    if start < now - longest - timedelta(minutes=1):
        raise CallError(400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {longest.days} days ago")
    if start > now:
        raise CallError(
            400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date or in the future"
        )
    return start, end


def _moment(call: Call, name: str) -> datetime:
    text = call.query.get(name, "").strip().replace(" ", "+")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CallError(400, "MALFORMED_QUERY", f"{name} is missing or no ISO 8601 date: {text}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _covered(api: Api, end: datetime) -> datetime:
    """Up to when nothing can have been missed: transactions of this minute may still be open."""
    return min(end, api.org.moment().replace(second=0, microsecond=0))


def _refuse_too_many(api: Api, call: Call, object: str, found: int) -> None:
    """A window with too many ids has to be asked for in smaller ones."""
    around = api.org.around
    most = around.limits.feed_ids
    if around.faults.strike("feed", call, object, ("too_many_ids",)) is not None or (most is not None and found > most):
        raise CallError(400, "EXCEEDED_ID_LIMIT", "too many ids in the window: choose start and end closer together")
