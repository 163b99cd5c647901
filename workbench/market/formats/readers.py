"""One way to read every format: a reader knows its files' order, kind and clock, and yields raw rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.market.bars import Ints
from workbench.market.errors import BadBarsError, DuplicateBarsError, EmptyFileError
from workbench.market.formats import dukascopy_bi5, dukascopy_json, oanda_json, parquet
from workbench.market.formats.dukascopy_bi5 import Piece
from workbench.market.formats.grammar import Layout
from workbench.market.formats.raw import Notes, RawBatch, gathered
from workbench.market.formats.text_rows import peek, read_text

__all__ = ["Bi5Reader", "JsonReader", "PairReader", "ParquetReader", "Reader", "TextReader"]

Progress = Callable[[int], None] | None


class Reader(Protocol):
    """Files of one format."""

    @property
    def format(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def files(self) -> tuple[Path, ...]: ...
    @property
    def side(self) -> str | None: ...
    @property
    def zone(self) -> str | None: ...
    @property
    def zone_why(self) -> str: ...
    @property
    def zone_is_sure(self) -> bool: ...
    @property
    def states_utc(self) -> bool: ...
    @property
    def why(self) -> str: ...
    @property
    def timeframe(self) -> Timeframe | None: ...
    @property
    def sides_written(self) -> str: ...

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The rows of all files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    format: str
    kind: str
    files: tuple[Path, ...]
    instrument: Instrument
    side: str | None
    why: str
    zone: str | None = None
    zone_why: str = ""
    zone_is_sure: bool = True
    states_utc: bool = False
    timeframe: Timeframe | None = None
    sides_written: str = ""  # what the files say of their two sides, where they can


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader(_About):
    """Lines of text; each file with its own layout, all of one format."""

    layouts: tuple[Layout, ...]

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The rows of all files."""
        for path, layout in zip(self.files, self.layouts, strict=True):
            yield from read_text(path, layout, self.instrument, notes=notes, progress=progress)

    @classmethod
    def of(
        cls,
        files: Sequence[tuple[Path, Layout]],
        instrument: Instrument,
        *,
        side: str | None,
        zone: tuple[str, str] | None = None,
    ) -> "TextReader":
        """A reader of `files` in the order of their first rows.

        Raises
        ------
        EmptyFileError
            None of them has a row.
        """
        first: list[tuple[int, Path, Layout, bool]] = []
        empty: EmptyFileError | None = None
        for path, layout in files:
            try:
                rows, zoned = peek(path, layout, instrument)
            except EmptyFileError as error:
                empty = error
                continue
            first.append((int(rows.times_ns[0]), path, layout, zoned))
        if not first:
            assert empty is not None
            raise empty
        first.sort(key=lambda item: item[:2])
        layout = first[0][2]
        name, why = zone or (layout.zone, layout.zone_why)
        return cls(
            format=layout.format,
            kind=layout.kind,
            files=tuple(path for _, path, _, _ in first),
            layouts=tuple(item for _, _, item, _ in first),
            instrument=instrument,
            side=side,
            why=layout.why,
            zone=name,
            zone_why=why,
            zone_is_sure=layout.zone_is_sure,
            states_utc=all(zoned for _, _, _, zoned in first),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bi5Reader(_About):
    """Dukascopy's tree of packed records, of one frame and side."""

    pieces: tuple[Piece, ...]

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The rows of all files."""
        read = dukascopy_bi5.read_ticks if self.kind == "ticks" else dukascopy_bi5.read_candles
        return read(self.pieces, self.instrument, notes=notes, progress=progress)

    @classmethod
    def of(cls, pieces: Sequence[Piece], instrument: Instrument) -> "Bi5Reader":
        """A reader of `pieces` in time order."""
        ordered = tuple(sorted(pieces, key=lambda item: item.start_ns))
        ticks = ordered[0].frame == "ticks"
        return cls(
            format="dukascopy-bi5-ticks" if ticks else "dukascopy-bi5",
            kind="ticks" if ticks else "bars",
            files=tuple(item.path for item in ordered),
            pieces=ordered,
            instrument=instrument,
            side=ordered[0].side,
            why="names and folders like EURUSD/2019/01/04/13h_ticks.bi5",
            zone="UTC",
            zone_why="Dukascopy's folders are UTC",
            timeframe=ordered[0].timeframe,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReader(_About):
    """Pages of JSON, of Dukascopy or OANDA."""

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The rows of all files."""
        module = oanda_json if self.format == "oanda" else dukascopy_json
        for path in self.files:
            yield from module.read(path, self.instrument, notes=notes, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetReader(_About):
    """Parquet files with the same columns."""

    columns: Mapping[str, str]
    time_unit: str | None = None

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The rows of all files."""
        for path in self.files:
            yield from parquet.read(
                path,
                self.instrument,
                self.columns,
                time_unit=self.time_unit,
                notes=notes,
                progress=progress,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReader(_About):
    """Bid bars and ask bars from files of their own, joined where both have one."""

    bid: Reader
    ask: Reader

    def batches(self, notes: Notes, progress: Progress = None) -> Iterator[RawBatch]:
        """The bars that both sides have, by the clock of the bid's files."""
        bid, ask = (_whole(item, notes, progress) for item in (self.bid, self.ask))
        times, left, right = np.intersect1d(
            bid.times_ns, ask.times_ns, assume_unique=True, return_indices=True
        )
        for name, side, kept in (("bid", bid, left), ("ask", ask, right)):
            alone = len(side) - len(kept)
            lost = np.setdiff1d(np.arange(len(side)), kept)[:3]
            examples = [side.place(int(index)) for index in lost]
            notes.add(f"{name} alone", alone, f"{name} bars have no other side and were left out", *examples)
        if not len(times):
            raise BadBarsError(
                f"{bid.files[0][1]} and {ask.files[0][1]} have no time in common; expected the two sides of "
                "the "
                "same bars"
            )
        files = tuple((int(np.searchsorted(left, first)), name) for first, name in bid.files)
        yield RawBatch(
            times_ns=times,
            columns={
                **{f"bid_{name}": column[left] for name, column in bid.columns.items()},
                **{f"ask_{name}": column[right] for name, column in ask.columns.items()},
            },
            rows=bid.rows[left],
            files=files,
            row_word=bid.row_word,
        )

    @classmethod
    def of(cls, bid: Reader, ask: Reader, instrument: Instrument) -> "PairReader":
        """The two readers as one of both sides."""
        return cls(
            format=bid.format,
            kind="bars",
            files=(*bid.files, *ask.files),
            instrument=instrument,
            side="bid+ask",
            why=f"{bid.why}; a bid and an ask side",
            zone=bid.zone,
            zone_why=bid.zone_why,
            zone_is_sure=bid.zone_is_sure,
            states_utc=bid.states_utc and ask.states_utc,
            timeframe=bid.timeframe,
            bid=bid,
            ask=ask,
        )


def _whole(reader: Reader, notes: Notes, progress: Progress) -> RawBatch:
    batch = next(gathered(reader.batches(notes, progress), least=1 << 62), None)
    if batch is None:
        raise EmptyFileError(f"{reader.files[0].name}: expected bars, found none")
    _refuse_disorder(batch.times_ns, batch)
    return batch


def _refuse_disorder(times: Ints, batch: RawBatch) -> None:
    steps = np.diff(times)
    if (steps > 0).all():
        return
    index = int(np.argmax(steps <= 0)) + 1
    if steps[index - 1] == 0:
        raise DuplicateBarsError(
            f"{batch.place(index)}: two bars have one time; remove one of them before the sides are joined"
        )
    raise BadBarsError(
        f"{batch.place(index)}: expected bars in time order, found an earlier one; sort the file"
    )
