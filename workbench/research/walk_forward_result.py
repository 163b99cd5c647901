"""The result of a walk-forward: windows, the joined equity out of sample, and how steady the choices were."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.research import html
from workbench.research.ledger import Trial
from workbench.research.overfitting import probabilistic_sharpe_ratio
from workbench.research.result import BacktestResult
from workbench.research.statistics import (
    SESSIONS_PER_YEAR,
    DailyEquity,
    Metrics,
    daily_equity,
    max_drawdown,
    shape_of,
    sharpe_ratio,
)
from workbench.research.sweep_result import SweepResult

if TYPE_CHECKING:
    import pandas as pd

    from workbench.research.walk_forward_picture import WalkForwardPicture

__all__ = ["Span", "WalkForwardResult", "Window"]

Ints = npt.NDArray[np.int64]
_EVIDENCE = 0.95
_KEPT = 0.5  # of the Sharpe ratio in sample
_JUMP = 0.25  # of the range of a parameter's grid, from one window to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The FX days of one window; the last of each is the one before the end."""

    train_start: date
    test_start: date  # where the training ends
    test_end: date  # the first day after


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """One training and the test after it."""

    span: Span
    trials: int  # in the sweep of the training
    parameters: Mapping[
        str, Any
    ]  # chosen, with instrument and timeframe where they were; empty if no trial could be
    in_sample: Metrics  # of the chosen trial
    out_of_sample: Metrics
    close_ns: Ints  # of the test
    equity: Ints  # micro-units at each
    tested: BacktestResult | None  # None if nothing was traded

    @classmethod
    def of(
        cls,
        span: Span,
        *,
        swept: SweepResult,
        chosen: Trial | None,
        tested: BacktestResult | None,
        closes: Ints,
        start: int,
    ) -> "Window":
        """Put together; where nothing was traded the equity stays as it was."""
        parameters = {} if chosen is None else {name: chosen.parameters[name] for name in swept.grid}
        return cls(
            span=span,
            trials=len(swept),
            parameters=parameters,
            in_sample={} if chosen is None else dict(chosen.result),
            out_of_sample={} if tested is None else tested.metrics,
            close_ns=closes if tested is None else tested.round_ns,
            equity=np.full(len(closes), start, np.int64) if tested is None else tested.equity,
            tested=tested,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkForwardResult:
    """Windows in order, and what was traded in them as one account."""

    strategy: str
    grid: Mapping[str, tuple[Any, ...]]
    windows: tuple[Window, ...]
    anchored: bool
    chosen_by: str
    currency: str
    starting_balance: int  # micro-units
    description: str  # of the bars

    def __len__(self) -> int:
        return len(self.windows)

    @cached_property
    def close_ns(self) -> Ints:
        """Closes of the bars of all tests."""
        return np.concatenate([item.close_ns for item in self.windows])

    @cached_property
    def equity(self) -> Ints:
        """Micro-units at each of `close_ns`: every test begins with what the one before left."""
        return np.concatenate([item.equity for item in self.windows])

    @cached_property
    def daily(self) -> DailyEquity:
        """Equity out of sample at the ends of FX days, and the returns between them."""
        return daily_equity(self.close_ns, self.equity, start=self.starting_balance)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the equity out of sample and of the parameters chosen."""
        digest = hashlib.sha256(np.ascontiguousarray(self.equity, "<i8").data)
        for item in self.windows:
            digest.update(f"{item.span}|{sorted(item.parameters.items())}\n".encode())
        return digest.hexdigest()

    @property
    def trials(self) -> int:
        """Backtests made to choose from, all windows together."""
        return sum(item.trials for item in self.windows)

    @cached_property
    def metrics(self) -> Metrics:
        """Figures of the joined equity out of sample, and how they compare with the training.

        ``efficiency`` is the mean Sharpe ratio of the tests divided by that of the trainings' choices, left
        out where the latter is not above 0; ``profitable_windows`` the share of windows that made money. All
        others are as in `workbench.research.DEFINITIONS`.
        """
        daily = self.daily
        fall = max_drawdown(self.equity, start=self.starting_balance)
        skew, kurtosis = shape_of(daily.returns)
        profit = int(self.equity[-1]) - self.starting_balance
        inside, outside = self._means("in_sample_sharpe"), self._means("out_of_sample_sharpe")
        found: Metrics = {
            "net_profit": profit / MICRO,
            "return": profit / self.starting_balance,
            "sharpe": sharpe_ratio(daily.returns, periods_per_year=SESSIONS_PER_YEAR),
            "daily_sharpe": sharpe_ratio(daily.returns, periods_per_year=1),
            "skew": skew,
            "kurtosis": kurtosis,
            "max_drawdown": fall.fraction,
            "trades": sum(int(item.out_of_sample.get("trades", 0)) for item in self.windows),
            "sessions": len(daily.sessions),
            "profitable_windows": float((self.frame["net_profit"] > 0).mean()),
            "in_sample_sharpe": inside,
            "efficiency": outside / inside if inside > 0 else math.nan,
        }
        return {name: value for name, value in found.items() if math.isfinite(float(value))}

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a window: its days, the parameters chosen, and figures of both parts.

        A test without two different returns has a Sharpe ratio of 0 here, so that it counts in means.
        """

        import pandas as pd  # takes a while

        rows = []
        before = self.starting_balance
        for item in self.windows:
            after = int(item.equity[-1])
            rows.append(
                {
                    "train_start": item.span.train_start,
                    "test_start": item.span.test_start,
                    "test_end": item.span.test_end,
                    **{name: item.parameters.get(name, math.nan) for name in self.grid},
                    "in_sample_sharpe": item.in_sample.get("sharpe", 0.0),
                    "out_of_sample_sharpe": item.out_of_sample.get("sharpe", 0.0),
                    "in_sample_return": item.in_sample.get("return", 0.0),
                    "return": after / before - 1.0 if before > 0 else 0.0,
                    "net_profit": (after - before) / MICRO,
                    "trades": item.out_of_sample.get("trades", 0),
                }
            )
            before = after
        frame = pd.DataFrame(rows)
        frame.index.name = "window"
        return frame

    @cached_property
    def stability(self) -> "pd.DataFrame":
        """How steady each parameter was, one row a parameter.

        ``distinct`` values chosen, the ``most_common`` and its ``share`` of the windows, the mean ``jump``
        from one window to the next in places of the grid as a fraction of its length, and ``at_edge``: the
        share of windows that chose the first or last value of the grid. Instruments and timeframes have no
        order: their ``jump`` is the share of windows that changed them, and none is at an edge.
        """

        import pandas as pd  # takes a while

        rows = []
        for name, values in self.grid.items():
            ordered = not isinstance(values[0], str)
            places = sorted(values)
            picked = [item.parameters[name] for item in self.windows if item.parameters]
            at = np.array([places.index(value) for value in picked], np.float64)
            common = max(dict.fromkeys(picked), key=picked.count) if picked else math.nan
            several = len(places) > 1
            rows.append(
                {
                    "parameter": name,
                    "distinct": len(set(picked)),
                    "most_common": common,
                    "share": picked.count(common) / len(picked) if picked else math.nan,
                    "jump": _jump(at, len(places), ordered=ordered) if several and len(at) > 1 else 0.0,
                    "at_edge": float(np.mean((at == 0) | (at == len(places) - 1)))
                    if several and ordered and len(at)
                    else 0.0,
                }
            )
        return pd.DataFrame(rows).set_index("parameter")

    @cached_property
    def verdict(self) -> str:
        """What the test says, in a sentence or two."""
        found = self.metrics
        if "sharpe" not in found:
            return f"In {len(self)} windows nothing was traded out of sample, so nothing can be said."
        chance = self.skill
        judged = "held up" if chance >= _EVIDENCE else "did not hold up"
        inside, sharpe = float(found["in_sample_sharpe"]), float(found["sharpe"])
        kept = (
            ""
            if inside <= 0.0 or sharpe >= _KEPT * inside
            else f", most of the {inside:.2f} shown in sample lost"
        )
        restless = [name for name, row in self.stability.iterrows() if float(row["jump"]) > _JUMP]
        jumps = f" The choice of {' and '.join(map(str, restless))} jumped about." if restless else ""
        made = round(float(found["profitable_windows"]) * len(self))
        return (
            f"Chosen on the past and traded on what came next, it {judged}: a Sharpe ratio of "
            f"{sharpe:.2f}{kept}, {made} of {len(self)} windows with a profit, and a chance of {chance:.0%} "
            f"that it has any skill (probabilistic Sharpe ratio).{jumps}"
        )

    @property
    def skill(self) -> float:
        """Probability that the Sharpe ratio out of sample is above 0; NaN if it is undefined."""
        found = self.metrics
        if "daily_sharpe" not in found:
            return math.nan
        return probabilistic_sharpe_ratio(
            float(found["daily_sharpe"]),
            periods=int(found["sessions"]),
            skew=float(found["skew"]),
            kurtosis=float(found["kurtosis"]),
        )

    def picture(self) -> "WalkForwardPicture":
        """Equity out of sample with its windows, Sharpe ratios in and out of sample, parameters chosen."""
        from workbench.research.walk_forward_picture import WalkForwardPicture  # Bokeh takes a while

        return WalkForwardPicture(self)

    def _means(self, column: str) -> float:
        return float(self.frame[column].mean())

    def _repr_html_(self) -> str:
        figures = self.metrics
        names = (
            "net_profit",
            "return",
            "sharpe",
            "max_drawdown",
            "trades",
            "profitable_windows",
            "efficiency",
        )
        shown = [
            (
                name.replace("_", " "),
                html.figure_text("win_rate" if name == "profitable_windows" else name, figures[name]),
            )
            for name in names
            if name in figures
        ]
        stability = [
            (
                str(name),
                _text(row["most_common"]),
                f"{row['share']:.0%}",
                f"{row['distinct']:g}",
                f"{row['jump']:.0%}",
                f"{row['at_edge']:.0%}",
            )
            for name, row in self.stability.iterrows()
        ]
        windows = [
            (
                f"{row['test_start']}",
                *(_text(row[name]) for name in self.grid),
                f"{row['in_sample_sharpe']:.2f}",
                f"{row['out_of_sample_sharpe']:.2f}",
                f"{row['return']:.1%}",
                f"{row['trades']:,}",
            )
            for _, row in self.frame.iterrows()
        ]
        way = "anchored" if self.anchored else "rolling"
        return html.page(
            f"<h3>{escape(self.strategy)}: walk-forward, {len(self)} {way} windows</h3>"
            f'<p class="wb-quiet">{escape(self.description)}. {self.trials:,} trials, the highest '
            f"{escape(self.chosen_by)} chosen in each window.</p>"
            f'<p class="wb-note">{escape(self.verdict)}</p>'
            + html.table(("out of sample", ""), shown)
            + self.picture()._repr_html_()
            + "<h4>How steady the choice was</h4>"
            + html.table(("", "most often", "in", "different", "mean jump", "at the edge"), stability)
            + "<details><summary>All windows</summary>"
            + html.table(
                ("test from", *self.grid, "Sharpe in sample", "out of sample", "return", "trades"), windows
            )
            + f'</details><p class="wb-quiet">Digest <code>{self.digest[:16]}</code></p>'
        )

    def __repr__(self) -> str:
        figures = self.metrics
        return (
            f"<walk-forward of {self.strategy}: {len(self)} windows, net {figures['net_profit']:,.2f} "
            f"{self.currency} out of sample, {self.digest[:12]}>"
        )


def _jump(places: npt.NDArray[np.float64], count: int, *, ordered: bool) -> float:
    """How far the choice moved from one window to the next, as a fraction of all there is to choose from."""
    moved = np.abs(np.diff(places))
    return float(np.mean(moved)) / (count - 1) if ordered else float(np.mean(moved > 0))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
