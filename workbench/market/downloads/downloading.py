"""Fetching a span of history: what is there is kept, what is missing is fetched, Ctrl-C loses nothing."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from workbench.domain.instruments import Instrument
from workbench.domain.instruments import instrument as instrument_named
from workbench.errors import BadInputError
from workbench.market.downloads import dukascopy, oanda
from workbench.market.downloads.fetching import Fetcher, remove_stale_parts, write_whole
from workbench.market.downloads.pieces import Piece

__all__ = ["DownloadReport", "download"]

_SETTLED_S = 3_600  # so long after its end a piece does not change any more
_RATES = {"dukascopy": 5.0, "oanda": 20.0}  # requests a second; OANDA allows 120
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """What a download did."""

    source: str
    instrument: str
    what: str
    folder: Path
    files: tuple[Path, ...]  # that hold the span, in time order
    fetched: int
    skipped: int  # there already
    empty: int  # of the fetched: without a quote
    missing: tuple[str, ...]  # the server has nothing there
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {
            **asdict(self),
            "folder": str(self.folder),
            "files": [str(path) for path in self.files],
            "missing": list(self.missing),
        }

    def __str__(self) -> str:
        text = (
            f"{self.source} {self.instrument} {self.what}: {self.fetched:,} files fetched ({self.bytes:,} "
            "bytes, "
            f"{self.empty:,} empty), {self.skipped:,} were there; in {self.folder}"
        )
        if self.missing:
            shown = ", ".join(self.missing[:_EXAMPLES])
            text += f"\n{len(self.missing):,} are not on the server, first: {shown}"
        return text


def download(
    source: str,
    instrument: Instrument | str,
    start: datetime,
    end: datetime,
    folder: Path,
    *,
    what: str | None = None,
    base_url: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    requests_per_second: float | None = None,
    attempts: int = 6,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> DownloadReport:
    """Fetch history in `[start, end)` into `folder`, which `open_source` reads as a whole.

    A file that is there is not fetched again, unless it was fetched before its span was over. Files
    appear whole or not at all.

    Parameters
    ----------
    source
        ``dukascopy`` or ``oanda``.
    what
        ``ticks`` (Dukascopy's default), or a length of candles: ``M1`` (OANDA's default), ``H1`` …
    token
        OANDA's; by default from the environment or the keyring. It is kept nowhere.
    progress
        Called with the pieces done and all of them.

    Raises
    ------
    BadInputError
        No such source, span or length.
    DownloadRefusedError, DownloadError
        The server refuses, or gives nothing usable.
    """
    record = instrument_named(instrument) if isinstance(instrument, str) else instrument
    if start.tzinfo is None or end.tzinfo is None or not start < end:
        raise BadInputError(f"expected aware times, the first before the second, found {start} and {end}")
    wrong: Callable[[bytes], str | None]
    if source == "dukascopy":
        chosen = what or "ticks"
        found, headers = dukascopy.pieces(record, start, end, what=chosen), {}
        url, wrong = base_url or dukascopy.BASE_URL, partial(dukascopy.wrong_with, what=chosen)
    elif source == "oanda":
        chosen = what or "M1"
        found = oanda.pieces(record, start, end, what=chosen)
        headers = {"Authorization": f"Bearer {token or oanda.token_from_surroundings()}"}
        url, wrong = base_url or oanda.BASE_URL, partial(oanda.wrong_with, instrument=record, what=chosen)
    else:
        raise BadInputError(f"unknown source {source!r}; expected dukascopy or oanda")
    begun = datetime.fromtimestamp(now(), UTC)
    pieces = [item for item in found if item.start < begun]
    folder = Path(folder)
    if folder.is_dir():
        remove_stale_parts(folder)
    with Fetcher(
        url,
        headers=headers,
        requests_per_second=requests_per_second or _RATES[source],
        attempts=attempts,
        sleep=sleep,
    ) as fetcher:
        counted = _fetch_all(pieces, folder, fetcher, wrong, progress)
    return DownloadReport(source=source, instrument=record.id, what=chosen, folder=folder, **counted)


def _fetch_all(
    pieces: list[Piece],
    folder: Path,
    fetcher: Fetcher,
    wrong: Callable[[bytes], str | None],
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    files: list[Path] = []
    missing: list[str] = []
    fetched = skipped = empty = size = 0
    for done, piece in enumerate(pieces):
        if progress is not None:
            progress(done, len(pieces))
        path = folder / piece.relative
        if _is_settled(path, piece):
            skipped += 1
            files.append(path)
            continue
        body = fetcher.get(piece.request, params=piece.params or None, whole=wrong)
        if body is None:
            missing.append(piece.relative)
            continue
        write_whole(path, body)
        files.append(path)
        fetched, size, empty = fetched + 1, size + len(body), empty + (not body)
    if progress is not None:
        progress(len(pieces), len(pieces))
    return {
        "files": tuple(files),
        "fetched": fetched,
        "skipped": skipped,
        "empty": empty,
        "missing": tuple(missing),
        "bytes": size,
    }


def _is_settled(path: Path, piece: Piece) -> bool:
    """Whether the file was fetched after its span was over."""
    try:
        return path.stat().st_mtime >= piece.end.timestamp() + _SETTLED_S
    except FileNotFoundError:
        return False
