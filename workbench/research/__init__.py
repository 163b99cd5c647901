"""Backtest, sweep, tear sheet."""
