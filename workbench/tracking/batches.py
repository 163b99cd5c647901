"""Trials as columns: packed into one value of the ledger, and read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Sharpes", "pack", "sharpes_of", "unpack"]

Column = npt.NDArray[Any]
_PARAMETER, _RESULT = "param.", "result."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpes:
    """What is known of the Sharpe ratios of trials without looking at each."""

    count: int  # of trials that have one
    mean: float  # 0 without any
    squares: float  # sum of the squared differences from the mean
    best: float  # 0 without any

    def plus(self, other: "Sharpes") -> "Sharpes":
        """Both together.

        Notes
        -----
        The pairwise update of Chan, Golub and LeVeque (1979), "Updating Formulae and a Pairwise Algorithm for
        Computing Sample Variances".
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        apart = other.mean - self.mean
        return Sharpes(
            count=count,
            mean=self.mean + apart * other.count / count,
            squares=self.squares + other.squares + apart * apart * self.count * other.count / count,
            best=max(self.best, other.best),
        )

    @property
    def variance(self) -> float:
        """Sample variance; 0 with fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else 0.0


def sharpes_of(values: Column) -> Sharpes:
    """Of the values that are finite."""
    known = values[np.isfinite(values)] if len(values) else values
    if not len(known):
        return Sharpes(count=0, mean=0.0, squares=0.0, best=0.0)
    mean = float(np.mean(known))
    return Sharpes(
        count=len(known),
        mean=mean,
        squares=float(np.sum(np.square(known - mean))),
        best=float(np.max(known)),
    )


def pack(parameters: Mapping[str, Column], result: Mapping[str, Column]) -> bytes:
    """Columns as an Arrow stream, compressed.

    Raises
    ------
    TypeError
        A parameter is neither a number nor a truth value nor text: nothing that a table can hold.
    """
    import pyarrow as pa  # takes a while

    columns = {
        **{f"{_PARAMETER}{name}": column for name, column in parameters.items()},
        **{f"{_RESULT}{name}": column for name, column in result.items()},
    }
    try:
        batch = pa.RecordBatch.from_pydict({name: pa.array(item) for name, item in columns.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TypeError(f"expected numbers, truth values or texts of trials: {error}") from error
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unpack(content: bytes, *, names: Sequence[str] | None = None) -> dict[str, Column]:
    """The columns by name, as ``param.fast`` or ``result.sharpe``; only those of `names` if given."""
    import pyarrow as pa

    table = pa.ipc.open_stream(content).read_all()
    wanted = table.column_names if names is None else [item for item in names if item in table.column_names]
    return {name: table[name].to_numpy(zero_copy_only=False) for name in wanted}
