"""Tests of what the best of many trials is worth, and of how far a backtest is luck."""

from workbench.research.overfitting_tests.bootstrap import stationary_draws
from workbench.research.overfitting_tests.cross_validation import BacktestOverfitting, backtest_overfitting
from workbench.research.overfitting_tests.random_entries import RandomEntries, random_entries
from workbench.research.overfitting_tests.returns import TrialReturns, effective_trials, trial_returns
from workbench.research.overfitting_tests.sensitivity import Sensitivity, sensitivity
from workbench.research.overfitting_tests.superior_ability import (
    SuperiorAbility,
    reality_check,
    superior_ability,
)
from workbench.research.overfitting_tests.track_length import minimum_backtest_years, minimum_track_record
from workbench.research.overfitting_tests.trade_luck import TradeLuck, trade_luck
from workbench.research.overfitting_tests.verdict import OverfittingVerdict, judge_returns, judge_sweep

__all__ = [
    "BacktestOverfitting",
    "OverfittingVerdict",
    "RandomEntries",
    "Sensitivity",
    "SuperiorAbility",
    "TradeLuck",
    "TrialReturns",
    "backtest_overfitting",
    "effective_trials",
    "judge_returns",
    "judge_sweep",
    "minimum_backtest_years",
    "minimum_track_record",
    "random_entries",
    "reality_check",
    "sensitivity",
    "stationary_draws",
    "superior_ability",
    "trade_luck",
    "trial_returns",
]
