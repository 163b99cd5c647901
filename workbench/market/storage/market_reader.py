"""What is in the market store, and how it comes out: every form of reading, nothing that writes."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from workbench.domain.calendar import to_ns
from workbench.domain.instruments import Instrument
from workbench.domain.instruments import instrument as instrument_named
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.market.bars import Bars
from workbench.market.checks import CheckReport, TickChecker, check_bars
from workbench.market.errors import MissingDataError
from workbench.market.resampling import resample
from workbench.market.storage.bar_cache import BarCache
from workbench.market.storage.catalogue import Catalogue
from workbench.market.storage.datasets import TICK, Dataset
from workbench.market.storage.folders import open_folder
from workbench.market.storage.ingesting import Ingestion, version_of
from workbench.market.storage.reading import bars_of_ticks, choose, last_ticks
from workbench.market.storage.tick_versions import Version, concatenated, read_bars, read_ticks
from workbench.market.ticks import Ticks
from workbench.store import open_store

if TYPE_CHECKING:
    import duckdb

    from workbench.market.aligning import Aligned
    from workbench.market.storage.publishing import PublishReport

__all__ = ["MarketReader", "VerifyReport", "instrument_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """A dataset whose every byte was compared with its hash."""

    dataset: Dataset
    files: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"dataset {self.dataset.fingerprint[:12]}: {self.files} files, {self.bytes:,} bytes, "
            f"{self.dataset.rows:,} {self.dataset.kind}, all as they were written"
        )


class MarketReader:
    """Reads datasets of bars and ticks below `root`, their catalogue in the relational store.

    Parameters
    ----------
    root
        Folder of the files, made when the first dataset comes; or an fsspec URL, as in ``s3://bucket/market``.
    store
        The relational store: its URL (opened, and set up when new) or an open engine.
    cache
        Local folder of copies and of bars ready to be mapped; by default beside the files, or in the user's
        cache folder when those are remote.
    options
        For the file system behind a URL, as fsspec takes them.
    """

    def __init__(
        self,
        root: Path | str,
        store: str | sa.Engine,
        *,
        cache: Path | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = root if isinstance(root, str) and "://" in root else Path(root)
        self._engine = open_store(store) if isinstance(store, str) else store
        cache = cache or _cache_of(self.root)
        self._folder = open_folder(root, cache=cache / "files", **(options or {}))
        self._catalogue = Catalogue(self._engine)
        self._cached_bars = BarCache(cache / "bars")
        self._ingestion = Ingestion(self._folder, self._catalogue, self._cached_bars)

    def datasets(
        self, instrument: str | None = None, timeframe: str | None = None, kind: str | None = None
    ) -> list[Dataset]:
        """The catalogue, newest first; `kind` is ``bars`` or ``ticks``, the timeframe of ticks ``tick``."""
        return self._catalogue.all(
            None if instrument is None else instrument_of(instrument).id,
            None if timeframe is None else _name(timeframe),
            kind,
        )

    def dataset(self, fingerprint: str) -> Dataset:
        """The catalogue's entry of a fingerprint, or of its first eight digits or more.

        Raises
        ------
        MissingDataError
            There is none, or several begin like this.
        """
        return self._catalogue.get(fingerprint)

    def check(self, fingerprint: str) -> CheckReport:
        """The checks on a dataset, made anew from its files."""
        dataset = self.dataset(fingerprint)
        if dataset.kind != "ticks":
            return check_bars(self._ingestion.read_bars(dataset))
        checker = TickChecker(instrument_of(dataset.instrument))
        for batch in read_ticks(self._folder, self._version(dataset)):
            checker.add(batch)
        return checker.report()

    def verify(self, fingerprint: str) -> VerifyReport:
        """Read a whole dataset and compare its content with the hashes in the catalogue.

        Raises
        ------
        DamagedDatasetError
            A file is gone or changed; the message names it.
        """
        dataset = self.dataset(fingerprint)
        if dataset.kind != "ticks":
            self._ingestion.read_bars(dataset)
            size = self._folder.path(dataset.path).stat().st_size
            return VerifyReport(dataset=dataset, files=1, bytes=size)
        version = self._version(dataset)
        for _ in read_ticks(self._folder, version, whole=True):
            pass
        for timeframe in version.bars:
            read_bars(self._folder, version, timeframe)
        parts = [*version.ticks, *(item for group in version.bars.values() for item in group)]
        return VerifyReport(dataset=dataset, files=len(parts), bytes=sum(item.size for item in parts))

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
        newest of a shorter timeframe is resampled, or ticks. `Bars.fingerprint` is the dataset's: with it
        the same call gives the same bars for ever.

        Raises
        ------
        MissingDataError
            Nothing imported for this, or no bar in the span.
        DamagedDatasetError
            The file is not what was imported.
        """
        wanted, record = timeframe_named(timeframe), instrument_of(instrument)
        dataset = (
            choose(self.datasets(), record, wanted) if fingerprint is None else self._of(record, fingerprint)
        )
        low, high = _ns(start), _ns(end)
        if dataset.kind == "ticks":
            found = bars_of_ticks(
                self._folder, self._cached_bars, dataset, record, wanted, start_ns=low, end_ns=high
            )
        else:
            found = resample(self._ingestion.read_bars(dataset), wanted).between(low, high)
        if not len(found):
            raise MissingDataError(
                f"{record.id} {wanted}: no bar from {start} to {end}; dataset {dataset.fingerprint[:12]} has "
                f"{dataset.instrument} {dataset.timeframe_name}: {dataset.rows:,} {dataset.kind}, "
                f"{dataset.first_time} to {dataset.last_time} UTC"
            )
        return found

    def ticks(
        self,
        instrument: str | Instrument,
        *,
        fingerprint: str | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
    ) -> Ticks:
        """Quotes of one dataset with a time in `[start, end)`; the newest without a fingerprint.

        Raises
        ------
        MissingDataError
            No ticks imported for this, or none in the span.
        DamagedDatasetError
            A file is not what was imported.
        """
        found = list(self.tick_batches(instrument, fingerprint=fingerprint, start=start, end=end))
        ticks = concatenated(found) if found else None
        if ticks is None or not len(ticks):
            dataset = self._of_ticks(instrument_of(instrument), fingerprint)
            raise MissingDataError(
                f"{dataset.instrument}: no tick from {start} to {end}; dataset {dataset.fingerprint[:12]} "
                f"has {dataset.rows:,}, {dataset.first_time} to {dataset.last_time} UTC"
            )
        return ticks

    def tick_batches(
        self,
        instrument: str | Instrument,
        *,
        fingerprint: str | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
    ) -> Iterator[Ticks]:
        """The same, a week or less at a time: memory stays bounded."""
        dataset = self._of_ticks(instrument_of(instrument), fingerprint)
        yield from read_ticks(self._folder, self._version(dataset), start_ns=_ns(start), end_ns=_ns(end))

    def snapshot(
        self, instrument: str | Instrument, timeframe: str, *, version: str | int | None = None
    ) -> Bars | Ticks:
        """All of one version, its content compared with its hash: the same bytes for ever.

        Parameters
        ----------
        timeframe
            As in ``M1``, or ``tick``.
        version
            A fingerprint (or its first eight digits), or a number: 1 is the first dataset of this instrument
            and timeframe, -1 the newest, which is also taken without one.
        """
        record = instrument_of(instrument)
        if isinstance(version, int):
            known = self.datasets(record.id, timeframe)[::-1]
            if not version or not -len(known) <= version <= len(known):
                raise MissingDataError(
                    f"{record.id} {timeframe}: expected a version from 1 to {len(known)} or -1 for "
                    f"the newest, found {version}"
                )
            version = known[version - 1 if version > 0 else version].fingerprint
        if _name(timeframe) != TICK:
            bars = self.bars(record, timeframe, fingerprint=version)
            self.verify(bars.fingerprint)
            return bars
        dataset = self._of_ticks(record, version)
        return concatenated(list(read_ticks(self._folder, self._version(dataset), whole=True)))

    def last(
        self,
        instrument: str | Instrument,
        timeframe: str,
        count: int,
        *,
        fingerprint: str | None = None,
        before: datetime | int | None = None,
    ) -> Bars | Ticks:
        """The last `count` bars that had closed by `before`, or ticks older than it."""
        if count < 1:
            raise BadInputError(f"expected a count of 1 or more, found {count}")
        record, end = instrument_of(instrument), _ns(before)
        if _name(timeframe) == TICK:
            return last_ticks(self._folder, self._of_ticks(record, fingerprint), record, count, end_ns=end)
        bars = self.bars(record, timeframe, fingerprint=fingerprint)
        high = len(bars) if end is None else int(np.searchsorted(bars.close_ns, end, side="right"))
        return bars.at(max(0, high - count), high)

    def aligned(
        self,
        instruments: Sequence[str],
        timeframe: str,
        *,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
        how: str = "union",
        fingerprints: Mapping[str, str] | None = None,
    ) -> "Aligned":
        """Bars of several instruments on one grid of times, without look-ahead: see `align`."""
        from workbench.market.aligning import align

        pinned = fingerprints or {}
        return align(
            [
                self.bars(name, timeframe, fingerprint=pinned.get(name), start=start, end=end)
                for name in instruments
            ],
            how=how,
        )

    def frame(
        self,
        instrument: str | Instrument,
        timeframe: str,
        *,
        form: str = "pandas",
        fingerprint: str | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
    ) -> Any:
        """Bars or ticks as ``pandas``, ``polars``, ``arrow`` or ``numpy``: whole points, times UTC."""
        from workbench.market.frames import in_form

        return in_form(self._data(instrument, timeframe, fingerprint, start, end), form)

    def sql(self, query: str) -> "duckdb.DuckDBPyRelation":
        """The answer to a query in SQL over tables such as ``eur_usd_m1`` and ``eur_usd_tick``; read only."""
        from workbench.market.storage.sql import ask

        return ask(self, query)

    def export(
        self,
        instrument: str | Instrument,
        timeframe: str,
        start: datetime | int | None,
        end: datetime | int | None,
        out: Path | str,
        *,
        fingerprint: str | None = None,
    ) -> Path:
        """Write bars or ticks to a ``.csv``, ``.csv.gz`` or ``.parquet`` file that can be imported again."""
        from workbench.market.exporting import export

        record = instrument_of(instrument)
        if _name(timeframe) == TICK:
            pieces: Iterable[Bars | Ticks] = self.tick_batches(
                record, fingerprint=fingerprint, start=start, end=end
            )
        else:
            pieces = [self.bars(record, timeframe, fingerprint=fingerprint, start=start, end=end)]
        return export(pieces, Path(out))

    def publish(
        self,
        instrument: str | Instrument,
        timeframe: str,
        *,
        to: str,
        fingerprint: str | None = None,
        schema: str = "market",
    ) -> "PublishReport":
        """Write bars or ticks to tables of a PostgreSQL server, for teams that ask with SQL."""
        from workbench.market.storage.publishing import publish

        record = instrument_of(instrument)
        if _name(timeframe) == TICK:
            dataset = self._of_ticks(record, fingerprint)
            return publish(
                read_ticks(self._folder, self._version(dataset)),
                to=to,
                name=f"{record.id}_{TICK}".lower(),
                fingerprint=dataset.fingerprint,
                schema=schema,
            )
        bars = self.bars(record, timeframe, fingerprint=fingerprint)
        name = f"{record.id}_{bars.timeframe}".lower()
        return publish([bars], to=to, name=name, fingerprint=bars.fingerprint, schema=schema)

    def _data(
        self,
        instrument: str | Instrument,
        timeframe: str,
        fingerprint: str | None,
        start: datetime | int | None,
        end: datetime | int | None,
    ) -> Bars | Ticks:
        if _name(timeframe) == TICK:
            return self.ticks(instrument, fingerprint=fingerprint, start=start, end=end)
        return self.bars(instrument, timeframe, fingerprint=fingerprint, start=start, end=end)

    def _of(self, record: Instrument, fingerprint: str) -> Dataset:
        dataset = self.dataset(fingerprint)
        if dataset.instrument != record.id:
            raise MissingDataError(
                f"dataset {dataset.fingerprint[:12]} holds {dataset.instrument}, not {record.id}"
            )
        return dataset

    def _of_ticks(self, record: Instrument, fingerprint: str | None) -> Dataset:
        if fingerprint is None:
            found = self._catalogue.newest(record.id, TICK)
            if found is None:
                raise MissingDataError(
                    f"no {record.id} ticks in the market store; import a file of ticks first"
                )
            return found
        dataset = self._of(record, fingerprint)
        if dataset.kind != "ticks":
            raise MissingDataError(
                f"dataset {dataset.fingerprint[:12]} holds {dataset.timeframe_name} bars, not ticks"
            )
        return dataset

    def _version(self, dataset: Dataset) -> Version:
        return version_of(dataset, instrument_of(dataset.instrument))


def instrument_of(value: str | Instrument) -> Instrument:
    """The record of an instrument that may be named."""
    return instrument_named(value) if isinstance(value, str) else value


def _name(timeframe: str) -> str:
    return TICK if timeframe == TICK else str(timeframe_named(timeframe))


def _ns(moment: datetime | int | None) -> int | None:
    return to_ns(moment) if isinstance(moment, datetime) else moment


def _cache_of(root: Path | str) -> Path:
    if isinstance(root, Path):
        return root / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "forex-workbench"
