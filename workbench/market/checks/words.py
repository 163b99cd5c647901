"""How findings are put into words."""

from collections.abc import Iterable

import numpy as np

from workbench.domain.instruments import Instrument

__all__ = ["EXAMPLES", "duration", "longest_first", "quote", "utc"]

EXAMPLES = 5


def utc(time_ns: int, unit: str = "m") -> str:
    """An instant as text, to the minute (`m`), second (`s`) or millisecond (`ms`)."""
    return str(np.datetime64(int(time_ns), "ns").astype(f"M8[{unit}]")).replace("T", " ")


def duration(length_ns: int) -> str:
    """A length of time as people say it: ``6 min 27 s``, ``2 h 5 min``, ``3 days``."""
    seconds = int(length_ns) // 1_000_000_000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds % 60 else f"{seconds // 60} min"
    if seconds < 172_800:
        return f"{seconds // 3_600} h {seconds % 3_600 // 60} min"
    return f"{seconds // 86_400} days {seconds % 86_400 // 3_600} h"


def quote(instrument: Instrument, time_ns: int, bid: int, ask: int) -> str:
    """One quote as an example."""
    return f"{utc(time_ns, 'ms')} UTC: bid {instrument.to_price(bid)}, ask {instrument.to_price(ask)}"


def longest_first(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(Instant, length), the longest first, the earliest of equals."""
    return sorted(runs, key=lambda run: (-run[1], run[0]))
