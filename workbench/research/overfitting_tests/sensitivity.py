"""How a result hangs on its parameters: slices through the chosen ones, and their neighbours."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import BadInputError
from workbench.research.sweep_result import SweepResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Sensitivity", "sensitivity"]

_KEPT = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity:
    """A figure along each parameter, the others at their chosen values."""

    figure: str
    chosen: Mapping[str, int | float]
    value: float  # of the figure at the chosen parameters
    slices: Mapping[str, "pd.Series[float]"]  # by parameter; NaN where the figure is undefined

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """The figure one step of the grid below and above the chosen value, one row a neighbour."""
        rows = []
        for name, values in self.slices.items():
            at = values.index.get_loc(self.chosen[name])
            assert isinstance(at, int)
            for step in (-1, 1):
                if 0 <= at + step < len(values):
                    rows.append((name, values.index[at + step], float(values.iloc[at + step])))
        return pd.DataFrame(rows, columns=["parameter", "value", self.figure])

    @property
    def plateau(self) -> float:
        """Mean of the neighbours, as a share of the chosen one; 1 on flat ground, NaN if that is not above 0.

        A neighbour for which the figure is undefined counts as 0.
        """
        found = self.neighbours[self.figure].fillna(0.0)
        if not len(found) or not self.value > 0.0:
            return math.nan
        return float(found.mean()) / self.value

    @property
    def stable_share(self) -> float:
        """Share of the neighbours that keep at least half of the figure; NaN without neighbours."""
        found = self.neighbours[self.figure].fillna(0.0)
        if not len(found) or not self.value > 0.0:
            return math.nan
        return float(np.mean(found >= _KEPT * self.value))

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Parameters chosen at the first or last value of their grid: a better one may lie beyond."""
        return tuple(
            name
            for name, values in self.slices.items()
            if self.chosen[name] in (values.index[0], values.index[-1])
        )

    def picture(self) -> "Figure":
        """The slices side by side, the chosen value marked."""
        from workbench.research import pictures  # matplotlib takes a while to import

        figure = pictures.new_figure(max(4.0, 3.0 * len(self.slices)), 2.6)
        panels = figure.subplots(1, len(self.slices), sharey=True, squeeze=False)[0]
        for panel, (name, values) in zip(panels, self.slices.items(), strict=True):
            at = list(values.index)
            panel.plot(at, values.to_numpy(), marker="o", markersize=4, color=pictures.COLOURS["line"])
            panel.plot(
                [self.chosen[name]],
                [self.value],
                marker="D",
                color=pictures.COLOURS["mark"],
                linestyle="none",
            )
            pictures.style(panel, title=f"{self.figure} by {name}")
        return figure

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name} {value}" for name, value in self.chosen.items())
        kept = "" if math.isnan(self.plateau) else f"; neighbours keep {self.plateau:.0%}"
        return f"<{self.figure} {self.value:.2f} at {chosen}{kept}>"


def sensitivity(
    result: SweepResult, *, by: str = "sharpe", around: Mapping[str, int | float] | None = None
) -> Sensitivity:
    """Slices of a sweep through the best trial, or through the parameters given.

    Parameters
    ----------
    by
        A figure of the trials.
    around
        Parameters of the grid; all of those that have several values.

    Raises
    ------
    BadInputError
        The sweep has no such trial, no such figure, or only one value of each parameter.
    """
    varied = [name for name, values in result.grid.items() if len(values) > 1]
    if not varied:
        raise BadInputError("expected a sweep over two values or more of a parameter, found one trial")
    best = result.best(by).parameters if around is None else around
    missing = [name for name in varied if best.get(name) not in result.grid[name]]
    if missing:
        raise BadInputError(
            f"around: expected a value of the grid for {', '.join(missing)}, found {dict(best)}"
        )
    chosen = {name: best[name] for name in varied}
    known = {
        tuple(item.parameters[name] for name in varied): float(item.result.get(by, math.nan))
        for item in result.trials
    }
    slices = {}
    for name in varied:
        places = sorted(result.grid[name])
        found = [
            known.get(tuple({**chosen, name: place}[other] for other in varied), math.nan) for place in places
        ]
        slices[name] = pd.Series(found, index=pd.Index(places, name=name), name=by, dtype=np.float64)
    value = known.get(tuple(chosen.values()), math.nan)
    if math.isnan(value):
        raise BadInputError(f"around: expected parameters of a trial that has a {by}, found {chosen}")
    return Sensitivity(figure=by, chosen=chosen, value=value, slices=slices)
