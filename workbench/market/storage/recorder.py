"""Live quotes into the store: gathered in memory, made a new version at each commit."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.market.storage.datasets import ImportReport
from workbench.market.ticks import Ticks

__all__ = ["TakesTicks", "TickRecorder"]


class TakesTicks(Protocol):
    """What a recorder needs of the market store."""

    def add_ticks(
        self,
        batches: Sequence[Ticks],
        *,
        instrument: Instrument,
        source: str,
        extend: bool,
        keep: Sequence[str],
    ) -> ImportReport:
        """Keep quotes in time order as a new version of the newest dataset."""


class TickRecorder:
    """Takes quotes in time order; `commit` makes them part of the newest dataset, durably.

    What was not committed is lost with the process. Each commit writes the current week anew, so commit
    by the minute or the hour, not by the quote.
    """

    def __init__(
        self, store: TakesTicks, instrument: Instrument, *, source: str, keep: Sequence[str] = ("M1",)
    ) -> None:
        self._store = store
        self._instrument = instrument
        self._source = source
        self._keep = tuple(keep)
        self._batches: list[Ticks] = []
        self._rows: list[tuple[int, int, int, int, int]] = []

    def __len__(self) -> int:
        """Quotes that wait to be committed."""
        return sum(map(len, self._batches)) + len(self._rows)

    def quote(self, time_ns: int, bid: int, ask: int, bid_size: int = 0, ask_size: int = 0) -> None:
        """Take one quote."""
        self._rows.append((time_ns, bid, ask, bid_size, ask_size))

    def add(self, ticks: Ticks) -> None:
        """Take quotes."""
        self._gather()
        self._batches.append(ticks)

    def commit(self) -> ImportReport | None:
        """Make a new version of what waits; None when nothing does.

        Raises
        ------
        ConflictingDataError
            The dataset has other quotes for the same time.
        """
        self._gather()
        if not self._batches:
            return None
        report = self._store.add_ticks(
            self._batches, instrument=self._instrument, source=self._source, extend=True, keep=self._keep
        )
        self._batches = []
        return report

    def _gather(self) -> None:
        if not self._rows:
            return
        columns = np.array(self._rows, dtype=np.int64).T
        self._rows = []
        names = ("time_ns", "bid", "ask", "bid_size", "ask_size")
        self._batches.append(
            Ticks(
                instrument=self._instrument,
                **{name: np.ascontiguousarray(column) for name, column in zip(names, columns, strict=True)},
            )
        )
