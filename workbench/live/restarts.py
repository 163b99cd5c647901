"""When a live kernel that ended may be started again."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RestartPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """At most `limit` restarts in `within_s`, each waiting longer than the one before."""

    limit: int = 3
    within_s: float = 300.0
    first_wait_s: float = 0.5
    factor: float = 4.0

    def recent(self, restarts: Sequence[float], *, now: float) -> list[float]:
        """The restarts that count at `now`; times in seconds of one clock."""
        return [moment for moment in restarts if now - moment < self.within_s]

    def wait_s(self, restarts: Sequence[float], *, now: float) -> float | None:
        """Seconds to wait before the next restart; None when there were too many."""
        count = len(self.recent(restarts, now=now))
        return None if count >= self.limit else self.first_wait_s * self.factor**count
