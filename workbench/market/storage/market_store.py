"""The market store: versions of bars and ticks by the hash of their content, in files, with a catalogue.

Nothing in it is ever changed: a corrected file is another dataset, more ticks are another version that
shares the files of the old. A dataset counts once it has its row in the catalogue; a file without one is
invisible, so an import that is cut off leaves nothing but files that the next one uses or a sweep removes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from workbench.domain.cost_history import Costs
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.market.bars import BOTH_SIDES, Bars
from workbench.market.resampling import joined
from workbench.market.storage.datasets import Dataset, ImportReport
from workbench.market.storage.ingesting import Origin
from workbench.market.storage.market_reader import MarketReader, VerifyReport, instrument_of
from workbench.market.storage.reading import bytes_shown
from workbench.market.storage.recorder import TickRecorder
from workbench.market.ticks import Ticks

__all__ = ["Dataset", "ImportReport", "MarketStore", "VerifyReport"]


class MarketStore(MarketReader):
    """A market store that can be read, see `MarketReader`, and added to."""

    def import_file(
        self,
        path: Path | str | Sequence[Path | str],
        instrument: str | Instrument,
        *,
        fmt: str = "auto",
        timeframe: str | None = None,
        timezone: str | None = None,
        side: str | None = None,
        cost_book: Costs | None = None,
        pair_with: Path | str | None = None,
        columns: Mapping[str, str | int] | None = None,
        time_format: str | None = None,
        trusted: Bars | None = None,
        extend: bool | str = False,
        replace: bool = False,
        keep: Sequence[str] = ("M1",),
        show_progress: bool = True,
        told: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Import files of bars or ticks as one dataset; the same content again changes nothing.

        Parameters
        ----------
        fmt
            ``auto``, or the name of a format to insist on it.
        timeframe
            As in ``H1``; by default from the usual distance of the bars.
        timezone
            IANA name of the clock the file was written by; needed only when its times do not tell.
        side
            ``bid``, ``ask`` or ``mid`` for files with one price when the name does not tell.
        cost_book
            Makes the other side of one-sided files.
        pair_with
            The file of the other side.
        columns, time_format
            What the columns of any other table are, and how its times are written.
        trusted
            Bars in UTC to tell the time zone by.
        extend
            Make a new version of the newest dataset of the same instrument and timeframe, or of the one
            whose fingerprint this is: what both have must be the same there.
        replace
            With `extend`: what is new takes the place of what it differs from.
        keep
            Timeframes of the bars to keep up beside ticks.
        told
            Hears how many bytes of the files were read since it was called last, instead of a bar shown.

        Raises
        ------
        BadInputError
            Anything that is wrong with the file, with the line and what to do; nothing is imported.
        """
        from workbench.market.importing import open_source

        record = instrument_of(instrument)
        files = [Path(item) for item in ([path] if isinstance(path, (str, Path)) else path)]
        with bytes_shown(files, shown=show_progress and told is None) as advance:
            source = open_source(
                files if len(files) > 1 else files[0],
                record,
                fmt=fmt,
                timeframe=None if timeframe is None else timeframe_named(timeframe),
                timezone=timezone,
                side=side,
                pair_with=None if pair_with is None else Path(pair_with),
                columns=columns,
                time_format=time_format,
                cost_book=cost_book,
                trusted=trusted,
                progress=told or advance,
            )
            name = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
            origin: dict[str, Any] = {
                "source": name if timezone is None else f"{name} ({timezone})",
                "source_format": source.format,
                "zone": source.zone.zone,
                "extend": extend,
                "replace": replace,
            }
            if source.kind == "ticks":
                report = self.add_ticks(
                    cast("Iterable[Ticks]", source.batches()),
                    instrument=record,
                    keep=keep,
                    sides=source.sides,
                    **origin,
                )
            else:
                report = self.add(joined(list(cast("Iterable[Bars]", source.batches()))), **origin)
        return ImportReport(
            dataset=report.dataset, is_new=report.is_new, notes=tuple(source.notes), zone=source.zone
        )

    def add(
        self,
        bars: Bars,
        *,
        source: str,
        extend: bool | str = False,
        replace: bool = False,
        parent: str = "",
        rule: str = "",
        source_format: str = "",
        zone: str = "",
    ) -> ImportReport:
        """Keep `bars` as a dataset; `source` says where they come from.

        `parent` and `rule` say of what dataset they were made, and how; `extend` as in `import_file`.
        """
        origin = Origin(
            source=source,
            extend=extend,
            replace=replace,
            parent=parent,
            rule=rule,
            source_format=source_format,
            zone=zone,
        )
        return self._ingestion.add_bars(bars, origin)

    def add_ticks(
        self,
        batches: Iterable[Ticks],
        *,
        instrument: str | Instrument,
        source: str,
        extend: bool | str = False,
        replace: bool = False,
        keep: Sequence[str | Timeframe] = ("M1",),
        sides: str = BOTH_SIDES,
        parent: str = "",
        rule: str = "",
        source_format: str = "",
        zone: str = "",
        check: bool = True,
    ) -> ImportReport:
        """Keep a stream of quotes in time order as a dataset, and bars of the timeframes `keep` beside it.

        The catalogue hears of it when all is on the disk. Quotes that are there already are not stored twice.
        `extend` and the rest as in `import_file`; `check` makes the report.
        """
        origin = Origin(
            source=source,
            extend=extend,
            replace=replace,
            parent=parent,
            rule=rule,
            source_format=source_format,
            zone=zone,
        )
        return self._ingestion.add_ticks(
            batches,
            origin,
            instrument=instrument_of(instrument),
            sides=sides,
            keep=[timeframe_named(item) for item in keep],
            check=check,
        )

    def recorder(
        self, instrument: str | Instrument, *, source: str, keep: Sequence[str] = ("M1",)
    ) -> TickRecorder:
        """What takes live quotes and makes a new version of the newest dataset at each `commit`."""
        return TickRecorder(self, instrument_of(instrument), source=source, keep=keep)

    def collect_garbage(self, *, older_than_s: float = 86_400.0) -> int:
        """Remove files that no dataset needs, of imports that were cut off; how many bytes that freed.

        Younger files are left alone: an import may be about to name them.
        """
        found = [item for item in self._folder.names() if _is_ours(item[0])]
        needed = self._catalogue.files()
        freed = 0
        for name, size, age_s in found:
            if name not in needed and age_s >= older_than_s:
                self._folder.delete(name)
                freed += size
        return freed


def _is_ours(name: str) -> bool:
    """Whether a file below the root is the store's to remove."""
    return name.endswith(".parquet") and not name.startswith(".cache/")
