"""Bars and ticks as Arrow, pandas, Polars and NumPy: whole points, times aware and UTC, nothing copied.

`decimals` and `floats` turn whole points into prices.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.bars import Bars, Ints
from workbench.market.ticks import Ticks

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["decimals", "floats", "in_form", "to_arrow", "to_numpy", "to_pandas", "to_polars"]

_STAMP = pa.timestamp("ns", "UTC")


def to_numpy(data: Bars | Ticks) -> dict[str, Ints]:
    """The columns themselves, int64; times in nanoseconds UTC."""
    return data.columns()


def to_arrow(data: Bars | Ticks) -> pa.Table:
    """A table over the same memory; times are timestamps without their ``_ns``."""
    arrays = {}
    for name, column in data.columns().items():
        array = pa.array(column)
        arrays[name.removesuffix("_ns")] = array.view(_STAMP) if name.endswith("_ns") else array
    return pa.table(arrays, metadata=_about(data))


def to_pandas(data: Bars | Ticks) -> "pd.DataFrame":
    """A frame indexed by the bar's open or the tick's time, aware and UTC."""
    import pandas as pd

    columns = data.columns()
    index_name = next(iter(columns))
    index = _times(columns.pop(index_name), name=index_name.removesuffix("_ns"))
    frame = pd.DataFrame(
        {
            name.removesuffix("_ns"): _times(column) if name.endswith("_ns") else column
            for name, column in columns.items()
        },
        index=index,
        copy=False,
    )
    frame.attrs = {name.decode(): value.decode() for name, value in _about(data).items()}
    return frame


def to_polars(data: Bars | Ticks) -> "pl.DataFrame":
    """A Polars frame over the same memory."""
    import polars as pl

    frame = pl.from_arrow(to_arrow(data), rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame


def in_form(data: Bars | Ticks, form: str) -> Any:
    """Data as ``pandas``, ``polars``, ``arrow`` or ``numpy``."""
    makers = {"pandas": to_pandas, "polars": to_polars, "arrow": to_arrow, "numpy": to_numpy}
    if form not in makers:
        raise BadInputError(f"unknown form {form!r}; expected one of {', '.join(makers)}")
    return makers[form](data)


def floats(points: Ints, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Prices as the doubles nearest to them: for charts and statistics, not for books."""
    prices: npt.NDArray[np.float64] = points / 10.0**instrument.digits  # one rounding, to the nearest
    return prices


def decimals(points: Ints, instrument: Instrument) -> list[Decimal]:
    """Prices exactly."""
    return [Decimal(item).scaleb(-instrument.digits) for item in points.tolist()]


def _times(column: Ints, name: str | None = None) -> "pd.DatetimeIndex":
    import pandas as pd

    return pd.DatetimeIndex(column.view("M8[ns]"), copy=False, name=name).tz_localize("UTC")


def _about(data: Bars | Ticks) -> dict[bytes, bytes]:
    about = {"instrument": data.instrument.id, "digits": str(data.instrument.digits)}
    if isinstance(data, Bars):
        about |= {"timeframe": str(data.timeframe), "sides": data.sides, "fingerprint": data.fingerprint}
    return {name.encode(): value.encode() for name, value in about.items()}
