"""What a search found: a labelled table of every trial, the best, the front, and how little they may mean."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import html
from workbench.research.given import Series
from workbench.research.markets import INSTRUMENT, TIMEFRAME
from workbench.research.overfitting import deflated_sharpe_ratio, expected_maximum_sharpe
from workbench.research.result import BacktestResult
from workbench.research.search.columns import Column, joined_columns
from workbench.research.search.goals import Goal, goals_of
from workbench.research.search.kept import NUMBER
from workbench.research.search.methods import Method
from workbench.research.search.space import Point, Space
from workbench.research.search.work import Work
from workbench.research.statistics import SESSIONS_PER_YEAR
from workbench.research.sweep_result import SweepResult
from workbench.research.trial_table import TrialTable

if TYPE_CHECKING:
    import pandas as pd

    from workbench.research.search.views import SearchView

__all__ = ["SearchResult"]

_SHOWN = 10
_FIGURES = ("net_profit", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor")
_EVIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """Every trial of a search, in the order in which they were asked for."""

    strategy: str
    method: str
    goals: tuple[Goal, ...]
    space: Space
    columns: Mapping[str, Column]  # the axes, then the figures; NaN where one is undefined
    datasets: tuple[str, ...]  # fingerprints
    cost_book: str
    currency: str
    description: str
    work: Work = field(repr=False)  # what was traded, to trade one of the trials again

    @classmethod
    def of(
        cls,
        parts: Sequence[Mapping[str, Column]],
        *,
        space: Space,
        work: Work,
        method: Method,
        goals: tuple[Goal, ...],
    ) -> "SearchResult":
        """From the parts of a run, which may come in any order.

        Raises
        ------
        BadInputError
            There is none: `where` refused every point.
        """
        if not parts:
            raise BadInputError("space: `where` refused every point; widen the space")
        columns = joined_columns([(part, len(part[NUMBER])) for part in parts])
        order = np.argsort(columns.pop(NUMBER), kind="stable")
        return cls(
            strategy=work.strategy_class.__name__,
            method=method.name,
            goals=goals,
            space=space,
            columns={name: column[order] for name, column in columns.items()},
            datasets=tuple(dict.fromkeys(item.content_digest() for item in work.prices.data)),
            cost_book=work.cost_books[-1].version,
            currency=work.currency,
            description="; ".join(_told(item) for item in work.prices.data),
            work=work,
        )

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a trial: the axes, then the figures (NaN where one is undefined)."""
        import pandas as pd  # takes a while

        frame = pd.DataFrame(dict(self.columns), copy=False)
        frame.index.name = "trial"
        return frame

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all axes and figures."""
        content = hashlib.sha256()
        for name, column in self.columns.items():
            content.update(name.encode())
            plain = column if column.dtype != object else np.array([str(item) for item in column])
            content.update(np.ascontiguousarray(plain).tobytes())
        return content.hexdigest()

    def figure(self, name: str) -> npt.NDArray[np.float64]:
        """One figure of every trial, NaN where it is undefined.

        Raises
        ------
        BadInputError
            No trial has it.
        """
        if name not in self.columns or name in self.space.names:
            there = ", ".join(item for item in self.columns if item not in self.space.names)
            raise BadInputError(f"unknown figure {name!r}; there are {there}")
        return np.asarray(self.columns[name], np.float64)

    def row(self, number: int) -> dict[str, Any]:
        """One trial: its place on every axis, then its figures."""
        return {name: _plain(column[number]) for name, column in self.columns.items()}

    def point(self, number: int) -> Point:
        """The place of a trial on every axis."""
        return tuple(_plain(self.columns[name][number]) for name in self.space.names)

    def parameters(self, number: int) -> dict[str, Any]:
        """The strategy's parameters of a trial."""
        return self.space.parameters(self.point(number))

    def best_number(self, by: str | None = None) -> int:
        """The number of the trial with the best `by`, by default the first goal; the first of equals.

        Raises
        ------
        BadInputError
            No figure of that name, or it is undefined for every trial.
        """
        (goal,) = goals_of(by or str(self.goals[0]), limit=1, method=self.method)
        values = self.figure(goal.figure) * (-1.0 if goal.smaller else 1.0)
        if np.isnan(values).all():
            raise BadInputError(
                f"{goal.figure} is not defined for any of the {len(self)} trials: none traded enough"
            )
        return int(np.nanargmax(values))

    def best(self, by: str | None = None) -> dict[str, Any]:
        """The best trial by a figure: its place on every axis, then its figures."""
        return self.row(self.best_number(by))

    def backtest(self, number: int) -> BacktestResult:
        """The whole backtest of one trial, on what the search was given; it is not counted again."""
        return self.work.result(self.point(number))

    @cached_property
    def front(self) -> "pd.DataFrame":
        """The trials that no other beats in every goal, the best by the first goal on top."""
        scores = np.column_stack(
            [self.figure(item.figure) * (-1.0 if item.smaller else 1.0) for item in self.goals]
        )
        known = np.flatnonzero(np.isfinite(scores).all(axis=1))
        rows = known[_undominated(scores[known])]
        return self.frame.iloc[rows[np.argsort(-scores[rows, 0], kind="stable")]]

    @cached_property
    def expected_best_sharpe(self) -> float:
        """Annualized Sharpe ratio that the best of as many trials without skill would show on average."""
        return expected_maximum_sharpe(len(self), variance=self._daily_variance * SESSIONS_PER_YEAR)

    @cached_property
    def deflated_sharpe(self) -> float:
        """Probability that the best trial has skill though it is the best of as many; NaN if undefined."""
        if not self._has_sharpe:
            return math.nan
        found = self.best("sharpe")
        return deflated_sharpe_ratio(
            float(found["daily_sharpe"]),
            periods=int(found["sessions"]),
            trials=len(self),
            variance=self._daily_variance,
            skew=float(found["skew"]),
            kurtosis=float(found["kurtosis"]),
        )

    @cached_property
    def warning(self) -> str:
        """What the best is worth, in plain sentences."""
        count = len(self)
        if not self._has_sharpe:
            return (
                f"None of the {count:,} trials has a Sharpe ratio: none traded enough, or none was asked for."
            )
        if count == 1:
            return "One trial was made, so nothing was chosen here; trials made before still count."
        judged = (
            "that is more than luck alone explains"
            if self.deflated_sharpe >= _EVIDENCE
            else "that is no evidence of skill"
        )
        return (
            f"The best of {count:,} trials is optimistic because it was chosen for being the best. It has an "
            f"annualized Sharpe ratio of {float(self.best('sharpe')['sharpe']):.2f}; the best of {count:,} "
            f"trials without any skill would show {self.expected_best_sharpe:.2f} on average. The chance "
            f"that it has skill is {self.deflated_sharpe:.0%} (deflated Sharpe ratio, only these trials "
            f"counted): {judged}."
        )

    def to_sweep(self) -> SweepResult:
        """The same trials as a sweep's result, for `judge_sweep`.

        Raises
        ------
        BadInputError
            The search was over instruments or timeframes too: judge each by itself.
        """
        varied = [name for name in (INSTRUMENT, TIMEFRAME) if name in self.space.names]
        if varied:
            raise BadInputError(
                f"expected a search over parameters alone, found one over {' and '.join(varied)} too; "
                "search the one you chose again and judge that, with all trials counted"
            )
        names = self.space.names
        table = TrialTable(
            strategy=self.strategy,
            dataset=self.datasets[0] if self.datasets else "",
            cost_book=self.cost_book,
            parameters={name: self.columns[name] for name in names},
            count=len(self),
            figures={name: column for name, column in self.columns.items() if name not in names},
        )
        return SweepResult(
            strategy=self.strategy,
            grid={name: tuple(_plain(item) for item in np.unique(self.columns[name])) for name in names},
            trials=table,
            currency=self.currency,
            description=self.description,
        )

    def heatmap(self, x: str | None = None, y: str | None = None, **options: Any) -> "SearchView":
        """A figure over two axes, as colours; see `workbench.research.search.views.heatmap`."""
        from workbench.research.search.views import heatmap  # Bokeh takes a while to import

        return heatmap(self, x, y, **options)

    def slices(self, **options: Any) -> "SearchView":
        """A figure over each axis in turn; see `workbench.research.search.views.slices`."""
        from workbench.research.search.views import slices

        return slices(self, **options)

    def parallel(self, **options: Any) -> "SearchView":
        """Every trial as a line across all axes; see `workbench.research.search.views.parallel`."""
        from workbench.research.search.views import parallel

        return parallel(self, **options)

    @property
    def _has_sharpe(self) -> bool:
        needed = ("sharpe", "daily_sharpe", "skew", "kurtosis")
        return all(name in self.columns for name in needed) and bool(np.isfinite(self.figure("sharpe")).any())

    @cached_property
    def _daily_variance(self) -> float:
        if "daily_sharpe" not in self.columns:
            return 0.0
        ratios = self.figure("daily_sharpe")
        known = ratios[np.isfinite(ratios)]
        return float(np.var(known, ddof=1)) if len(known) > 1 else 0.0

    def _repr_html_(self) -> str:
        names = list(self.space.names)
        goal = self.goals[0]
        values = self.figure(goal.figure) if goal.figure in self.columns else np.full(len(self), np.nan)
        order = np.argsort(
            np.where(np.isnan(values), np.inf, values if goal.smaller else -values), kind="stable"
        )
        shown = [int(item) for item in order[:_SHOWN] if not np.isnan(values[item])]
        figures = list(dict.fromkeys([*(item.figure for item in self.goals), *_FIGURES]))
        rows = []
        for number in shown:
            row = self.row(number)
            known = {name: row.get(name) for name in figures}
            rows.append(
                (
                    str(number),
                    *(_text(row[name]) for name in names),
                    *(html.figure_text(name, _defined(value)) for name, value in known.items()),
                )
            )
        body = (
            f"<h3>{escape(self.strategy)}: {len(self):,} trials by {escape(self.method)}</h3>"
            f'<p class="wb-quiet">{escape(self.description)}</p><p class="wb-note">{escape(self.warning)}</p>'
        )
        picture = self._picture()
        if picture:
            data = base64.b64encode(picture).decode()
            body += f'<img alt="{escape(goal.figure)} over the trials" src="data:image/png;base64,{data}">'
        heads = ["trial", *names, *(name.replace("_", " ") for name in figures)]
        body += f"<h4>The best {len(rows)} by {escape(str(goal))}</h4>{html.table(heads, rows)}"
        return html.page(f'{body}<p class="wb-quiet">Digest <code>{self.digest[:16]}</code></p>')

    def _picture(self) -> bytes:
        from workbench.research.search.pictures import way_picture  # matplotlib takes a while to import

        return way_picture(self)

    def __repr__(self) -> str:
        return f"<search of {self.strategy} by {self.method}: {len(self)} trials, {self.digest[:12]}>"


def _undominated(scores: npt.NDArray[np.float64]) -> Column:
    """Which rows no other row beats or equals in all columns while beating it in one."""
    kept = np.ones(len(scores), np.bool_)
    for row in range(len(scores)):
        if kept[row]:
            worse = (scores <= scores[row]).all(axis=1) & (scores < scores[row]).any(axis=1)
            kept &= ~worse
    return np.flatnonzero(kept)


def _told(item: Series) -> str:
    if isinstance(item, Bars):
        return item.describe()
    return f"{item.instrument.id}, {len(item):,} ticks"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
