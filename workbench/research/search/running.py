"""A search under way: asks its method for points, has them traded, keeps and counts what comes back."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from workbench.errors import BadInputError
from workbench.research.ledger import TrialLedger
from workbench.research.search.columns import Column, column_of
from workbench.research.search.describing import description_of
from workbench.research.search.goals import Goal
from workbench.research.search.kept import NUMBER, SearchFolder
from workbench.research.search.methods import Method
from workbench.research.search.result import SearchResult
from workbench.research.search.space import Point, Space
from workbench.research.search.work import Chunk, Market, Work
from workbench.research.search.workers import Team, Workers
from workbench.research.trial_table import TrialTable

__all__ = ["Plan", "Run"]

Floats = npt.NDArray[np.float64]
_CHUNK_S = 1.0  # about how long a worker is at a chunk
_CHUNK_LIMIT = 4_096
_FIRST_CHUNK = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What is searched, how, and for what."""

    work: Work
    space: Space
    method: Method
    goals: tuple[Goal, ...]

    @property
    def description(self) -> dict[str, Any]:
        """Everything that the results follow from, as a plain value."""
        return description_of(self.work, self.space, self.method, self.goals)


class Run:
    """A search under way."""

    def __init__(
        self,
        plan: Plan,
        *,
        workers: Workers,
        folder: SearchFolder | None,
        ledger: TrialLedger | None,
        progress: bool,
    ) -> None:
        self._work, self._space, self._method, self._goals = plan.work, plan.space, plan.method, plan.goals
        self._workers = workers
        self._team: Team | None = None  # from the first chunk on
        self._folder = folder
        self._ledger = ledger
        self._progress = progress
        self._kept = folder.load() if folder is not None else {}
        self._row = {int(number): row for row, number in enumerate(self._kept.get(NUMBER, ()))}
        self._parts: list[dict[str, Column]] = [self._kept] if self._kept else []
        self._scores: dict[int, tuple[float, ...]] = {}  # of what a method that learns was told
        self._numbers: dict[Point, int] = {}  # of points that a method may ask for again
        self._next = 0
        self._chunk = float(_FIRST_CHUNK)

    def go(self) -> None:
        """To the end."""
        asker = self._method.begin(self._space, goals=len(self._goals))
        total = self._method.total(self._space)
        bar = tqdm(total=total, unit="trial", leave=False, disable=not self._progress, delay=0.5)
        with bar, closing(self):
            while points := asker.ask():
                fresh = self._fresh(points)
                if self._row:
                    self._check_kept(fresh)
                todo = [item for item in fresh if item[0] not in self._row]
                bar.update(len(points) - len(todo))
                self._trade(todo, bar)
                if self._method.learns:
                    asker.tell(points, self._told(points))
        if self._folder is not None:
            self._folder.merge()

    def result(self) -> SearchResult:
        """What was found, without what a longer search has left in the folder."""
        parts = self._parts
        if self._kept and self._kept[NUMBER].max(initial=-1) >= self._next:
            asked = self._kept[NUMBER] < self._next
            parts = [{name: column[asked] for name, column in self._kept.items()}, *parts[1:]]
        return SearchResult.of(
            parts, space=self._space, work=self._work, method=self._method, goals=self._goals
        )

    def _fresh(self, points: Sequence[Point]) -> list[tuple[int, Point]]:
        """The points that were not asked for before and that `where` accepts, with their numbers."""
        if not self._method.learns:
            found = list(enumerate(points, self._next))
            self._next += len(found)
            return found
        found = []
        for point in points:
            if point not in self._numbers and self._space.accepts(point):
                self._numbers[point] = self._next
                found.append((self._next, point))
                self._next += 1
        return found

    def _check_kept(self, fresh: Sequence[tuple[int, Point]]) -> None:
        for number, point in fresh:
            row = self._row.get(number)
            if row is None:
                continue
            kept = tuple(self._kept[name][row] for name in self._space.names)
            if any(a != b for a, b in zip(kept, point, strict=True)):
                raise BadInputError(
                    f"expected trial {number} of the folder to be {point}, found {kept}; `where` or the "
                    "library behind the method has changed, or the method asks for other points when it is "
                    "to go on for longer: take another folder"
                )
            if self._method.learns:
                self._scores[number] = tuple(goal.score(self._kept, row) for goal in self._goals)

    def _trade(self, todo: Sequence[tuple[int, Point]], bar: "tqdm[Any]") -> None:
        if not todo:
            return
        chunks = _Cut(todo, self._work, self._size)
        began = time.monotonic()
        done = 0
        if self._team is None:
            self._team = self._workers.start(self._work)
        for chunk, table in self._team.results(chunks):
            self._keep(chunk, table)
            done += len(chunk.points)
            bar.update(len(chunk.points))
            rate = done / max(time.monotonic() - began, 1e-6) / self._team.count
            self._chunk = min(max(rate * _CHUNK_S, 1.0), self._chunk * 4, float(_CHUNK_LIMIT))

    def close(self) -> None:
        """Let the workers go."""
        if self._team is not None:
            self._team.close()
            self._team = None

    def _size(self) -> int:
        return max(1, int(self._chunk))

    def _keep(self, chunk: Chunk, table: TrialTable) -> None:
        """Count first: who is killed in between counts again, and never too low."""
        if self._ledger is not None:
            self._ledger.record(table)
        columns = {
            NUMBER: np.array(chunk.numbers, np.int64),
            **{
                name: column_of([point[at] for point in chunk.points])
                for at, name in enumerate(self._space.names)
            },
            **table.figures,
        }
        if self._folder is not None:
            self._folder.keep(columns)
        self._parts.append(columns)
        if self._method.learns:
            for row, number in enumerate(chunk.numbers):
                self._scores[number] = tuple(goal.score(table.figures, row) for goal in self._goals)

    def _told(self, points: Sequence[Point]) -> Floats:
        nothing = (np.nan,) * len(self._goals)
        rows = [self._scores[self._numbers[point]] if point in self._numbers else nothing for point in points]
        return np.array(rows, np.float64).reshape(len(points), len(self._goals))


class _Cut(Iterator[Chunk]):
    """Points cut into chunks of one market each, of a size that follows the rate."""

    def __init__(self, todo: Sequence[tuple[int, Point]], work: Work, size: Callable[[], int]) -> None:
        self._markets: dict[Market, list[tuple[int, Point]]] = {}
        for item in todo:
            self._markets.setdefault(work.market_of(item[1]), []).append(item)
        self._size = size
        self._at = 0

    def __next__(self) -> Chunk:
        while self._markets:
            market, items = next(iter(self._markets.items()))
            part = items[self._at : self._at + self._size()]
            if part:
                self._at += len(part)
                return Chunk(
                    numbers=tuple(number for number, _ in part),
                    points=tuple(point for _, point in part),
                    market=market,
                )
            del self._markets[market]
            self._at = 0
        raise StopIteration
