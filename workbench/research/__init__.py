"""Backtest, sweep, overfitting statistics, tear sheet."""

from workbench.research.backtest import replay_backtest, run_backtest
from workbench.research.ledger import MemoryLedger, Trial, TrialLedger
from workbench.research.overfitting import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
)
from workbench.research.overfitting_tests import (
    backtest_overfitting,
    judge_returns,
    judge_sweep,
    minimum_backtest_years,
    random_entries,
    reality_check,
    sensitivity,
    superior_ability,
    trade_luck,
)
from workbench.research.result import BacktestResult
from workbench.research.statistics import DEFINITIONS, max_drawdown, sharpe_ratio
from workbench.research.sweep import sweep
from workbench.research.sweep_result import SweepResult
from workbench.research.tear_sheet import TearSheet, monthly_returns, tear_sheet
from workbench.research.walk_forward import walk_forward
from workbench.research.walk_forward_result import WalkForwardResult

__all__ = [
    "DEFINITIONS",
    "BacktestResult",
    "MemoryLedger",
    "SweepResult",
    "TearSheet",
    "Trial",
    "TrialLedger",
    "WalkForwardResult",
    "backtest_overfitting",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "judge_returns",
    "judge_sweep",
    "max_drawdown",
    "minimum_backtest_years",
    "monthly_returns",
    "probabilistic_sharpe_ratio",
    "random_entries",
    "reality_check",
    "replay_backtest",
    "run_backtest",
    "sensitivity",
    "sharpe_ratio",
    "superior_ability",
    "sweep",
    "tear_sheet",
    "trade_luck",
    "walk_forward",
]
