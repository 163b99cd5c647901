"""From anybody's files to bars or ticks in UTC: opened, recognised, placed in time, then read in batches."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.cost_history import Costs
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import BOTH_SIDES, Bars, Ints, make_bars
from workbench.market.errors import (
    BadBarsError,
    BadTicksError,
    DuplicateBarsError,
    EmptyFileError,
    TimeZoneNotStatedError,
    WrongTimeZoneError,
)
from workbench.market.formats.raw import Note, Notes, RawBatch, gathered
from workbench.market.formats.readers import Reader
from workbench.market.formats.recognition import reader_of
from workbench.market.new_york import on_grid
from workbench.market.sides import with_both_sides
from workbench.market.ticks import Ticks
from workbench.market.zones import Clock, Survey, Surveyor, ZoneEvidence, clock, contradiction, detect

__all__ = ["Source", "Trusted", "open_source"]

Trusted = Bars | Callable[[int, int], Bars | None] | None

_HOUR = 60 * NS_PER_MINUTE
_METALS = ("XAU", "XAG")  # open an hour after currencies at many brokers
_PARTS = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """A raw batch with its times in UTC."""

    raw: RawBatch
    times_ns: Ints


class Source:
    """Files of one format that have been recognised; `batches` reads them.

    `notes` say what was left out and are complete when the batches have been read to their end.
    """

    def __init__(
        self,
        reader: Reader,
        instrument: Instrument,
        *,
        zone: ZoneEvidence,
        timeframe: Timeframe | None,
        cost_book: Costs | None,
        progress: Callable[[int], None] | None,
        aside: Sequence[Path] = (),
    ) -> None:
        self.instrument, self.zone = instrument, zone
        self.timeframe = timeframe or reader.timeframe if reader.kind == "bars" else None
        self.sides = "bid+ask" if reader.kind == "ticks" else str(reader.side)
        self._reader, self._cost_book, self._progress = reader, cost_book, progress
        self._aside = tuple(aside)
        self._notes = Notes()

    @property
    def kind(self) -> str:
        """``ticks`` or ``bars``."""
        return self._reader.kind

    @property
    def format(self) -> str:
        """What the files were recognised as."""
        return self._reader.format

    @property
    def files(self) -> tuple[Path, ...]:
        """The files in the order they are read."""
        return self._reader.files

    @property
    def total_bytes(self) -> int:
        """Of the files on disk."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out, or is to be known."""
        return self._notes.all()

    def describe(self) -> str:
        """For a person: what it was taken for, by what, and by which clock."""
        many = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        head = f"{self.files[0].name}{many}: {self.format} ({self.kind}), by {self._reader.why}"
        return "\n".join([head, self.zone.text, *map(str, self.notes)])

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {
            "instrument": self.instrument.id,
            "kind": self.kind,
            "format": self.format,
            "recognised_by": self._reader.why,
            "files": [path.name for path in self.files],
            "timeframe": None if self.timeframe is None else str(self.timeframe),
            "sides": self.sides,
            "zone": self.zone.to_json(),
            "notes": [item.to_json() for item in self.notes],
        }

    def __repr__(self) -> str:
        return f"<{self.instrument.id} {self.format}: {len(self.files)} files, {self.zone.zone}>"

    def batches(self) -> Iterator[Ticks | Bars]:
        """The rows in UTC and time order, about a million at a time.

        Raises
        ------
        BadInputError
            By a subclass: a row that can not be read or that no market can have made. What was read
            before it is to be thrown away.
        """
        self._notes = Notes()
        names = [item.name for item in self._aside]
        self._notes.add("other files", len(names), "files in the folder are not part of it", *names)
        last, count = -1, 0
        for raw in gathered(self._reader.batches(self._notes, self._progress)):
            times = self._utc(raw)
            if self.kind == "ticks":
                last = _refuse_running_back(times, raw, last)
                count += len(raw)
                yield self._ticks(times, raw)
                continue
            rows = self._in_order(_Rows(raw=raw, times_ns=times), last)
            last = int(rows.times_ns[-1])
            count += len(rows.times_ns)
            yield self._bars(rows)
        if not count:
            raise EmptyFileError(f"{self.files[0].name}: expected {self.kind}, found none")

    def _utc(self, raw: RawBatch) -> Ints:
        if self.zone.basis == "stated" or self.zone.zone == "UTC":
            return raw.times_ns
        return _in_utc(raw, clock(self.zone.zone))

    def _ticks(self, times: Ints, raw: RawBatch) -> Ticks:
        none = np.zeros(len(times), dtype=np.int64)
        bid, ask = raw.columns["bid"], raw.columns["ask"]
        wrong = (bid < 1) | (ask < 1)
        if wrong.any():
            raise BadTicksError(f"{raw.place(int(np.argmax(wrong)))}: expected prices above 0, found 0")
        return Ticks(
            instrument=self.instrument,
            time_ns=times,
            bid=bid,
            ask=ask,
            bid_size=raw.columns.get("bid_size", none),
            ask_size=raw.columns.get("ask_size", none),
        )

    def _in_order(self, rows: _Rows, last: int) -> _Rows:
        """Bars of several files in order, those that two files share once; else as they are."""
        times, raw = rows.times_ns, rows.raw
        if (np.diff(times) > 0).all() and int(times[0]) > last:
            return rows
        starts = [first for first, _ in raw.files]
        for low, high in zip(starts, [*starts[1:], len(times)], strict=True):
            _refuse_disorder(times[low:high], raw, low)
        if int(times.min()) <= last:
            index = int(np.argmin(times))
            raise BadBarsError(
                f"{raw.place(index)}: {_shown(times[index])} UTC comes after {_shown(last)}; expected files "
                "that "
                "follow one another, import those that overlap apart"
            )
        order = np.argsort(times, kind="stable")
        ordered = times[order]
        again = np.zeros(len(times), dtype=np.bool_)
        again[1:] = ordered[1:] == ordered[:-1]
        for column in raw.columns.values():
            found = column[order]
            differs = again[1:] & (found[1:] != found[:-1])
            if differs.any():
                index = int(np.argmax(differs)) + 1
                first, second = raw.place(int(order[index - 1])), raw.place(int(order[index]))
                raise DuplicateBarsError(
                    f"{first} and {second}: two bars at {_shown(ordered[index])} UTC differ; import one of "
                    "the "
                    "files alone"
                )
        shared = [raw.place(int(order[index])) for index in np.flatnonzero(again)[:3]]
        self._notes.add(
            "shared", int(again.sum()), "bars stand in two files alike and were taken once", *shared
        )
        kept = order[~again]
        chosen = RawBatch(
            times_ns=raw.times_ns[kept],
            columns={name: column[kept] for name, column in raw.columns.items()},
            rows=raw.rows[kept],
            files=((0, raw.files[0][1]),),
            row_word=raw.row_word,
        )
        return _Rows(raw=chosen, times_ns=times[kept])

    def _bars(self, rows: _Rows) -> Bars:
        raw = rows.raw
        if self.timeframe is None:
            self.timeframe = _timeframe(rows.times_ns, raw.files[0][1])
        prices, sides = self._both_sides(rows, self.timeframe)
        self.sides = sides
        lines = raw.rows if raw.row_word == "line" else None
        try:
            return make_bars(
                self.instrument,
                timeframe=self.timeframe,
                open_ns=rows.times_ns,
                prices=prices,
                sides=sides,
                lines=lines,
            )
        except BadBarsError as error:
            raise BadBarsError(f"{raw.files[0][1]}: {error}") from None

    def _both_sides(self, rows: _Rows, timeframe: Timeframe) -> tuple[dict[str, Ints], str]:
        columns = dict(rows.raw.columns)
        spread = columns.pop("spread", None)
        side = str(self._reader.side)
        if spread is not None and side == "bid" and self._cost_book is None:
            prices = {
                **{f"bid_{part}": columns[part] for part in _PARTS},
                **{f"ask_{part}": columns[part] + spread for part in _PARTS},
            }
            return prices, "bid; ask = bid + the spread of the file's bar"
        both = with_both_sides(
            columns,
            side=side,
            open_ns=rows.times_ns,
            instrument=self.instrument,
            timeframe=timeframe,
            cost_book=self._cost_book,
        )
        return both.prices, (self._reader.sides_written if side == BOTH_SIDES else "") or both.sides


