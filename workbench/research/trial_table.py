"""Many trials side by side as columns: a million of them take a few hundred bytes each."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from workbench.research.ledger import Trial

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrialTable", "column_of", "joined_tables", "table_of"]

Column = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable(Sequence[Trial]):
    """Trials of one strategy on one dataset with one cost book; reads as a sequence of `Trial`."""

    strategy: str
    dataset: str
    cost_book: str
    parameters: Mapping[str, Column]  # int64, float64, bool or objects; one value a trial
    result: Mapping[str, Column]  # int64, or float64 with NaN where a figure is undefined; objects for text

    def __len__(self) -> int:
        for column in (*self.parameters.values(), *self.result.values()):
            return len(column)
        return 0

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> "TrialTable": ...

    def __getitem__(self, index: int | slice) -> "Trial | TrialTable":
        if isinstance(index, slice):
            return self.chosen(np.arange(len(self))[index])
        return Trial(
            strategy=self.strategy,
            parameters={name: _plain(column[index]) for name, column in self.parameters.items()},
            dataset=self.dataset,
            cost_book=self.cost_book,
            result={
                name: value
                for name, column in self.result.items()
                if (value := _plain(column[index])) is not None
                and not (isinstance(value, float) and math.isnan(value))
            },
        )

    def __iter__(self) -> Iterator[Trial]:
        return (self[index] for index in range(len(self)))

    def chosen(self, rows: npt.NDArray[Any]) -> "TrialTable":
        """Some of the rows, by number or by a mask."""
        return TrialTable(
            strategy=self.strategy,
            dataset=self.dataset,
            cost_book=self.cost_book,
            parameters={name: column[rows] for name, column in self.parameters.items()},
            result={name: column[rows] for name, column in self.result.items()},
        )

    @property
    def frame(self) -> "pd.DataFrame":
        """One row a trial: parameters, then figures (NaN where one is undefined)."""
        import pandas as pd  # takes a while

        frame = pd.DataFrame({**self.parameters, **self.result}, copy=False)
        frame.index.name = "trial"
        return frame


def table_of(trials: Sequence[Trial]) -> TrialTable:
    """Trials of one strategy, dataset and cost book as columns; one or more."""
    if isinstance(trials, TrialTable):
        return trials
    first = trials[0]
    return TrialTable(
        strategy=first.strategy,
        dataset=first.dataset,
        cost_book=first.cost_book,
        parameters=_columns([item.parameters for item in trials]),
        result=_columns([item.result for item in trials]),
    )


def joined_tables(tables: Sequence[TrialTable]) -> TrialTable:
    """Tables one below another; one or more, with the same parameters."""
    first = tables[0]
    if len(tables) == 1:
        return first
    return TrialTable(
        strategy=first.strategy,
        dataset=first.dataset,
        cost_book=first.cost_book,
        parameters=_joined([(item.parameters, len(item)) for item in tables]),
        result=_joined([(item.result, len(item)) for item in tables]),
    )


def column_of(values: Sequence[Any]) -> Column:
    """Values as a column: whole numbers, truth values, numbers with NaN for None, or objects for text."""
    known = [item for item in values if item is not None]
    if len(known) == len(values) and all(isinstance(item, bool | np.bool_) for item in known):
        return np.array(values, np.bool_)
    plain = all(isinstance(item, int | float | np.number) and not isinstance(item, bool) for item in known)
    if plain and known and len(known) == len(values) and all(isinstance(i, int | np.integer) for i in known):
        return np.array(values, np.int64)
    if plain:
        return np.array([math.nan if item is None else item for item in values], np.float64)
    column = np.empty(len(values), object)
    column[:] = list(values)
    return column


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    return {name: column_of([row.get(name) for row in rows]) for name in _names(rows)}


def _joined(parts: Sequence[tuple[Mapping[str, Column], int]]) -> dict[str, Column]:
    found = {}
    for name in _names([columns for columns, _ in parts]):
        pieces = [
            columns[name] if name in columns else np.full(count, np.nan)
            for columns, count in parts
        ]  # fmt: skip
        kinds = {piece.dtype.kind for piece in pieces}
        if len(kinds) > 1 and kinds != {"i", "f"}:
            pieces = [piece.astype(object) for piece in pieces]
        found[name] = np.concatenate(pieces)
    return found


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every name, in the order of first sight, those of the longest row first in place."""
    found: dict[str, None] = {}
    longest: Mapping[str, Any] = {}
    kept = []
    for row in rows:
        kept.append(row)
        if len(row) > len(longest):
            longest = row
    for row in (longest, *kept):
        found.update(dict.fromkeys(row))
    return list(found)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
