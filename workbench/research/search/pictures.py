"""The way of a search as a picture: what each trial was worth, and the best so far."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from workbench.research import pictures

if TYPE_CHECKING:
    from workbench.research.search.result import SearchResult

__all__ = ["way_picture"]

_POINTS = 4_000


def way_picture(result: "SearchResult") -> bytes:
    """A PNG of the first goal over the trials; empty where it is undefined throughout."""
    goal = result.goals[0]
    if goal.figure not in result.columns:
        return b""
    values = result.figure(goal.figure)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return b""
    best = (np.minimum if goal.smaller else np.maximum).accumulate(values[known])
    shown = known[:: max(1, len(known) // _POINTS)]
    figure = pictures.new_figure(7.5, 2.6)
    axes = figure.add_subplot()
    axes.scatter(
        shown,
        values[shown],
        s=12 if len(shown) <= 500 else 5,
        alpha=0.7,
        color=pictures.COLOURS["line"],
        linewidths=0,
    )
    axes.step(known, best, where="post", color=pictures.COLOURS["mark"], linewidth=1.4)
    pictures.style(axes, title=f"{goal.figure} of each trial by its number, and the best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no trial 2.5
    return pictures.png(figure)
