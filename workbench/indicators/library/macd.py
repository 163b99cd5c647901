"""Moving average convergence and divergence."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.means import ema_step

__all__ = ["macd"]


@borrowing
def _macd_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """MACD line, signal and histogram: ema(fast) - ema(slow), its own ema(signal), and the difference.

    Each mean is seeded with the mean of its own first values: Appel (2005), Technical Analysis. (TA-Lib
    starts the fast mean later, so its first values differ; the difference dies out like the seed does.)
    """
    fast, slow, signal = int(parameters[0]), int(parameters[1]), int(parameters[2])
    for i in range(x.shape[0]):
        line = ema_step(state, 0, fast, x[i]) - ema_step(state, 2, slow, x[i])
        smooth = ema_step(state, 4, signal, line)
        out[0, i], out[1, i], out[2, i] = line, smooth, line - smooth


macd = Indicator(
    "macd",
    _macd_kernel,
    parameters=[n_bars("fast", default=12), n_bars("slow", default=26), n_bars("signal", default=9)],
    outputs=["line", "signal", "histogram"],
    state=6,
    warm_up=lambda fast, slow, signal: max(fast, slow) + signal - 2,
)