def open_source(
    paths: Path | str | Sequence[Path | str],
    instrument: Instrument,
    *,
    fmt: str = "auto",
    timeframe: Timeframe | None = None,
    timezone: str | None = None,
    side: str | None = None,
    pair_with: Path | str | None = None,
    columns: Mapping[str, str | int] | None = None,
    time_format: str | None = None,
    cost_book: Costs | None = None,
    trusted: Trusted = None,
    progress: Callable[[int], None] | None = None,
) -> Source:
    """Recognise files and find out by which clock they were written.

    Parameters
    ----------
    paths
        A file, several of one series, or a folder: its whole tree.
    fmt
        ``auto``, or one of `FORMATS` to insist on it or to choose among a folder's files.
    timeframe
        Of bars; by default from their usual distance.
    timezone
        IANA name of the clock the times were read from, perhaps with hours added
        (``America/New_York+7h``); not used when the times say it themselves.
    side
        ``bid``, ``ask`` or ``mid`` for bars of one side when neither columns nor name tell.
    pair_with
        The other side's file of one-sided bars.
    columns
        Role to header name or index: ``{"time": "Stamp", "bid": "Bid", "ask": 3}``.
    time_format
        ``s``, ``ms``, ``us`` or ``ns`` since 1970, or a ``strptime`` format; goes with `columns`.
    cost_book
        Makes the other side of one-sided bars.
    trusted
        Bars in UTC to find the zone by, or what returns those of a span of nanoseconds.
    progress
        Called with the bytes of the files taken in since the last call.

    Raises
    ------
    BadInputError
        By a subclass: not recognised, ambiguous, no zone that the evidence settles, a zone it contradicts.
    """
    if time_format is not None and columns is None:
        raise BadInputError("time_format goes with columns=: say which column holds the time")
    reader, aside = reader_of(
        paths,
        instrument,
        fmt=fmt,
        timeframe=timeframe,
        side=side,
        pair_with=pair_with,
        columns=columns,
        time_format=time_format,
    )
    zone = _placed(reader, instrument, timezone=timezone, trusted=trusted)
    return Source(
        reader,
        instrument,
        zone=zone,
        timeframe=timeframe,
        cost_book=cost_book,
        progress=progress,
        aside=aside,
    )


