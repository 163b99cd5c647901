"""What runs inside a rehearsing kernel after the notebook's last cell: the strategy decides bar by bar.

The gates start it; nothing of it is in the release. It drives the strategy as a live kernel does, over the
pinned bars, and writes every decision to a file that the gate reads.
"""

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore, ReplayFeed
from workbench.strategy import Strategy, StrategyRunner, spec

__all__ = ["ORDER", "decide_over", "installed", "rehearse"]

ORDER = "WORKBENCH_REHEARSAL"  # environment: path of the order, a JSON file
_BALANCE = 100_000 * 1_000_000  # micro-units of the quote currency
_DEPLOYMENT = "rehearsal"


def rehearse(deployed: tuple[Strategy, Sequence[str], str] | None) -> None:
    """Let the deployed strategy decide over the pinned bars, and write down what it decided."""
    if deployed is None:
        raise BadInputError("expected the notebook to call deploy(...), found that it did not")
    strategy, names, frame = deployed
    order = json.loads(Path(os.environ[ORDER]).read_text(encoding="utf-8"))
    store = MarketStore(order["market_dir"], order["store_url"])
    costs = CostBook.from_json(order["cost_book"])
    decisions: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for name in names:
        bars = store.bars(name, frame, fingerprint=order["data"][f"{name} {frame}"])
        if order["until_ns"]:
            bars = bars.at(0, int(bars.close_ns.searchsorted(order["until_ns"], side="right")))
        decisions[name] = decide_over(strategy, bars, cost_book=costs)
        counts[name] = len(bars)
    found = {
        "spec": spec(strategy),
        "instruments": list(names),
        "timeframe": frame,
        "decisions": decisions,
        "bars": counts,
        "environment": installed(),
    }
    out = Path(order["out"])
    aside = out.with_suffix(".writing")
    aside.write_text(json.dumps(found), encoding="utf-8")
    aside.replace(out)


def decide_over(strategy: Strategy, bars: Bars, *, cost_book: CostBook) -> list[list[Any]]:
    """Each bar's close with the orders decided at it, bars without an order left out.

    The strategy starts fresh, with an account in the instrument's quote currency.
    """
    record = instrument(bars.instrument.id)
    runner = StrategyRunner(strategy, record, timeframe_named(str(bars.timeframe)), _DEPLOYMENT)
    engine = MatchingEngine(
        instruments=[record], cost_book=_priced(cost_book, record.id), currency=record.quote, balance=_BALANCE
    )
    decided: list[list[Any]] = []
    number = 0
    for event in ReplayFeed(bars):
        number += 1
        if not isinstance(event, Bar):
            engine.on_quote(event)
            continue
        engine.on_bar(event)
        orders = runner.on_bar(event, engine.account(), number)
        for order in orders:
            engine.submit(order)
        if orders:
            decided.append([event.close_ns, [_order(msgspec.to_builtins(order)) for order in orders]])
    return decided


def installed() -> list[str]:
    """The installed distributions as ``name==version``, sorted."""
    found = {
        f"{str(item.metadata['Name']).lower().replace('_', '-')}=={item.version}"
        for item in distributions()
        if item.metadata["Name"]
    }
    return sorted(found)


def _order(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != "client_order_id"}


def _priced(book: CostBook, name: InstrumentId) -> CostBook:
    book.of(name)  # no costs, no rehearsal
    return book
