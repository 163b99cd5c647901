"""Trials as columns: a million in a few hundred megabytes, each made a `Trial` when it is looked at."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from workbench.research.ledger import Trial

__all__ = ["COUNTS", "Column", "TrialRows", "TrialTable", "number_column"]

Column = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

COUNTS = frozenset(
    (
        *("sessions", "drawdown_bars", "trades", "open_trades", "fills", "refused_orders"),
        *("margin_closeouts", "margin_calls", "expired_orders", "ambiguous_bars", "bars"),
    )
)  # figures that are whole numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable(Sequence[Trial]):
    """Trials of one strategy on one dataset, as a sequence of `Trial` and as columns.

    `parameters` and `figures` have a column of the trials each; a figure that is not defined is NaN in its
    column and missing in the trial.
    """

    strategy: str
    dataset: str  # fingerprint of the bars
    cost_book: str  # version
    count: int  # type: ignore[assignment]  # in place of the method, which nobody asks of trials
    parameters: Mapping[str, Column]
    figures: Mapping[str, Column]

    @classmethod
    def joined(cls, parts: Sequence["TrialTable"]) -> "TrialTable":
        """One after another; one or more."""
        rows = TrialRows(sum(len(item) for item in parts))
        for item in parts:
            rows.add(item)
        return rows.table()

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "TrialTable":
        """Trials of one strategy, dataset and cost book; one or more."""
        first = trials[0]
        names = dict.fromkeys(name for item in trials for name in item.result)
        return cls(
            strategy=first.strategy,
            dataset=first.dataset,
            cost_book=first.cost_book,
            count=len(trials),
            parameters={
                name: number_column([item.parameters[name] for item in trials]) for name in first.parameters
            },
            figures={
                name: number_column([item.result.get(name, math.nan) for item in trials]) for name in names
            },
        )

    def column(self, name: str) -> Floats:
        """A figure of every trial as float64, NaN where it is not defined."""
        found = self.figures.get(name)
        return np.full(self.count, math.nan) if found is None else found.astype(np.float64, copy=False)

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, at: int) -> Trial: ...
    @overload
    def __getitem__(self, at: slice) -> "TrialTable": ...
    def __getitem__(self, at: int | slice) -> "Trial | TrialTable":
        if isinstance(at, slice):
            return TrialTable(
                strategy=self.strategy,
                dataset=self.dataset,
                cost_book=self.cost_book,
                count=len(range(*at.indices(self.count))),
                parameters={name: column[at] for name, column in self.parameters.items()},
                figures={name: column[at] for name, column in self.figures.items()},
            )
        place = range(self.count)[at]  # an IndexError as a tuple gives it
        return Trial(
            strategy=self.strategy,
            parameters={name: _plain(column[place]) for name, column in self.parameters.items()},
            dataset=self.dataset,
            cost_book=self.cost_book,
            result={
                name: int(value) if name in COUNTS else _plain(value)
                for name, column in self.figures.items()
                if math.isfinite(value := column[place])
            },
        )

    def __iter__(self) -> Iterator[Trial]:
        return (self[place] for place in range(self.count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        return f"<{self.count:,} trials of {self.strategy}>"


class TrialRows:
    """Tables of one strategy, put one after another into columns of the size they come to."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0
        self._first: TrialTable | None = None
        self._parameters: dict[str, Column] = {}
        self._figures: dict[str, Column] = {}

    def __len__(self) -> int:
        return self._done

    def add(self, table: TrialTable) -> None:
        """Put `table` after those before it."""
        self._first = self._first or table
        self._put(self._parameters, table.parameters, len(table))
        self._put(self._figures, table.figures, len(table))
        self._done += len(table)

    def table(self) -> TrialTable:
        """All so far; one or more."""
        assert self._first is not None  # what is added is never empty
        return TrialTable(
            strategy=self._first.strategy,
            dataset=self._first.dataset,
            cost_book=self._first.cost_book,
            count=self._done,
            parameters={name: column[: self._done] for name, column in self._parameters.items()},
            figures={name: column[: self._done] for name, column in self._figures.items()},
        )

    def _put(self, columns: dict[str, Column], more: Mapping[str, Column], count: int) -> None:
        for name in dict.fromkeys((*columns, *more)):
            new = more.get(name, _UNKNOWN)
            known = columns.get(name)
            if known is None:
                known = np.empty(self._count, new.dtype if self._done == 0 else np.float64)
                known[: self._done] = math.nan if self._done else 0
            kind = np.promote_types(known.dtype, new.dtype)
            columns[name] = known if known.dtype == kind else known.astype(kind)
            columns[name][self._done : self._done + count] = new


_UNKNOWN = np.full(1, math.nan)


def number_column(values: Sequence[int | float | str]) -> Column:
    """Whole numbers as int64, others as float64; what is mixed or too large as it is."""
    kinds = {type(item) for item in values}
    if kinds <= {int} and all(abs(int(item)) < 2**62 for item in values):
        return np.array(values, np.int64)
    if kinds <= {float}:
        return np.array(values, np.float64)
    found = np.empty(len(values), object)
    found[:] = list(values)
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
