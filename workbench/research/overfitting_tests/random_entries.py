"""Whether a rule's timing beats chance: the same trades, entered at random."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountMode
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.result import BacktestResult

__all__ = ["RandomEntries", "random_entries"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_AT_ONCE = 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomEntries:
    """Profit of the rule's trades against that of trades entered at random."""

    real: float  # of the rule's trades, quote currency, after the spread, before commission and financing
    random: Floats  # of each random run, counted alike
    trades: int

    @property
    def p_value(self) -> float:
        """Chance that random entries do as well as the rule; the rule counts as one of the runs."""
        return float((1 + np.sum(self.random >= self.real)) / (1 + len(self.random)))

    def __repr__(self) -> str:
        return (
            f"<{self.trades:,} trades made {self.real:,.2f}, as many at random {np.mean(self.random):,.2f} "
            f"on average: p {self.p_value:.3f} of {len(self.random):,} runs>"
        )


def random_entries(result: BacktestResult, *, rng: np.random.Generator, runs: int = 2_000) -> RandomEntries:
    """Enter as many trades, of the same sides, units and holding times, at random in the same bars.

    Parameters
    ----------
    result
        A backtest of one instrument. Its closed trades count.

    Raises
    ------
    BadInputError
        Several instruments, or no closed trade.

    Notes
    -----
    Each run keeps the trades and shuffles which comes when and the pauses between them; trades overlap only
    where the rule's holding times leave no other way. Random trades are filled at the open quotes of bars,
    buys at the ask and sells at the bid; one that ended in the bar it began in leaves at that bar's close.
    What is tested is timing: sides and holding times are the rule's, so an edge that comes from being long in
    a market that rose does not count. Exits by stop and target become exits by time.
    """
    if len(result.traded) != 1:
        raise BadInputError(
            f"expected a backtest of one instrument, found {', '.join(result.traded)}; test each by itself"
        )
    trips = result.round_trips
    trips = trips.chosen(trips.closed)
    if not len(trips):
        raise BadInputError("expected 1 closed trade or more, found none; there is no timing to test")
    bars = result.bars
    places = result.outcome.fill_bar
    held = places[trips.exit_fill] - places[trips.entry_fill]
    scale = 10.0**-bars.instrument.digits
    real = float(np.sum(trips.units * (trips.exit_price - trips.entry_price))) * scale
    overlap = result.account.mode is not AccountMode.NETTING or int(np.sum(held + 1)) > len(bars)
    found = []
    at_once = max(1, _AT_ONCE // len(trips))
    for start in range(0, runs, at_once):
        count = min(at_once, runs - start)
        found.append(_profits(bars, trips.units, held, count=count, overlap=overlap, rng=rng) * scale)
    return RandomEntries(real=real, random=np.concatenate(found), trades=len(trips))


def _profits(
    bars: Bars, units: Ints, held: Ints, *, count: int, overlap: bool, rng: np.random.Generator
) -> Floats:
    """Profits of `count` runs, in points times units."""
    if overlap:
        size, time = np.tile(units, (count, 1)), np.tile(held, (count, 1))
        entry = (rng.random(time.shape) * (len(bars) - time)).astype(np.int64)
    else:
        order = rng.permuted(np.tile(np.arange(len(held)), (count, 1)), axis=1)
        size, time = units[order], held[order]
        free = len(bars) - 1 - int(np.sum(held))
        pauses = np.sort(rng.integers(0, free + 1, time.shape), axis=1)
        entry = pauses + np.cumsum(time, axis=1) - time
    leave = entry + time
    within, long = time == 0, size > 0
    bid = np.where(within, bars.bid_close[leave], bars.bid_open[leave])
    ask = np.where(within, bars.ask_close[leave], bars.ask_open[leave])
    paid = np.where(long, bars.ask_open[entry], bars.bid_open[entry])
    found: Floats = np.sum(size * (np.where(long, bid, ask) - paid), axis=1, dtype=np.float64)
    return found