def _placed(
    reader: Reader, instrument: Instrument, *, timezone: str | None, trusted: Trusted
) -> ZoneEvidence:
    if reader.states_utc:
        return ZoneEvidence(zone="UTC", basis="stated", text="The times name their zone themselves.")
    if timezone is None and reader.zone is not None and reader.zone_is_sure:
        return ZoneEvidence(
            zone=reader.zone, basis="format", text=f"Times are {reader.zone}: {reader.zone_why}."
        )
    stated = clock(timezone) if timezone is not None else None
    name = reader.files[0].name
    survey = _survey(reader)
    if stated is not None:
        return _as_told(stated, survey, instrument, name, trusted)
    prefer = () if reader.zone is None else (reader.zone,)
    if reader.format.startswith("histdata"):
        prefer = ("America/New_York",)
    found, why = detect(survey, trusted=trusted, prefer=prefer)
    if found is not None:
        return found
    if reader.zone is not None and not contradiction(
        survey, clock(reader.zone), metals=instrument.base in _METALS
    ):
        text = (
            f"Times are taken as {reader.zone}: {reader.zone_why}, and nothing in the file speaks against it."
        )
        return ZoneEvidence(zone=reader.zone, basis="format", text=text)
    raise TimeZoneNotStatedError(
        f"{name}: its times have no zone; give timezone=, as in 'UTC' or 'America/New_York'. {why}"
    )


