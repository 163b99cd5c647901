"""What a backtest is given: the bars that are decided on and the prices that orders are matched on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.resampling import bars_from_ticks
from workbench.market.ticks import Ticks
from workbench.strategy.conversion import conversion_legs
from workbench.strategy.quantities import PriceRange

__all__ = ["Given", "Series", "Several", "first_traded", "given", "series_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Series = Bars | Ticks
Several = Series | Mapping[str, Series] | Iterable[Series]


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """Prices of one run, by instrument; instruments in the order of their ids."""

    decided: Mapping[InstrumentId, Bars]  # of the instruments that are traded, warm-up included
    first: Mapping[InstrumentId, int]  # of these bars the first that is traded
    matched: Mapping[InstrumentId, Series]  # of all instruments, from the start of trading on
    whole: Mapping[InstrumentId, Series]  # the same with what came before
    sizes: bool = False  # orders take the sizes that ticks were recorded with, and no more

    @cached_property
    def sized(self) -> frozenset[InstrumentId]:
        """The instruments matched on ticks that carry sizes."""
        return frozenset(
            name
            for name, item in self.matched.items()
            if isinstance(item, Ticks) and (item.bid_size.any() or item.ask_size.any())
        )

    @property
    def by_size(self) -> bool:
        """Whether what can be had at a quote is limited."""
        return self.sizes and bool(self.sized)

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """All, in the engine's order."""
        return tuple(self.matched[name].instrument for name in self.matched)

    @cached_property
    def traded(self) -> Mapping[InstrumentId, Bars]:
        """The bars decided on, without the warm-up."""
        return {name: bars.at(self.first[name], len(bars)) for name, bars in self.decided.items()}

    @cached_property
    def others(self) -> Mapping[InstrumentId, Bars]:
        """Bars of the instruments that are not traded, to be looked at by rules; of ticks those they make."""
        timeframe = next(iter(self.decided.values())).timeframe
        return {
            name: item if isinstance(item, Bars) else bars_from_ticks(item, timeframe)
            for name, item in self.whole.items()
            if name not in self.decided and len(item)
        }

    def home_rates(self, item: Instrument, currency: str) -> Floats:
        """What a unit of a traded instrument's quote currency is worth in the account's at each bar's close.

        By the last closed bars of the pairs between them, NaN before the first: for sizes, see
        `workbench.strategy.conversion`.
        """
        own = self.traded[item.id]
        rates = np.ones(len(own))
        for leg in conversion_legs(item.quote, currency, self.instruments):
            pair = (
                self.decided[leg.instrument]
                if leg.instrument in self.decided
                else self.others[leg.instrument]
            )
            known = np.searchsorted(pair.close_ns, own.close_ns, side="right") - 1
            mid = (pair.bid_close[known].astype(np.float64) + pair.ask_close[known]) * 0.5 * leg.scale
            factor = 1.0 / mid if leg.divides else mid
            rates = rates * np.where(known >= 0, factor, np.nan)
        return rates

    def quoted_rates(self, item: Instrument, currency: str, at_ns: Ints) -> Floats:
        """The same at any instants, by the last quotes that orders were matched on: for reports."""
        rates = np.ones(len(at_ns))
        for leg in conversion_legs(item.quote, currency, self.instruments):
            pair = self.matched[leg.instrument]
            times, bid, ask = (
                (pair.open_ns, pair.bid_open, pair.ask_open)
                if isinstance(pair, Bars)
                else (pair.time_ns, pair.bid, pair.ask)
            )
            known = np.maximum(np.searchsorted(times, at_ns, side="right") - 1, 0)
            mid = (bid[known].astype(np.float64) + ask[known]) * 0.5 * leg.scale
            rates = rates / mid if leg.divides else rates * mid
        return rates

    def price_range(self, name: str) -> PriceRange | None:
        """Between which prices an instrument lay, by a thousand of its bars; "" is the first one traded."""
        known = InstrumentId(name) if name else next(iter(self.decided))
        item = self.decided.get(known) or self.whole.get(known)
        if item is None or not len(item):
            return None
        low, high = (item.bid_low, item.ask_high) if isinstance(item, Bars) else (item.bid, item.ask)
        step = max(1, len(low) // 1_000)
        return PriceRange(record=item.instrument, low=int(low[::step].min()), high=int(high[::step].max()))

    @property
    def is_plain(self) -> bool:
        """Whether it is one instrument alone."""
        return len(self.matched) == 1 and len(self.decided) == 1

    @cached_property
    def span(self) -> tuple[int, int]:
        """When the first price comes and when the last is known."""
        opens, closes = [], []
        for item in self.matched.values():
            if len(item):
                opens.append(int((item.open_ns if isinstance(item, Bars) else item.time_ns)[0]))
                closes.append(int((item.close_ns if isinstance(item, Bars) else item.time_ns)[-1]))
        closes += [int(item.close_ns[-1]) for item in self.traded.values() if len(item)]
        return min(opens), max(closes)

    def matched_on(self, name: InstrumentId) -> str:
        """What the orders of an instrument are matched on, in a word: "ticks" or a timeframe."""
        item = self.matched[name]
        return "ticks" if isinstance(item, Ticks) else str(item.timeframe)


def given(
    data: Several,
    *,
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    trade_from_ns: int | None = None,
    sizes: bool = False,
) -> Given:
    """Put in order what was given; see `run_backtest`.

    Raises
    ------
    BadInputError
        Nothing, an instrument twice, ticks without the timeframe of the bars to decide on, finer prices of
        an instrument that is not traded, sizes to match by that were not recorded, or nothing left to trade.
    """
    main, fine, others = (
        series_of("data", data),
        series_of("finer", finer),
        series_of("also", also),
    )
    if not main:
        raise BadInputError("data: expected bars or ticks of an instrument, found none")
    strange = [name for name in (*fine, *others) if (name in main) == (name in others)]
    if strange:
        raise BadInputError(
            f"expected finer prices of instruments in data ({', '.join(main)}) and others apart from them, "
            f"found {', '.join(strange)}"
        )
    with_ticks = any(isinstance(item, Ticks) for item in main.values())
    decided: dict[InstrumentId, Bars] = {}
    whole: dict[InstrumentId, Series] = {}
    first: dict[InstrumentId, int] = {}
    for name in sorted({*main, *others}):
        item = main.get(name, others.get(name))
        assert item is not None
        whole[name] = fine.get(name, item)
        if name in main:
            decided[name] = _bars_of(item, timeframe, beside_ticks=with_ticks)
            first[name] = first_traded(decided[name], trade_from_ns)
            _check_finer(decided[name], whole[name], first[name])
    start = {name: int(bars.open_ns[first[name]]) for name, bars in decided.items()}
    end = max(int(bars.close_ns[-1]) for bars in decided.values())
    begin = min(start.values())
    matched = {name: _between(item, start.get(name, begin), end) for name, item in whole.items()}
    for name in decided:
        if not len(matched[name]):
            raise BadInputError(f"{name}: expected prices to match orders on while it is traded, found none")
    found = Given(decided=decided, first=first, matched=matched, whole=whole, sizes=sizes)
    if sizes and not found.sized:
        what = ", ".join(f"{name} on {found.matched_on(name)}" for name in matched)
        raise BadInputError(
            f"sizes=True: expected ticks with sizes to match orders on, found {what} without any; "
            "leave it out: any size is then filled whole"
        )
    return found


def first_traded(bars: Bars, trade_from_ns: int | None) -> int:
    """Index of the first bar that closes after `trade_from_ns`.

    Raises
    ------
    BadInputError
        There is no such bar.
    """
    if trade_from_ns is not None and not isinstance(trade_from_ns, int | np.integer):
        raise BadInputError(
            f"trade_from_ns: expected nanoseconds since 1970 in UTC, a whole number, found {trade_from_ns!r}"
        )
    first = 0 if trade_from_ns is None else int(np.searchsorted(bars.close_ns, trade_from_ns, side="right"))
    if first >= len(bars):
        raise BadInputError(
            f"expected bars that close after the start of trading, found {bars.describe()}; "
            "load later bars or start earlier"
        )
    return first


def series_of(what: str, data: Several | None) -> dict[InstrumentId, Series]:
    """What was given under the name `what`, by instrument.

    Raises
    ------
    BadInputError
        Something that is neither bars nor ticks, or an instrument twice.
    """
    if data is None:
        return {}
    if isinstance(data, Bars | Ticks):
        items: list[Series] = [data]
    elif isinstance(data, str) or not isinstance(data, Iterable) or hasattr(data, "to_numpy"):
        raise BadInputError(
            f"{what}: expected Bars or Ticks, or several of them, found {type(data).__name__}"
        )
    else:
        items = list(data.values() if isinstance(data, Mapping) else data)
    found: dict[InstrumentId, Series] = {}
    for item in items:
        if not isinstance(item, Bars | Ticks):
            raise BadInputError(f"{what}: expected Bars or Ticks, found {type(item).__name__}")
        if item.instrument.id in found:
            raise BadInputError(
                f"{what}: expected each instrument once, found {item.instrument.id} twice; give "
                "shorter bars or ticks to match on as finer=, and read longer bars with bar.timeframe(...)"
            )
        found[item.instrument.id] = item
    return found


def _bars_of(item: Series, timeframe: Timeframe | str | None, *, beside_ticks: bool) -> Bars:
    """What is decided on: bars as given, or the bars of ticks."""
    if isinstance(item, Bars):
        if timeframe is not None and not beside_ticks and str(Timeframe(timeframe)) != str(item.timeframe):
            raise BadInputError(
                f"{item.instrument.id}: timeframe= says which bars to make of ticks, found "
                f"{item.timeframe} bars and {timeframe}; resample them first"
            )
        return item
    if timeframe is None:
        raise BadInputError(
            f"{item.instrument.id}: expected timeframe= with ticks, such as 'M1': the bars to decide on"
        )
    return bars_from_ticks(item, timeframe)


def _check_finer(bars: Bars, item: Series, first: int) -> None:
    if item is bars or not len(item):
        return
    if isinstance(item, Bars) and item.timeframe.nanoseconds > bars.timeframe.nanoseconds:
        raise BadInputError(
            f"{bars.instrument.id}: expected finer prices than {bars.timeframe} bars, found {item.timeframe}"
        )
    begins, ends = (
        (item.open_ns[0], item.close_ns[-1])
        if isinstance(item, Bars)
        else (item.time_ns[0], item.time_ns[-1])
    )
    if begins >= bars.close_ns[first] or ends < bars.open_ns[-1]:
        raise BadInputError(
            f"{bars.instrument.id}: expected finer prices for all bars that are traded, "
            f"{_utc(bars.open_ns[first])} to {_utc(bars.close_ns[-1])}, "
            f"found {_utc(begins)} to {_utc(ends)}; trade the part that they cover"
        )


def _utc(at_ns: int) -> str:
    return f"{to_datetime(int(at_ns)):%Y-%m-%d %H:%M}"


def _between(item: Series, start_ns: int, end_ns: int) -> Series:
    return item.between(start_ns, end_ns)
