"""Which format is it? By name and content; several answers or none are errors that say so."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from workbench.domain.instruments import Instrument, known_instruments
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.errors import (
    AmbiguousFormatError,
    EmptyFileError,
    SideNotStatedError,
    UnknownFormatError,
)
from workbench.market.formats import (
    delimited,
    dukascopy_bi5,
    dukascopy_json,
    ecb,
    fxcm,
    histdata,
    lean,
    metatrader,
    oanda_json,
    parquet,
    truefx,
)
from workbench.market.formats.grammar import Layout
from workbench.market.formats.readers import (
    Bi5Reader,
    JsonReader,
    PairReader,
    ParquetReader,
    Reader,
    TextReader,
)
from workbench.market.formats.text_rows import head_of

__all__ = ["FORMATS", "expand", "reader_of", "recognise_file"]

FORMATS = (
    *("ohlc", "bid+ask", "histdata", "histdata-ticks", "histdata-mt", "ticks", "columns"),
    *("dukascopy-bi5", "dukascopy-bi5-ticks", "dukascopy-json", "dukascopy-json-ticks"),
    *("truefx", "mt4", "mt5", "mt5-ticks", "lean", "lean-ticks", "oanda", "fxcm", "fxcm-ticks", "parquet"),
)
_TEXT: tuple[Callable[[bytes, str], tuple[Layout, ...]], ...] = (
    histdata.recognise,
    truefx.recognise,
    metatrader.recognise,
    lean.recognise,
    fxcm.recognise,
)
_SIDES = ("bid", "ask", "mid")
_PAIR = re.compile(r"(?<![A-Z])(?=([A-Z]{3})[-_.]?([A-Z]{3})(?![A-Z]))")
_T = TypeVar("_T")


def expand(paths: Path | str | Sequence[Path | str]) -> tuple[list[Path], bool]:
    """The files of `paths`, those below folders included, and whether there was a folder.

    Raises
    ------
    BadInputError
        There is no such file, or none at all.
    """
    given = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(item) for item in paths]
    files: list[Path] = []
    folder = False
    for path in given:
        if path.is_dir():
            folder = True
            found = (item for item in sorted(path.rglob("*")) if item.is_file())
            files += [item for item in found if not _hidden(item.relative_to(path))]
        elif path.is_file():
            files.append(path)
        else:
            raise BadInputError(f"{path}: expected a file with bars, found no such file")
    if not files:
        raise BadInputError(f"{', '.join(map(str, given)) or 'no path'}: expected files, found none")
    return list(dict.fromkeys(files)), folder


def recognise_file(path: Path) -> tuple[str, Layout | None]:
    """A file's format, and its layout when it is text.

    Raises
    ------
    UnknownFormatError, AmbiguousFormatError, EmptyFileError
        None fits, or several do; the message names them.
    """
    if dukascopy_bi5.recognise_path(path) is not None:
        ticks = "ticks" in path.name
        return ("dukascopy-bi5-ticks" if ticks else "dukascopy-bi5"), None
    head, inner = head_of(path)
    if head.startswith(parquet.MAGIC):
        return "parquet", None
    if not head.strip():
        raise EmptyFileError(f"{path.name}: expected bars, found an empty file")
    name = inner if inner == path.name else f"{inner} {path.name}"
    for recognise in (dukascopy_json.recognise, oanda_json.recognise):
        found = recognise(head, path.name)
        if found is not None:
            return found, None
    if ecb.recognise(head, path.name):
        raise UnknownFormatError(
            f"{path.name}: these are the reference rates of the European Central Bank, one a day, for "
            "reports; "
            "workbench.market.ecb_rate reads them, and nothing can be traded at them"
        )
    layouts = [layout for recognise_text in _TEXT for layout in recognise_text(head, name)]
    layouts = layouts or list(delimited.recognise(head, path.name))
    if len(layouts) > 1:
        raise AmbiguousFormatError(
            f"{path.name}: it may be {' or '.join(item.format for item in layouts)}; say which with format="
        )
    if not layouts:
        first = next(iter(head.decode("utf-8", "backslashreplace").strip().splitlines()), "")
        if head[:1] in (b"{", b"["):
            raise UnknownFormatError(
                f"{path.name}: expected candles of OANDA or Dukascopy in this JSON, found {first[:80]!r}"
            )
        raise UnknownFormatError(f"{path.name}: expected {delimited.EXPECTED}; found {first[:80]!r}")
    return layouts[0].format, layouts[0]


def reader_of(
    paths: Path | str | Sequence[Path | str],
    instrument: Instrument,
    *,
    fmt: str,
    timeframe: Timeframe | None,
    side: str | None,
    pair_with: Path | str | None,
    columns: Mapping[str, str | int] | None,
    time_format: str | None,
) -> tuple[Reader, tuple[Path, ...]]:
    """The reader of what `paths` hold, and the files in their folders that it leaves aside.

    Raises
    ------
    BadInputError
        By a subclass: the paths hold nothing that is known, several things, or another instrument's.
    """
    if fmt != "auto" and not any(item == fmt or item.startswith(f"{fmt}-") for item in FORMATS):
        raise BadInputError(f"unknown format {fmt!r}; expected auto, {', '.join(FORMATS)}")
    if side not in (None, *_SIDES):
        raise BadInputError(f"unknown side {side!r}; expected bid, ask or mid")
    options = _Options(instrument, fmt, timeframe, columns, time_format)
    alone = pair_with is None
    reader = options.read(paths, side) if alone else _paired(options, paths, str(pair_with), side)
    return reader, tuple(sorted(options.aside - set(reader.files)))


class _Options:
    """What a person told, to find readers by."""

    def __init__(
        self,
        instrument: Instrument,
        fmt: str,
        timeframe: Timeframe | None,
        columns: Mapping[str, str | int] | None,
        time_format: str | None,
    ) -> None:
        self.instrument, self.fmt, self.timeframe = instrument, fmt, timeframe
        self.columns, self.time_format = columns, time_format
        self.aside: set[Path] = set()

    def read(self, paths: Path | str | Sequence[Path | str], side: str | None) -> Reader:
        files, folder = expand(paths)
        for path in files:
            self._refuse_name(path.name)
        if folder:
            self.aside |= set(files)
        by_format = self._by_format(files, folder)
        if len(by_format) > 1:
            shown = ", ".join(f"{name} ({len(found)} files)" for name, found in sorted(by_format.items()))
            raise AmbiguousFormatError(
                f"expected files of one format, found {shown}; choose with format=, or import them apart"
            )
        ((name, found),) = by_format.items()
        if name.startswith("dukascopy-bi5"):
            return self._bi5([path for path, _ in found], side)
        if name in ("oanda", "dukascopy-json", "dukascopy-json-ticks"):
            return self._json(name, [path for path, _ in found], side)
        if name == "parquet":
            return self._parquet([path for path, _ in found], side)
        return self._text([(path, layout) for path, layout in found if layout is not None], side)

    def _by_format(self, files: Sequence[Path], folder: bool) -> dict[str, list[tuple[Path, Layout | None]]]:
        by_format: dict[str, list[tuple[Path, Layout | None]]] = defaultdict(list)
        failed: BadInputError | None = None
        for path in files:
            try:
                name, layout = self._recognise(path)
            except EmptyFileError as error:
                if len(files) == 1:
                    raise
                failed = error
                continue
            except UnknownFormatError as error:
                if not folder or type(error) is not UnknownFormatError:  # broken is not unknown
                    raise
                failed = error  # a folder holds readmes and manifests too
                continue
            by_format[name].append((path, layout))
        if self.fmt != "auto":
            kept = {name: found for name, found in by_format.items() if self._is_meant(name)}
            if by_format and not kept:
                path, layout = next(iter(by_format.values()))[0]
                why = f" ({layout.why})" if layout else ""
                raise UnknownFormatError(
                    f"{path.name}: expected the layout {self.fmt}, found {next(iter(by_format))}{why}"
                )
            by_format = defaultdict(list, kept)
        if not by_format:
            assert failed is not None
            raise failed
        return by_format

    def _is_meant(self, name: str) -> bool:
        return name == self.fmt or (name.startswith(f"{self.fmt}-") and self.fmt not in FORMATS)

    def _recognise(self, path: Path) -> tuple[str, Layout | None]:
        if self.columns is None:
            return recognise_file(path)
        head, _ = head_of(path)
        if head.startswith(parquet.MAGIC):
            return "parquet", None
        if not head.strip():
            raise EmptyFileError(f"{path.name}: expected bars, found an empty file")
        layout = delimited.by_columns(head, path.name, self.columns, time_format=self.time_format)
        return layout.format, layout

    def _text(self, found: Sequence[tuple[Path, Layout]], side: str | None) -> Reader:
        for path, layout in found:
            self._refuse_symbol(layout.symbol, path.name)
        sided = [(path, layout.with_side(_side_of(layout, path, side))) for path, layout in found]
        zone = None
        if found[0][1].format.startswith("lean"):
            zones = {lean.market_zone(path.absolute()) for path, _ in found}
            zone = zones.pop() if len(zones) == 1 else None
        by_side = _by_side([(layout.side, (path, layout)) for path, layout in sided])
        readers = {
            name: TextReader.of(items, self.instrument, side=name, zone=zone)
            for name, items in by_side.items()
        }
        return _one_or_pair(readers, self.instrument, found[0][0].name)

    def _bi5(self, files: Sequence[Path], side: str | None) -> Reader:
        pieces = [piece for path in files if (piece := dukascopy_bi5.recognise_path(path)) is not None]
        for piece in pieces:
            self._refuse_symbol(piece.symbol, str(piece.path))
        if self.timeframe is not None:
            pieces = [item for item in pieces if item.timeframe in (None, self.timeframe)] or pieces
        frames = {item.frame for item in pieces}
        if len(frames) > 1:
            kinds = sorted({item.label for item in pieces})
            raise AmbiguousFormatError(
                f"expected one kind of candles, found {', '.join(kinds)}; choose with timeframe= or import "
                "them "
                "apart"
            )
        if side is not None:
            pieces = [item for item in pieces if item.side in (side, "bid+ask")]
            if not pieces:
                raise BadInputError(f"expected {side} candles, found those of the other side only")
        by_side = _by_side([(item.side, item) for item in pieces])
        readers = {name: Bi5Reader.of(items, self.instrument) for name, items in by_side.items()}
        return _one_or_pair(readers, self.instrument, files[0].name)

    def _json(self, name: str, files: Sequence[Path], side: str | None) -> Reader:
        by_side: list[tuple[str | None, tuple[int, Path]]] = []
        timeframe: Timeframe | None = None
        for path in files:
            if name == "oanda":
                symbol, found, timeframe_found = oanda_json.peek(path)
                if symbol != self.instrument.id:
                    raise BadInputError(f"{path.name}: holds {symbol}, not {self.instrument.id}")
                timeframe = timeframe or timeframe_found
                if timeframe is not timeframe_found:
                    raise AmbiguousFormatError(
                        f"expected candles of one length, found {timeframe} and {timeframe_found}; import "
                        "them apart"
                    )
                if found:
                    by_side.append((found, (oanda_json.first_ns(path), path)))
                continue
            self._refuse_symbol(dukascopy_json.symbol_of(path.name), path.name)
            told: str | None = "bid+ask"
            if name == "dukascopy-json":
                timeframe = timeframe or dukascopy_json.timeframe_of(path)
                told = side or dukascopy_json.side_of(path.name)
                if told is None:
                    raise SideNotStatedError(
                        f"{path.name}: one side only, and the file's name does not say which; give "
                        "side='bid' or "
                        "'ask'"
                    )
            by_side.append((told, (dukascopy_json.first_ns(path), path)))
        if not by_side:
            raise EmptyFileError(f"{files[0].name}: expected candles, found none")
        readers = {
            told: JsonReader(
                format=name,
                kind="ticks" if name.endswith("ticks") else "bars",
                files=tuple(path for _, path in sorted(items)),
                instrument=self.instrument,
                side=told,
                why="its JSON",
                zone="UTC",
                zone_why="the format counts from 1970 in UTC" if name != "oanda" else "OANDA's times are UTC",
                timeframe=timeframe,
            )
            for told, items in _by_side(by_side).items()
        }
        return _one_or_pair(readers, self.instrument, files[0].name)

    def _parquet(self, files: Sequence[Path], side: str | None) -> Reader:
        told = {path: parquet.columns_of(path, self.columns) for path in files}
        (columns, kind, found, utc), *others = told.values()
        if any(item[0] != columns or item[3] != utc for item in others):
            raise AmbiguousFormatError("expected Parquet files with the same columns; import them apart")
        return ParquetReader(
            format="parquet",
            kind=kind,
            files=tuple(files),
            instrument=self.instrument,
            side=_side_told(found, side, files[0].name, "parquet"),
            why=f"columns {', '.join(columns.values())}",
            states_utc=utc,
            columns=columns,
            time_unit=self.time_format,
        )

    def _refuse_name(self, name: str) -> None:
        """A file called after other instruments only is hardly of this one."""
        pairs = {f"{base}_{quote}": base + quote for base, quote in _PAIR.findall(name.upper())}
        known = [letters for pair, letters in pairs.items() if pair in known_instruments()]
        if known and self.instrument.id not in pairs:
            raise BadInputError(
                f"{name}: holds {' and '.join(known)}, not {self.instrument.id}, by its name; "
                "name its own instrument, or rename the file"
            )

    def _refuse_symbol(self, letters: str, name: str) -> None:
        wanted = self.instrument.base + self.instrument.quote
        if letters and letters != wanted:
            raise BadInputError(f"{name}: holds {letters}, not {self.instrument.id}; name its own instrument")


def _paired(
    options: _Options,
    paths: Path | str | Sequence[Path | str],
    pair_with: Path | str,
    side: str | None,
) -> Reader:
    """The reader of a bid file and an ask file; `side` is that of the first."""
    other = {"bid": "ask", "ask": "bid"}
    if side == "mid":
        raise BadInputError("a pair is a bid and an ask file; side='mid' fits neither")
    try:
        first = options.read(paths, side)
    except SideNotStatedError:
        first = options.read(paths, other[str(options.read(pair_with, None).side)])
    second = options.read(pair_with, other.get(str(first.side)))
    if first.kind != "bars" or {first.side, second.side} != {"bid", "ask"}:
        raise BadInputError(
            f"expected the bid bars and the ask bars of one series, found {first.side} {first.kind} and "
            f"{second.side} {second.kind}"
        )
    bid, ask = (first, second) if first.side == "bid" else (second, first)
    return PairReader.of(bid, ask, options.instrument)


def _one_or_pair(readers: Mapping[str | None, Reader], instrument: Instrument, name: str) -> Reader:
    if len(readers) == 1:
        return next(iter(readers.values()))
    if set(readers) == {"bid", "ask"}:
        return PairReader.of(readers["bid"], readers["ask"], instrument)
    sides = ", ".join(sorted(str(item) for item in readers))
    raise AmbiguousFormatError(f"{name} and others: expected files of the same sides, found {sides}")


def _by_side(items: Sequence[tuple[str | None, _T]]) -> dict[str | None, list[_T]]:
    found: dict[str | None, list[_T]] = defaultdict(list)
    for side, item in items:
        found[side].append(item)
    return found


def _side_of(layout: Layout, path: Path, side: str | None) -> str:
    return _side_told(layout.side, side, path.name, layout.format)


def _side_told(known: str | None, side: str | None, name: str, what: str) -> str:
    if known is not None:
        if side not in (None, known):
            raise BadInputError(f"{name}: {what} files are {known}, found side={side!r}; leave it out")
        return known
    if side is not None:
        return side
    letters = "".join(item if item.isalpha() else " " for item in name.lower())
    words = {word for word in letters.split() if word in _SIDES}
    if len(words) == 1:
        return words.pop()
    raise SideNotStatedError(
        f"{name}: one side only, and neither the columns nor the file's name say which; "
        "give side='bid', 'ask' or 'mid'"
    )


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts) or path.suffix in (".part", ".tmp")
