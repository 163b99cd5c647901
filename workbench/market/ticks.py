"""Quotes of one instrument as columns: the form of tick data in memory."""

import hashlib
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.market.bars import Ints

__all__ = ["Ticks"]

_LITTLE = np.dtype("<i8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticks:
    """Quotes in the order they came; several may bear the same time. All columns int64[n]."""

    instrument: Instrument
    time_ns: Ints  # UTC, never running back
    bid: Ints  # points
    ask: Ints  # points
    bid_size: Ints  # units of the base currency, 0 where the source does not tell
    ask_size: Ints

    def __len__(self) -> int:
        return len(self.time_ns)

    def at(self, low: int, high: int) -> "Ticks":
        """Quotes `low` up to `high`, which is not included; the columns are views."""
        columns = {name: column[low:high] for name, column in self.columns().items()}
        return Ticks(instrument=self.instrument, **columns)

    def between(self, start_ns: int | None, end_ns: int | None) -> "Ticks":
        """Quotes with a time in `[start_ns, end_ns)`."""
        low = 0 if start_ns is None else int(np.searchsorted(self.time_ns, start_ns, side="left"))
        high = len(self) if end_ns is None else int(np.searchsorted(self.time_ns, end_ns, side="left"))
        return self.at(low, max(low, high))

    def columns(self) -> dict[str, npt.NDArray[np.int64]]:
        """The columns by name, in order."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "instrument"}

    def content_digest(self) -> str:
        """SHA-256 of instrument and columns, hexadecimal: independent of machine and file format."""
        digest = hashlib.sha256(
            f"ticks 1|{self.instrument.id}|{self.instrument.digits}|{len(self)}|".encode()
        )
        for column in self.columns().values():
            digest.update(np.ascontiguousarray(column, dtype=_LITTLE).data)
        return digest.hexdigest()
