"""What a strategy written with `on_tick` decides over pinned ticks: quote by quote, as in a live kernel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_history import Costs
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore, ReplayFeed
from workbench.market.ticks import Ticks
from workbench.release.rehearsed import Rehearsed, Stopwatch
from workbench.release.wishes import obey, written
from workbench.strategy import Strategy, StrategyRunner

__all__ = ["MOST_TICKS", "decide_over_ticks", "pinned_ticks", "start_of_last"]

MOST_TICKS = 1_000_000
"""How many quotes a rehearsal decides on: the last ones. Those before only warm the bars up."""

_TELL_EVERY = 10_000


def start_of_last(ticks: Sequence[Ticks], *, most: int) -> int:
    """The time of the first of the last `most` quotes, UTC nanoseconds; 0 when there are no more."""
    if sum(map(len, ticks)) <= most:
        return 0
    times = np.concatenate([item.time_ns[-most:] for item in ticks])
    return int(np.partition(times, len(times) - most)[len(times) - most])


def pinned_ticks(
    store: MarketStore, names: Sequence[str], *, fingerprints: Mapping[str, str], until_ns: int
) -> list[Ticks]:
    """The ticks behind each instrument's pinned bars, up to `until_ns` where that is not 0.

    Parameters
    ----------
    fingerprints
        Of the pinned data, by instrument.

    Raises
    ------
    BadInputError
        What is pinned of an instrument are bars.
    """
    of_bars = [name for name in names if store.dataset(fingerprints[name]).kind != "ticks"]
    if of_bars:
        raise BadInputError(
            "the strategy decides on every quote (on_tick): expected the pinned data of "
            f"{', '.join(of_bars)} to be ticks, found bars; import ticks of it, load its bars from them with "
            "load_bars(...), and run the notebook again"
        )
    end_ns = until_ns + 1 if until_ns else None
    return [store.ticks(name, fingerprint=fingerprints[name], end=end_ns) for name in names]


def decide_over_ticks(
    strategy: Strategy,
    ticks: Sequence[Ticks],
    series: Sequence[Bars],
    *,
    traded: Sequence[str],
    cost_book: Costs,
    rules: AccountRules,
    currency: str,
    balance: int,
    deployment: str,
    sizes: bool = False,
    start_ns: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Rehearsed:
    """What is decided at each instant: cancels, changes of exits and orders, if any.

    Parameters
    ----------
    ticks
        Of all instruments, those that are not traded too.
    series
        The bars that those ticks make.
    currency, balance
        Of the account; the balance in micro-units.
    sizes
        Whether an order takes no more than the size recorded with a tick.
    start_ns
        The first quote that is decided on; the bars that closed by then only warm the strategy up.
    progress
        Told how many of the quotes are done.
    """
    records = sorted((item.instrument for item in ticks), key=lambda item: item.id)
    own = sorted((instrument(name) for name in traded), key=lambda item: item.id)
    runner = StrategyRunner(
        strategy,
        own,
        timeframe_named(str(series[0].timeframe)),
        deployment,
        others=[item for item in records if item.id not in {mine.id for mine in own}],
    )
    engine = MatchingEngine(
        instruments=records, cost_book=cost_book, currency=currency, balance=balance, rules=rules
    )
    decided: dict[str, list[list[Any]]] = {str(item.id): [] for item in own}
    asked = [item.between(start_ns, None) for item in ticks]
    quotes, watch = sum(map(len, asked)), Stopwatch()
    closing = _closing(series)
    for bars in closing[: _before(closing, start_ns)]:
        runner.warm_up_bars(bars)
    for number, (time_ns, seen) in enumerate(
        _events(asked, closing[_before(closing, start_ns) :], sizes=sizes), start=1
    ):
        if isinstance(seen, Quote):
            engine.on_quote(seen)
            found = watch.time(runner.on_tick, seen, engine.account(), number)
        else:  # its range was matched quote by quote
            found = watch.time(runner.on_bars, seen, engine.account(), number)
        if number % _TELL_EVERY == 0:
            progress(min(number, quotes), quotes)
        obey(engine, found)
        for name, plain in written(found):
            if decided[name] and decided[name][-1][0] == time_ns:
                decided[name][-1][1] += plain
            else:
                decided[name].append([time_ns, plain])
    counts = {str(item.instrument.id): len(item) for item in asked if str(item.instrument.id) in decided}
    return Rehearsed(decisions=decided, events=counts, slowest_s=watch.slowest_s)


def _closing(series: Sequence[Bars]) -> list[list[Bar]]:
    """The bars that close at one instant together, in the order of time."""
    ordered = sorted(
        (bar for bars in series for bar in (bars.bar(at) for at in range(len(bars)))),
        key=lambda bar: (bar.close_ns, bar.instrument),
    )
    return [list(found) for _, found in groupby(ordered, key=_close)]


def _before(closing: Sequence[list[Bar]], start_ns: int) -> int:
    """How many instants are over when the first quote at or after `start_ns` comes."""
    return sum(bars[0].close_ns < start_ns for bars in closing)


def _events(
    ticks: Sequence[Ticks], closing: Sequence[list[Bar]], *, sizes: bool
) -> Iterator[tuple[int, Quote | list[Bar]]]:
    """Quotes one by one; at each instant the bars that close then come first, all at once."""
    at = 0
    for quote in ReplayFeed(ticks, depth=sizes):
        assert isinstance(quote, Quote)
        while at < len(closing) and closing[at][0].close_ns <= quote.time_ns:
            yield closing[at][0].close_ns, closing[at]
            at += 1
        yield quote.time_ns, quote
    for bars in closing[at:]:
        yield bars[0].close_ns, bars


def _close(bar: Bar) -> int:
    return bar.close_ns
