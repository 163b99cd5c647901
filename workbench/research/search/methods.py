"""Ways to search: every point of a grid, or points at random; those that learn have modules of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.research.search.space import Point, Space, evenly, random_point

__all__ = ["Asker", "Grid", "Method", "Random", "check_trials", "settings_of"]

Floats = npt.NDArray[np.float64]
_AT_ONCE = 16_384  # points asked for in one go
_TRIES = 64  # for a point that is new, before the space counts as used up
_LISTED = 2**20  # points of a space that are put in an order at random; of larger ones they are drawn
_HOW_LONG = ("trials", "generations")  # a search of more goes on where one of fewer ended


class Asker(Protocol):
    """One search under way: asks for points, and is told what they were worth."""

    def ask(self) -> list[Point]:
        """The points to try next, in order; none when the search is over."""

    def tell(self, points: Sequence[Point], scores: Floats) -> None:
        """What the points of the last `ask` are worth.

        Parameters
        ----------
        scores
            Shape (points, goals), higher is better; NaN where a goal is undefined or the point was refused.
        """


class Method(Protocol):
    """A way to search, with its settings; equal settings and scores make equal searches."""

    name: ClassVar[str]
    learns: ClassVar[bool]  # whether what it asks depends on what it was told
    goals: ClassVar[int]  # how many it can follow at once

    def total(self, space: Space) -> int:
        """About how many points it will ask for."""

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""


def settings_of(method: Any) -> dict[str, Any]:
    """Name and settings, for the description of a search; how long it goes on is not among them."""
    named = (item.name for item in fields(method) if item.name not in _HOW_LONG)
    return {"name": method.name, **{name: getattr(method, name) for name in named}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every point.

    Parameters
    ----------
    points
        Values of each continuous axis, evenly from low to high.
    """

    points: int = 10

    name: ClassVar[str] = "grid"
    learns: ClassVar[bool] = False
    goals: ClassVar[int] = 1_000

    def __post_init__(self) -> None:
        if self.points < 2:
            raise BadInputError(f"Grid: expected 2 points or more on a continuous axis, found {self.points}")

    def total(self, space: Space) -> int:
        """All, before `where` looks at them."""
        return self._cut(space).size or 0

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""
        cut = self._cut(space)
        return _Listed(cut.point(index) for index in range(cut.size or 0) if cut.accepts(cut.point(index)))

    def _cut(self, space: Space) -> Space:
        return Space(axes=tuple(evenly(axis, self.points) for axis in space.axes), where=space.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Random:
    """Points at random, none twice; a space with fewer is tried whole.

    With the same seed the first of more trials are those of fewer.
    """

    trials: int = 1_000
    seed: int = 0

    name: ClassVar[str] = "random"
    learns: ClassVar[bool] = False
    goals: ClassVar[int] = 1_000

    def __post_init__(self) -> None:
        check_trials(self)

    def total(self, space: Space) -> int:
        """As many as wanted, or as there are."""
        return self.trials if space.size is None else min(self.trials, space.size)

    def begin(self, space: Space, *, goals: int) -> Asker:
        """Start a search."""
        rng = np.random.default_rng(self.seed)
        if space.size is not None and space.size <= _LISTED:
            return _Listed(self._of_all(space, space.size, rng))
        return _Listed(self._drawn(space, rng))

    def _of_all(self, space: Space, size: int, rng: np.random.Generator) -> Iterator[Point]:
        accepted = (space.point(int(index)) for index in rng.permutation(size))
        kept = (point for point in accepted if space.accepts(point))
        yield from (point for _, point in zip(range(self.trials), kept, strict=False))

    def _drawn(self, space: Space, rng: np.random.Generator) -> Iterator[Point]:
        seen: set[Point] = set()
        tries = 0
        while len(seen) < self.trials and tries < _TRIES * self.trials:
            point = random_point(space, rng)
            tries += 1
            if point not in seen and space.accepts(point):
                seen.add(point)
                yield point


class _Listed:
    """Points that are known beforehand."""

    def __init__(self, points: Iterator[Point]) -> None:
        self._points = points

    def ask(self) -> list[Point]:
        """The next of them."""
        return [point for _, point in zip(range(_AT_ONCE), self._points, strict=False)]

    def tell(self, points: Sequence[Point], scores: Floats) -> None:
        """Nothing is learnt."""


def check_trials(method: Any) -> None:
    """Refuse fewer than one trial."""
    if isinstance(method.trials, bool) or not isinstance(method.trials, int) or method.trials < 1:
        raise BadInputError(f"{type(method).__name__}: expected 1 trial or more, found {method.trials!r}")
