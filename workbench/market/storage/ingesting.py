"""Taking bars and ticks into the store: parts first, then one row in the catalogue."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import COLUMNS, Bars
from workbench.market.checks import CheckReport, TickChecker, check_bars
from workbench.market.errors import BusyStoreError, ConflictingDataError, DamagedDatasetError
from workbench.market.storage.bar_cache import BarCache
from workbench.market.storage.catalogue import Catalogue, NewerVersionError
from workbench.market.storage.columnar import bars_file, read_bars_file
from workbench.market.storage.datasets import TICK, Dataset, ImportReport
from workbench.market.storage.folders import Folder
from workbench.market.storage.tick_merging import merged
from workbench.market.storage.tick_versions import Version, concatenated, read_bars, read_ticks, write_version
from workbench.market.ticks import Ticks

__all__ = ["Ingestion", "Origin"]

_GROUP_ROWS = 262_144
_ATTEMPTS = 50  # at a version of one's own while other processes make theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where data come from, and what they become part of."""

    source: str
    extend: bool | str = False  # the newest dataset, or that of a fingerprint
    replace: bool = False
    parent: str = ""
    rule: str = ""
    source_format: str = ""
    zone: str = ""


class Ingestion:
    """Adds datasets to a catalogue and their files to a folder."""

    def __init__(self, folder: Folder, catalogue: Catalogue, cached_bars: BarCache) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._cached_bars = cached_bars

    def add_bars(self, bars: Bars, origin: Origin) -> ImportReport:
        """Keep bars as a dataset."""
        if not len(bars):
            raise BadInputError(f"{origin.source}: expected bars, found none")
        for _ in range(_ATTEMPTS):
            base = self._base(origin, bars.instrument, str(bars.timeframe))
            whole = bars
            if base is not None:
                whole = _extended(self.read_bars(base), bars, replacing=origin.replace)
            whole = replace(whole, fingerprint=whole.content_digest())
            if (found := self._catalogue.find(whole.fingerprint)) is not None:
                self._mend(found, whole)
                return ImportReport(dataset=found, is_new=False)
            path = f"{whole.instrument.id}/{whole.timeframe}/{whole.fingerprint}.parquet"
            dataset = Dataset(
                fingerprint=whole.fingerprint,
                instrument=whole.instrument.id,
                timeframe=whole.timeframe,
                rows=len(whole),
                first_ns=int(whole.open_ns[0]),
                last_ns=int(whole.close_ns[-1]),
                sides=whole.sides,
                path=path,
                report=check_bars(whole),
                created_ns=0,
                **_lineage(origin, base),
            )
            self._folder.write(path, bars_file(whole))
            try:
                added, is_new = self._catalogue.add(dataset, newest=_expected(origin, base))
            except NewerVersionError:
                continue
            return ImportReport(dataset=added, is_new=is_new)
        raise _busy(bars.instrument)

    def add_ticks(
        self,
        batches: Iterable[Ticks],
        origin: Origin,
        *,
        instrument: Instrument,
        sides: str,
        keep: Sequence[Timeframe],
        check: bool,
    ) -> ImportReport:
        """Keep a stream of quotes as a dataset, or as a new version of one."""
        checker = TickChecker(instrument) if check else None
        new = write_version(
            self._folder,
            _grouped(batches) if checker is None else _watched(_grouped(batches), checker.add),
            instrument=instrument,
            sides=sides,
            keep=keep,
        )
        report = CheckReport(subject=f"{instrument.id} ticks", rows=new.rows, findings=())
        if checker is not None:
            report = checker.report()
        for _ in range(_ATTEMPTS):
            base = self._base(origin, instrument, TICK)
            version = new
            if base is not None:
                version = merged(self._folder, version_of(base, instrument), new, replace=origin.replace)
            dataset = Dataset(
                fingerprint=version.fingerprint,
                instrument=instrument.id,
                timeframe=None,
                rows=version.rows,
                first_ns=version.ticks[0].first_ns,
                last_ns=version.ticks[-1].last_ns,
                sides=version.sides,
                path="",
                report=self._report(report, base, version, anew=check and origin.replace),
                created_ns=0,
                kind="ticks",
                parts=version.to_json(),
                **_lineage(origin, base),
            )
            if (found := self._catalogue.find(dataset.fingerprint)) is not None:
                return ImportReport(dataset=found, is_new=False)
            try:
                added, is_new = self._catalogue.add(dataset, newest=_expected(origin, base))
            except NewerVersionError:
                continue
            self._keep_up(added, version, base)
            return ImportReport(dataset=added, is_new=is_new)
        raise _busy(instrument)

    def _report(self, new: CheckReport, base: Dataset | None, version: Version, *, anew: bool) -> CheckReport:
        """The new rows' findings joined to the base's; of rows that others replaced nothing may stay."""
        if base is None:
            return new
        if not anew:
            return _of_both(base, new, version)
        checker = TickChecker(version.instrument)
        for batch in read_ticks(self._folder, version):
            checker.add(batch)
        return checker.report()

    def read_bars(self, dataset: Dataset) -> Bars:
        """All bars of a dataset of bars, checked against its fingerprint."""
        path = self._folder.path(dataset.path)
        try:
            return read_bars_file(path, fingerprint=dataset.fingerprint)
        except DamagedDatasetError:
            self._folder.forget(dataset.path)
            raise

    def _base(self, origin: Origin, record: Instrument, timeframe: str) -> Dataset | None:
        if not isinstance(origin.extend, str):
            return self._catalogue.newest(record.id, timeframe) if origin.extend else None
        dataset = self._catalogue.get(origin.extend)
        if (dataset.instrument, dataset.timeframe_name) != (record.id, timeframe):
            raise ConflictingDataError(
                f"dataset {dataset.fingerprint[:12]} holds {dataset.instrument} {dataset.timeframe_name}, "
                f"the new data are {record.id} {timeframe}; import them as a dataset of their own"
            )
        return dataset

    def _keep_up(self, dataset: Dataset, version: Version, base: Dataset | None) -> None:
        """Have the kept bars of a new version ready to be mapped, and not those of the one before it."""
        for timeframe in version.bars:
            bars = read_bars(self._folder, version, timeframe, fingerprint=dataset.fingerprint)
            self._cached_bars.write(bars, dataset.fingerprint)
        if base is not None:
            self._cached_bars.drop(base.fingerprint)

    def _mend(self, dataset: Dataset, bars: Bars) -> None:
        """Bring back a dataset's lost or damaged file from the same content."""
        try:
            self.read_bars(dataset)
        except DamagedDatasetError:
            self._folder.delete(dataset.path)
            self._folder.write(dataset.path, bars_file(bars))


