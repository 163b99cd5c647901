"""Trials: every variant that was backtested, so that nobody forgets how many were tried.

A ledger is anything with `record`; the one on the relational store lives in `workbench.tracking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["MemoryLedger", "Trial", "TrialLedger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One backtest of one variant."""

    strategy: str
    parameters: Mapping[str, int | float]
    dataset: str  # fingerprint of the bars
    cost_book: str  # version
    result: Mapping[str, float | int | str]  # metrics, finite numbers only


@runtime_checkable
class TrialLedger(Protocol):
    """Where trials are counted."""

    def record(self, trials: Sequence[Trial]) -> None:
        """Keep `trials`; one call is one batch, kept as a whole or not at all."""


class MemoryLedger:
    """A ledger that lives as long as the process, for tests and for looking around."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def record(self, trials: Sequence[Trial]) -> None:
        """Keep `trials`."""
        self.trials.extend(trials)
