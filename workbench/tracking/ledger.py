"""The ledger of trials in the relational store: append-only, so that nobody forgets what was tried."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.store.schema import ideas, trials

__all__ = ["SqlTrialLedger", "TrialLike", "count_trials", "ensure_idea_row", "trials_frame"]


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
    """

    def __init__(
        self, engine: sa.Engine, *, idea: str, author: str, run_id: str = "", name: str = ""
    ) -> None:
        if not idea:
            raise BadInputError("expected the uuid of an idea to count trials for, found none")
        self._engine = engine
        self.idea = idea
        self.author = author
        self.run_id = run_id
        self.name = name

    def record(self, trials_made: Sequence[TrialLike]) -> None:
        """Keep the trials, all or none."""
        if not trials_made:
            return
        now = time.time_ns()
        rows = [
            {
                "idea": self.idea,
                "strategy": trial.strategy,
                "parameters": {key: _storable(value) for key, value in trial.parameters.items()},
                "dataset": trial.dataset,
                "cost_book": trial.cost_book,
                "result": {key: _storable(value) for key, value in trial.result.items()},
                "run_id": self.run_id,
                "author": self.author,
                "created_ns": now,
            }
            for trial in trials_made
        ]
        ensure_idea_row(self._engine, self.idea, name=self.name)
        with self._engine.begin() as connection:
            connection.execute(sa.insert(trials), rows)


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


def count_trials(engine: sa.Engine, idea: str) -> int:
    """How many variants of an idea were ever backtested; every column of a sweep counts."""
    with engine.connect() as connection:
        return int(
            connection.scalar(sa.select(sa.func.count()).select_from(trials).where(trials.c.idea == idea))
            or 0
        )


def trials_frame(engine: sa.Engine, idea: str) -> pd.DataFrame:
    """The trials of an idea, oldest first, their parameters and results as columns."""
    query = sa.select(trials).where(trials.c.idea == idea).order_by(trials.c.id)
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
    return pd.DataFrame(plain)


def _storable(value: Any) -> Any:
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