def version_of(dataset: Dataset, instrument: Instrument) -> Version:
    """The parts of a dataset of ticks."""
    return Version.from_json(dataset.parts, instrument=instrument, sides=dataset.sides)


def _lineage(origin: Origin, base: Dataset | None) -> dict[str, Any]:
    extended = "extended, new data first" if origin.replace else "extended"
    return {
        "source": origin.source,
        "parent": origin.parent if base is None else base.fingerprint,
        "rule": origin.rule or ("" if base is None else extended),
        "source_format": origin.source_format,
        "zone": origin.zone,
    }


def _of_both(base: Dataset, new: CheckReport, version: Version) -> CheckReport:
    """The new rows were checked, those of the base were before; `check` goes through the whole."""
    subject = f"{version.instrument.id} ticks: {version.rows:,} quotes, checked as they came in"
    return base.report.with_later(new, subject=subject, rows=version.rows)


def _expected(origin: Origin, base: Dataset | None) -> str | None:
    """What must still be the newest version when that of `origin` is added; None: whatever is."""
    if origin.extend is not True:
        return None
    return "" if base is None else base.fingerprint


def _grouped(batches: Iterable[Ticks]) -> Iterator[Ticks]:
    """Small batches put together: what is done once a batch costs the same for a large one."""
    waiting: list[Ticks] = []
    rows = 0
    for batch in batches:
        if waiting and batch.instrument.id != waiting[0].instrument.id:
            yield concatenated(waiting)
            waiting, rows = [], 0
        waiting.append(batch)
        rows += len(batch)
        if rows >= _GROUP_ROWS:
            yield concatenated(waiting)
            waiting, rows = [], 0
    if waiting:
        yield concatenated(waiting)


def _watched(batches: Iterable[Ticks], see: Callable[[Ticks], None]) -> Iterator[Ticks]:
    for batch in batches:
        see(batch)
        yield batch


def _extended(base: Bars, new: Bars, *, replacing: bool) -> Bars:
    """Both in time order; bars that both have must be the same, or the new ones stay."""
    if base.sides != new.sides:
        raise ConflictingDataError(
            f"{base.instrument.id} {base.timeframe}: the dataset has {base.sides}, the new data {new.sides}; "
            "import them as a dataset of their own"
        )
    ours, theirs = np.isin(base.open_ns, new.open_ns), np.isin(new.open_ns, base.open_ns)
    differs = np.zeros(int(ours.sum()), dtype=np.bool_)
    for name in COLUMNS:
        differs |= getattr(base, name)[ours] != getattr(new, name)[theirs]
    if differs.any() and not replacing:
        first = base.open_ns[ours][int(np.argmax(differs))]
        raise ConflictingDataError(
            f"{base.instrument.id} {base.timeframe}: {int(differs.sum())} bars differ from the dataset's, "
            f"first at {np.datetime64(int(first), 'ns')}; import the new data as a dataset of "
            "their own, or let them replace the old"
        )
    open_ns = np.concatenate([base.open_ns[~ours], new.open_ns])
    order = np.argsort(open_ns, kind="stable")
    columns = {
        name: np.concatenate([getattr(base, name)[~ours], getattr(new, name)])[order] for name in COLUMNS
    }
    return Bars(
        instrument=base.instrument,
        timeframe=base.timeframe,
        **columns,
        sides=base.sides,
        fingerprint="",
    )


def _busy(record: Instrument) -> BusyStoreError:
    return BusyStoreError(
        f"{record.id}: other processes add versions faster than this one; nothing was added, try again"
    )
