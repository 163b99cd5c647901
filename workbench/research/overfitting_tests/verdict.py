"""One verdict on the best of a sweep, in a sentence, with the figures behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.domain.cost_book import CostBook
from workbench.domain.money import MICRO
from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.backtest import run_backtest
from workbench.research.given import Several
from workbench.research.overfitting import deflated_sharpe_ratio, expected_maximum_sharpe
from workbench.research.overfitting_tests.cross_validation import backtest_overfitting
from workbench.research.overfitting_tests.random_entries import random_entries
from workbench.research.overfitting_tests.returns import (
    checked_returns,
    effective_trials,
    trial_returns,
)
from workbench.research.overfitting_tests.sensitivity import sensitivity
from workbench.research.overfitting_tests.superior_ability import reality_check, superior_ability
from workbench.research.overfitting_tests.track_length import minimum_backtest_years
from workbench.research.overfitting_tests.trade_luck import trade_luck
from workbench.research.result import BacktestResult
from workbench.research.statistics import SESSIONS_PER_YEAR, shape_of
from workbench.research.sweep_result import SweepResult
from workbench.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["FIGURES", "OverfittingVerdict", "judge_returns", "judge_sweep"]

Floats = npt.NDArray[np.float64]

_EVIDENCE = 0.95
_LUCK = 0.05
_OFTEN = 0.25  # of the splits

FIGURES: Mapping[str, str] = {
    "trials": "Variants tried: those given, or the count of the ledger where it is higher.",
    "effective_trials": "Independent trials that would be as various: effective rank of the correlations.",
    "years": f"Sessions divided by {SESSIONS_PER_YEAR}.",
    "sharpe": "Annualized Sharpe ratio of the best trial.",
    "expected_best_sharpe": "What the best of as many trials without skill shows on average. The variance "
    "across the trials counts up to 1 / (sessions - 1), the error of one ratio: what goes beyond is no luck "
    "but a difference between the trials, in costs or in skill.",
    "deflated_sharpe": "Probability that the best has skill though it is the best of as many.",
    "overfitting": "Share of splits in half in which the best of one half is no better than the median in "
    "the other (CSCV).",
    "loss_out_of_sample": "Share of those splits in which it loses in the other half.",
    "superior_ability": "Chance of a best as good as this when none earns anything (Hansen's SPA, "
    "consistent).",
    "reality_check": "The same by White: blunter, as every trial is taken to be worth nothing.",
    "minimum_years": "Years below which the best of as many without skill shows this ratio on average.",
    "neighbours_keep": "Mean Sharpe ratio one step of the grid away, as a share of the best.",
    "random_entries": "Chance that as many entries at random, held as long, make as much.",
    "loss_by_bootstrap": "Share of runs with its trades drawn anew that end with a loss.",
    "drawdown_by_bootstrap": "Drawdown that 5 % of those runs pass, as a fraction.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    trials: int
    effective_trials: float
    years: float
    sharpe: float
    expected_best_sharpe: float
    deflated_sharpe: float
    overfitting: float
    loss_out_of_sample: float
    superior_ability: float
    reality_check: float
    minimum_years: float
    neighbours_keep: float = math.nan
    random_entries: float = math.nan
    loss_by_bootstrap: float = math.nan
    drawdown_by_bootstrap: float = math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class OverfittingVerdict:
    """Whether the best trial is more than the luck of a search."""

    numbers: _Numbers
    best: int  # column of the best trial
    result: BacktestResult | None = None  # of the best trial, where it was run

    @property
    def holds(self) -> bool:
        """Whether all three gates are passed: deflated Sharpe ratio, SPA, and the choice out of sample."""
        return all(passed for passed in self._gates.values())

    @property
    def overfitted(self) -> bool:
        """Whether one of them is not."""
        return not self.holds

    @cached_property
    def _gates(self) -> dict[str, bool]:
        found = self.numbers
        return {
            "deflated_sharpe": found.deflated_sharpe >= _EVIDENCE,
            "superior_ability": found.superior_ability <= _LUCK,
            # equally good trials overtake each other at every turn, so a choice that never loses passes too
            "overfitting": min(found.overfitting, found.loss_out_of_sample) <= _OFTEN,
        }

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The figures: value, the limit it has to keep, whether it does, and what it means."""

        import pandas as pd  # takes a while

        limits = {
            "deflated_sharpe": f"at least {_EVIDENCE}",
            "superior_ability": f"at most {_LUCK}",
            "overfitting": f"at most {_OFTEN}, or a loss out of sample of at most {_OFTEN}",
        }
        rows = []
        for item in fields(self.numbers):
            value = float(getattr(self.numbers, item.name))
            if math.isnan(value):
                continue
            rows.append(
                (item.name, value, limits.get(item.name, ""), self._gates.get(item.name), FIGURES[item.name])
            )
        return pd.DataFrame(rows, columns=["figure", "value", "limit", "kept", "meaning"]).set_index("figure")

    @property
    def sentence(self) -> str:
        """The verdict."""
        found = self.numbers
        judged = (
            "is more than the luck of the search explains"
            if self.holds
            else "is overfitted: it does no more than a search over luck does"
        )
        return (
            f"The best of {found.trials:,} trials (as various as {found.effective_trials:,.0f} independent "
            f"ones) {judged}. Its Sharpe ratio of {found.sharpe:.2f} over {found.years:.1f} years stands "
            f"against {found.expected_best_sharpe:.2f} that the best without skill shows on average; it has "
            f"skill with a chance of {found.deflated_sharpe:.0%} (deflated Sharpe ratio), one as good comes "
            f"by luck with a chance of {found.superior_ability:.1%} (SPA), and the choice made on half the "
            f"time was no better than the median on the other half in {found.overfitting:.0%} of the splits "
            f"and lost in {found.loss_out_of_sample:.0%}."
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                str(name).replace("_", " "),
                f"{row['value']:,.4g}",
                "" if row["kept"] is None else "yes" if row["kept"] else "no",
                str(row["limit"]),
                str(row["meaning"]),
            )
            for name, row in self.frame.iterrows()
        ]
        heads = ("figure", "value", "kept", "limit", "meaning")
        return html.page(
            f'<p class="wb-note">{escape(self.sentence)}</p>{html.table(heads, rows, words=(3, 4))}'
        )

    def __repr__(self) -> str:
        return f"<{self.sentence}>"


