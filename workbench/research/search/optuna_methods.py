"""Searches by Optuna: TPE for one goal, NSGA-II for several.

What is asked follows from the seed and from what was told alone, so that a search which is resumed goes on as
it would have without the break.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.research.search.methods import Asker, check_trials
from workbench.research.search.space import Axis, Point, Space

if TYPE_CHECKING:
    import optuna

__all__ = ["Nsga2", "Tpe"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpe:
    """Tree-structured Parzen estimator: asks where the good points lie densest against the others.

    Parameters
    ----------
    trials
        Points to ask for; one asked for again is not run and not counted again.
    at_once
        Points between two looks at the results: more keep more workers busy and learn a little less.

    Notes
    -----
    Bergstra, Bardenet, Bengio and Kegl (2011), "Algorithms for Hyper-Parameter Optimization", NIPS 24; by
    Optuna's `TPESampler` with its defaults.
    """

    trials: int = 200
    seed: int = 0
    at_once: int = 8

    name: ClassVar[str] = "tpe"
    learns: ClassVar[bool] = True
    goals: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_trials(self)

    def total(self, space: Space) -> int:
        """As many as wanted."""
        return self.trials

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""
        import optuna  # takes a while

        return _Study(optuna.samplers.TPESampler(seed=self.seed), space, goals, self.trials, self.at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nsga2:
    """NSGA-II: generations that approach the front on which no goal gains without another's loss.

    Parameters
    ----------
    population
        Points of a generation.

    Notes
    -----
    Deb, Pratap, Agarwal and Meyarivan (2002), "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
    IEEE Transactions on Evolutionary Computation 6(2); by Optuna's `NSGAIISampler`.
    """

    trials: int = 500
    seed: int = 0
    population: int = 50

    name: ClassVar[str] = "nsga2"
    learns: ClassVar[bool] = True
    goals: ClassVar[int] = 8

    def __post_init__(self) -> None:
        check_trials(self)
        if self.population < 2:
            raise BadInputError(f"Nsga2: expected a population of 2 or more, found {self.population}")

    def total(self, space: Space) -> int:
        """As many as wanted."""
        return self.trials

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""
        import optuna  # takes a while

        sampler = optuna.samplers.NSGAIISampler(population_size=self.population, seed=self.seed)
        return _Study(sampler, space, goals, self.trials, self.population)


class _Study:
    """An Optuna study in memory."""

    def __init__(
        self, sampler: "optuna.samplers.BaseSampler", space: Space, goals: int, trials: int, at_once: int
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells every trial otherwise
        self._failed = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(sampler=sampler, directions=["maximize"] * goals)
        self._space = space
        self._distributions = {axis.name: _distribution(axis) for axis in space.axes}
        self._left = trials
        self._at_once = at_once
        self._asked: list[optuna.Trial] = []

    def ask(self) -> list[Point]:
        """The next batch."""
        count = min(self._left, self._at_once)
        self._left -= count
        self._asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [
            tuple(_value(axis, trial.params[axis.name]) for axis in self._space.axes) for trial in self._asked
        ]

    def tell(self, points: Sequence[Point], scores: Floats) -> None:
        """In the order of asking; what is undefined counts as failed."""
        for trial, row in zip(self._asked, scores, strict=True):
            if np.isfinite(row).all():
                self._study.tell(trial, row.tolist())
            else:
                self._study.tell(trial, state=self._failed)


def _distribution(axis: Axis) -> Any:
    from optuna import distributions

    if axis.continuous:
        return distributions.FloatDistribution(axis.low, axis.high)
    if axis.ordered:  # by place, so that neighbours stay neighbours however far apart they are
        return distributions.IntDistribution(0, len(axis.values) - 1)
    return distributions.CategoricalDistribution(axis.values)


def _value(axis: Axis, drawn: Any) -> Any:
    return drawn if axis.continuous or not axis.ordered else axis.values[int(drawn)]
