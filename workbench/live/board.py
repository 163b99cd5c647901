"""A page of numbers that a live kernel's strategy writes and its guard reads: how far it is, and since when.

The two are processes, and one of them may hang or die at any instruction. So nothing here waits: each number
is stored in one piece, and whoever reads sees the one before or the one after.
"""

import mmap
import time
from dataclasses import dataclass

__all__ = ["Board", "Deciding", "Progress"]

_EVENT_SEQ, _DECISIONS, _REPLAYED, _ORDERS, _AT_NS, _DECIDING_SEQ, _DECIDING_SINCE_NS = range(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the loop is."""

    event_seq: int = 0
    decisions: int = 0
    replayed: int = 0
    orders: int = 0
    at_ns: int = 0  # monotonic clock: when the loop last went round


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """The decision that is being made."""

    event_seq: int
    since_ns: int  # monotonic clock


class Board:
    """Shared with a process that is forked after it was made."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)  # shared, and of no file
        self._numbers = memoryview(self._page).cast("q")
        self._numbers[_AT_NS] = time.monotonic_ns()

    # --- the strategy's side --------------------------------------------------------------------------

    def begin(self, event_seq: int) -> None:
        """The strategy's own code decides on an event from now on."""
        self._numbers[_DECIDING_SEQ] = event_seq
        self._numbers[_DECIDING_SINCE_NS] = time.monotonic_ns()

    def end(self) -> None:
        """It has decided."""
        self._numbers[_DECIDING_SINCE_NS] = 0

    def round(self) -> None:
        """The loop went round."""
        self._numbers[_AT_NS] = time.monotonic_ns()

    def decided(self, event_seq: int, *, orders: int, replayed: bool) -> None:
        """The loop has done with an event."""
        numbers = self._numbers
        numbers[_EVENT_SEQ] = event_seq
        numbers[_DECISIONS] += 1
        numbers[_REPLAYED] += replayed
        numbers[_ORDERS] += orders
        numbers[_AT_NS] = time.monotonic_ns()

    # --- the guard's side -----------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """What is written; numbers that were stored one after the other may be of two rounds."""
        event_seq, decisions, replayed, orders, at_ns = self._numbers[: _AT_NS + 1].tolist()
        return Progress(
            event_seq=event_seq, decisions=decisions, replayed=replayed, orders=orders, at_ns=at_ns
        )

    @property
    def deciding(self) -> Deciding | None:
        """The decision that is being made; None between two."""
        since_ns = self._numbers[_DECIDING_SINCE_NS]
        event_seq = self._numbers[_DECIDING_SEQ]
        if not since_ns or since_ns != self._numbers[_DECIDING_SINCE_NS]:
            return None
        return Deciding(event_seq=event_seq, since_ns=since_ns)
