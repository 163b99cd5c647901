"""The trading sessions of the day: local business hours of the four centres, each by its own clock.

Source of the hours: the usual local business hours in foreign exchange (Tokyo 9 to 18, London and New
York 8 to 17, Sydney 7 to 16). Their overlap in UTC moves with each city's daylight saving.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["SESSIONS", "Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """Local business hours, Monday to Friday by the city's own calendar."""

    zone: str
    start: int  # minute of the local day
    end: int


SESSIONS: Mapping[str, Session] = MappingProxyType(
    {
        "sydney": Session("Australia/Sydney", 7 * 60, 16 * 60),
        "tokyo": Session("Asia/Tokyo", 9 * 60, 18 * 60),
        "london": Session("Europe/London", 8 * 60, 17 * 60),
        "new_york": Session("America/New_York", 8 * 60, 17 * 60),
    }
)
