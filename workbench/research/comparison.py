"""Several backtests side by side: their figures, their equity in one picture, how alike they are."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.money import MICRO
from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.result import BacktestResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Comparison", "compare"]

_SHOWN = (
    *("net_profit", "return", "sharpe", "volatility", "max_drawdown", "trades", "win_rate"),
    *("profit_factor", "average_trade", "exposure", "spread_cost", "slippage_cost"),
    *("commission", "financing"),
)
_COLOURS = ("#3b82c4", "#c98500", "#2e9e5b", "#d9534f", "#8e6bbf", "#7a7a7a", "#17a2a2", "#b0558f")
_POINTS = 4_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Backtests by name, in the order given."""

    results: Mapping[str, BacktestResult]

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Figures down, backtests across; NaN where one is undefined."""
        import pandas as pd  # takes a while

        names = [name for name in _SHOWN if any(name in item.metrics for item in self.results.values())]
        frame = pd.DataFrame(
            {label: {name: item.metrics.get(name) for name in names} for label, item in self.results.items()}
        ).astype(float)
        frame.index.name = "figure"
        return frame

    @cached_property
    def correlation(self) -> "pd.DataFrame":
        """Correlation of the daily returns over the sessions both have; NaN where they do not vary."""
        import pandas as pd

        columns = {
            label: pd.Series(item.daily.returns, index=list(item.daily.sessions))
            for label, item in self.results.items()
        }
        return pd.DataFrame(columns).corr(min_periods=2)

    @cached_property
    def figure(self) -> "Figure":
        """Equity of each, as a multiple of what it started with."""
        from workbench.research import pictures  # matplotlib takes a while to import
        from workbench.research.thinning import thinned

        figure = pictures.new_figure(8.5, 3.4)
        axes = figure.add_subplot()
        for colour, (label, item) in zip(_COLOURS, self.results.items(), strict=False):
            values = item.equity / item.starting_balance
            keep = thinned(values * MICRO, limit=_POINTS)
            axes.plot(
                item.round_ns[keep].view("M8[ns]"), values[keep], color=colour, linewidth=1.3, label=label
            )
        pictures.style(axes, title="Equity, 1 at the start", dates=True)
        axes.legend(frameon=False, fontsize=8, labelcolor=pictures.COLOURS["text"])
        return figure

    def _repr_html_(self) -> str:
        from workbench.research import pictures

        data = base64.b64encode(pictures.png(self.figure)).decode()
        rows = [
            (
                str(name).replace("_", " "),
                *(html.figure_text(str(name), _number(str(name), item)) for item in row),
            )
            for name, row in zip(self.frame.index, self.frame.to_numpy(np.float64), strict=True)
        ]
        alike = [
            (str(name), *("–" if np.isnan(item) else f"{item:.2f}" for item in row))
            for name, row in zip(self.correlation.index, self.correlation.to_numpy(np.float64), strict=True)
        ]
        labels = list(self.results)
        return html.page(
            f'<img alt="{escape("Equity of " + ", ".join(labels))}" src="data:image/png;base64,{data}">'
            f"{html.table(('', *labels), rows)}<h4>Correlation of daily returns</h4>"
            f"{html.table(('', *labels), alike)}"
        )

    def __repr__(self) -> str:
        return f"<comparison of {', '.join(self.results)}>"


def _number(name: str, value: float) -> float | int | None:
    """A count as a whole number, what is undefined as None."""
    if np.isnan(value):
        return None
    return int(value) if name == "trades" else float(value)


def compare(results: Mapping[str, BacktestResult] | Sequence[BacktestResult]) -> Comparison:
    """Backtests side by side.

    Parameters
    ----------
    results
        By name; or in a sequence, named by strategy and parameters.

    Raises
    ------
    BadInputError
        Fewer than two, more than eight, or accounts in several currencies.
    """
    named = results if isinstance(results, Mapping) else _named(results)
    if not 2 <= len(named) <= len(_COLOURS):
        raise BadInputError(f"expected from 2 to {len(_COLOURS)} backtests to compare, found {len(named)}")
    currencies = sorted({item.currency for item in named.values()})
    if len(currencies) > 1:
        raise BadInputError(f"expected accounts in one currency, found {', '.join(currencies)}")
    return Comparison(results=dict(named))


def _named(results: Sequence[BacktestResult]) -> dict[str, BacktestResult]:
    found: dict[str, BacktestResult] = {}
    for item in results:
        values = ", ".join(f"{name} {value}" for name, value in item.parameters.items())
        label = f"{item.name} {values}".strip()
        while label in found:
            label += "′"
        found[label] = item
    return found
