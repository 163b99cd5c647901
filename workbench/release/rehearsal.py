"""What runs inside a rehearsing kernel after the notebook's last cell: the strategy decides as it would live.

The gates start it; nothing of it is in the release. It drives the strategy as a live kernel does, over the
pinned bars, and writes every decision to a file that the gate reads.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import distributions
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_history import CostHistory, Costs, costs_from_json
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore, ReplayFeed
from workbench.release.rehearsal_progress import ProgressFile
from workbench.release.rehearsed import Rehearsed, Stopwatch
from workbench.release.tick_rehearsal import MOST_TICKS, decide_over_ticks, pinned_ticks, start_of_last
from workbench.release.wishes import obey, written
from workbench.strategy import Decision, Strategy, StrategyRunner, spec

__all__ = ["ORDER", "decide_over", "installed", "rehearse"]

ORDER = "WORKBENCH_REHEARSAL"  # environment: path of the order, a JSON file
_BALANCE = 100_000 * 1_000_000  # micro-units of the quote currency
_DEPLOYMENT = "rehearsal"
_RULES = AccountRules()


def rehearse(deployed: tuple[Strategy, Sequence[str], str] | None) -> None:
    """Let the deployed strategy decide over the pinned bars, and write down what it decided."""
    if deployed is None:
        raise BadInputError("expected the notebook to call deploy(...), found that it did not")
    strategy, names, frame = deployed
    order = json.loads(Path(os.environ[ORDER]).read_text(encoding="utf-8"))
    store = MarketStore(order["market_dir"], order["store_url"])
    costs = costs_from_json(order["cost_book"])
    rules = msgspec.convert(order["account"], AccountRules)
    pins = {item: order["data"][f"{item} {frame}"] for item in (*names, *order.get("others", ()))}
    ticks = (
        pinned_ticks(store, list(pins), fingerprints=pins, until_ns=order["until_ns"])
        if strategy.form == "on_tick"
        else []
    )
    series, others = (
        [_until(order, store.bars(item, frame, fingerprint=pins[item])) for item in wanted]
        for wanted in (names, order.get("others", ()))
    )
    currency = order.get("currency", "")
    start_ns = order.get("from_ns") or start_of_last(ticks, most=MOST_TICKS) if ticks else 0
    out = Path(order["out"])
    progress = ProgressFile(out).write
    if ticks:
        rehearsed = decide_over_ticks(
            strategy,
            ticks,
            [*series, *others],
            traded=names,
            cost_book=costs,
            rules=rules,
            currency=currency or instrument(names[0]).quote,
            balance=_BALANCE,
            deployment=_DEPLOYMENT,
            sizes=order.get("sizes", False),
            start_ns=start_ns,
            progress=progress,
        )
    else:
        rehearsed = decide_over(
            strategy,
            series,
            cost_book=costs,
            rules=rules,
            others=others,
            currency=currency,
            progress=progress,
        )
    found = {
        "spec": spec(strategy),
        "instruments": list(names),
        "timeframe": frame,
        "decisions": rehearsed.decisions,
        "bars": rehearsed.events,
        "events": "quotes" if ticks else "bars",
        "from_ns": start_ns,
        "slowest_s": rehearsed.slowest_s,
        "environment": installed(),
    }
    aside = out.with_suffix(".writing")
    aside.write_text(json.dumps(found), encoding="utf-8")
    aside.replace(out)


def _until(order: Mapping[str, Any], bars: Bars) -> Bars:
    """What is left of bars where the future is taken away."""
    if not order["until_ns"]:
        return bars
    return bars.at(0, int(bars.close_ns.searchsorted(order["until_ns"], side="right")))


def decide_over(
    strategy: Strategy,
    series: Sequence[Bars],
    *,
    cost_book: Costs,
    rules: AccountRules = _RULES,
    others: Sequence[Bars] = (),
    currency: str = "",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Rehearsed:
    """What is decided at each bar's close: cancels, changes of exits and orders, if any.

    The strategy starts fresh. At each instant all bars that close then are taken, then it decides once, as
    in a live kernel.

    Parameters
    ----------
    others
        Bars of instruments that are not traded.
    currency
        Of the account; that in which the first instrument is quoted when empty.
    progress
        Told how many of the feed's events are done: two a bar.
    """
    names = [bars.instrument.id for bars in series]
    records = sorted((instrument(name) for name in names), key=lambda item: item.id)
    extra = sorted((bars.instrument for bars in others), key=lambda item: item.id)
    for name in (*names, *(item.id for item in extra)):
        for book in cost_book if isinstance(cost_book, CostHistory) else (cost_book,):
            book.of(name)  # no costs, no rehearsal
    frame = timeframe_named(str(series[0].timeframe))
    runner = StrategyRunner(strategy, records, frame, _DEPLOYMENT, others=extra)
    engine = MatchingEngine(
        instruments=sorted((*records, *extra), key=lambda item: item.id),
        cost_book=cost_book,
        currency=currency or instrument(names[0]).quote,
        balance=_BALANCE,
        rules=rules,
    )
    decided: dict[str, list[list[Any]]] = {str(name): [] for name in names}
    number, watch = 0, Stopwatch()
    feed = ReplayFeed([*series, *others])
    for (close_ns, is_bar), events in groupby(feed, key=_instant):
        found = list(events)
        number += len(found)
        progress(number, len(feed))
        if not is_bar:
            for quote in found:
                assert isinstance(quote, Quote)
                engine.on_quote(quote)
            continue
        bars = [item for item in found if isinstance(item, Bar)]
        for bar in bars:
            engine.on_bar(bar)
        decision: Decision = watch.time(runner.on_bars, bars, engine.account(), number)
        obey(engine, decision)
        for traded, plain in written(decision):
            decided[traded].append([close_ns, plain])
    return Rehearsed(
        decisions=decided,
        events={str(bars.instrument.id): len(bars) for bars in series},
        slowest_s=watch.slowest_s,
    )


def _instant(event: Quote | Bar) -> tuple[int, bool]:
    return (event.close_ns, True) if isinstance(event, Bar) else (event.time_ns, False)


def installed() -> list[str]:
    """The installed distributions as ``name==version``, sorted."""
    found = {
        f"{str(item.metadata['Name']).lower().replace('_', '-')}=={item.version}"
        for item in distributions()
        if item.metadata["Name"]
    }
    return sorted(found)
