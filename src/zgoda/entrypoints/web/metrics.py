"""What the hub tells Prometheus about itself."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zgoda.sync.schedule import Keeper


class HubCollector(Collector):
    """Reads the keeper's own counters; no database query is made for a scrape."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        applied = CounterMetricFamily("zgoda_writes_applied", "Records written to systems")
        applied.add_metric([], self._keeper.applied)
        yield applied
        progress = GaugeMetricFamily(
            "zgoda_loop_progress_timestamp_seconds", "When a loop last went round", labels=["loop"]
        )
        for loop, at in sorted(self._keeper.progress.items()):
            progress.add_metric([loop], at.timestamp())
        yield progress
        troubles = GaugeMetricFamily("zgoda_loop_in_trouble", "1 while a loop fails", labels=["loop"])
        for loop in sorted(self._keeper.progress):
            troubles.add_metric([loop], 1.0 if loop in self._keeper.troubles else 0.0)
        yield troubles
