"""Is this market data any good? Counts, first examples, and nothing repaired.

Some checks are of what no market can have made and refuse an import (`workbench.market.bars`); those
here are also of what a person should look at: gaps, spikes, frozen prices, hidden openings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.market.bars import BOTH_SIDES, Bars, Ints, impossible
from workbench.market.new_york import bar_opens, is_open, local_ns

__all__ = ["CheckReport", "Finding", "check_bars", "weekly_opens"]

_EXAMPLES = 5
_DAY_NS = 24 * 60 * NS_PER_MINUTE
_NEIGHBOURS = 50  # of the spike rule
_SPIKE_FACTOR = 10
_WIDE_FACTOR = 50
_FROZEN_BARS = 10
_SMOOTHED_SHARE = 0.95
_BREAK_HOURS = (16, 17)  # around 17:00 New York brokers pause for minutes

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    severity: str  # "ok"; "note": for you to know; "warning": look at it; "error": do not use it
    count: int
    detail: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The findings of every check on one series, in a fixed order."""

    subject: str
    rows: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found that forbids the use."""
        return all(item.severity != "error" for item in self.findings)

    def finding(self, name: str) -> Finding:
        """The finding of the check called `name`.

        Raises
        ------
        KeyError
            There is no such check.
        """
        for item in self.findings:
            if item.name == name:
                return item
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return {
            "subject": self.subject,
            "rows": self.rows,
            "findings": [{**asdict(item), "examples": list(item.examples)} for item in self.findings],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CheckReport":
        """The report that `to_json` wrote."""
        findings = tuple(
            Finding(**{**item, "examples": tuple(item["examples"])}) for item in value["findings"]
        )
        return cls(subject=value["subject"], rows=value["rows"], findings=findings)

    @property
    def text(self) -> str:
        """For a terminal: a line a check, examples below."""
        lines = [self.subject]
        for item in self.findings:
            lines.append(f"  {item.severity:<8}{item.name:<18}{item.count:>8,}  {item.detail}")
            lines += [f"{'':<36}{example}" for example in item.examples]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{item.severity}</td><td>{escape(item.name)}</td>"
            f"<td style='text-align:right'>{item.count:,}</td>"
            f"<td style='text-align:left'>{escape(item.detail)}"
            + "".join(f"<br><small>{escape(example)}</small>" for example in item.examples)
            + "</td></tr>"
            for item in self.findings
        )
        head = "<tr><th></th><th>check</th><th>found</th><th style='text-align:left'>what</th></tr>"
        return f"<p><b>{escape(self.subject)}</b></p><table>{head}{rows}</table>"


def check_bars(bars: Bars) -> CheckReport:
    """Every check on `bars`."""
    return CheckReport(subject=bars.describe(), rows=len(bars), findings=tuple(_findings(bars)))


def weekly_opens(open_ns: Ints) -> Ints:
    """New York wall-clock times (see `local_ns`) of each first bar after a pause of a day or more."""
    after_pause = np.flatnonzero(np.diff(open_ns) > _DAY_NS) + 1
    return local_ns(open_ns[after_pause])


def _findings(bars: Bars) -> Iterator[Finding]:
    yield from _possible(bars)
    yield from _locked(bars)
    yield from _closed_hours(bars)
    yield from _week_openings(bars)
    yield from _gaps(bars)
    yield from _spikes(bars)
    yield from _wide_spreads(bars)
    yield from _frozen(bars)
    yield from _smoothed(bars)


def _possible(bars: Bars) -> Iterator[Finding]:
    groups = {
        "order": ("opens before", "the open is not"),
        "ohlc": ("outside", "0 or less"),
        "crossed": ("crossed",),
    }
    details = {
        "order": "bars in time order, on the grid, none twice",
        "ohlc": "open and close between low and high, prices above 0",
        "crossed": "bid at or below ask in open, high, low and close",
    }
    flags = {name: np.zeros(len(bars), dtype=np.bool_) for name in groups}
    for what, wrong in impossible(bars):
        name = next(key for key, words in groups.items() if any(word in what for word in words))
        flags[name] |= wrong
    for name, wrong in flags.items():
        yield _finding(
            bars, name, wrong, severity="error", detail=f"expected {details[name]}", fine=details[name]
        )


def _locked(bars: Bars) -> Iterator[Finding]:
    wrong = (bars.bid_close == bars.ask_close) | (bars.bid_open == bars.ask_open)
    yield _finding(
        bars, "locked", wrong, detail="bid equals ask at the open or the close", fine="bid below ask"
    )


def _closed_hours(bars: Bars) -> Iterator[Finding]:
    if bars.timeframe is Timeframe.D1:
        wrong = ~is_open(bars.open_ns)
    else:  # a bar of four hours may begin before the week does and reach into it
        wrong = ~is_open(bars.open_ns) & ~is_open(bars.close_ns - 1)
    yield _finding(
        bars,
        "closed hours",
        wrong,
        detail="bars while the market is closed (Friday 17:00 to Sunday 17:00 New York)",
        fine="no bar while the market is closed",
    )


def _week_openings(bars: Bars) -> Iterator[Finding]:
    if bars.timeframe in (Timeframe.D1, Timeframe.H4):
        return
    opens = weekly_opens(bars.open_ns)
    late = opens[(opens // (60 * NS_PER_MINUTE)) % 24 != 17]
    detail = f"{len(opens) - len(late)} of {len(opens)} weeks open in the hour from 17:00 New York"
    yield Finding(
        name="week openings",
        severity="note" if len(late) else "ok",
        count=len(late),
        detail=detail,
        examples=tuple(f"{_utc(item)} New York" for item in late[:_EXAMPLES]),
    )


def _gaps(bars: Bars) -> Iterator[Finding]:
    if len(bars) < 2:
        return
    runs = list(_missing_runs(bars))
    for name, detail in (
        ("missing", "bars missing while the market is open"),
        ("daily break", "bars missing around 17:00 New York, where brokers pause"),
        ("holidays", "bars missing around Christmas and New Year"),
    ):
        found = sorted((run for run in runs if run[0] == name), key=lambda run: -run[2])
        count = sum(run[2] for run in found)
        share = f"{count / (count + len(bars)):.2%} of the expected" if count else "none"
        yield Finding(
            name=name,
            severity=("warning" if name == "missing" else "note") if count else "ok",
            count=count,
            detail=f"{detail}: {len(found)} gaps, {share}" if count else f"no {detail}",
            examples=tuple(f"{_utc(run[1])} UTC: {run[2]} bars" for run in found[:_EXAMPLES]),
        )


def _missing_runs(bars: Bars) -> Iterator[tuple[str, int, int]]:
    """Gaps in open hours, as (class, first missing bar's open, how many bars)."""
    step = bars.timeframe.nanoseconds
    for index in np.flatnonzero(bars.open_ns[1:] > bars.close_ns[:-1]).tolist():
        start, end = int(bars.close_ns[index]), int(bars.open_ns[index + 1])
        if bars.timeframe is Timeframe.D1:
            expected = np.unique(bar_opens(np.arange(start, end, step // 2, dtype=np.int64), Timeframe.D1))
            expected = expected[expected >= start]
        else:
            expected = np.arange(start, end, step, dtype=np.int64)
        expected = expected[is_open(expected)]
        if not len(expected):
            continue
        local = local_ns(expected)
        holiday = _in_holidays(local)
        hours = local // (60 * NS_PER_MINUTE) % 24
        pause = ~holiday & np.isin(hours, _BREAK_HOURS) & (len(expected) * step <= 70 * NS_PER_MINUTE)
        for name, chosen in (("holidays", holiday), ("daily break", pause), ("missing", ~holiday & ~pause)):
            if chosen.any():
                yield name, int(expected[chosen][0]), int(chosen.sum())


def _in_holidays(local: Ints) -> Flags:
    """From 13:00 New York on 24 and 31 December, for two days."""
    days = (local + 11 * 60 * NS_PER_MINUTE).view("M8[ns]").astype("M8[D]")  # a day starts at 13:00 before
    months = days.astype("M8[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (days - months.astype("M8[D]")).astype(np.int64) + 1
    flags: Flags = ((month == 12) & ((day == 25) | (day == 26))) | ((month == 1) & ((day == 1) | (day == 2)))
    return flags


def _spikes(bars: Bars) -> Iterator[Finding]:
    """Barndorff-Nielsen et al. (2009), rule T4, one-sided: away from the nearest of three medians."""
    mid = (bars.bid_close + bars.ask_close) / 2
    name, needed = "spikes", 2 * _NEIGHBOURS + 1
    detail = f"closes more than {_SPIKE_FACTOR} mean deviations from the medians of {_NEIGHBOURS} neighbours"
    if len(bars) < needed:
        yield Finding(name=name, severity="note", count=0, detail=f"not looked for: fewer than {needed} bars")
        return
    wrong = np.zeros(len(bars), dtype=np.bool_)
    view = np.lib.stride_tricks.sliding_window_view(mid, _NEIGHBOURS)
    half = _NEIGHBOURS // 2
    for low in range(_NEIGHBOURS, len(bars) - _NEIGHBOURS, 50_000):
        index = np.arange(low, min(low + 50_000, len(bars) - _NEIGHBOURS))
        far = np.ones(len(index), dtype=np.bool_)
        centred = np.concatenate([view[index - half][:, :half], view[index + 1][:, :half]], axis=1)
        for window in (view[index - _NEIGHBOURS], view[index + 1], centred):
            median = np.median(window, axis=1)
            deviation = np.maximum(np.abs(window - median[:, None]).mean(axis=1), 1.0)  # a point at least
            far &= np.abs(mid[index] - median) > _SPIKE_FACTOR * deviation
        wrong[index] = far
    yield _finding(bars, name, wrong, detail=detail, fine=f"no {detail}")


def _wide_spreads(bars: Bars) -> Iterator[Finding]:
    if bars.sides != BOTH_SIDES or not len(bars):
        return
    spread = bars.ask_close - bars.bid_close
    days, inverse = np.unique(bars.open_ns // _DAY_NS, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    cuts = np.searchsorted(inverse[order], np.arange(1, len(days)))
    medians = np.array([np.median(part) for part in np.split(spread[order], cuts)])
    known_wide = np.isin(local_ns(bars.open_ns) // (60 * NS_PER_MINUTE) % 24, _BREAK_HOURS)
    wrong = (spread > _WIDE_FACTOR * np.maximum(medians[inverse], 1.0)) & ~known_wide
    detail = f"spreads above {_WIDE_FACTOR} times the day's median, the hours around 17:00 New York aside"
    yield _finding(bars, "wide spreads", wrong, detail=detail, fine=f"no {detail}")


def _frozen(bars: Bars) -> Iterator[Finding]:
    same = np.zeros(len(bars), dtype=np.bool_)
    flat = (bars.bid_high == bars.bid_low) & (bars.ask_high == bars.ask_low)
    same[1:] = flat[1:] & flat[:-1] & (bars.bid_close[1:] == bars.bid_close[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    wrong = np.zeros(len(bars), dtype=np.bool_)
    for start, end in edges.reshape(-1, 2).tolist():
        wrong[start] = end - start >= _FROZEN_BARS
    detail = f"stretches of more than {_FROZEN_BARS} bars in which no price moves"
    yield _finding(bars, "frozen", wrong, detail=detail, fine=f"no {detail}")


def _smoothed(bars: Bars) -> Iterator[Finding]:
    next_to = bars.open_ns[1:] == bars.close_ns[:-1]
    same = (bars.bid_open[1:] == bars.bid_close[:-1]) & next_to
    pairs, count = int(next_to.sum()), int(same.sum())
    share = count / pairs if pairs else 0.0
    smoothed = pairs >= 20 and share >= _SMOOTHED_SHARE
    detail = f"{share:.1%} of bars open where the bar before closed"
    if smoothed:
        detail += ": the vendor fills openings in, so gaps between bars are hidden"
    yield Finding(
        name="open = last close", severity="warning" if smoothed else "ok", count=count, detail=detail
    )


def _finding(
    bars: Bars, name: str, wrong: Flags, *, detail: str, fine: str, severity: str = "warning"
) -> Finding:
    where = np.flatnonzero(wrong)
    if not len(where):
        return Finding(name=name, severity="ok", count=0, detail=fine)
    examples = tuple(
        f"{_utc(bars.open_ns[index])} UTC: bid {_ohlc(bars, 'bid', index)}, ask {_ohlc(bars, 'ask', index)}"
        for index in where[:_EXAMPLES].tolist()
    )
    return Finding(name=name, severity=severity, count=len(where), detail=detail, examples=examples)


def _ohlc(bars: Bars, side: str, index: int) -> str:
    parts = (getattr(bars, f"{side}_{part}")[index] for part in ("open", "high", "low", "close"))
    return " ".join(str(bars.instrument.to_price(int(part))) for part in parts)


def _utc(time_ns: int) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("M8[m]")).replace("T", " ")
