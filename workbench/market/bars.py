"""Bars: bid and ask open, high, low and close of one instrument, as columns of whole points."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.market.errors import BadBarsError
from workbench.market.new_york import bar_closes, on_grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BOTH_SIDES",
    "COLUMNS",
    "PRICES",
    "SYNTHETIC",
    "Bars",
    "Ints",
    "crossed_parts",
    "impossible",
    "make_bars",
]

Ints = npt.NDArray[np.int64]

PRICES = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close"))
COLUMNS = ("open_ns", "close_ns", *PRICES)
BOTH_SIDES = "bid+ask"
SYNTHETIC = "SYNTHETIC"  # neither side was ever quoted: made up


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Bars:
    """Bars in time order, stamped by their open; a bar is known at its close and no earlier.

    Times are int64 nanoseconds UTC, prices int64 points; every column has shape (n,) and can not be
    written to.
    """

    instrument: Instrument
    timeframe: Timeframe
    open_ns: Ints
    close_ns: Ints
    bid_open: Ints
    bid_high: Ints
    bid_low: Ints
    bid_close: Ints
    ask_open: Ints
    ask_high: Ints
    ask_low: Ints
    ask_close: Ints
    sides: str  # "bid+ask", or which side is modelled and how; SYNTHETIC for made-up bars
    fingerprint: str  # of the dataset these bars were taken from; see `content_digest` for these alone

    def __post_init__(self) -> None:
        sizes = set()
        for name in COLUMNS:
            column = np.ascontiguousarray(getattr(self, name), dtype=np.int64).view()
            column.flags.writeable = False
            object.__setattr__(self, name, column)
            sizes.add(column.shape)
        if len(sizes) != 1 or len(next(iter(sizes))) != 1:
            raise ValueError(f"expected columns of one length, found shapes {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.open_ns)

    def __iter__(self) -> Iterator[Bar]:
        return (self.bar(index) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><b>{escape(self.describe())}</b><br><code>{self.fingerprint[:16]}</code></p>"

    def describe(self) -> str:
        """One line: what, how many, from when to when, which sides."""
        if not len(self):
            return f"{self.instrument.id} {self.timeframe}: no bars"
        first, last = self.open_ns[0], self.close_ns[-1]
        crossed = int(self.crossed.sum())
        return (
            f"{self.instrument.id} {self.timeframe}: {len(self):,} bars, {_utc(first)} to {_utc(last)} UTC, "
            f"{self.sides}{f', {crossed:,} with the bid above the ask' if crossed else ''}"
        )

    @property
    def crossed(self) -> npt.NDArray[np.bool_]:
        """Which bars have the bid above the ask in open, high, low or close."""
        found = np.zeros(len(self), dtype=np.bool_)
        for flags in crossed_parts(self).values():
            found |= flags
        return found

    def bar(self, index: int) -> Bar:
        """The bar at `index`, as a value of plain whole numbers; negative counts from the end."""
        return Bar(
            instrument=self.instrument.id, **{name: int(getattr(self, name)[index]) for name in COLUMNS}
        )

    def columns(self) -> dict[str, Ints]:
        """The columns by name, in canonical order."""
        return {name: getattr(self, name) for name in COLUMNS}

    def between(self, start_ns: int | None, end_ns: int | None) -> "Bars":
        """The bars that open in `[start_ns, end_ns)`, without copying; None leaves that end open."""
        low = 0 if start_ns is None else int(np.searchsorted(self.open_ns, start_ns, side="left"))
        high = len(self) if end_ns is None else int(np.searchsorted(self.open_ns, end_ns, side="left"))
        return self.at(low, high)

    def at(self, low: int, high: int) -> "Bars":
        """The bars with index in `[low, high)`, without copying; all of them are these themselves."""
        if low == 0 and high == len(self):
            return self
        return Bars(
            instrument=self.instrument,
            timeframe=self.timeframe,
            **{name: column[low:high] for name, column in self.columns().items()},
            sides=self.sides,
            fingerprint=self.fingerprint,
        )

    def content_digest(self) -> str:
        """SHA-256 of exactly these bars: instrument, timeframe, sides and every column."""
        digest = hashlib.sha256()
        head = (
            f"bars 1|{self.instrument.id}|{self.instrument.digits}|{self.timeframe}|{self.sides}|{len(self)}|"
        )
        digest.update(head.encode())
        for column in self.columns().values():
            digest.update(column.astype("<i8", copy=False).data)
        return digest.hexdigest()

    def to_frame(self) -> "pd.DataFrame":
        """For people: float64 prices in the quote currency, indexed by the bar's open, UTC."""
        import pandas as pd

        scale = 10.0**-self.instrument.digits
        digits = self.instrument.digits
        frame = pd.DataFrame(
            {name: np.round(getattr(self, name) * scale, digits) for name in PRICES},
            index=pd.DatetimeIndex(self.open_ns.view("M8[ns]"), tz="UTC", name="open_at"),
        )
        frame.insert(0, "close_at", pd.DatetimeIndex(self.close_ns.view("M8[ns]"), tz="UTC"))
        frame.attrs = {
            "instrument": self.instrument.id,
            "timeframe": str(self.timeframe),
            "sides": self.sides,
        }
        return frame


