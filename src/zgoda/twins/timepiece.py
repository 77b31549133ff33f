"""The twin's own clock: a vendor's servers need not agree with the hub's about the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from zgoda.model.clock import Clock


class Timepiece:
    """A clock that runs beside another one, `offset` apart, and can be turned by hand."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self._base.now() + self.offset

    def monotonic_s(self) -> float:
        return self._base.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds)

    def set(self, moment: datetime) -> None:
        """From now on it is `moment` here, and time runs on from there."""
        self.offset = moment - self._base.now()

    def advance(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)

    def skew(self, seconds: float) -> None:
        """Stand exactly so far from the base clock, whatever was set before."""
        self.offset = timedelta(seconds=seconds)


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment as aware UTC; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "T"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
