"""How old the data of a deployment is, by this server's own clock.

A replay's prices carry the time of their own year, so age can not be told from them: it is the time since
this server saw the deployment move on. While nobody looked it is not known when that was.
"""

import threading
import time
from collections.abc import Callable

__all__ = ["DataAges"]


class DataAges:
    """Remembers when each deployment was last seen to move on; safe to use from several threads."""

    def __init__(self, *, longest_gap_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_gap_s = longest_gap_s
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, float | None, float]] = {}

    def observe(self, deployment_id: str, event_seq: int) -> float | None:
        """Seconds since it moved on to `event_seq`; None when nobody saw it move."""
        now = self._clock()
        with self._lock:
            seq, moved_at, looked_at = self._seen.get(deployment_id, (event_seq, None, now))
            if event_seq != seq:
                moved_at = now if now - looked_at <= self._longest_gap_s else None
            self._seen[deployment_id] = (event_seq, moved_at, now)
        return None if moved_at is None else round(now - moved_at, 1)
