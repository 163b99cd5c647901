"""A circuit breaker for a broker's connection: tries again later and later, on a clock that is given.

It holds up connecting and reading alone. Cancels and the kill switch pass it by: they are tried at once.
"""

from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Open after a failure, until its pause is over; the pause doubles, with jitter.

    Parameters
    ----------
    monotonic
        Seconds.
    rng
        A number in [0, 1), for the jitter.
    first_s, most_s
        The first and the longest pause.
    stable_s
        A connection that has held so long is forgiven what was before; one that flaps is not.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        rng: Callable[[], float],
        first_s: float = 0.5,
        most_s: float = 30.0,
        stable_s: float = 10.0,
    ) -> None:
        self._monotonic = monotonic
        self._rng = rng
        self._first_s, self._most_s, self._stable_s = first_s, most_s, stable_s
        self._failures = 0
        self._until = 0.0
        self._up_since = 0.0

    @property
    def failures(self) -> int:
        """How often in a row it failed."""
        return self._failures

    def allows(self) -> bool:
        """Whether the pause is over."""
        return self._monotonic() >= self._until

    def worked(self) -> None:
        """It is connected; the pauses begin anew only when that has lasted."""
        self._up_since = self._monotonic()

    def failed(self) -> None:
        """It could not connect, or lost the connection: pause."""
        now = self._monotonic()
        if self._up_since and now - self._up_since >= self._stable_s:
            self._failures = 0
        self._up_since = 0.0
        pause = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        self._until = now + pause * (0.5 + 0.5 * self._rng())