def make_bars(
    instrument: Instrument,
    *,
    timeframe: Timeframe,
    open_ns: Ints,
    prices: Mapping[str, Ints],
    sides: str = BOTH_SIDES,
    lines: Ints | None = None,
) -> Bars:
    """Bars from their opening times and the eight price columns; fingerprinted by their content.

    Sources do quote a bid above the ask: such bars are made, and `Bars.crossed`, every check and every
    backtest tell of them.

    Raises
    ------
    BadBarsError
        The bars are out of order, off the timeframe's grid, or high and low are not highest and lowest.
        The message names the first one, with its line when `lines` are given.
    """
    bars = Bars(
        instrument=instrument,
        timeframe=timeframe,
        open_ns=open_ns,
        close_ns=bar_closes(np.asarray(open_ns, dtype=np.int64), timeframe),
        **{name: prices[name] for name in PRICES},
        sides=sides,
        fingerprint="",
    )
    _refuse_impossible(bars, lines)
    return replace(bars, fingerprint=bars.content_digest())


def _refuse_impossible(bars: Bars, lines: Ints | None) -> None:
    for what, wrong in impossible(bars):
        if wrong.any():
            first = int(np.argmax(wrong))
            place = f"at {_utc(bars.open_ns[first])} UTC"
            if lines is not None:
                place = f"line {int(lines[first])}, {place}"
            raise BadBarsError(
                f"{bars.instrument.id} {bars.timeframe}: {what} in {int(wrong.sum())} of {len(bars)} bars, "
                f"first: {place}; correct the source and import it again"
            )


def impossible(bars: Bars) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """What no market can have made, as (what, one flag a bar)."""
    yield f"the open is not one of {bars.timeframe} bars", ~on_grid(bars.open_ns, bars.timeframe)
    late = np.zeros(len(bars), dtype=np.bool_)
    late[1:] = bars.open_ns[1:] < bars.close_ns[:-1]
    yield "a bar opens before the one before it has closed", late
    for side in ("bid", "ask"):
        high, low = getattr(bars, f"{side}_high"), getattr(bars, f"{side}_low")
        opened, closed = getattr(bars, f"{side}_open"), getattr(bars, f"{side}_close")
        outside = (low > np.minimum(opened, closed)) | (high < np.maximum(opened, closed))
        yield f"{side} open or close is outside low to high", outside
        yield f"{side} price of 0 or less", low <= 0


def crossed_parts(bars: Bars) -> dict[str, npt.NDArray[np.bool_]]:
    """Where the bid is above the ask, for open, high, low and close each."""
    return {
        part: getattr(bars, f"bid_{part}") > getattr(bars, f"ask_{part}")
        for part in ("open", "high", "low", "close")
    }


def _utc(time_ns: int) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("M8[s]")).replace("T", " ")