def judge_returns(
    returns: Floats,
    *,
    rng: np.random.Generator,
    trials: int | None = None,
    blocks: int = 10,
    block: float | None = None,
    draws: int = 1_000,
    result: BacktestResult | None = None,
    others: Mapping[str, float] | None = None,
) -> OverfittingVerdict:
    """Judge the best of trials by their daily returns.

    Parameters
    ----------
    returns
        Shape (sessions, trials).
    trials
        How many were tried in all, as the ledger counts them; the columns at least.
    blocks, block, draws
        As in `backtest_overfitting` and `superior_ability`.
    others
        More of `FIGURES`.
    """
    values = checked_returns(returns, trials=2)
    periods = len(values)
    count = max(values.shape[1], trials or 0)
    deviation = values.std(axis=0, ddof=1)
    varies = deviation > 1e-12 * np.abs(values).max(axis=0)
    if not varies.any():
        raise BadInputError(f"expected a trial that traded, found none among {values.shape[1]}")
    ratios = np.where(varies, values.mean(axis=0) / np.where(varies, deviation, 1.0), 0.0)
    best = int(np.argmax(ratios))
    variance = min(float(np.var(ratios[varies], ddof=1)) if varies.sum() > 1 else 0.0, 1.0 / (periods - 1))
    skew, kurtosis = shape_of(values[:, best])
    crossed = backtest_overfitting(values, blocks=blocks)
    ability = superior_ability(values, rng=rng, block=block, draws=draws)
    annual = float(ratios[best]) * math.sqrt(SESSIONS_PER_YEAR)
    return OverfittingVerdict(
        numbers=_Numbers(
            trials=count,
            effective_trials=effective_trials(values),
            years=periods / SESSIONS_PER_YEAR,
            sharpe=annual,
            expected_best_sharpe=expected_maximum_sharpe(count, variance=variance * SESSIONS_PER_YEAR),
            deflated_sharpe=deflated_sharpe_ratio(
                float(ratios[best]),
                periods=periods,
                trials=count,
                variance=variance,
                skew=skew,
                kurtosis=kurtosis,
            ),
            overfitting=crossed.probability,
            loss_out_of_sample=crossed.loss_probability,
            superior_ability=ability.p_value,
            reality_check=reality_check(values, rng=rng, block=block, draws=draws),
            minimum_years=minimum_backtest_years(count, sharpe=annual) if annual > 0.0 else math.inf,
            **(others or {}),
        ),
        best=best,
        result=result,
    )


def judge_sweep(
    strategy_class: type[Strategy],
    data: Several,
    swept: SweepResult,
    *,
    cost_book: CostBook | Sequence[CostBook],
    rng: np.random.Generator,
    trials: int | None = None,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    blocks: int = 10,
    block: float | None = None,
    draws: int = 1_000,
    progress: bool = True,
    **options: Any,
) -> OverfittingVerdict:
    """Judge the best trial of a sweep on the same data and terms: every test of this package at once.

    Parameters
    ----------
    swept
        The sweep's result. Its trials are run again for their daily returns, which it does not keep; they
        were counted when they were swept.
    cost_book, currency, balance, options
        As the sweep had them.
    trials
        The ledger's count for this idea, if higher than the sweep's own.

    Notes
    -----
    Memory: eight bytes a session and trial, several times over; 10,000 trials of five years take 0.5 GB.
    """
    terms: dict[str, Any] = {"cost_book": cost_book, "currency": currency, "balance": balance, **options}
    found = trial_returns(
        strategy_class, data, [item.parameters for item in swept.trials], progress=progress, **terms
    )
    best = int(np.argmax(found.sharpe))
    result = run_backtest(strategy_class(**dict(found.parameters[best])), data, **terms)
    others = {}
    if any(len(values) > 1 for values in swept.grid.values()):
        others["neighbours_keep"] = sensitivity(swept).plateau
    profits = result.trades["net_profit"].to_numpy(np.float64)[result.round_trips.closed]
    if len(profits):
        luck = trade_luck(profits, balance=result.starting_balance / MICRO, rng=rng, runs=2_000)
        others["loss_by_bootstrap"] = luck.loss_probability
        others["drawdown_by_bootstrap"] = float(np.quantile(luck.drawdown, 0.95))
        if len(result.traded) == 1:
            others["random_entries"] = random_entries(result, rng=rng, runs=1_000).p_value
    return judge_returns(
        found.returns,
        rng=rng,
        trials=trials,
        blocks=blocks,
        block=block,
        draws=draws,
        result=result,
        others=others,
    )
