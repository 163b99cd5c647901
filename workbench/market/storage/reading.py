"""How the store finds what is asked for among its datasets, and reads no more than that."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.market.bars import Bars
from workbench.market.errors import MissingDataError
from workbench.market.new_york import bar_closes, bar_opens
from workbench.market.resampling import fits_into, resample
from workbench.market.storage.bar_cache import BarCache
from workbench.market.storage.datasets import Dataset
from workbench.market.storage.folders import Folder
from workbench.market.storage.ingesting import version_of
from workbench.market.storage.tick_versions import concatenated, read_bars, read_ticks
from workbench.market.ticks import Ticks

__all__ = ["bars_of_ticks", "bytes_shown", "choose", "last_ticks"]

_PROGRESS_FROM_BYTES = 1_000_000


def choose(datasets: Sequence[Dataset], record: Instrument, wanted: Timeframe) -> Dataset:
    """What bars are read from when no fingerprint says it, of datasets that are newest first."""
    known = [item for item in datasets if item.instrument == record.id]
    shorter = [item for item in reversed(Timeframe) if item is not wanted and fits_into(item, wanted)]
    for timeframe in (wanted, *shorter):
        for dataset in known:
            if dataset.timeframe is timeframe or timeframe in dataset.kept:
                return dataset
    for dataset in known:
        if dataset.kind == "ticks":
            return dataset
    have = sorted({f"{item.instrument} {item.timeframe_name}" for item in datasets})
    raise MissingDataError(
        f"no {record.id} {wanted} bars in the market store, which has "
        f"{', '.join(have) or 'nothing yet'}; import a file first"
    )


def bars_of_ticks(
    folder: Folder,
    cached_bars: BarCache,
    dataset: Dataset,
    record: Instrument,
    wanted: Timeframe,
    *,
    start_ns: int | None,
    end_ns: int | None,
) -> Bars:
    """Bars of a dataset of ticks that open in `[start_ns, end_ns)`, from the longest kept ones that fit."""
    version = version_of(dataset, record)
    fitting = [item for item in version.bars if fits_into(item, wanted)]
    if fitting:
        kept = max(fitting, key=lambda item: item.seconds)
        whole = cached_bars.read(dataset.fingerprint, record, kept)
        if whole is not None:
            return resample(whole, wanted).between(start_ns, end_ns)
        whole = read_bars(folder, version, kept, fingerprint=dataset.fingerprint)
        cached_bars.write(whole, dataset.fingerprint)
        found = resample(whole, wanted)
    else:
        first = None if start_ns is None else int(bar_opens(np.array([start_ns]), wanted)[0])
        last = None if end_ns is None else _end_of_last(end_ns, wanted)
        found = read_bars(
            folder, version, wanted, start_ns=first, end_ns=last, fingerprint=dataset.fingerprint
        )
    return found.between(start_ns, end_ns)


def last_ticks(
    folder: Folder, dataset: Dataset, record: Instrument, count: int, *, end_ns: int | None
) -> Ticks:
    """The last `count` ticks before `end_ns`; only the parts that have them are read."""
    version = version_of(dataset, record)
    parts = [item for item in version.ticks if end_ns is None or item.first_ns < end_ns]
    found: list[Ticks] = []
    for part in reversed(parts):
        only = replace(version, ticks=(part,))
        found = [*read_ticks(folder, only, end_ns=end_ns), *found]
        if sum(map(len, found)) >= count:
            break
    if not found:
        raise MissingDataError(f"{dataset.instrument}: no tick before {end_ns}")
    ticks = concatenated(found)
    return ticks.at(max(0, len(ticks) - count), len(ticks))


def _end_of_last(end_ns: int, timeframe: Timeframe) -> int:
    """Up to where ticks make the last bar that opens before `end_ns`."""
    return int(bar_closes(bar_opens(np.array([end_ns - 1]), timeframe), timeframe)[0])


@contextmanager
def bytes_shown(files: Sequence[Path], *, shown: bool) -> Iterator[Callable[[int], None] | None]:
    """A progress bar over the bytes of larger files."""
    total = sum(item.stat().st_size for path in files for item in _below(path))
    if not shown or total < _PROGRESS_FROM_BYTES:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, unit="B", unit_scale=True, desc=files[0].name) as bar:
        yield lambda count: (bar.update(count), None)[1]


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (item for item in path.rglob("*") if item.is_file())
    elif path.is_file():
        yield path
