"""Signals of many variants at once: what they have in common is computed once.

All rules become one program, in which equal expressions are one node.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from workbench.domain.instruments import InstrumentId
from workbench.strategy.expressions import Expr
from workbench.strategy.panel import evaluate_outputs
from workbench.strategy.rules import Rules
from workbench.strategy.running import BarColumns, Flags, Floats
from workbench.strategy.signals import SIMPLE_CONDITIONS, Signals, simple_expressions
from workbench.strategy.sizes import size_arguments

__all__ = ["evaluate_many"]


def evaluate_many(
    rules: Sequence[Rules],
    bars: BarColumns,
    *,
    others: Mapping[InstrumentId, BarColumns] | None = None,
    trailing: bool = False,
) -> list[Signals]:
    """The signals of each of `rules` at every bar: what `evaluate` gives for one, bit for bit.

    Variants share the columns they have in common; nobody may write to them.
    """
    conditions, numbers = _Outputs(), _Outputs()
    for item in rules:
        for place, expr in enumerate(simple_expressions(item, trailing=trailing)):
            (conditions if place < len(SIMPLE_CONDITIONS) else numbers).add(expr)
    outputs = [*conditions.found, *numbers.found]
    name = bars.instrument.id
    flags, values = evaluate_outputs(outputs, {name: bars}, conditions=len(conditions.found), others=others)[
        name
    ]
    never, unknown = _empty_columns(len(bars.open_ns))
    found: list[Signals] = []
    for item in rules:
        kind, value = size_arguments(item.size, bars.instrument)
        columns = {name: conditions.row(getattr(item, name)) for name in SIMPLE_CONDITIONS}
        stop, target, trail = (numbers.row(expr) for expr in (item.stop, item.target, item.trail))
        found.append(
            Signals(
                **{name: never if row is None else flags[row] for name, row in columns.items()},
                stop=unknown if stop is None else values[stop],
                target=unknown if target is None else values[target],
                has_stop=item.stop is not None,
                has_target=item.target is not None,
                size_kind=kind,
                size_value=value,
                trail=None if trail is None else values[trail],
            )
        )
    return found


@lru_cache(maxsize=4)
def _empty_columns(count: int) -> tuple[Flags, Floats]:
    """What stands for conditions and distances that are not declared; kept, since filling them costs time."""
    return np.zeros(count, np.bool_), np.full(count, np.nan)


class _Outputs:
    """Different expressions, in the order they were first seen."""

    def __init__(self) -> None:
        self.found: list[Expr] = []
        self._rows: dict[str, int] = {}

    def add(self, expr: Expr | None) -> None:
        if expr is not None and expr.key not in self._rows:
            self._rows[expr.key] = len(self.found)
            self.found.append(expr)

    def row(self, expr: Expr | None) -> int | None:
        return None if expr is None else self._rows[expr.key]
