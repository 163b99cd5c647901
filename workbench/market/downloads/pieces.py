"""A piece of history: one request, one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Piece"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What to ask for, where it goes, and the span it covers."""

    request: str
    params: Mapping[str, str]
    relative: str  # below the download's folder
    start: datetime
    end: datetime
