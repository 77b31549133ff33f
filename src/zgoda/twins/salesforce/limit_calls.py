"""What there is below a version, limits and record counts."""

from __future__ import annotations

from typing import Any

from zgoda.twins.exchange import Call, Reply, json_reply
from zgoda.twins.salesforce.api import Api

_UNLIMITED = 1_000_000


def resources(api: Api, call: Call) -> Reply:
    """GET /services/data/vNN.0: what there is below."""
    base = call.path.rstrip("/")
    return json_reply(200, {name: f"{base}/{name}" for name in (
        "sobjects", "query", "queryAll", "composite", "jobs", "limits",
    )})  # fmt: skip


def limits(api: Api, call: Call) -> Reply:
    around = api.org.around
    daily = around.limits.daily_requests or _UNLIMITED
    used = around.meter.used_today(around.time.now())
    counters: dict[str, Any] = {
        "DailyApiRequests": {"Max": daily, "Remaining": max(0, daily - used)},
        "DailyBulkApiBatches": {"Max": 15000, "Remaining": 15000},
        "DailyBulkV2QueryJobs": {"Max": 10000, "Remaining": 10000},
        "DataStorageMB": {"Max": 10240, "Remaining": 10240 - sum(api.org.counts().values()) // 500},
    }
    return json_reply(200, counters)


def record_count(api: Api, call: Call) -> Reply:
    """GET /limits/recordCount?sObjects=A,B; objects without records are left out."""
    wanted = [name.strip() for name in call.query.get("sObjects", "").split(",") if name.strip()]
    counts = api.org.counts()
    names = [spec.name for name in wanted if (spec := api.org.find_spec(name))] or list(counts)
    return json_reply(200, {"sObjects": [{"count": counts[name], "name": name} for name in names if counts[name]]})


def limit_info(api: Api) -> str:
    """The value of the Sforce-Limit-Info header."""
    around = api.org.around
    return f"api-usage={around.meter.used_today(around.time.now())}/{around.limits.daily_requests or _UNLIMITED}"
