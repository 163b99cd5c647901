"""Bars of any length from quotes or shorter bars, as they come: the same in history, replay and live."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.instruments import instrument as instrument_named
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.market.bars import BOTH_SIDES, COLUMNS, PRICES, Bars, Ints
from workbench.market.errors import IncompatibleTimeframesError, TimeRunsBackError
from workbench.market.new_york import bar_closes, bar_opens
from workbench.market.ticks import Ticks

__all__ = ["BarBuilder", "fits_into"]

_NONE = np.empty(0, dtype=np.int64)
_DAY_NS = 86_400_000_000_000
_AHEAD = 40  # days of borders looked up at once


def fits_into(shorter: Timeframe, longer: Timeframe) -> bool:
    """Whether bars of one timeframe never cross the borders of the other's."""
    if shorter is longer:
        return True
    if not longer.is_by_session:
        return not shorter.is_by_session and longer.seconds % shorter.seconds == 0
    if shorter.is_by_session:
        return shorter is Timeframe.D1
    return 3_600 % shorter.seconds == 0  # 17:00 New York is a full hour of UTC


class BarBuilder:
    """Builds bars from a stream; however the stream is cut into pieces, the bars are the same.

    A bar closes when something at or past its end arrives, when the shorter bar that ends with it is
    in, or when the clock is said to have passed it (`advance`). A stretch without quotes gives no bar.
    A stream with one price (mid) has it on both sides, and so have its bars.
    """

    def __init__(
        self,
        instrument: Instrument,
        timeframe: Timeframe | str,
        *,
        sides: str = BOTH_SIDES,
        fingerprint: str = "",
    ) -> None:
        from workbench.market import folding

        self.instrument = instrument
        self.timeframe = timeframe_named(timeframe)
        self.sides = sides
        self.fingerprint = fingerprint
        self._core: Any = folding
        self._step = 0 if self.timeframe.is_by_session else self.timeframe.nanoseconds
        self._edges: Ints = _NONE
        self._state = np.zeros(folding.STATE_SIZE, dtype=np.int64)
        self._state[folding.LAST] = np.iinfo(np.int64).min
        self._one = np.empty((folding.FIELDS, 1), dtype=np.int64)
        self._no_bars: Bars | None = None

    def quote(self, time_ns: int, bid: int, ask: int) -> Bar | None:
        """Take one quote; the bar it closes, if it does."""
        if not self._step:
            self._look_up(time_ns, time_ns)
        closed = self._core.fold_quote(self._state, time_ns, bid, ask, self._step, self._edges, self._one)
        if closed < 0:
            self._refuse(time_ns)
        if not closed:
            return None
        return Bar(instrument=self.instrument.id, **dict(zip(COLUMNS, self._one[:, 0].tolist(), strict=True)))

    def add(self, ticks: Ticks) -> Bars:
        """Take quotes in time order; the bars they close."""
        return self.add_columns(ticks.time_ns, ticks.bid, ticks.ask)

    def add_columns(self, times: Ints, bid: Ints, ask: Ints, *, unit_ns: int = 1) -> Bars:
        """Take quotes whose times are in `unit_ns`; the bars they close."""
        return self._fold(times, unit_ns, _NONE, [bid] * 4 + [ask] * 4)

    def add_bars(self, bars: Bars) -> Bars:
        """Take shorter bars in time order; the bars they close.

        Raises
        ------
        IncompatibleTimeframesError
            They do not fit into this builder's bars.
        """
        if not fits_into(bars.timeframe, self.timeframe):
            raise IncompatibleTimeframesError(
                f"{bars.instrument.id}: {self.timeframe} bars can not be made from {bars.timeframe} bars; "
                "use a shorter timeframe's"
            )
        return self._fold(bars.open_ns, 1, bars.close_ns, [getattr(bars, name) for name in PRICES])

    def advance(self, now_ns: int) -> Bars:
        """Close the bar that is open if it ends by `now_ns`; what comes later may not be older."""
        if not self._state[self._core.COUNT] or self._state[self._core.CLOSE] > now_ns:
            return self._bars(self._one[:, :0])
        self._state[self._core.LAST] = max(self._state[self._core.LAST], self._state[self._core.CLOSE])
        return self.finish()

    def finish(self) -> Bars:
        """The bar that is open, as it is; nothing is open afterwards."""
        found = self.unfinished()
        self._state[self._core.COUNT] = 0
        return found

    def unfinished(self) -> Bars:
        """The bar that is open, as far as it has come; it stays open."""
        columns = self._state[: self._core.FIELDS].reshape(-1, 1).copy()
        return self._bars(columns[:, : 1 if self._state[self._core.COUNT] else 0])

    def state(self) -> dict[str, Any]:
        """A plain value from which `from_state` goes on."""
        return {
            "instrument": self.instrument.id,
            "timeframe": str(self.timeframe),
            "sides": self.sides,
            "fingerprint": self.fingerprint,
            "open": self._state.tolist(),
        }

    @classmethod
    def from_state(cls, value: Mapping[str, Any]) -> "BarBuilder":
        """The builder whose `state` this was."""
        builder = cls(
            instrument_named(value["instrument"]),
            value["timeframe"],
            sides=value["sides"],
            fingerprint=value["fingerprint"],
        )
        builder._state[:] = value["open"]
        return builder

    def gather(self, pieces: Iterable[tuple[Ints, Ints, Ints, int]], *, most: int) -> Bars:
        """All bars of quotes that come as times, bid, ask and the unit of the times, the open one too.

        There may be `most` bars; nothing is copied.
        """
        out = np.empty((self._core.FIELDS, most + 1), dtype=np.int64)
        found = 0
        for times, bid, ask, unit_ns in pieces:
            if len(times):
                found = self._fold_into(out, found, times, unit_ns, _NONE, [bid] * 4 + [ask] * 4)
        if self._state[self._core.COUNT]:
            out[:, found] = self._state[: self._core.FIELDS]
            self._state[self._core.COUNT] = 0
            found += 1
        return self._bars(out[:, :found])

    def most_bars(self, first_ns: int, last_ns: int, rows: int) -> int:
        """How many bars `rows` quotes between two instants can make at most."""
        if self._step:
            return int(min(max(0, last_ns - first_ns) // self._step + 3, rows + 1))
        return min((last_ns - first_ns) // _DAY_NS + 4, rows + 1)

    def _fold(self, times: Ints, unit_ns: int, closes: Ints, prices: list[Ints]) -> Bars:
        if not len(times):
            return self._bars(self._one[:, :0])
        most = self.most_bars(int(times[0]) * unit_ns, int(times[-1]) * unit_ns, len(times))
        out = np.empty((self._core.FIELDS, most), dtype=np.int64)
        found = self._fold_into(out, 0, times, unit_ns, closes, prices)
        return self._bars(out[:, :found] if 2 * found > out.shape[1] else out[:, :found].copy())

    def _fold_into(
        self, out: Ints, found: int, times: Ints, unit_ns: int, closes: Ints, prices: list[Ints]
    ) -> int:
        if not self._step:
            self._look_up(int(times[0]) * unit_ns, int(times[-1]) * unit_ns)
        made: dict[int, Ints] = {}  # ticks have one column four times
        for item in (closes, *prices):
            if id(item) not in made:
                made[id(item)] = _sealed(item)
        columns = [made[id(item)] for item in (closes, *prices)]
        done = self._core.fold(
            self._state, _sealed(times), unit_ns, *columns, self._step, self._edges, out, found
        )
        if done < 0:
            self._refuse(int(times[-1 - done]) * unit_ns)
        return int(done)

    def _look_up(self, first_ns: int, last_ns: int) -> None:
        """Have the borders of the bars from the one that contains `first_ns` to past `last_ns`."""
        if len(self._edges) and self._edges[0] <= first_ns and last_ns < self._edges[-1]:
            return
        days = np.arange(first_ns, max(first_ns, last_ns) + _AHEAD * _DAY_NS, _DAY_NS // 2, dtype=np.int64)
        opens = np.unique(bar_opens(days, self.timeframe))
        self._edges = np.append(opens, bar_closes(opens[-1:], self.timeframe))

    def _refuse(self, time_ns: int) -> None:
        moment, last = np.array([time_ns, self._state[self._core.LAST]]).view("M8[ns]")
        raise TimeRunsBackError(
            f"{self.instrument.id} {self.timeframe}: {moment} comes after {last} or an earlier row of "
            "its own batch; expected times in order, sort the source"
        )

    def _bars(self, columns: Ints) -> Bars:
        if columns.shape[1]:
            return self._made_of(columns)
        if self._no_bars is None:  # what nearly every call for a few quotes comes to
            self._no_bars = self._made_of(columns)
        return self._no_bars

    def _made_of(self, columns: Ints) -> Bars:
        return Bars(
            instrument=self.instrument,
            timeframe=self.timeframe,
            **dict(zip(COLUMNS, columns, strict=True)),
            sides=self.sides,
            fingerprint=self.fingerprint,
        )


def _sealed(column: Ints) -> Ints:
    """A view of one kind for every caller, so that the core is compiled once."""
    view = np.ascontiguousarray(column, dtype=np.int64).view()
    view.flags.writeable = False
    return view
