"""A release as the live room needs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.limits import Limits

__all__ = ["LoadRelease", "ReleasedNotebook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedNotebook:
    """A release whose bytes and signature were checked just now."""

    id: str
    name: str
    approved: bool
    notebook: Path
    parameters: Mapping[str, Any]
    spec_digest: str
    instruments: tuple[str, ...]
    timeframe: str
    fingerprints: Mapping[str, str]  # of the pinned bars, by instrument
    cost_book: Mapping[str, Any]
    limits: Limits


LoadRelease = Callable[[str], ReleasedNotebook]
"""Reads a release by id and checks every byte of it, or raises a `WorkbenchError` with the reason."""
