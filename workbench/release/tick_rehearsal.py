"""What a strategy written with `on_tick` decides over pinned ticks: quote by quote, as in a live kernel."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_history import Costs
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore, ReplayFeed
from workbench.market.ticks import Ticks
from workbench.release.wishes import obey, written
from workbench.strategy import Strategy, StrategyRunner

__all__ = ["decide_over_ticks", "pinned_ticks"]


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
) -> dict[str, list[list[Any]]]:
    """By instrument, each instant with the changes of exits and the orders decided at it, if any.

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
    for number, (time_ns, seen) in enumerate(_events(ticks, series, sizes=sizes), start=1):
        if isinstance(seen, Quote):
            engine.on_quote(seen)
            found = runner.on_tick(seen, engine.account(), number)
        else:  # its range was matched quote by quote
            found = runner.on_bars(seen, engine.account(), number)
        obey(engine, found)
        for name, plain in written(found):
            if decided[name] and decided[name][-1][0] == time_ns:
                decided[name][-1][1] += plain
            else:
                decided[name].append([time_ns, plain])
    return decided


def _events(
    ticks: Sequence[Ticks], series: Sequence[Bars], *, sizes: bool
) -> Iterator[tuple[int, Quote | list[Bar]]]:
    """Quotes one by one; at each instant the bars that close then come first, all at once."""
    closing = sorted(
        (bar for bars in series for bar in (bars.bar(at) for at in range(len(bars)))),
        key=lambda bar: (bar.close_ns, bar.instrument),
    )
    groups = [(close_ns, list(found)) for close_ns, found in groupby(closing, key=_close)]
    at = 0
    for quote in ReplayFeed(ticks, depth=sizes):
        assert isinstance(quote, Quote)
        while at < len(groups) and groups[at][0] <= quote.time_ns:
            yield groups[at]
            at += 1
        yield quote.time_ns, quote
    yield from groups[at:]


def _close(bar: Bar) -> int:
    return bar.close_ns
