"""Rules run by vectorbt: its portfolio decides which signals become orders, our units of account count them.

vectorbt's licence adds the Commons Clause, so nothing in the order path imports it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.domain.accounts import AccountMode
from workbench.domain.money import MICRO
from workbench.engine import core
from workbench.engine.core import scale_half_even
from workbench.errors import BadInputError
from workbench.research.account_terms import AccountTerms
from workbench.research.compiled_run import signals_of
from workbench.research.given import Given
from workbench.research.outcome import Outcome, event_of_bar, order_key
from workbench.research.result import BacktestResult
from workbench.research.words import unpacked
from workbench.strategy import Rules, Strategy, spec
from workbench.strategy.decision import S_SIZE, SIZE_UNITS, V_SIZE
from workbench.strategy.rule_settings import RuleSettings
from workbench.strategy.rules import FLAGS

if TYPE_CHECKING:
    import vectorbt

__all__ = ["VectorbtResult", "run_vectorbt"]

Ints = npt.NDArray[np.int64]
_PPM = 1_000_000
_EXITS = {
    "stops within the bar of the entry (stop)": "stop",
    "targets within the bar of the entry (target)": "target",
    "trailing stops (trail)": "trail",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VectorbtResult(BacktestResult):
    """A backtest that vectorbt has run, with its portfolio for who knows its statistics and plots."""

    portfolio: "vectorbt.Portfolio" = field(repr=False)


def run_vectorbt(strategy: Strategy, given: Given, terms: AccountTerms) -> VectorbtResult:
    """Trade `strategy` through ``Portfolio.from_signals``: market orders of fixed size at the next open.

    vectorbt has no margin: what the engine would refuse or close by force, it does not.

    Raises
    ------
    BadInputError
        Something that vectorbt can not express; the message names it.
    """
    missing = _missing(strategy, given, terms)
    if missing:
        ways = [text for what, text in _ways_out(given, terms).items() if what in missing]
        raise BadInputError(
            f"vectorbt can not express {', '.join(missing)}; {'; '.join([*ways, ''])}"
            "or leave engine= out to run it all, and take result.to_vectorbt() for its plots"
        )
    import vectorbt

    rules = strategy.traced()
    ((name, bars),) = given.decided.items()
    first, own = given.first[name], given.traded[name]
    record = own.instrument
    settings = RuleSettings.of(rules, record)
    units = int(settings.amounts[V_SIZE]) // record.unit_step * record.unit_step
    (signals,) = signals_of([rules], bars, first=first, others=given.others)
    enters_long, enters_short, exits_long, exits_short = (
        unpacked(signals.words[flag], len(own)) if flag in signals.words else np.zeros(len(own), np.bool_)
        for flag in FLAGS[:4]
    )
    silent = enters_long | enters_short
    decided = (
        enters_long & ~enters_short,
        exits_long & ~silent,
        enters_short & ~enters_long,
        exits_short & ~silent,
    )
    entries, exits, short_entries, short_exits = (np.concatenate(([False], item[:-1])) for item in decided)
    scale = 10.0**-record.digits
    slip = terms.cost_books[0].of(name).slippage_points
    buys = entries | (short_exits & ~short_entries)
    points = np.where(buys, own.ask_open + slip, np.maximum(1, own.bid_open - slip))
    commission_ppm = terms.cost_books[0].of(name).commission_ppm
    index = pd.DatetimeIndex(own.close_ns.view("M8[ns]"), tz="UTC", name="close_at")
    mid = (own.bid_close + own.ask_close) / 2 * scale
    portfolio = vectorbt.Portfolio.from_signals(
        pd.Series(mid, index=index, name=name),
        entries=entries,
        exits=exits,
        short_entries=short_entries,
        short_exits=short_exits,
        price=points * scale,
        size=float(units),
        size_type="amount",
        upon_opposite_entry="reverse",
        fees=commission_ppm / _PPM,
        init_cash=max(terms.balance / MICRO, 4.0 * units * float(mid.max())),
        freq=pd.Timedelta(own.timeframe.nanoseconds, unit="ns"),
    )
    outcome = _outcome(portfolio, own, points, terms.balance, commission_ppm)
    return VectorbtResult(
        spec=spec(strategy),
        parameters=strategy.params,
        bars=own,
        warm_up_bars=first,
        cost_book=terms.cost_books[0],
        currency=terms.currency,
        starting_balance=terms.balance,
        outcome=outcome,
        path="vectorbt",
        account=terms.rules,
        given=given,
        portfolio=portfolio,
    )


def _missing(strategy: Strategy, given: Given, terms: AccountTerms) -> list[str]:
    """What of a run vectorbt does not have."""
    if strategy.form != "rules":
        return [f"a strategy written with {strategy.form}"]
    if len(given.matched) > 1:
        return ["several instruments on one account"]
    ((name, bars),) = given.decided.items()
    rules = strategy.traced()
    costs = terms.cost_books[0].of(name)
    settings = RuleSettings.of(rules, bars.instrument)
    found = {
        "orders matched on finer prices or ticks": given.whole[name] is not bars,
        "an account that is not netted": terms.rules.mode is not AccountMode.NETTING,
        "latency": terms.rules.latency_ns != 0,
        "dated cost books": len(terms.cost_books) > 1,
        "financing": costs.financing_long_ppm != 0 or costs.financing_short_ppm != 0,
        "slippage as a part of the spread": costs.slippage_spread_ppm != 0,
        "commission by lot or a minimum": bool(costs.commission_per_lot or costs.commission_minimum),
        "conversion of currencies": bars.instrument.quote != terms.currency,
        "a size that is not a number of units": settings.settings[S_SIZE] != SIZE_UNITS,
        **_features(rules),
    }
    return [what for what, used in found.items() if used]


def _ways_out(given: Given, terms: AccountTerms) -> dict[str, str]:
    """How to do without what is missing, where a backtest without it is another and still one."""
    name = next(iter(given.decided))

    def costs(*changes: str) -> str:
        return f"cost_book.with_costs({str(name)!r}, {', '.join(changes)})"

    free = ("financing_long_ppm=0", "financing_short_ppm=0")
    return {
        "financing": f"run it without financing by cost_book={costs(*free)}",
        "slippage as a part of the spread": f"count slippage in points by {costs('slippage_spread_ppm=0')}",
        "commission by lot or a minimum": "count commission by value by "
        + costs("commission_per_lot=0", "commission_minimum=0"),
        "dated cost books": "give one of the books alone",
        "latency": "give latency_ns=0",
        "an account that is not netted": 'give mode="NETTING"',
        "a size that is not a number of units": "give size=Units(...) or Lots(...)",
        "conversion of currencies": f"keep the account in {given.decided[name].instrument.quote}",
        **{what: f"write the rules without {part}=" for what, part in _EXITS.items()},
    }


def _features(rules: Rules) -> dict[str, bool]:
    return {
        **{what: getattr(rules, part) is not None for what, part in _EXITS.items()},
        "waiting entries, time exits or scaling in and out": not rules.fast
        and rules.stop is None
        and rules.target is None,
    }


def _outcome(portfolio: Any, bars: Any, points: Ints, balance: int, commission_ppm: int) -> Outcome:
    """vectorbt's orders as fills, counted in whole numbers; one that turns is a close and an open."""
    records = portfolio.orders.records
    record = bars.instrument
    micro = record.micro_per_point
    rows: list[tuple[int, ...]] = []
    fill_bar: list[int] = []
    held = cost = 0
    amounts = np.rint(np.where(records["side"] == 0, records["size"], -records["size"])).astype(np.int64)
    steps = np.zeros((len(bars), 3), np.int64)  # of each bar's end: balance, units, cost
    last = 0
    for bar, total in zip(records["idx"].tolist(), amounts.tolist(), strict=True):
        steps[last:bar] = balance, held, cost
        last = bar
        price = int(points[bar])
        turns = held != 0 and abs(total) > abs(held)
        for number, units in enumerate((-held, total + held) if turns else (total,)):
            realized = held * price * micro - cost if held else 0
            held += units
            cost = held * price * micro
            commission = int(scale_half_even(abs(units) * price * micro, commission_ppm, _PPM))
            balance += realized - commission
            row = {
                core.F_ORDER: order_key(event_of_bar(bar - 1), number),
                core.F_TIME: int(bars.open_ns[bar]),
                core.F_UNITS: units,
                core.F_PRICE: price,
                core.F_REASON: core.REASON_MARKET,
                core.F_COMMISSION: commission,
                core.F_REALIZED: realized,
                core.F_POSITION: held,
                core.F_BALANCE: balance,
                core.F_SPREAD: int(bars.ask_open[bar] - bars.bid_open[bar]),
            }
            rows.append(tuple(row.get(column, 0) for column in range(core.FILL_SIZE)))
            fill_bar.append(bar)
    steps[last:] = balance, held, cost
    price_out = np.where(steps[:, 1] > 0, bars.bid_close, bars.ask_close)
    none = np.empty(0, np.int64)
    return Outcome(
        fills=np.array(rows, np.int64).reshape(-1, core.FILL_SIZE),
        fill_bar=np.array(fill_bar, np.int64),
        equity=steps[:, 0] + steps[:, 1] * price_out * micro - steps[:, 2],
        financing_before_fill=none,
        financing_amount=none,
        refused=(),
        ambiguous_bars=0,
        round_ns=bars.close_ns,
        financing_book=none,
    )
