"""The checks of bars: what no market can have made, and what a person should look at."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import hours_of
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.market.bars import BOTH_SIDES, Bars, Ints, crossed_parts, impossible
from workbench.market.checks.gaps import bar_coverage, bar_gaps, closed_bars
from workbench.market.checks.kernels import NEIGHBOURS, SPIKE_FACTOR, find_spikes
from workbench.market.checks.report import CheckReport, Finding
from workbench.market.checks.scale import scale_findings
from workbench.market.checks.words import EXAMPLES, utc
from workbench.market.new_york import local_ns

__all__ = ["check_bars", "weekly_opens"]

_DAY_NS = 24 * 60 * NS_PER_MINUTE
_WIDE_FACTOR = 50
_FROZEN_BARS = 10
_SMOOTHED_SHARE = 0.95
_BREAK_HOURS = (16, 17)  # around 17:00 New York spreads are known to be wide

Flags = npt.NDArray[np.bool_]


def check_bars(bars: Bars) -> CheckReport:
    """Every check on `bars`."""
    return CheckReport(
        subject=bars.describe(),
        rows=len(bars),
        findings=tuple(_findings(bars)),
        coverage=bar_coverage(bars),
    )


def weekly_opens(open_ns: Ints) -> Ints:
    """New York wall-clock times (see `local_ns`) of each first bar after a pause of a day or more."""
    after_pause = np.flatnonzero(np.diff(open_ns) > _DAY_NS) + 1
    return local_ns(open_ns[after_pause])


def _findings(bars: Bars) -> Iterator[Finding]:
    yield from _possible(bars)
    yield _crossed(bars)
    yield from _locked(bars)
    yield from _closed_hours(bars)
    yield from _week_openings(bars)
    yield from _gaps(bars)
    yield from _spikes(bars)
    yield from _wide_spreads(bars)
    yield from _frozen(bars)
    yield from _smoothed(bars)
    yield from scale_findings(bars.instrument, bars.open_ns, bars.bid_close, bars.ask_close)


def _possible(bars: Bars) -> Iterator[Finding]:
    groups = {
        "order": ("opens before", "the open is not"),
        "ohlc": ("outside", "0 or less"),
    }
    details = {
        "order": "bars in time order, on the grid, none twice",
        "ohlc": "open and close between low and high, prices above 0",
    }
    flags = {name: np.zeros(len(bars), dtype=np.bool_) for name in groups}
    for what, wrong in impossible(bars):
        name = next(key for key, words in groups.items() if any(word in what for word in words))
        flags[name] |= wrong
    for name, wrong in flags.items():
        yield _finding(
            bars, name, wrong, severity="error", detail=f"expected {details[name]}", fine=details[name]
        )


def _crossed(bars: Bars) -> Finding:
    counts = ", ".join(f"{part} {int(flags.sum()):,}" for part, flags in crossed_parts(bars).items())
    wrong = bars.crossed
    swapped = 2 * int(wrong.sum()) > len(bars)
    way_out = "bid and ask may be swapped" if swapped else "drop_crossed makes a version without them"
    detail = f"bars with the bid above the ask ({counts}); {way_out}"
    fine = "bid at or below ask in open, high, low and close"
    return _finding(bars, "crossed", wrong, severity="error", detail=detail, fine=fine)


def _locked(bars: Bars) -> Iterator[Finding]:
    wrong = (bars.bid_close == bars.ask_close) | (bars.bid_open == bars.ask_open)
    yield _finding(
        bars, "locked", wrong, detail="bid equals ask at the open or the close", fine="bid below ask"
    )


def _closed_hours(bars: Bars) -> Iterator[Finding]:
    closed, holiday = closed_bars(bars)
    yield _finding(
        bars,
        "closed hours",
        closed,
        severity="error",
        detail="bars while the market is closed (weekend, or the instrument's daily break)",
        fine="no bar while the market is closed",
    )
    yield _finding(
        bars,
        "on holidays",
        holiday,
        severity="note",
        detail="bars while most brokers are closed for Christmas or New Year",
        fine="no bar while brokers are closed for Christmas or New Year",
    )


def _week_openings(bars: Bars) -> Iterator[Finding]:
    if bars.timeframe.seconds > Timeframe.H1.seconds:  # too long to tell the hour of an opening
        return
    opens = weekly_opens(bars.open_ns)
    hour = hours_of(bars.instrument).week_open.hour
    late = opens[(opens // (60 * NS_PER_MINUTE)) % 24 != hour]
    detail = f"{len(opens) - len(late)} of {len(opens)} weeks open in the hour from {hour}:00 New York"
    yield Finding(
        name="week openings",
        severity="note" if len(late) else "ok",
        count=len(late),
        detail=detail,
        examples=tuple(f"{utc(item)} New York" for item in late[:EXAMPLES]),
    )


def _gaps(bars: Bars) -> Iterator[Finding]:
    if len(bars) > 1:
        yield from bar_gaps(bars).findings(len(bars))


def _spikes(bars: Bars) -> Iterator[Finding]:
    """Barndorff-Nielsen et al. (2009), rule T4, one-sided: away from the nearest of three medians."""
    name, needed = "spikes", 2 * NEIGHBOURS + 1
    detail = f"closes more than {SPIKE_FACTOR} mean deviations from the medians of {NEIGHBOURS} neighbours"
    if len(bars) < needed:
        yield Finding(name=name, severity="note", count=0, detail=f"not looked for: fewer than {needed} bars")
        return
    wrong = np.zeros(len(bars), dtype=np.bool_)
    find_spikes(bars.bid_close, bars.ask_close, wrong, False)
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
        f"{utc(bars.open_ns[index])} UTC: bid {_ohlc(bars, 'bid', index)}, ask {_ohlc(bars, 'ask', index)}"
        for index in where[:EXAMPLES].tolist()
    )
    return Finding(name=name, severity=severity, count=len(where), detail=detail, examples=examples)


def _ohlc(bars: Bars, side: str, index: int) -> str:
    parts = (getattr(bars, f"{side}_{part}")[index] for part in ("open", "high", "low", "close"))
    return " ".join(str(bars.instrument.to_price(int(part))) for part in parts)
