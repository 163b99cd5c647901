"""The checks of ticks, in a stream: batches go in, a report comes out; memory does not grow with rows."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import Kind, hours_of, spans
from workbench.domain.instruments import Instrument
from workbench.market.bars import Ints
from workbench.market.checks.gaps import open_time
from workbench.market.checks.kernels import (
    BACKWARDS,
    CROSSED,
    DUPLICATES,
    LOCKED,
    NEIGHBOURS,
    NOT_POSITIVE,
    SAME_INSTANT,
    SPIKE_FACTOR,
    count_quotes,
    find_spikes,
)
from workbench.market.checks.report import CheckReport, Finding
from workbench.market.checks.scale import ScaleWatch
from workbench.market.checks.sessions import SessionWatch
from workbench.market.checks.words import EXAMPLES, duration, quote, utc
from workbench.market.new_york import local_ns
from workbench.market.ticks import Ticks

__all__ = ["TickChecker"]

_SECOND = 1_000_000_000
_QUIET_NS = 60 * _SECOND
_MISSING_NS = 15 * 60 * _SECOND
_STALE_NS = 5 * 60 * _SECOND
_STALE_FACTOR = 50  # times the usual time between two quotes
_WEEKEND_NS = 24 * 3_600 * _SECOND
_COLUMNS = ("time_ns", "bid", "ask", "bid_size", "ask_size")

_PLAIN = (
    (BACKWARDS, "order", "error", "quotes older than the one before", "quotes in time order"),
    (NOT_POSITIVE, "prices", "error", "prices of 0 or less", "prices above 0"),
    (
        DUPLICATES,
        "duplicates",
        "note",
        "quotes that repeat one of the same instant exactly",
        "no quote twice",
    ),
    (
        SAME_INSTANT,
        "same instant",
        "note",
        "quotes that bear the time of the one before; their order is kept",
        "every quote has a time of its own",
    ),
    (CROSSED, "crossed", "error", "quotes with the bid above the ask", "bid never above ask"),
    (LOCKED, "locked", "warning", "quotes with bid equal to ask", "bid below ask"),
)


class _Longest:
    """Spans of time: how many, how long in all, and the longest few."""

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0
        self.longest: list[tuple[int, int]] = []  # length, start

    def add(self, starts: Ints, lengths: Ints) -> None:
        self.count += len(starts)
        self.total_ns += int(lengths.sum())
        best = np.argsort(-lengths, kind="stable")[:EXAMPLES]
        found = [(int(lengths[index]), int(starts[index])) for index in best]
        self.longest = sorted([*self.longest, *found], key=lambda item: (-item[0], item[1]))[:EXAMPLES]

    def examples(self) -> tuple[str, ...]:
        return tuple(f"{utc(start, 's')} UTC: {duration(length)}" for length, start in self.longest)


class TickChecker:
    """Checks the quotes of one instrument as they come.

    Any cut of the stream into batches gives the same report.

    Examples
    --------
    >>> checker = TickChecker(instrument("EUR_USD"))  # doctest: +SKIP
    >>> for batch in market.tick_batches("EUR_USD"):  # doctest: +SKIP
    ...     checker.add(batch)
    >>> print(checker.report())  # doctest: +SKIP
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._hours = hours_of(instrument)
        self._rows = 0
        self._first_ns = self._last_ns = 0
        self._carry: dict[str, Ints] = {name: np.empty(0, dtype=np.int64) for name in _COLUMNS}
        self._counts = np.zeros(6, dtype=np.int64)
        self._examples: dict[str, list[str]] = {}
        self._spikes = 0
        self._changed_ns = 0  # when the price last changed
        self._quiet, self._missing, self._stale = _Longest(), _Longest(), _Longest()
        self._pauses = dict.fromkeys(Kind, 0)
        self._closed = dict.fromkeys(Kind, 0)
        self._opens: list[int] = []  # of weeks, New York wall clock
        self._scale = ScaleWatch(instrument)
        self._sessions = SessionWatch(instrument, self._hours)

    def add(self, batch: Ticks) -> None:
        """Look at the next quotes."""
        if not len(batch):
            return
        known = len(self._carry["time_ns"])
        columns = {name: np.concatenate([self._carry[name], getattr(batch, name)]) for name in _COLUMNS}
        if not self._rows:
            self._first_ns = self._changed_ns = int(batch.time_ns[0])
        self._rows += len(batch)
        self._last_ns = int(batch.time_ns[-1])
        self._plain(columns, known)
        self._find_spikes(columns, known)
        self._gaps(columns["time_ns"], known)
        self._find_stale(columns, known)
        self._in_closed_hours(batch)
        self._scale.add(batch.time_ns, batch.bid, batch.ask)
        self._sessions.add(batch.time_ns, batch.bid, batch.ask)
        self._carry = {name: column[-2 * NEIGHBOURS :].copy() for name, column in columns.items()}

    def report(self) -> CheckReport:
        """What was found in all of them."""
        subject = f"{self._instrument.id} ticks: none"
        if self._rows:
            subject = (
                f"{self._instrument.id} ticks: {self._rows:,} quotes, {utc(self._first_ns)} to "
                f"{utc(self._last_ns)} UTC"
            )
        return CheckReport(
            subject=subject,
            rows=self._rows,
            findings=tuple(self._findings()),
            coverage=self._sessions.coverage(),
        )

    def _plain(self, columns: dict[str, Ints], known: int) -> None:
        counts, where = np.zeros(6, dtype=np.int64), np.full((6, EXAMPLES), -1, dtype=np.int64)
        time_ns, bid, ask, bid_size, ask_size = (columns[name] for name in _COLUMNS)
        count_quotes(time_ns, bid, ask, bid_size, ask_size, known, counts, where)
        self._counts += counts
        for kind, name, *_ in _PLAIN:
            self._show(name, where[kind][where[kind] >= 0], columns)

    def _find_spikes(self, columns: dict[str, Ints], known: int) -> None:
        """Rows are judged once, when fifty have come after them."""
        wrong = np.zeros(len(columns["bid"]), dtype=np.bool_)
        find_spikes(columns["bid"], columns["ask"], wrong, True)
        if known and known < 2 * NEIGHBOURS:  # nothing in the carry could be judged before
            known = 0
        found = np.flatnonzero(wrong)
        found = found[found >= max(0, known - NEIGHBOURS)]
        self._spikes += len(found)
        self._show("spikes", found[:EXAMPLES], columns)

    def _gaps(self, times: Ints, known: int) -> None:
        """Pauses between two quotes, by what the calendar says of them."""
        times = times[max(0, known - 1) :]
        index = np.flatnonzero(np.diff(times) > _QUIET_NS)
        if not len(index):
            return
        starts, ends = times[index], times[index + 1]
        open_ns, least_ns = open_time(starts, ends, self._hours)
        self._opens += local_ns(ends[ends - starts > _WEEKEND_NS]).tolist()
        quiet = open_ns > _QUIET_NS
        missing = least_ns > _MISSING_NS
        explained = least_ns <= _QUIET_NS
        self._quiet.add(starts[quiet & ~missing], open_ns[quiet & ~missing])
        self._missing.add(starts[missing], open_ns[missing])
        for kind in Kind:
            self._pauses[kind] += int((self._overlaps(starts, ends, kind) & explained).sum())

    def _overlaps(self, starts: Ints, ends: Ints, kind: Kind) -> npt.NDArray[np.bool_]:
        years = np.array([starts.min(), ends.max()], dtype="M8[ns]").astype("M8[Y]").astype(np.int64) + 1970
        closed = spans(self._hours, int(years[0]) - 1, int(years[1]), kind=kind, certain=False)
        found: npt.NDArray[np.bool_] = np.searchsorted(closed[:, 1], starts, side="right") < np.searchsorted(
            closed[:, 0], ends
        )
        return found

    def _find_stale(self, columns: dict[str, Ints], known: int) -> None:
        """Stretches in which quotes came but the price did not move."""
        low = max(0, known - 1)
        times, bid, ask = (columns[name][low:] for name in ("time_ns", "bid", "ask"))
        changes = np.flatnonzero((bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])) + 1
        starts = np.concatenate([[self._changed_ns], times[changes]])
        self._changed_ns = int(starts[-1])
        ends = starts[1:]
        starts = starts[:-1]
        long = ends - starts > _STALE_NS
        if not long.any():
            return
        starts, ends = starts[long], ends[long]
        before = times[np.maximum(np.searchsorted(times, ends) - 1, 0)]  # the last quote of the old price
        held = np.minimum(ends, np.maximum(before, starts))
        open_ns, least_ns = open_time(starts, held, self._hours)
        stale = least_ns > _STALE_NS
        self._stale.add(starts[stale], open_ns[stale])

    def _in_closed_hours(self, batch: Ticks) -> None:
        times = batch.time_ns
        years = np.array([times[0], times[-1]], dtype="M8[ns]").astype("M8[Y]").astype(np.int64) + 1970
        seen = np.zeros(0, dtype=np.int64)
        for kind in (Kind.WEEKEND, Kind.HOLIDAY, Kind.BREAK):
            closed = spans(self._hours, int(years[0]) - 1, int(years[1]), kind=kind)
            closed = closed[(closed[:, 1] > times[0]) & (closed[:, 0] <= times[-1])]
            for start, end in closed.tolist():
                low, high = np.searchsorted(times, (start, end))
                if high <= low or (kind is Kind.BREAK and low in seen):
                    continue
                seen = np.append(seen, low)
                self._closed[kind] += int(high - low)
                self._show(
                    "on holidays" if kind is Kind.HOLIDAY else "closed hours",
                    np.arange(low, min(high, low + EXAMPLES)),
                    batch.columns(),
                )

    def _show(self, name: str, rows: Ints, columns: dict[str, Ints]) -> None:
        shown = self._examples.setdefault(name, [])
        for row in rows[: EXAMPLES - len(shown)].tolist():
            values = (int(columns[part][row]) for part in ("time_ns", "bid", "ask"))
            shown.append(quote(self._instrument, *values))

    def _findings(self) -> Iterator[Finding]:
        for kind, name, severity, detail, fine in _PLAIN:
            yield self._finding(name, int(self._counts[kind]), severity, detail, fine)
        closed = self._closed[Kind.WEEKEND] + self._closed[Kind.BREAK]
        yield self._finding(
            "closed hours", closed, "error", "quotes while the market is closed", "no quote in closed hours"
        )
        yield self._finding(
            "on holidays",
            self._closed[Kind.HOLIDAY],
            "note",
            "quotes while most brokers are closed for Christmas or New Year",
            "no quote while brokers are closed for Christmas or New Year",
        )
        yield self._week_openings()
        yield self._span("missing", self._missing, "warning", "pauses of more than 15 minutes in open hours")
        for pause, name in (
            (Kind.BREAK, "daily break"),
            (Kind.HOLIDAY, "holidays"),
            (Kind.WEEKEND, "weekends"),
        ):
            yield Finding(
                name=name,
                severity="ok",
                count=self._pauses[pause],
                detail=f"pauses that the calendar explains: {name}",
            )
        yield self._span("quiet", self._quiet, "note", "pauses of more than 60 s in open hours")
        yield self._span(
            "stale", self._stale, "warning", "stretches of more than 5 min with quotes of one price"
        )
        detail = (
            f"quotes more than {SPIKE_FACTOR} mean deviations from the medians of {NEIGHBOURS} neighbours"
        )
        yield self._finding("spikes", self._spikes, "warning", detail, f"no {detail}")
        yield self._sessions.finding()
        yield from self._scale.findings()

    def _finding(self, name: str, count: int, severity: str, detail: str, fine: str) -> Finding:
        if not count:
            return Finding(name=name, severity="ok", count=0, detail=fine)
        share = count / self._rows
        return Finding(
            name=name,
            severity=severity,
            count=count,
            detail=f"{detail} ({share:.2%})" if share >= 0.0001 else detail,
            examples=tuple(self._examples.get(name, ())),
        )

    def _span(self, name: str, found: _Longest, severity: str, detail: str) -> Finding:
        if not found.count:
            return Finding(name=name, severity="ok", count=0, detail=f"no {detail}")
        return Finding(
            name=name,
            severity=severity,
            count=found.count,
            detail=f"{detail}, longest {duration(found.longest[0][0])}, in all {duration(found.total_ns)}",
            examples=found.examples(),
        )

    def _week_openings(self) -> Finding:
        opening = self._hours.week_open.hour
        late = [item for item in self._opens if item // (3_600 * _SECOND) % 24 != opening]
        return Finding(
            name="week openings",
            severity="note" if late else "ok",
            count=len(late),
            detail=f"{len(self._opens) - len(late)} of {len(self._opens)} weeks open in the hour from "
            f"{opening}:00 New York",
            examples=tuple(f"{utc(item)} New York" for item in late[:EXAMPLES]),
        )
