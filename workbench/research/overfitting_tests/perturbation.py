"""What a result is when costs and prices had been a little other than recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from workbench.domain.cost_book import CostBook
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.backtest import run_backtest
from workbench.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Perturbed", "perturbed", "with_dearer_costs", "with_shaken_prices", "with_wider_spread"]

Ints = npt.NDArray[np.int64]
# slippage that is a share of the spread grows with the spread by itself
_SCALED = ("commission_ppm", "commission_per_lot", "commission_minimum", "slippage_points")
_KEPT = ("net_profit", "sharpe", "max_drawdown", "trades")


@dataclass(frozen=True, kw_only=True, eq=False)
class Perturbed:
    """A strategy over and over, each time with other costs and prices."""

    frame: "pd.DataFrame"  # a row a run: cost_factor, net_profit, sharpe, max_drawdown, trades
    real: Mapping[str, float | int | str]  # figures with costs and prices as recorded

    @property
    def loss_probability(self) -> float:
        """Share of the runs that lose."""
        return float((self.frame["net_profit"] < 0).mean())

    @property
    def cost_slope(self) -> float:
        """What costs as high again take of the net profit, by a straight line; NaN if they did not vary."""
        factor, profit = self.frame["cost_factor"].to_numpy(), self.frame["net_profit"].to_numpy()
        spread = float(np.var(factor))
        return float(np.mean((factor - factor.mean()) * profit)) / spread if spread else float("nan")

    def __repr__(self) -> str:
        profit = self.frame["net_profit"].median()
        return (
            f"<{len(self.frame)} runs with other costs and prices: {self.loss_probability:.0%} lose, "
            f"median net profit {profit:,.2f} (as recorded {self.real['net_profit']:,.2f})>"
        )


def perturbed(
    strategy: Strategy,
    bars: Bars,
    *,
    cost_book: CostBook | Sequence[CostBook],
    rng: np.random.Generator,
    runs: int = 100,
    costs: tuple[float, float] = (0.5, 2.0),
    prices: float = 0.1,
    progress: bool = True,
    **options: Any,
) -> Perturbed:
    """Backtest the same strategy with costs and prices drawn by chance.

    Parameters
    ----------
    costs
        Spread, commission and slippage are multiplied by a number drawn between these, evenly by its
        logarithm; financing stays.
    prices
        Deviation of the noise on each bar's prices, as a fraction of the bars' mean range; 0 leaves them.
    options
        Passed on to `run_backtest`.

    Notes
    -----
    Nothing is chosen among the runs, so they count as no trials.
    """

    import pandas as pd  # takes a while

    low, high = costs
    if not 0.0 < low <= high or prices < 0.0 or runs < 1:
        raise BadInputError(
            "expected costs from above 0 upward, prices of 0 or more and 1 run or more, found "
            f"{costs}, {prices} and {runs}"
        )
    real = run_backtest(strategy, bars, cost_book=cost_book, **options).metrics
    rows = []
    for _ in tqdm(range(runs), unit="run", leave=False, disable=not progress, delay=0.5):
        factor = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        shaken = with_shaken_prices(with_wider_spread(bars, factor), prices, rng=rng)
        books = [with_dearer_costs(book, bars.instrument.id, factor) for book in as_cost_books(cost_book)]
        found = run_backtest(strategy, shaken, cost_book=books, **options).metrics
        rows.append(
            {
                "cost_factor": factor,
                **{name: found.get(name, np.nan) for name in _KEPT},
            }
        )
    frame = pd.DataFrame(rows)
    frame.index.name = "run"
    return Perturbed(frame=frame, real=real)


def with_wider_spread(bars: Bars, factor: float) -> Bars:
    """The bars with every spread multiplied, about the same mid (to the half point)."""
    columns: dict[str, Ints] = {}
    for part in ("open", "high", "low", "close"):
        bid, ask = getattr(bars, f"bid_{part}"), getattr(bars, f"ask_{part}")
        wider = np.rint((ask - bid) * factor).astype(np.int64)
        columns[f"bid_{part}"] = bid - (wider - (ask - bid)) // 2
        columns[f"ask_{part}"] = columns[f"bid_{part}"] + wider
    return _refitted(bars, columns)


def with_shaken_prices(bars: Bars, noise: float, *, rng: np.random.Generator) -> Bars:
    """The bars with open, high, low and close moved by noise, bid and ask alike."""
    if noise == 0.0 or not len(bars):
        return bars
    scale = noise * float(np.mean(bars.bid_high - bars.bid_low))
    columns: dict[str, Ints] = {}
    for part in ("open", "high", "low", "close"):
        moved = np.rint(rng.normal(0.0, scale, len(bars))).astype(np.int64)
        for side in ("bid", "ask"):
            columns[f"{side}_{part}"] = getattr(bars, f"{side}_{part}") + moved
    return _refitted(bars, columns)


def with_dearer_costs(book: CostBook, name: str, factor: float) -> CostBook:
    """A book whose commission and slippage for an instrument are multiplied."""
    own = book.of(name)
    changes = {field: round(getattr(own, field) * factor) for field in _SCALED}
    return book.with_costs(name, note=f"costs times {factor:.3f}", **changes)


def _refitted(bars: Bars, columns: Mapping[str, Ints]) -> Bars:
    """Bars with these prices, high and low still the highest and the lowest; fingerprinted anew."""
    fitted = {name: np.maximum(column, 1) for name, column in columns.items()}
    for side in ("bid", "ask"):
        parts = [fitted[f"{side}_{part}"] for part in ("open", "high", "low", "close")]
        fitted[f"{side}_high"], fitted[f"{side}_low"] = np.max(parts, axis=0), np.min(parts, axis=0)
    made = replace(bars, **fitted)  # type: ignore[arg-type]  # the columns alone change
    return replace(made, fingerprint=made.content_digest())
