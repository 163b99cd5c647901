"""Highest and lowest of the last values."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import extreme_pass, extreme_size

__all__ = ["highest", "lowest"]


@borrowing
def _extreme_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    extreme_pass(state, int(parameters[0]), parameters[1], x, out[0])


highest = Indicator(
    "highest",
    _extreme_kernel,
    parameters=[n_bars()],
    state=extreme_size,
    warm_up=lambda n: n - 1,
    constants=[1.0],
    doc="Greatest of the last n values, this one included; take ``.lag(1)`` for a breakout level.",
)
lowest = Indicator(
    "lowest",
    _extreme_kernel,
    parameters=[n_bars()],
    state=extreme_size,
    warm_up=lambda n: n - 1,
    constants=[-1.0],
    doc="Least of the last n values, this one included; take ``.lag(1)`` for a breakout level.",
)
