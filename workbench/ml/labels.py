"""Labels: what a model is asked to foresee, and when it becomes known.

Every label carries the interval `[known_from, known_until]` it speaks about, so that a split can keep
training samples out whose label overlaps the test.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.ml.errors import NotEnoughDataError

__all__ = ["Labels", "direction"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """One label a sample."""

    values: npt.NDArray[np.int64]  # shape (n_samples,)
    index: npt.NDArray[np.int64]  # the bar each label belongs to
    start_ns: npt.NDArray[np.int64]  # when its features are known
    end_ns: npt.NDArray[np.int64]  # when the label is known


def direction(mid_close: npt.NDArray[np.float64], close_ns: npt.NDArray[np.int64], *, horizon: int) -> Labels:
    """One where the mid is higher `horizon` bars later, zero where it is not; the last bars have no label.

    Parameters
    ----------
    mid_close
        Mid at each bar's close, shape (n_bars,), any unit.
    close_ns
        When each bar is known, shape (n_bars,), rising.
    horizon
        Bars ahead, one or more.

    Raises
    ------
    NotEnoughDataError
        Not more bars than the horizon.
    """
    if horizon < 1:
        raise ValueError(f"expected a horizon of one bar or more, found {horizon}")
    count = len(mid_close) - horizon
    if count < 1:
        raise NotEnoughDataError(
            f"expected more than {horizon} bars for a horizon of {horizon}, found {len(mid_close)}"
        )
    values = (mid_close[horizon:] > mid_close[:-horizon]).astype(np.int64)
    return Labels(
        values=values,
        index=np.arange(count, dtype=np.int64),
        start_ns=close_ns[:-horizon],
        end_ns=close_ns[horizon:],
    )
