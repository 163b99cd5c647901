"""The ledger of trials in the relational store: append-only, so that nobody forgets what was tried.

A few trials are rows of their own, many are one row that holds them as columns: ten million are counted in
milliseconds.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pandas as pd
import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.store.schema import ideas, trial_batches, trials
from workbench.tracking.batches import Sharpes, pack, sharpes_of, unpack
from workbench.tracking.idea_marks import leave_marks, one_line

__all__ = [
    "SqlTrialLedger",
    "TrialLike",
    "count_by_run",
    "count_trials",
    "ensure_idea_row",
    "sharpe_ratios",
    "trials_frame",
]

_BATCH_FROM = 32  # trials that are kept as columns
_BATCH = 65_536  # trials in one row at most


class TrialLike(Protocol):
    """What the ledger keeps of a trial: `workbench.research.Trial`."""

    @property
    def strategy(self) -> str:
        """The strategy's name."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters."""

    @property
    def dataset(self) -> str:
        """Fingerprint of the data."""

    @property
    def cost_book(self) -> str:
        """Version of the cost book."""

    @property
    def result(self) -> Mapping[str, Any]:
        """Metrics by name."""


class SqlTrialLedger:
    """Records trials of one idea.

    Parameters
    ----------
    idea
        The idea's uuid, which a copied or renamed notebook keeps.
    name
        What the idea is called when it is first seen: its notebook's name.
    marks
        What else the notebook is known by, see `workbench.tracking.idea_marks`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        idea: str,
        author: str,
        run_id: str = "",
        name: str = "",
        marks: Sequence[str] = (),
    ) -> None:
        if not idea:
            raise BadInputError("expected the uuid of an idea to count trials for, found none")
        self._engine = engine
        self.idea = idea
        self.author = author
        self.run_id = run_id
        self.name = name
        self.marks = tuple(marks)

    def record(self, trials_made: Sequence[TrialLike]) -> None:
        """Keep the trials, all or none."""
        if not len(trials_made):
            return
        common = {
            "idea": self.idea,
            "run_id": self.run_id,
            "author": self.author,
            "created_ns": time.time_ns(),
        }
        table, rows = _rows(trials_made)
        ensure_idea_row(self._engine, self.idea, name=self.name)
        leave_marks(self._engine, self.idea, self.marks)
        with self._engine.begin() as connection:
            connection.execute(sa.insert(table), [{**common, **row} for row in rows])


def _rows(made: Sequence[TrialLike]) -> tuple[sa.Table, list[dict[str, Any]]]:
    if len(made) < _BATCH_FROM:
        return trials, [
            {
                "strategy": trial.strategy,
                "parameters": {key: _storable(value) for key, value in trial.parameters.items()},
                "dataset": trial.dataset,
                "cost_book": trial.cost_book,
                "result": {key: _storable(value) for key, value in trial.result.items()},
            }
            for trial in made
        ]
    rows = []
    for tried in _tables(made):
        for start in range(0, len(tried), _BATCH):
            part = tried[start : start + _BATCH]
            sharpes = sharpes_of(np.asarray(part.figures.get("sharpe", np.empty(0)), np.float64))
            rows.append(
                {
                    "strategy": part.strategy,
                    "dataset": part.dataset,
                    "cost_book": part.cost_book,
                    "count": len(part),
                    "sharpes": sharpes.count,
                    "sharpe_mean": sharpes.mean,
                    "sharpe_squares": sharpes.squares,
                    "sharpe_best": sharpes.best,
                    "columns": pack(part.parameters, part.figures),
                }
            )
    return trial_batches, rows


def ensure_idea_row(engine: sa.Engine, idea: str, *, name: str) -> None:
    """Make sure the idea is known; the first name it had stays."""
    with engine.connect() as connection:
        if connection.scalar(sa.select(ideas.c.id).where(ideas.c.id == idea)) is not None:
            return
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(ideas).values(id=idea, name=name, created_ns=time.time_ns()))
    except sa.exc.IntegrityError:
        return  # another process was faster


def count_trials(engine: sa.Engine, idea: str, *, marks: Sequence[str] = ()) -> int:
    """How many variants of an idea, and of those that are one with it, were ever backtested.

    Every column of a sweep and every point of a search counts. `marks` are as in `one_line`.
    """
    line = one_line(engine, idea, marks=marks)
    single = sa.select(sa.func.count()).select_from(trials).where(trials.c.idea.in_(line))
    many = sa.select(sa.func.coalesce(sa.func.sum(trial_batches.c.count), 0))
    with engine.connect() as connection:
        found = connection.scalar(single) or 0
        return int(found) + int(connection.scalar(many.where(trial_batches.c.idea.in_(line))) or 0)


def count_by_run(run_ids: Sequence[str]) -> "sa.Select[tuple[str, int]]":
    """A query for how many trials each of these MLflow runs recorded: ``run_id`` and ``count``."""
    single = sa.select(trials.c.run_id, sa.literal(1).label("count")).where(trials.c.run_id.in_(run_ids))
    many = sa.select(trial_batches.c.run_id, trial_batches.c.count).where(trial_batches.c.run_id.in_(run_ids))
    both = sa.union_all(single, many).subquery()
    return sa.select(both.c.run_id, sa.func.sum(both.c.count).label("count")).group_by(both.c.run_id)


def sharpe_ratios(engine: sa.Engine, idea: str) -> Sharpes:
    """The annualized Sharpe ratios of all trials of an idea's line, in sum."""
    line = one_line(engine, idea)
    sums = ("sharpes", "sharpe_mean", "sharpe_squares", "sharpe_best")
    with engine.connect() as connection:
        results = connection.execute(sa.select(trials.c.result).where(trials.c.idea.in_(line))).scalars()
        values = [float(item["sharpe"]) for item in results if _is_number(item.get("sharpe"))]
        found = sharpes_of(np.array(values, np.float64))
        query = sa.select(*(trial_batches.c[name] for name in sums)).where(trial_batches.c.idea.in_(line))
        for count, mean, squares, best in connection.execute(query):
            found = found.plus(Sharpes(count=count, mean=mean, squares=squares, best=best))
    return found


