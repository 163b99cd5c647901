"""Indicators: each one recurrence, over an array or one value at a time, with the same bits.

Every indicator that a file of `workbench.indicators.library` declares is an attribute: ``sma``, ``atr``, …
"""

from typing import Any

from workbench.indicators.compiled import borrowing, borrowing_inline, compiled, compiled_inline
from workbench.indicators.declaring import (
    MAX_LOOKBACK,
    PRICE_INPUTS,
    Choice,
    Indicator,
    Number,
    Stream,
    lookback,
    n_bars,
)
from workbench.indicators.registry import indicator, indicators

__all__ = [  # and the names of the indicators
    "MAX_LOOKBACK",
    "PRICE_INPUTS",
    "Choice",
    "Indicator",
    "Number",
    "Stream",
    "borrowing",
    "borrowing_inline",
    "compiled",
    "compiled_inline",
    "indicator",
    "indicators",
    "lookback",
    "n_bars",
]


def __getattr__(name: str) -> Any:
    found = None if name.startswith("_") else indicators().get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *indicators()])
