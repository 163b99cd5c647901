"""Backtest, sweep, overfitting statistics, tear sheet."""

from workbench.research.backtest import replay_backtest, run_backtest
from workbench.research.ledger import MemoryLedger, Trial, TrialLedger
from workbench.research.overfitting import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
)
from workbench.research.result import BacktestResult
from workbench.research.statistics import DEFINITIONS, max_drawdown, sharpe_ratio
from workbench.research.sweep import sweep
from workbench.research.sweep_result import SweepResult
from workbench.research.tear_sheet import TearSheet, monthly_returns, tear_sheet

__all__ = [
    "DEFINITIONS",
    "BacktestResult",
    "MemoryLedger",
    "SweepResult",
    "TearSheet",
    "Trial",
    "TrialLedger",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "max_drawdown",
    "monthly_returns",
    "probabilistic_sharpe_ratio",
    "replay_backtest",
    "run_backtest",
    "sharpe_ratio",
    "sweep",
    "tear_sheet",
]