def trials_frame(engine: sa.Engine, idea: str) -> pd.DataFrame:
    """The trials of an idea's line, oldest first, their parameters and results as columns."""
    line = one_line(engine, idea)
    frames = [*_single_frames(engine, line), *_batch_frames(engine, line)]
    if not frames:
        return pd.DataFrame([])
    if len(frames) == 1:
        return frames[0]
    return pd.concat(frames, ignore_index=True).sort_values("created_ns", kind="stable", ignore_index=True)


def _single_frames(engine: sa.Engine, line: Sequence[str]) -> Iterator[pd.DataFrame]:
    query = sa.select(trials).where(trials.c.idea.in_(line)).order_by(trials.c.id)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    plain = [
        {
            **{key: value for key, value in row.items() if key not in ("parameters", "result")},
            **{f"param.{key}": value for key, value in row["parameters"].items()},
            **{f"result.{key}": value for key, value in row["result"].items()},
        }
        for row in rows
    ]
    if plain:
        yield pd.DataFrame(plain)


def _batch_frames(engine: sa.Engine, line: Sequence[str]) -> Iterator[pd.DataFrame]:
    kept = ("id", "idea", "strategy", "dataset", "cost_book", "run_id", "author", "created_ns")
    query = sa.select(*(trial_batches.c[name] for name in (*kept, "columns")))
    query = query.where(trial_batches.c.idea.in_(line)).order_by(trial_batches.c.id)
    with engine.connect() as connection:
        for row in connection.execute(query).mappings():
            yield pd.DataFrame({**{name: row[name] for name in kept}, **unpack(row["columns"])})


def _tables(made: Sequence[TrialLike]) -> Iterator[Any]:
    """Trials as columns, one table a strategy, dataset and cost book.

    A table of many trials brings its columns; others are turned into columns here.
    """
    if hasattr(made, "figures") and hasattr(made, "dataset"):  # `workbench.research.trial_table.TrialTable`
        yield made
        return
    for key, items in groupby(made, key=lambda item: (item.strategy, item.dataset, item.cost_book)):
        yield _Columns(key, list(items))


class _Columns:
    """Trials that came one by one, as columns."""

    def __init__(self, key: tuple[str, str, str], made: Sequence[TrialLike]) -> None:
        self.strategy, self.dataset, self.cost_book = key
        self._made = made

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, rows: slice) -> "_Columns":
        return _Columns((self.strategy, self.dataset, self.cost_book), self._made[rows])

    @property
    def parameters(self) -> dict[str, Any]:
        """A column a parameter."""
        return _columns([item.parameters for item in self._made])

    @property
    def figures(self) -> dict[str, Any]:
        """A column a figure."""
        return _columns([item.result for item in self._made])


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_storable(row.get(name)) for row in rows] for name in names}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _storable(value: Any) -> Any:
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
