"""CPU seconds of this process and of PostgreSQL, and the most memory this process ever held."""

from __future__ import annotations

import resource
import time
from types import TracebackType

import psutil


class Meter:
    """Measures a block. CPU time is what a goal is about: it does not grow because somebody else uses the machine.

    `own_s` is this process with its threads, `postgres_s` the server with all its workers, those that ended included;
    `wall_s` is what a clock on the wall says.
    """

    def __init__(self, postgres_pid: int) -> None:
        self._postmaster = psutil.Process(postgres_pid)
        self.own_s = self.postgres_s = self.wall_s = 0.0

    @property
    def cpu_s(self) -> float:
        return self.own_s + self.postgres_s

    def __enter__(self) -> Meter:
        self._began = time.monotonic()
        self._own_s, self._postgres_s = time.process_time(), self._server_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.own_s = time.process_time() - self._own_s
        self.postgres_s = self._server_s() - self._postgres_s
        self.wall_s = time.monotonic() - self._began

    def _server_s(self) -> float:
        """The postmaster's times with those of its ended children, and its living children's own. Taken again when a
        child ended meanwhile, else its time would count twice or not at all."""
        while True:
            children = self._postmaster.children()
            family = self._postmaster.cpu_times()
            total = family.user + family.system + family.children_user + family.children_system
            try:
                times = [child.cpu_times() for child in children]
            except psutil.NoSuchProcess:
                continue
            if self._postmaster.children() == children:
                return total + sum(t.user + t.system for t in times)


def peak_rss_mb() -> float:
    """The most this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