def _as_told(
    stated: Clock, survey: Survey, instrument: Instrument, name: str, trusted: Trusted
) -> ZoneEvidence:
    found, _ = detect(survey, trusted=trusted)
    against = contradiction(survey, stated, metals=instrument.base in _METALS)
    if against:
        hint = (
            "None of the usual zones fits"
            if found is None
            else f"By its weekly openings it fits {found.zone}"
        )
        raise WrongTimeZoneError(f"{name}: in {stated.name} {against}. {hint}")
    findings = () if found is None else found.findings
    return ZoneEvidence(
        zone=stated.name,
        basis="given",
        text=f"Times are read as {stated.name}, as told{'; ' if findings else ''}{'; '.join(findings)}.",
        findings=findings,
    )


def _survey(reader: Reader) -> Survey:
    """A pass over the files for what tells their clock; nothing for bars longer than an hour."""
    surveyor = Surveyor()
    for batch in reader.batches(Notes()):
        steps = np.diff(batch.times_ns)
        if reader.kind == "bars" and len(steps) and int(np.median(steps)) > _HOUR:
            break
        prices = next(batch.columns[name] for name in ("bid", "bid_close", "close") if name in batch.columns)
        surveyor.add(batch.times_ns, prices)
    return surveyor.survey()


def _in_utc(raw: RawBatch, stated: Clock) -> Ints:
    times, doubtful = stated.to_utc(raw.times_ns)
    if doubtful.any():
        first = int(np.argmax(doubtful))
        raise BadInputError(
            f"{raw.place(first)}: {_shown(raw.times_ns[first])} happened twice or never in {stated.name}; "
            "the file "
            "was written by another clock"
        )
    return times


def _refuse_running_back(times: Ints, raw: RawBatch, last: int) -> int:
    before = np.concatenate([np.array([last], dtype=np.int64), times[:-1]])
    wrong = times < before
    if wrong.any():
        index = int(np.argmax(wrong))
        raise BadTicksError(
            f"{raw.place(index)}: {_shown(times[index])} UTC comes after {_shown(before[index])}; expected "
            "ticks in "
            "time order, and files that follow one another"
        )
    return int(times[-1])


def _refuse_disorder(open_ns: Ints, raw: RawBatch, first_row: int) -> None:
    """Bars of one file out of order, or with the time of another."""
    steps = np.diff(open_ns)
    if (steps > 0).all():
        return
    name = raw.place(first_row).rpartition(f", {raw.row_word} ")[0]
    order = np.argsort(open_ns, kind="stable")
    again = np.flatnonzero(np.diff(open_ns[order]) == 0)
    if len(again):
        first = int(again[np.argmin(order[again + 1])])
        rows = [int(raw.rows[first_row + int(order[index])]) for index in (first, first + 1)]
        raise DuplicateBarsError(
            f"{name}: {len(again)} bars have the time of another, first: {raw.row_word}s {rows[0]} and "
            f"{rows[1]} at "
            f"{_shown(open_ns[order[first]])} UTC; remove one of each"
        )
    index = int(np.argmax(steps < 0)) + 1
    raise BadBarsError(
        f"{raw.place(first_row + index)}: {_shown(open_ns[index])} UTC comes after "
        f"{_shown(open_ns[index - 1])}; expected bars in time order, sort the file"
    )


def _timeframe(open_ns: Ints, name: str) -> Timeframe:
    if len(open_ns) < 2:
        raise BadInputError(f"{name}: one bar does not tell how long it is; give timeframe=, as in 'H1'")
    steps = Counter(np.diff(open_ns).tolist())
    usual = min(steps, key=lambda step: (-steps[step], step))
    fitting = [item for item in Timeframe if item.nanoseconds == usual]
    for candidate in fitting:
        if on_grid(open_ns, candidate).all():
            return candidate
    if fitting:
        return fitting[0]
    raise BadInputError(
        f"{name}: its bars are {usual / NS_PER_MINUTE:g} minutes apart; expected one of M1, M5, M15, H1, "
        "H4, D1 and "
        "what else tiles a day; give timeframe= if many are missing"
    )


def _shown(time_ns: int | np.int64) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("M8[s]")).replace("T", " ")
