"""Versions of a dataset of ticks: lists of immutable parts, written from a stream and merged with each other.

Parts are cut by the calendar alone, so the same ticks make the same parts however they came, and a new
version shares every week that it does not change. Bars that are kept beside the ticks are made week by
week; their timeframes tile the UTC day, so none crosses from one week into the next.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.market.bar_builder import BarBuilder
from workbench.market.bars import BOTH_SIDES, COLUMNS, Bars
from workbench.market.errors import TimeRunsBackError
from workbench.market.resampling import joined
from workbench.market.storage.folders import Folder
from workbench.market.storage.parts import Part, PartColumns, read_part, week_of, week_start, write_part
from workbench.market.ticks import Ticks

__all__ = [
    "GROUP_WEEKS",
    "TICK_COLUMNS",
    "Version",
    "as_bars",
    "concatenated",
    "fetched",
    "read_bars",
    "read_ticks",
    "write_bars",
    "write_version",
    "write_week",
]

_PART_ROWS = 2_097_152  # most rows of a part
_HOUR_NS = 3_600_000_000_000
GROUP_WEEKS = 26  # weeks of a part of kept bars
_AHEAD = 3  # parts that wait to be taken, each a week or less
TICK_COLUMNS = ("time_ns", "bid", "ask", "bid_size", "ask_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The parts of one version."""

    instrument: Instrument
    sides: str
    ticks: tuple[Part, ...]  # in time order
    bars: Mapping[Timeframe, tuple[Part, ...]]

    @property
    def rows(self) -> int:
        """How many ticks."""
        return sum(item.rows for item in self.ticks)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of instrument, sides and the content of every part."""
        digest = hashlib.sha256(
            f"ticks 2|{self.instrument.id}|{self.instrument.digits}|{self.sides}|".encode()
        )
        for item in self.ticks:
            digest.update(f"{item.week}|{item.rows}|{item.digest}|".encode())
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The catalogue's `parts`."""
        return {
            "format": 1,
            "ticks": [item.to_json() for item in self.ticks],
            "bars": {str(name): [item.to_json() for item in parts] for name, parts in self.bars.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, instrument: Instrument, sides: str) -> "Version":
        """The version that `to_json` wrote."""
        return cls(
            instrument=instrument,
            sides=sides,
            ticks=tuple(Part(*item) for item in value["ticks"]),
            bars={
                timeframe_named(name): tuple(Part(*item) for item in parts)
                for name, parts in value["bars"].items()
            },
        )


def write_version(
    folder: Folder,
    batches: Iterable[Ticks],
    *,
    instrument: Instrument,
    sides: str = BOTH_SIDES,
    keep: Sequence[Timeframe] = (),
) -> Version:
    """Write the parts of a stream of quotes in time order.

    Memory is bounded by a week of ticks, or two million if the week has more.

    Raises
    ------
    TimeRunsBackError
        A quote is older than the one before it.
    BadInputError
        The stream has no quote, or those of another instrument.
    """
    for item in keep:
        _refuse_session(item)
    with ThreadPoolExecutor(1, thread_name_prefix="parts") as pool:  # packs and writes while we read on
        writer = _Writer(folder, instrument, sides, keep, pool)
        for week, ticks in _by_week(batches, instrument):
            writer.add(week, ticks)
        return writer.finish()


def read_ticks(
    folder: Folder,
    version: Version,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    whole: bool = False,
) -> Iterator[Ticks]:
    """The ticks of a span, a part at a time."""

    def read(part: Part) -> PartColumns:
        inside = (start_ns is None or part.first_ns >= start_ns) and (end_ns is None or part.last_ns < end_ns)
        return read_part(
            folder,
            part,
            start_ns=None if inside else start_ns,
            end_ns=None if inside else end_ns,
            whole=whole and inside,
        )

    for found in _ahead(read, fetched(folder, _touching(version.ticks, start_ns, end_ns))):
        yield Ticks(instrument=version.instrument, **found.in_ns())


def read_bars(
    folder: Folder,
    version: Version,
    timeframe: Timeframe,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    fingerprint: str = "",
) -> Bars:
    """Bars of a version: the kept ones, or made from its ticks; those that open in a span of whole bars."""
    kept = version.bars.get(timeframe)
    if kept is not None:
        parts = fetched(folder, _touching(kept, start_ns, end_ns))
        columns = {name: np.empty(sum(item.rows for item in parts), dtype=np.int64) for name in COLUMNS}
        rows = 0
        for part in parts:  # into place at once, so that no more than one part is held beside the result
            found = read_part(folder, part, start_ns=start_ns, end_ns=end_ns).in_ns()
            length = len(found["open_ns"])
            for name, column in columns.items():
                column[rows : rows + length] = found[name]
            rows += length
        whole = as_bars(version, timeframe, {name: column[:rows] for name, column in columns.items()})
    else:
        builder = BarBuilder(version.instrument, timeframe, sides=version.sides)

        def read(part: Part) -> PartColumns:
            return read_part(folder, part, ("bid", "ask"), start_ns=start_ns, end_ns=end_ns)

        ticks = fetched(folder, _touching(version.ticks, start_ns, end_ns))
        most = sum(builder.most_bars(item.first_ns, item.last_ns, item.rows) for item in ticks)
        found_parts = _ahead(read, ticks)
        quotes = (
            (item.columns["time_ns"], item.columns["bid"], item.columns["ask"], item.unit_ns)
            for item in found_parts
        )
        whole = builder.gather(quotes, most=most)
    return Bars(
        instrument=whole.instrument,
        timeframe=timeframe,
        **whole.columns(),
        sides=version.sides,
        fingerprint=fingerprint,
    )


class _Writer:
    """Takes the ticks of one week after another, a week in as many pieces as it likes."""

    def __init__(
        self,
        folder: Folder,
        instrument: Instrument,
        sides: str,
        keep: Sequence[Timeframe],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._pool = pool
        self._folder = folder
        self._instrument = instrument
        self._sides = sides
        self._ticks: list[Future[Part]] = []
        self._builders = {item: BarBuilder(instrument, item, sides=sides) for item in keep}
        self._open: dict[Timeframe, list[Bars]] = {item: [] for item in keep}
        self._bars: dict[Timeframe, list[Part]] = {item: [] for item in keep}
        self._group: int | None = None
        self._week: int | None = None
        self._waiting: list[Ticks] = []

    def add(self, week: int, ticks: Ticks) -> None:
        if self._week is not None and week != self._week:
            self._end_week()
        self._week = week
        if self._group is not None and week // GROUP_WEEKS != self._group:
            self._end_group()
        self._group = week // GROUP_WEEKS
        for timeframe, builder in self._builders.items():
            self._open[timeframe].append(builder.add(ticks))
        self._waiting.append(ticks)
        while sum(map(len, self._waiting)) >= _PART_ROWS:
            whole = concatenated(self._waiting)
            self._write(whole.at(0, _PART_ROWS))
            self._waiting = [whole.at(_PART_ROWS, len(whole))]

    def finish(self) -> Version:
        if self._week is None:
            raise BadInputError(f"{self._instrument.id}: expected ticks, found none")
        self._end_week()
        self._end_group()
        return Version(
            instrument=self._instrument,
            sides=self._sides,
            ticks=tuple(item.result() for item in self._ticks),
            bars={item: tuple(parts) for item, parts in self._bars.items()},
        )

    def _end_week(self) -> None:
        rest = concatenated(self._waiting)
        if len(rest):
            self._write(rest)
        self._waiting = []
        for timeframe, builder in self._builders.items():
            self._open[timeframe].append(builder.finish())

    def _end_group(self) -> None:
        for timeframe, pieces in self._open.items():
            bars = joined(pieces)
            if len(bars):
                self._bars[timeframe].append(write_bars(self._folder, bars))
            self._open[timeframe] = []

    def _write(self, ticks: Ticks) -> None:
        assert self._week is not None
        if len(self._ticks) >= _AHEAD:
            self._ticks[-_AHEAD].result()  # no more than a few wait in memory
        self._ticks.append(self._pool.submit(_write_ticks, self._folder, self._week, ticks))


def _by_week(batches: Iterable[Ticks], instrument: Instrument) -> Iterator[tuple[int, Ticks]]:
    last: int | None = None
    for batch in batches:
        if batch.instrument.id != instrument.id:
            raise BadInputError(f"expected ticks of {instrument.id}, found those of {batch.instrument.id}")
        if not len(batch):
            continue
        times = batch.time_ns
        first = int(times[0])
        if (last is not None and first < last) or bool((times[1:] < times[:-1]).any()):
            raise TimeRunsBackError(
                f"{instrument.id}: a quote is older than the one before it, in the batch from "
                f"{np.datetime64(first, 'ns')}; expected quotes in time order, sort the source"
            )
        last = int(times[-1])
        low = 0
        for week in range(week_of(first), week_of(last) + 1):
            high = len(batch)
            if week != week_of(last):
                high = int(np.searchsorted(times, week_start(week + 1), side="left"))
            if high > low:
                yield week, batch.at(low, high)
            low = high


def write_week(folder: Folder, week: int, ticks: Ticks) -> list[Part]:
    return [
        _write_ticks(folder, week, ticks.at(low, min(low + _PART_ROWS, len(ticks))))
        for low in range(0, len(ticks), _PART_ROWS)
    ]


def _write_ticks(folder: Folder, week: int, ticks: Ticks) -> Part:
    head = {"kind": "ticks", "instrument": ticks.instrument.id, "digits": ticks.instrument.digits}
    return write_part(folder, ticks.columns(), week=week, head=head)


def write_bars(folder: Folder, bars: Bars) -> Part:
    head = {
        "kind": "bars",
        "instrument": bars.instrument.id,
        "digits": bars.instrument.digits,
        "timeframe": str(bars.timeframe),
        "sides": bars.sides,
    }
    return write_part(
        folder, bars.columns(), week=week_of(int(bars.open_ns[0])) // GROUP_WEEKS * GROUP_WEEKS, head=head
    )


def as_bars(version: Version, timeframe: Timeframe, columns: Mapping[str, Any]) -> Bars:
    return Bars(
        instrument=version.instrument,
        timeframe=timeframe,
        **{name: columns[name] for name in COLUMNS},
        sides=version.sides,
        fingerprint="",
    )


def _noas_bars(version: Version, timeframe: Timeframe) -> Bars:
    return as_bars(version, timeframe, dict.fromkeys(COLUMNS, np.empty(0, dtype=np.int64)))


def _touching(parts: Sequence[Part], start_ns: int | None, end_ns: int | None) -> list[Part]:
    return [
        item
        for item in parts
        if (start_ns is None or item.last_ns >= start_ns) and (end_ns is None or item.first_ns < end_ns)
    ]


def fetched(folder: Folder, parts: Sequence[Part]) -> Sequence[Part]:
    folder.fetch([item.name for item in parts])
    return parts


def _ahead(read: Callable[[Part], PartColumns], parts: Sequence[Part]) -> Iterator[PartColumns]:
    """Parts one after another, the next ones read by another thread meanwhile."""
    if len(parts) < 2:
        yield from map(read, parts)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="parts") as reader:
        waiting: deque[Future[PartColumns]] = deque()
        for part in parts:
            waiting.append(reader.submit(read, part))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def concatenated(pieces: Sequence[Ticks]) -> Ticks:
    filled = [item for item in pieces if len(item)] or list(pieces[:1])
    if len(filled) == 1:
        return filled[0]
    columns = {name: np.concatenate([item.columns()[name] for item in filled]) for name in TICK_COLUMNS}
    return Ticks(instrument=filled[0].instrument, **columns)


def _refuse_session(timeframe: Timeframe) -> None:
    if timeframe.is_by_session:
        raise BadInputError(
            f"{timeframe} bars can not be kept beside ticks; expected a timeframe below a day, "
            "longer bars are made from it"
        )
