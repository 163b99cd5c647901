"""What rules looked at and where their orders stood, bar by bar: the lines drawn with the candles."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.engine.core import F_BOOK, F_ORDER, F_PRICE, F_SPREAD
from workbench.errors import WorkbenchError
from workbench.indicators import indicators
from workbench.research.outcome import ORDERS_PER_EVENT
from workbench.strategy.entries import AtMarket, Level
from workbench.strategy.expressions import Expr
from workbench.strategy.panel import evaluate_outputs
from workbench.strategy.rendering import to_text
from workbench.strategy.rules import Rules
from workbench.strategy.strategy import strategy_from_spec

if TYPE_CHECKING:
    from workbench.market import Bars
    from workbench.research.result import BacktestResult

__all__ = ["LEVELS", "ChartLines", "chart_lines"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVELS = ("stop", "trailing stop", "target", "entry order")
_MOST = 6  # indicators that are drawn


@dataclass(frozen=True, kw_only=True, eq=False)
class ChartLines:
    """Columns as long as the bars traded of one instrument, in prices; NaN where there is nothing."""

    on_price: dict[str, Floats]  # indicators that lie among the prices
    beside: dict[str, Floats]  # those on a scale of their own
    levels: dict[str, Floats]  # of `LEVELS` those that were declared, as of each bar's close
    said: str  # what is not drawn, empty when all is


def chart_lines(result: "BacktestResult", name: str) -> ChartLines:
    """The lines of an instrument; none of a strategy written with `on_bar` or `on_tick`, which says so."""
    try:
        found = _Traced(result, name)
    except WorkbenchError as error:
        return ChartLines(on_price={}, beside={}, levels={}, said=f"Indicators and levels: {error}")
    if found.rules is None:
        text = "Indicators and stop levels are drawn of strategies written as rules."
        return ChartLines(on_price={}, beside={}, levels={}, said=text)
    on_price, beside = found.indicator_lines()
    left = len(found.shown) - len(on_price) - len(beside)
    said = f"{left} more indicators are not drawn." if left > 0 else ""
    return ChartLines(on_price=on_price, beside=beside, levels=found.levels(), said=said)


class _Traced:
    """The rules of a result at its bars."""

    def __init__(self, result: "BacktestResult", name: str) -> None:
        self.result, self.name = result, name
        self.bars: Bars = result.traded[name]  # type: ignore[index]  # an instrument's id is a string
        self.scale = 10.0**-self.bars.instrument.digits
        self.rules: Rules | None = None
        self.shown: list[Expr] = []
        if "rules" not in result.spec:
            return
        self.rules = strategy_from_spec(result.spec).traced()
        known: dict[str, Expr] = {}
        for _, item in self.rules.expressions():
            if item is not None:
                _collect(item, known)
        self.shown = list(known.values())

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Every number that the rules declare and every indicator, by key, at the bars traded, in points."""
        assert self.rules is not None
        numbers = [item for _, item in self.rules.expressions() if item is not None and item.kind == "number"]
        wanted = {item.key: item for item in (*self.shown, *numbers)}
        given = self.result.given
        decided = {self.bars.instrument.id: self.bars} if given is None else dict(given.decided)
        others = {} if given is None else given.others
        found = evaluate_outputs(list(wanted.values()), decided, conditions=0, others=others)
        first = 0 if given is None else given.first[self.bars.instrument.id]
        _, rows = found[self.bars.instrument.id]
        return {key: rows[at, first:] for at, key in enumerate(wanted)}

    def indicator_lines(self) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Indicators by their text, those among the prices and those on a scale of their own."""
        on_price: dict[str, Floats] = {}
        beside: dict[str, Floats] = {}
        low, high = float(self.bars.bid_low.min()), float(self.bars.ask_high.max())
        for item in self.shown[:_MOST]:
            values = self.columns[item.key]
            known = values[np.isfinite(values)]
            if not len(known):
                continue
            inside = np.mean((known > 2 * low - high) & (known < 2 * high - low)) > 0.95
            text = to_text(item).replace("bar.mid.", "").replace("bar.", "")
            if inside and low > 0.3 * high:
                on_price[text] = values * self.scale
            else:
                beside[text] = values
        return on_price, beside

    def levels(self) -> dict[str, Floats]:
        """Stop, trailing stop, target and waiting entry of each trade, while it was held or waited."""
        assert self.rules is not None
        result, rules = self.result, self.rules
        trips, rows = result.round_trips, result.outcome.fills
        count = len(self.bars)
        found: dict[str, Floats] = {}
        columns = rules.columns()
        books = [item.id for item in result.instruments]
        for at in range(len(trips)):
            entry = int(trips.entry_fill[at])
            if books[int(rows[entry, F_BOOK])] != self.name:
                continue
            sign = 1 if trips.units[at] > 0 else -1
            side = "long" if sign > 0 else "short"
            decided = self._bar_of_round(int(rows[entry, F_ORDER]) // ORDERS_PER_EVENT // 2 - 1)
            first = self._bar_of_round(int(result.outcome.fill_bar[entry]))
            closed = int(trips.exit_fill[at])
            last = self._bar_of_round(int(result.outcome.fill_bar[closed])) if closed >= 0 else count - 1
            span = slice(first, min(last, count - 1) + 1)
            price = float(rows[entry, F_PRICE])
            for label in ("stop", "target"):
                item = columns[f"{label}_{side}"]
                if item is None:
                    continue
                number = np.rint(self.columns[item.key][decided])
                away = -sign if label == "stop" else sign
                level = (
                    number if isinstance(rules.side(label, long=sign > 0), Level) else price + away * number
                )
                _line(found, label, count)[span] = level * self.scale
            if (item := columns[f"trail_{side}"]) is not None:
                number = np.rint(self.columns[item.key][decided])
                start = price - sign * float(rows[entry, F_SPREAD])
                best = self._best(span, sign, start)
                _line(found, "trailing stop", count)[span] = (best - sign * number) * self.scale
            if (item := columns[f"entry_{side}"]) is not None and not isinstance(
                rules.side("entry", long=sign > 0), AtMarket
            ):
                level = np.rint(self.columns[item.key][decided])
                _line(found, "entry order", count)[decided : first + 1] = level * self.scale
        return {name: found[name] for name in LEVELS if name in found}

    def _best(self, span: slice, sign: int, start: float) -> Floats:
        """The best price of the closing side from the entry to each bar's close, points."""
        column = self.bars.bid_high if sign > 0 else self.bars.ask_low
        reached = np.asarray(column[span], np.float64) * sign
        found: Floats = np.maximum(np.maximum.accumulate(reached), start * sign) * sign
        return found

    def _bar_of_round(self, number: int) -> int:
        """The bar of this instrument that was decided on, or in progress, in a round of decisions."""
        if len(self.result.traded) == 1:
            return number
        rounds = self.result.round_ns
        if number >= len(rounds):
            return len(self.bars)
        return int(np.searchsorted(self.bars.close_ns, rounds[number], side="left"))


def _line(found: dict[str, Floats], label: str, count: int) -> Floats:
    if label not in found:
        found[label] = np.full(count, np.nan)
    return found[label]


def _collect(item: Expr, known: dict[str, Expr]) -> None:
    """The indicators in an expression, outermost first."""
    if item.op in indicators() and item.key not in known:
        known[item.key] = item
    for part in _parts(item):
        _collect(part, known)


def _parts(item: Expr) -> Any:
    return item.args
