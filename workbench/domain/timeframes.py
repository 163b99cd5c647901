"""Timeframes: how long a bar is, and where it starts.

Bars are half-open, `[open, open + length)`, and stamped by their open in UTC. Intraday bars align
to UTC midnight; the day bar runs from 17:00 New York to 17:00 New York (`workbench.domain.calendar`).
"""

from enum import StrEnum

from workbench.errors import BadInputError

__all__ = ["NS_PER_MINUTE", "NS_PER_SECOND", "Timeframe", "timeframe"]

NS_PER_SECOND = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_SECOND

_MINUTES = {"M1": 1, "M5": 5, "M15": 15, "M30": 30, "H1": 60, "H4": 240, "D1": 1440}


class Timeframe(StrEnum):
    """The length of a bar."""

    M1 = "M1"
    M5 = "M5"
    M15 = "M15"
    M30 = "M30"
    H1 = "H1"
    H4 = "H4"
    D1 = "D1"

    @property
    def minutes(self) -> int:
        """Nominal length in minutes (a D1 bar is an hour shorter or longer when daylight saving changes)."""
        return _MINUTES[self.value]

    @property
    def nanoseconds(self) -> int:
        """Nominal length in nanoseconds."""
        return self.minutes * NS_PER_MINUTE


def timeframe(name: str) -> Timeframe:
    """The timeframe called `name`, as in ``H1``.

    Raises
    ------
    BadInputError
        No such timeframe.
    """
    try:
        return Timeframe(name)
    except ValueError:
        raise BadInputError(f"unknown timeframe {name!r}; expected one of {', '.join(Timeframe)}") from None
