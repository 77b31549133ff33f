"""What every REST call of the org needs: the org, its sessions, open cursors and jobs, and who is writing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec

from zgoda.model.clock import Clock, SystemClock
from zgoda.twins.exchange import Call
from zgoda.twins.salesforce.errors import CallError
from zgoda.twins.salesforce.org import Org
from zgoda.twins.salesforce.querying import Selection
from zgoda.twins.salesforce.records import Writer

if TYPE_CHECKING:
    from zgoda.twins.salesforce.jobs import Job


@dataclass(slots=True)
class Cursor:
    """A query whose further pages wait to be fetched. The ids are fixed, the rows are read when a page is."""

    selection: Selection
    batch: int
    path: str


@dataclass
class Api:
    """Shared by all handlers. `flush` sends outbound messages, `pace` gives other work its turn."""

    org: Org
    flush: Callable[[], None]
    pace: Clock = field(default_factory=SystemClock)
    cursors: OrderedDict[str, Cursor] = field(default_factory=OrderedDict[str, Cursor])
    jobs: dict[str, Job] = field(default_factory=dict[str, "Job"])

    def writer(self, call: Call) -> Writer:
        rule = call.headers.get("Sforce-Duplicate-Rule-Header", "")
        allow = "allowsave=true" in rule.replace(" ", "").lower()
        return Writer(self.org.integration_user, call, allow_duplicates=allow)


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object in a request. Raises CallError JSON_PARSER_ERROR."""
    try:
        body = call.json()
    except msgspec.DecodeError as error:
        raise CallError(400, "JSON_PARSER_ERROR", f"Unexpected content: {error}") from None
    if not isinstance(body, dict):
        raise CallError(
            400, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body."
        )
    return cast(dict[str, Any], body)


def version_of(call: Call) -> str:
    """The `v59.0` of a call's path."""
    return call.path.split("/")[3]


def http_date(call: Call, header: str) -> datetime | None:
    """The moment in a conditional header, None when there is none that can be read."""
    try:
        moment = parsedate_to_datetime(call.headers.get(header, ""))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
