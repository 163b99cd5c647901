"""Notebooks run by papermill on a schedule."""
