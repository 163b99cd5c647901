"""The market store: datasets of bars by the hash of their content, in files, with a catalogue.

Nothing in it is ever changed: a corrected file is another dataset. A dataset counts once it has its
row in the catalogue; a file without one is invisible, so an import that is cut off leaves nothing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.domain.calendar import to_datetime, to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.domain.instruments import instrument as instrument_named
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.market.bars import Bars
from workbench.market.checks import CheckReport, check_bars
from workbench.market.columnar import read_bars_file, write_bars_file
from workbench.market.errors import DamagedDatasetError, MissingDataError
from workbench.market.importing import bars_from_file
from workbench.market.resampling import fits_into, resample
from workbench.store import open_store
from workbench.store.schema import datasets as datasets_table

__all__ = ["Dataset", "ImportReport", "MarketStore"]

_PROGRESS_FROM_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What the catalogue knows of one dataset."""

    fingerprint: str
    instrument: str
    timeframe: Timeframe
    source: str
    rows: int
    first_ns: int  # open of the first bar
    last_ns: int  # close of the last bar
    sides: str
    path: str  # below the store's folder
    report: CheckReport
    created_ns: int

    @property
    def first_time(self) -> str:
        """When the first bar opens, for people, UTC."""
        return f"{to_datetime(self.first_ns):%Y-%m-%d %H:%M}"

    @property
    def last_time(self) -> str:
        """When the last bar closes, for people, UTC."""
        return f"{to_datetime(self.last_ns):%Y-%m-%d %H:%M}"

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {**asdict(self), "timeframe": str(self.timeframe), "report": self.report.to_json()}

    def describe(self) -> str:
        """One line for a list."""
        return (
            f"{self.fingerprint[:12]}  {self.instrument} {self.timeframe}  {self.rows:,} bars  "
            f"{self.first_time} to {self.last_time} UTC  {self.source}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did."""

    dataset: Dataset
    is_new: bool  # False: the store had this content already, nothing was changed

    @property
    def fingerprint(self) -> str:
        """Of the dataset."""
        return self.dataset.fingerprint

    @property
    def check(self) -> CheckReport:
        """What the checks found."""
        return self.dataset.report

    @property
    def text(self) -> str:
        """For a terminal."""
        what = "imported" if self.is_new else "already there, nothing changed"
        return f"{what}: dataset {self.fingerprint[:12]} from {self.dataset.source}\n{self.check.text}"

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {
            "fingerprint": self.fingerprint,
            "is_new": self.is_new,
            "source": self.dataset.source,
            "sides": self.dataset.sides,
            "rows": self.dataset.rows,
            "check": self.check.to_json(),
        }

    def _repr_html_(self) -> str:
        what = "Imported" if self.is_new else "Already there, nothing changed"
        head = (
            f"<p>{what}: dataset <code>{self.fingerprint[:12]}</code> from {escape(self.dataset.source)}</p>"
        )
        return head + self.check._repr_html_()


class MarketStore:
    """Datasets of bars below `root`, their catalogue in the relational store.

    Parameters
    ----------
    root
        Folder of the files; made when the first dataset comes.
    store
        The relational store: its URL (opened, and set up when new) or an open engine.
    """

    def __init__(self, root: Path, store: str | sa.Engine) -> None:
        self.root = Path(root)
        self._engine = open_store(store) if isinstance(store, str) else store

    def import_file(
        self,
        path: Path | str,
        instrument: str | Instrument,
        *,
        fmt: str = "auto",
        timeframe: str | None = None,
        timezone: str | None = None,
        side: str | None = None,
        cost_book: CostBook | None = None,
        show_progress: bool = True,
    ) -> ImportReport:
        """Import a text file of bars; the same content again changes nothing.

        Parameters
        ----------
        fmt
            ``auto``, or one of ``ohlc``, ``bid+ask``, ``histdata`` to insist on it.
        timeframe
            As in ``H1``; by default from the usual distance of the bars.
        timezone
            IANA name of the clock the file was written by; needed, and only used, when its times do not tell.
        side
            ``bid``, ``ask`` or ``mid`` for files with one price when the name does not tell.
        cost_book
            Makes the other side of one-sided files.

        Raises
        ------
        BadInputError
            Anything that is wrong with the file, with the line and what to do; nothing is imported.
        """
        source = Path(path)
        record = _instrument(instrument)
        with _progress(source, shown=show_progress) as advance:
            bars = bars_from_file(
                source,
                record,
                fmt=fmt,
                timeframe=None if timeframe is None else timeframe_named(timeframe),
                timezone=timezone,
                side=side,
                cost_book=cost_book,
                progress=advance,
            )
        return self.add(bars, source=source.name if timezone is None else f"{source.name} ({timezone})")

    def add(self, bars: Bars, *, source: str) -> ImportReport:
        """Keep `bars` as a dataset; `source` says where they come from."""
        if not len(bars):
            raise BadInputError(f"{source}: expected bars, found none")
        fingerprint = bars.content_digest()
        bars = replace(bars, fingerprint=fingerprint)
        if (found := self._find(fingerprint)) is not None:
            self._mend(found, bars)
            return ImportReport(dataset=found, is_new=False)
        relative = Path(bars.instrument.id, str(bars.timeframe), f"{fingerprint}.parquet")
        row = {
            "fingerprint": fingerprint,
            "instrument": bars.instrument.id,
            "timeframe": str(bars.timeframe),
            "source": source,
            "rows": len(bars),
            "first_ns": int(bars.open_ns[0]),
            "last_ns": int(bars.close_ns[-1]),
            "sides": bars.sides,
            "path": relative.as_posix(),
            "report": check_bars(bars).to_json(),
            "created_ns": time.time_ns(),
        }
        write_bars_file(bars, self.root / relative)
        try:
            with self._engine.begin() as connection:
                connection.execute(datasets_table.insert(), row)
        except sa.exc.IntegrityError:  # another process imported the same content at this moment
            found = self._find(fingerprint)
            if found is None:
                raise
            return ImportReport(dataset=found, is_new=False)
        return ImportReport(dataset=_dataset(row), is_new=True)

    def datasets(self, instrument: str | None = None, timeframe: str | None = None) -> list[Dataset]:
        """The catalogue, newest first."""
        query = sa.select(datasets_table).order_by(
            datasets_table.c.created_ns.desc(), datasets_table.c.fingerprint
        )
        if instrument is not None:
            query = query.where(datasets_table.c.instrument == _instrument(instrument).id)
        if timeframe is not None:
            query = query.where(datasets_table.c.timeframe == str(timeframe_named(timeframe)))
        with self._engine.connect() as connection:
            return [_dataset(row._mapping) for row in connection.execute(query)]

    def dataset(self, fingerprint: str) -> Dataset:
        """The catalogue's entry of a fingerprint, or of its first eight digits or more.

        Raises
        ------
        MissingDataError
            There is none, or several begin like this.
        """
        if len(fingerprint) == 64 and (found := self._find(fingerprint)) is not None:
            return found
        known = [item for item in self.datasets() if item.fingerprint.startswith(fingerprint)]
        if len(known) == 1 and len(fingerprint) >= 8:
            return known[0]
        raise MissingDataError(
            f"expected one dataset {fingerprint[:12] or '(no fingerprint)'}, found {len(known)}; "
            "import its source, or give more of the fingerprint"
        )

    def bars(
        self,
        instrument: str | Instrument,
        timeframe: str,
        *,
        fingerprint: str | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
    ) -> Bars:
        """Bars of one dataset that open in `[start, end)`.

        Without a fingerprint the newest dataset of the timeframe is taken; when there is none, the
        newest of a shorter timeframe is resampled. `Bars.fingerprint` is the dataset's: with it the
        same call gives the same bars for ever.

        Raises
        ------
        MissingDataError
            Nothing imported for this, or no bar in the span.
        DamagedDatasetError
            The file is not what was imported.
        """
        wanted, record = timeframe_named(timeframe), _instrument(instrument)
        dataset = self._choose(record, wanted) if fingerprint is None else self.dataset(fingerprint)
        if dataset.instrument != record.id:
            raise MissingDataError(
                f"dataset {dataset.fingerprint[:12]} holds {dataset.instrument}, not {record.id}"
            )
        whole = resample(self._read(dataset), wanted)
        found = whole.between(_ns(start), _ns(end))
        if not len(found):
            raise MissingDataError(
                f"{record.id} {wanted}: no bar from {start} to {end}; dataset {dataset.fingerprint[:12]} has "
                f"{whole.describe()}"
            )
        return found

    def check(self, fingerprint: str) -> CheckReport:
        """The checks on a dataset, made anew from its file."""
        return check_bars(self._read(self.dataset(fingerprint)))

    def _choose(self, record: Instrument, wanted: Timeframe) -> Dataset:
        known = self.datasets(record.id)
        for dataset in known:
            if dataset.timeframe is wanted:
                return dataset
        for shorter in reversed(Timeframe):
            for dataset in known:
                if dataset.timeframe is shorter and fits_into(shorter, wanted):
                    return dataset
        have = sorted({f"{item.instrument} {item.timeframe}" for item in self.datasets()})
        raise MissingDataError(
            f"no {record.id} {wanted} bars in the market store, which has "
            f"{', '.join(have) or 'nothing yet'}; import a file first"
        )

    def _read(self, dataset: Dataset) -> Bars:
        return read_bars_file(self.root / dataset.path, fingerprint=dataset.fingerprint)

    def _find(self, fingerprint: str) -> Dataset | None:
        with self._engine.connect() as connection:
            row = connection.execute(
                sa.select(datasets_table).where(datasets_table.c.fingerprint == fingerprint)
            ).one_or_none()
        return None if row is None else _dataset(row._mapping)

    def _mend(self, dataset: Dataset, bars: Bars) -> None:
        """Bring back a dataset's lost or damaged file from the same content."""
        try:
            self._read(dataset)
        except DamagedDatasetError:
            write_bars_file(bars, self.root / dataset.path)


def _instrument(value: str | Instrument) -> Instrument:
    return instrument_named(value) if isinstance(value, str) else value


def _ns(moment: datetime | int | None) -> int | None:
    return to_ns(moment) if isinstance(moment, datetime) else moment


def _dataset(row: Any) -> Dataset:
    values = dict(row)
    return Dataset(
        **{
            **values,
            "timeframe": timeframe_named(values["timeframe"]),
            "report": CheckReport.from_json(values["report"]),
        }
    )


@contextmanager
def _progress(path: Path, *, shown: bool) -> Iterator[Callable[[int], None] | None]:
    """A progress bar over the bytes of larger files."""
    if not shown or not path.is_file() or path.stat().st_size < _PROGRESS_FROM_BYTES:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name) as bar:
        yield lambda count: (bar.update(count), None)[1]
