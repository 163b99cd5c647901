"""The genetic algorithm as the field knows it: tournament, crossover, mutation, an elite that survives.

Operators are DEAP's. They draw from Python's global generator, which is lent to them with a state of this
search's own and given back as it was.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.research.search.methods import Asker
from workbench.research.search.space import Point, Space

__all__ = ["Genetic"]

Floats = npt.NDArray[np.float64]
_WORST = float("-inf")
_STEP = 0.1  # of an axis: the deviation of a mutation
_RENEWED = 0.2  # of the genes of a mutated child


@dataclass(frozen=True, slots=True, kw_only=True)
class Genetic:
    """Generations of points: the better ones are crossed and changed, the best survive.

    Parameters
    ----------
    population, generations
        Points of a generation, and how many generations there are, the first included.
    crossover, mutation
        Probability that a pair of parents is crossed (two-point), and that a child is changed.
    tournament
        How many are drawn for each place among the parents; the best of them gets it.
    elite
        Best points that go on unchanged.

    Notes
    -----
    Goldberg (1989), "Genetic Algorithms in Search, Optimization and Machine Learning"; the loop is that of
    DEAP's `eaSimple` with an elite. A gene is the place on its axis from 0 to 1; a mutation moves genes by a
    normal step of a tenth of the axis, or to anywhere where values have no order.
    """

    population: int = 50
    generations: int = 20
    crossover: float = 0.7
    mutation: float = 0.3
    tournament: int = 3
    elite: int = 2
    seed: int = 0

    name: ClassVar[str] = "genetic"
    learns: ClassVar[bool] = True
    goals: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not (self.population > self.elite >= 0 and self.population >= 2 and self.generations >= 1):
            raise BadInputError(
                "Genetic: expected a population of 2 or more, above the elite, and 1 generation or more, "
                f"found {self.population}, {self.elite} and {self.generations}"
            )
        if not (0.0 <= self.crossover <= 1.0 and 0.0 <= self.mutation <= 1.0 and self.tournament >= 1):
            raise BadInputError(
                "Genetic: expected probabilities from 0 to 1 and a tournament of 1 or more, found "
                f"crossover {self.crossover}, mutation {self.mutation} and tournament {self.tournament}"
            )

    def total(self, space: Space) -> int:
        """One generation after another."""
        return self.population * self.generations

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""
        return _Evolution(self, space)


class _Genes(list[float]):
    """A point as places on its axes, and what it is worth."""

    def __init__(self, places: Sequence[float], worth: float = _WORST) -> None:
        super().__init__(places)
        self.worth = worth


class _Evolution:
    def __init__(self, method: Genetic, space: Space) -> None:
        self._method = method
        self._space = space
        self._state = random.Random(method.seed).getstate()
        self._made = 0
        self._population: list[_Genes] = []
        self._children: list[_Genes] = []

    def ask(self) -> list[Point]:
        """The next generation, without its elite, whose worth is known."""
        if self._made == self._method.generations:
            return []
        with self._lent():
            self._children = self._first() if not self._made else self._bred()
        self._made += 1
        return [
            tuple(axis.at(place) for axis, place in zip(self._space.axes, item, strict=True))
            for item in self._children
        ]

    def tell(self, points: Sequence[Point], scores: Floats) -> None:
        """What is undefined is the worst."""
        for child, score in zip(self._children, scores[:, 0].tolist(), strict=True):
            child.worth = score if np.isfinite(score) else _WORST
        self._population = self._best(self._method.elite) + self._children

    def _first(self) -> list[_Genes]:
        count = len(self._space.axes)
        return [_Genes([random.random() for _ in range(count)]) for _ in range(self._method.population)]

    def _bred(self) -> list[_Genes]:
        from deap import tools

        method = self._method
        parents = tools.selTournament(
            self._population,
            method.population - method.elite,
            tournsize=method.tournament,
            fit_attr="worth",
        )
        children = [_Genes(list(item)) for item in parents]
        for first, second in zip(children[::2], children[1::2], strict=False):
            if random.random() < method.crossover:
                cross = tools.cxTwoPoint if len(first) > 2 else tools.cxUniform
                cross(first, second, **({} if len(first) > 2 else {"indpb": 0.5}))
        for child in children:
            if random.random() < method.mutation:
                self._mutate(child)
        return children

    def _mutate(self, child: _Genes) -> None:
        from deap import tools

        before = list(child)
        tools.mutGaussian(child, mu=0.0, sigma=_STEP, indpb=max(_RENEWED, 1.0 / len(child)))
        for at, axis in enumerate(self._space.axes):
            if child[at] != before[at] and not axis.ordered:
                child[at] = random.random()
            child[at] = _reflected(child[at])

    def _best(self, count: int) -> list[_Genes]:
        ranked = sorted(self._population, key=lambda item: item.worth, reverse=True)
        return ranked[:count]

    @contextmanager
    def _lent(self) -> Iterator[None]:
        before: Any = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(before)


def _reflected(place: float) -> float:
    """Back into the axis, as far inside as it lay outside."""
    place = abs(place) % 2.0
    return 2.0 - place if place > 1.0 else place
