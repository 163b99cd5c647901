"""What a search makes large."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInputError
from workbench.research.figures import BY_BAR
from workbench.research.statistics import DEFINITIONS

__all__ = ["Goal", "goals_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One figure, to be made large or small."""

    figure: str
    smaller: bool = False

    def score(self, columns: Mapping[str, Any], row: int) -> float:
        """What a trial is worth by it, higher is better; NaN where it is undefined."""
        if self.figure not in columns:
            return math.nan
        value = float(columns[self.figure][row])
        return -value if self.smaller else value

    def __str__(self) -> str:
        return f"-{self.figure}" if self.smaller else self.figure


def goals_of(
    wanted: str | Sequence[str], *, limit: int, method: str, statistics: str = "bars"
) -> tuple[Goal, ...]:
    """The goals by their names, a minus in front of those to make small.

    Raises
    ------
    BadInputError
        No goal, one twice, no figure of that name, or more than the method can follow.
    """
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    found = tuple(Goal(figure=name.removeprefix("-"), smaller=name.startswith("-")) for name in names)
    figures = [item.figure for item in found]
    if not found or len(set(figures)) != len(figures):
        raise BadInputError(f"goals: expected one or more different figures, found {names}")
    for name in figures:
        if name not in DEFINITIONS:
            raise BadInputError(f"goals: unknown figure {name!r}; there are {', '.join(DEFINITIONS)}")
        if statistics == "trades" and name in BY_BAR:
            raise BadInputError(f"goals: {name} is not computed with statistics='trades'; take \"bars\"")
    if len(found) > limit:
        raise BadInputError(
            f'goals: {method} follows {limit} at a time, found {len(found)}; take method="nsga2" for several'
        )
    return found
