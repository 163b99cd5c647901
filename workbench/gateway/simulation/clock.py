"""Time that passes when it is told to: a steady clock and a wall clock that may jump."""

__all__ = ["SimulatedClock"]

_START_NS = 1_793_000_000_000_000_000  # October 2026; any instant


class SimulatedClock:
    """Seconds since the start, and the wall's nanoseconds, which a fault can set off."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.wall_offset_ns = 0

    def __call__(self) -> float:
        """The steady clock."""
        return self.seconds

    def wall_ns(self) -> int:
        """The wall clock."""
        return _START_NS + round(self.seconds * 1e9) + self.wall_offset_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
