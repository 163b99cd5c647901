"""Indicators: each one recurrence, run over an array or one step at a time, the same bits."""
