"""What a rehearsal found out about a strategy."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Rehearsed", "Stopwatch"]

_Decision = TypeVar("_Decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What it decided, and how long it took."""

    decisions: dict[str, list[list[Any]]]  # by instrument: each instant, and what was decided at it
    events: dict[str, int]  # by traded instrument: on how many bars or quotes it could decide
    slowest_s: float  # its longest decision after the first


class Stopwatch:
    """Measures decisions and keeps the longest but for the first, which may compile."""

    def __init__(self) -> None:
        self.slowest_s = 0.0
        self._first = True

    def time(self, decide: Callable[..., _Decision], *given: object) -> _Decision:
        """What `decide` decides."""
        began = time.perf_counter()
        found = decide(*given)
        if not self._first:
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        self._first = False
        return found
