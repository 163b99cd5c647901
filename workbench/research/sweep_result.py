"""The result of a sweep: the trials side by side, the best, and how little the best may mean."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.ledger import Trial
from workbench.research.overfitting import deflated_sharpe_ratio, expected_maximum_sharpe
from workbench.research.statistics import DEFINITIONS, SESSIONS_PER_YEAR
from workbench.research.trial_table import TrialTable, number_column

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["SweepResult", "joined_sweeps"]

_SHOWN = 10
_COLUMNS = ("net_profit", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor")
_EVIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepResult:
    """Every trial of a sweep, in the order of its grid."""

    strategy: str
    grid: Mapping[str, tuple[Any, ...]]
    trials: TrialTable  # a sequence of `Trial`
    currency: str
    description: str  # of the bars

    def __len__(self) -> int:
        return len(self.trials)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a trial: its parameters, then its figures (NaN where one is undefined)."""

        import pandas as pd  # takes a while

        frame = pd.DataFrame({**self.trials.parameters, **self.trials.figures})
        frame.index.name = "trial"
        return frame

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all parameters and figures."""
        digest = hashlib.sha256(b"[")
        for place, item in enumerate(self.trials):
            row = [dict(item.parameters), dict(item.result)]
            text = json.dumps(row, sort_keys=True, separators=(",", ":"))
            digest.update((text if place == 0 else f",{text}").encode())
        digest.update(b"]")
        return digest.hexdigest()

    def best(self, by: str = "sharpe") -> Trial:
        """The trial with the highest `by`; the first of equals.

        Raises
        ------
        BadInputError
            No figure of that name, or no trial for which it is defined.
        """
        if by not in DEFINITIONS:
            raise BadInputError(f"unknown figure {by!r}; there are {', '.join(DEFINITIONS)}")
        column = self.trials.column(by)
        if np.isnan(column).all():
            raise BadInputError(f"{by} is not defined for any of the {len(self)} trials: none traded enough")
        return self.trials[int(np.nanargmax(column))]

    @cached_property
    def expected_best_sharpe(self) -> float:
        """Annualized Sharpe ratio that the best of as many trials without skill would show on average."""
        variance = self._daily_variance()
        return expected_maximum_sharpe(len(self), variance=variance * SESSIONS_PER_YEAR)

    @cached_property
    def deflated_sharpe(self) -> float:
        """Probability that the best trial has skill though it is the best of as many; NaN if undefined."""
        if np.isnan(self.trials.column("sharpe")).all():
            return float("nan")
        found = self.best().result
        return deflated_sharpe_ratio(
            float(found["daily_sharpe"]),
            periods=int(found["sessions"]),
            trials=len(self),
            variance=self._daily_variance(),
            skew=float(found["skew"]),
            kurtosis=float(found["kurtosis"]),
        )

    @cached_property
    def warning(self) -> str:
        """What the best is worth, in plain sentences."""
        if np.isnan(self.trials.column("sharpe")).all():
            return f"None of the {len(self)} trials traded enough to have a Sharpe ratio."
        found = float(self.best().result["sharpe"])
        if len(self) == 1:
            return "One trial was made, so nothing was chosen here; trials made before still count."
        judged = (
            "that is more than luck alone explains"
            if self.deflated_sharpe >= _EVIDENCE
            else "that is no evidence of skill"
        )
        count = len(self)
        return (
            f"The best of {count} trials is optimistic because it was chosen for being the best. It has an "
            f"annualized Sharpe ratio of {found:.2f}; the best of {count} trials without any skill would "
            f"show {self.expected_best_sharpe:.2f} on average. The chance that it has skill is "
            f"{self.deflated_sharpe:.0%} (deflated Sharpe ratio, only these trials counted): {judged}."
        )

    def heatmap(self, x: str | None = None, y: str | None = None, *, value: str = "sharpe") -> "Figure":
        """A picture of `value` over two parameters; all others at their values in the best trial.

        Left out, `x` and `y` are the last and the first parameter of the grid that has several values.

        Raises
        ------
        BadInputError
            The grid has not two such parameters, or there is no figure of that name.
        """
        from workbench.research import pictures  # matplotlib takes a while to import

        varied = [name for name, values in self.grid.items() if len(values) > 1]
        if len(varied) < 2 and (x is None or y is None):
            raise BadInputError(
                f"a heatmap needs two parameters with several values, the grid has {len(varied)}"
            )
        across, down = x or next(name for name in reversed(varied) if name != y), y or varied[0]
        if across == down and y is None:
            down = next(name for name in varied if name != across)
        for name in (across, down):
            if name not in self.grid:
                raise BadInputError(f"{name!r} is not in the grid; it has {', '.join(self.grid)}")
        fixed = {name: self.best(value).parameters[name] for name in self.grid if name not in (across, down)}
        rows, columns = self.grid[down], self.grid[across]
        values = np.full((len(rows), len(columns)), np.nan)
        shown = ~np.isnan(self.trials.column(value))
        for name, at in fixed.items():
            shown &= self.trials.parameters[name] == at
        for place in np.flatnonzero(shown).tolist():
            parameters = self.trials[place].parameters
            values[rows.index(parameters[down]), columns.index(parameters[across])] = self.trials.column(
                value
            )[place]
        rest = "".join(f", {name} {at}" for name, at in fixed.items())
        return pictures.heat_picture(
            values,
            rows=[str(item) for item in rows],
            columns=[str(item) for item in columns],
            across=across,
            down=down,
            title=f"{self.strategy}: {value} of {len(self)} trials{rest}",
        )

    def _daily_variance(self) -> float:
        ratios = self.trials.column("daily_sharpe")
        ratios = ratios[~np.isnan(ratios)]
        return float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0

    def _repr_html_(self) -> str:
        ratios = self.trials.column("sharpe")
        known = int(np.sum(~np.isnan(ratios)))
        order = np.argsort(-ratios, kind="stable")  # undefined ones last
        top = [self.trials[place] for place in order[: min(known, _SHOWN)].tolist()]
        names = list(self.grid)
        rows = [
            (
                *(str(item.parameters[name]) for name in names),
                *(html.figure_text(name, item.result.get(name)) for name in _COLUMNS),
            )
            for item in top
        ]
        body = (
            f"<h3>{escape(self.strategy)}: {len(self)} trials</h3>"
            f'<p class="wb-quiet">{escape(self.description)}</p><p class="wb-note">{escape(self.warning)}</p>'
        )
        if sum(len(values) > 1 for values in self.grid.values()) >= 2 and known:
            from workbench.research import pictures

            data = base64.b64encode(pictures.png(self.heatmap())).decode()
            body += f'<img alt="Sharpe ratio over the grid" src="data:image/png;base64,{data}">'
        heads = [*names, *(name.replace("_", " ") for name in _COLUMNS)]
        body += f"<h4>The best {len(rows)} by Sharpe ratio</h4>{html.table(heads, rows)}"
        return html.page(f'{body}<p class="wb-quiet">Digest <code>{self.digest[:16]}</code></p>')

    def __repr__(self) -> str:
        return f"<sweep of {self.strategy}: {len(self)} trials, {self.digest[:12]}>"


def joined_sweeps(parts: Sequence[tuple[Mapping[str, str], SweepResult]]) -> SweepResult:
    """Sweeps of one grid on several markets as one, the labels of each market among its parameters."""
    labels, first = parts[0]
    if not labels:
        return first
    tables = [
        TrialTable(
            strategy=found.strategy,
            dataset=found.trials.dataset,
            cost_book=found.trials.cost_book,
            count=len(found),
            parameters={
                **found.trials.parameters,
                **{name: number_column([value] * len(found)) for name, value in own.items()},
            },
            figures=found.trials.figures,
        )
        for own, found in parts
    ]
    datasets = hashlib.sha256("|".join(item.dataset for item in tables).encode()).hexdigest()
    every = {name: tuple(dict.fromkeys(own[name] for own, _ in parts)) for name in labels}
    return SweepResult(
        strategy=first.strategy,
        grid={**first.grid, **every},
        trials=replace(TrialTable.joined(tables), dataset=datasets),
        currency=first.currency,
        description="; ".join(dict.fromkeys(found.description for _, found in parts)),
    )
