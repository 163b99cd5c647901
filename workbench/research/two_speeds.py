"""The check at the other speed: what the fast path found, traded again event by event on finer prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.domain.cost_book import CostBook
from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.backtest import replay_backtest, run_backtest
from workbench.research.given import Several, series_of
from workbench.research.result import BacktestResult
from workbench.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TwoSpeeds", "two_speeds"]

_COMPARED = (
    *("net_profit", "return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor"),
    *("spread_cost", "slippage_cost", "commission", "financing", "ambiguous_bars"),
)
_BETTER_LOW = frozenset(("max_drawdown", "spread_cost", "slippage_cost", "commission"))
_COUNTS = frozenset(("trades", "ambiguous_bars"))  # more of them is neither better nor worse
_SHOWN = 0.005  # a smaller difference in money is 0.00 when it is written


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoSpeeds:
    """One strategy, traded fast and event by event."""

    fast: BacktestResult  # compiled, on the bars that are decided on
    replayed: BacktestResult  # event by event, on the same bars
    finest: BacktestResult  # event by event, orders matched on the finer prices

    @property
    def equal(self) -> bool:
        """Whether both speeds make the same fills and equity of the same bars, bit for bit."""
        return self.fast.digest == self.replayed.digest

    @property
    def optimism(self) -> float:
        """Net profit of the fast path beyond that on the finer prices, in the account's currency."""
        return float(self.fast.metrics["net_profit"]) - float(self.finest.metrics["net_profit"])

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Figures down; fast, on finer prices, and by how much fast was better across, NaN for counts."""
        import pandas as pd  # takes a while

        rows = {
            name: (self.fast.metrics.get(name), self.finest.metrics.get(name))
            for name in _COMPARED
            if name in self.fast.metrics or name in self.finest.metrics
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["fast", "finest"]).astype(float)
        frame["optimism"] = frame["fast"] - frame["finest"]
        lower = frame.index.isin(_BETTER_LOW)
        frame.loc[lower, "optimism"] = frame["finest"][lower] - frame["fast"][lower]  # and no -0.0
        frame.loc[frame.index.isin(_COUNTS), "optimism"] = float("nan")
        frame.index.name = "figure"
        return frame

    @property
    def sentence(self) -> str:
        """The finding."""
        fast, finest = float(self.fast.metrics["net_profit"]), float(self.finest.metrics["net_profit"])
        currency = self.fast.currency
        on = self.finest.data["matched_on"]
        judged = (
            f"the fast path was optimistic by {self.optimism:,.2f} {currency}"
            if self.optimism > 0
            else f"the fast path was pessimistic by {-self.optimism:,.2f} {currency}"
            if self.optimism < 0
            else "the fast path was neither optimistic nor pessimistic"
        )
        if 0 < abs(self.optimism) < _SHOWN:
            judged = f"the two differ by less than 0.01 {currency}"
        same = (
            "On the same bars both speeds agree to the bit"
            if self.equal
            else "On the same bars the two speeds DISAGREE, which is a fault of the engine: do not trade this"
        )
        ambiguous = int(self.fast.metrics.get("ambiguous_bars", 0))
        unclear = f" {ambiguous:,} of its bars reached stop and target both." if ambiguous else ""
        return (
            f"{self.fast.name} made {fast:,.2f} {currency} on {self.fast.data['timeframe']} bars and "
            f"{finest:,.2f} event by event with orders matched on {on}: {judged}.{unclear} {same}."
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                str(name).replace("_", " "),
                *(
                    "–" if value != value else html.figure_text(str(name), _figure(str(name), value))
                    for value in (row["fast"], row["finest"], row["optimism"])
                ),
            )
            for name, row in self.frame.iterrows()
        ]
        head = ("", "fast", f"on {self.finest.data['matched_on']}", "optimism")
        return html.page(f'<p class="wb-note">{escape(self.sentence)}</p>{html.table(head, rows)}')

    def __repr__(self) -> str:
        return f"<{self.sentence}>"


def _figure(name: str, value: float) -> float | int:
    """A count as a whole number."""
    return int(value) if name in _COUNTS else float(value)


def two_speeds(
    strategy: Strategy,
    data: Several,
    *,
    finer: Several,
    cost_book: CostBook | Sequence[CostBook],
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    **options: Any,
) -> TwoSpeeds:
    """Trade a strategy fast on bars, event by event on them, and event by event on finer prices.

    Parameters
    ----------
    finer
        The finest there is of what is traded: ticks, or shorter bars. They decide nothing, orders are matched
        on them.
    data, cost_book, currency, balance, options
        As in `run_backtest`. None of the three runs is counted: the trial was, when it was found.

    Raises
    ------
    BadInputError
        No finer prices for something that is traded.
    """
    names, there = set(series_of("data", data)), series_of("finer", finer)
    if missing := sorted(str(name) for name in names - set(there)):
        raise BadInputError(
            f"finer: expected finer prices of everything that is traded, found none of {', '.join(missing)}; "
            "import ticks or minute bars"
        )
    terms: dict[str, Any] = {"cost_book": cost_book, "currency": currency, "balance": balance, **options}
    terms.pop("finer", None)
    return TwoSpeeds(
        fast=run_backtest(strategy, data, **terms),
        replayed=replay_backtest(strategy.fresh(), data, **terms),
        finest=replay_backtest(strategy.fresh(), data, finer=finer, **terms),
    )
