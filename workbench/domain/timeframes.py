"""Timeframes: how long a bar is, and where it starts.

Bars are half-open, `[open, open + length)`, and stamped by their open in UTC. Bars below a day tile
the UTC day from midnight. The day bar runs from 17:00 to 17:00 New York, the week from Sunday's 17:00
to the next, the month from the 17:00 before its first day (`workbench.domain.calendar`). D1UTC is the
day of some vendors' files, cut at midnight UTC.
"""

from enum import StrEnum

from workbench.errors import BadInputError

__all__ = ["NS_PER_MINUTE", "NS_PER_SECOND", "Timeframe", "timeframe"]

NS_PER_SECOND = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_SECOND

_UNITS = {"S": 1, "M": 60, "H": 3_600, "D": 86_400, "W": 604_800, "MN": 2_592_000}  # seconds


class Timeframe(StrEnum):
    """The length of a bar, shortest first: every number of seconds, minutes or hours in use that tiles
    the minute, the hour or the day."""

    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"
    S5 = "S5"
    S6 = "S6"
    S10 = "S10"
    S12 = "S12"
    S15 = "S15"
    S20 = "S20"
    S30 = "S30"
    M1 = "M1"
    M2 = "M2"
    M3 = "M3"
    M4 = "M4"
    M5 = "M5"
    M6 = "M6"
    M8 = "M8"
    M9 = "M9"
    M10 = "M10"
    M12 = "M12"
    M15 = "M15"
    M16 = "M16"
    M18 = "M18"
    M20 = "M20"
    M24 = "M24"
    M30 = "M30"
    M32 = "M32"
    M36 = "M36"
    M40 = "M40"
    M45 = "M45"
    M48 = "M48"
    H1 = "H1"
    M72 = "M72"
    M80 = "M80"
    M90 = "M90"
    M96 = "M96"
    H2 = "H2"
    M144 = "M144"
    M160 = "M160"
    H3 = "H3"
    H4 = "H4"
    M288 = "M288"
    H6 = "H6"
    H8 = "H8"
    H12 = "H12"
    D1 = "D1"
    D1UTC = "D1UTC"
    W1 = "W1"
    MN1 = "MN1"

    @property
    def seconds(self) -> int:
        """Nominal length in seconds (a day is an hour shorter or longer when daylight saving changes)."""
        if self is Timeframe.D1UTC:
            return _UNITS["D"]
        letters = self.value.rstrip("0123456789")
        return _UNITS[letters] * int(self.value[len(letters) :])

    @property
    def minutes(self) -> int:
        """Nominal length in whole minutes; 0 for bars of seconds."""
        return self.seconds // 60

    @property
    def nanoseconds(self) -> int:
        """Nominal length in nanoseconds."""
        return self.seconds * NS_PER_SECOND

    @property
    def is_by_session(self) -> bool:
        """Whether the bar ends at a 17:00 of New York: the day, the week and the month."""
        return self in (Timeframe.D1, Timeframe.W1, Timeframe.MN1)


def timeframe(name: str) -> Timeframe:
    """The timeframe called `name`, as in ``M1`` or ``H4``; ``D``, ``W`` and ``MN`` are those of one.

    Raises
    ------
    BadInputError
        No such timeframe.
    """
    try:
        return Timeframe(f"{name}1" if name in ("D", "W", "MN") else name)
    except ValueError:
        raise BadInputError(
            f"unknown timeframe {name!r}; expected seconds, minutes or hours that tile the minute, the hour "
            "or the day, as in S10, M1, M5, M15, H1, H4, or one of D1, W1, MN1, D1UTC"
        ) from None
