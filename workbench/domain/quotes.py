"""Quotes and bars in whole points, with both sides of the market."""

from dataclasses import dataclass

from workbench.domain.instruments import InstrumentId

__all__ = ["Bar", "Quote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best bid and ask at an instant, and where known what is on offer at each price.

    `bids` and `asks` are pairs of price and units, the best first; without them any size is done at the best.
    """

    instrument: InstrumentId
    time_ns: int  # UTC
    bid: int  # points
    ask: int  # points
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Bid and ask open, high, low and close over `[open_ns, close_ns)`; known at `close_ns`, no earlier."""

    instrument: InstrumentId
    open_ns: int  # UTC
    close_ns: int  # UTC
    bid_open: int  # points, as all prices here
    bid_high: int
    bid_low: int
    bid_close: int
    ask_open: int
    ask_high: int
    ask_low: int
    ask_close: int
