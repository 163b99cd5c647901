"""One series against another: ticks against the vendor's bars, one broker against a second."""

from collections.abc import Iterable

import numpy as np

from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bar_builder import BarBuilder
from workbench.market.bars import PRICES, Bars, Ints
from workbench.market.checks.report import CheckReport, Finding
from workbench.market.checks.words import EXAMPLES, utc
from workbench.market.resampling import resample
from workbench.market.ticks import Ticks

__all__ = ["check_against", "check_aggregation"]

_WEEK_HOURS = 168
_SHIFTS = range(-12, 13)
_ENOUGH = 48  # hours in a week that both have
_LIKE = 0.95


def check_aggregation(ticks: Ticks | Iterable[Ticks], vendor: Bars) -> CheckReport:
    """Whether a vendor's ticks make the vendor's bars, price by price, and which bars only one side has."""
    batches = [ticks] if isinstance(ticks, Ticks) else ticks
    builder = BarBuilder(vendor.instrument, vendor.timeframe)
    parts = [builder.add(batch) for batch in batches] + [builder.finish()]
    made_open = np.concatenate([part.open_ns for part in parts])
    _, mine, theirs = np.intersect1d(made_open, vendor.open_ns, return_indices=True)
    unlike: dict[str, Ints] = {
        name: np.concatenate([getattr(part, name) for part in parts])[mine] != getattr(vendor, name)[theirs]
        for name in PRICES
    }
    wrong = np.logical_or.reduce(list(unlike.values()))
    fields = ", ".join(f"{name} {int(flags.sum()):,}" for name, flags in unlike.items() if flags.any())
    span = (vendor.open_ns >= made_open[0]) & (vendor.open_ns <= made_open[-1]) if len(made_open) else []
    unmade = int(np.sum(span)) - len(theirs)
    return CheckReport(
        subject=f"{vendor.describe()}, made again from ticks",
        rows=len(theirs),
        findings=(
            Finding(
                name="aggregation",
                severity="warning" if wrong.any() else "ok",
                count=int(wrong.sum()),
                detail=f"bars unlike those made from the ticks: {fields}"
                if wrong.any()
                else f"all {len(theirs):,} bars are those made from the ticks",
                examples=tuple(
                    f"{utc(item)} UTC" for item in vendor.open_ns[theirs][wrong][:EXAMPLES].tolist()
                ),
            ),
            _only("bars only", unmade, "bars for which there is no tick"),
            _only("ticks only", len(made_open) - len(mine), "bars of ticks that the vendor does not have"),
        ),
    )


def check_against(bars: Bars, trusted: Bars, *, spreads: float = 2.0) -> CheckReport:
    """Whether another source has the same prices at the same hours.

    Hourly closes should agree within a spread or two; the hourly moves of each week should be most
    alike without a shift, else the time zone is wrong.

    Raises
    ------
    BadInputError
        Bars longer than an hour, or of two instruments.
    """
    for item in (bars, trusted):
        if item.timeframe.seconds > Timeframe.H1.seconds:
            raise BadInputError(f"expected bars of an hour or less to compare, found {item.describe()}")
    if bars.instrument.id != trusted.instrument.id:
        raise BadInputError(
            f"expected two sources of one instrument, found {bars.instrument.id} and {trusted.instrument.id}"
        )
    mine, theirs = _hourly(bars), _hourly(trusted)
    common, left, right = np.intersect1d(mine.open_ns, theirs.open_ns, return_indices=True)
    subject = f"{bars.describe()}, against {trusted.describe()}"
    if not len(common):
        nothing = Finding(name="cross-source", severity="warning", count=0, detail="no hour that both have")
        return CheckReport(subject=subject, rows=0, findings=(nothing,))
    apart = np.abs(_middle(mine)[left] - _middle(theirs)[right])
    spread = np.maximum((mine.ask_close - mine.bid_close)[left], (theirs.ask_close - theirs.bid_close)[right])
    usual = max(float(np.median(spread)), 1.0)
    wrong = apart > spreads * np.maximum(spread, usual)
    share = float(wrong.mean())
    worst = np.argsort(-apart, kind="stable")[:EXAMPLES]
    examples = tuple(
        f"{utc(common[index])} UTC: {apart[index]:.1f} points apart"
        for index in worst.tolist()
        if wrong[index]
    )
    return CheckReport(
        subject=subject,
        rows=len(common),
        findings=(
            Finding(
                name="cross-source",
                severity="ok" if not wrong.any() else "note" if share < 0.01 else "warning",
                count=int(wrong.sum()),
                detail=f"of {len(common):,} hourly closes more than {spreads:g} spreads apart ({share:.2%}); "
                f"median {np.median(apart):.1f} points, spread {usual:.0f}",
                examples=examples,
            ),
            _shifted(mine, theirs),
        ),
    )


def _only(name: str, count: int, detail: str) -> Finding:
    severity = "note" if count else "ok"
    return Finding(name=name, severity=severity, count=count, detail=detail if count else f"no {detail}")


def _hourly(bars: Bars) -> Bars:
    return bars if bars.timeframe is Timeframe.H1 else resample(bars, Timeframe.H1)


def _middle(bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = (bars.bid_close + bars.ask_close) / 2.0
    return found


def _shifted(mine: Bars, theirs: Bars) -> Finding:
    """Weeks in which the hourly moves are more alike when one series is shifted by whole hours."""
    hour = Timeframe.H1.nanoseconds
    hours, moves = mine.open_ns[1:] // hour, np.diff(np.log(_middle(mine)))
    other_hours, other_moves = theirs.open_ns[1:] // hour, np.diff(np.log(_middle(theirs)))
    found = []
    weeks = 0
    for week in np.unique(hours // _WEEK_HOURS).tolist():
        chosen = hours // _WEEK_HOURS == week
        best = (-2.0, 0)
        for shift in _SHIFTS:
            _, left, right = np.intersect1d(hours[chosen] + shift, other_hours, return_indices=True)
            if len(left) < _ENOUGH:
                continue
            one, two = moves[chosen][left], other_moves[right]
            if one.std() > 0 and two.std() > 0:
                best = max(best, (float(np.corrcoef(one, two)[0, 1]), shift))
        if best[0] < -1:
            continue
        weeks += 1
        if best[1] or best[0] < _LIKE:
            found.append((week, best))
    return Finding(
        name="time zone",
        severity="error" if any(best[1] for _, best in found) else "warning" if found else "ok",
        count=len(found),
        detail=f"of {weeks} weeks fit better when shifted, or fit badly"
        if found
        else f"{weeks} weeks fit unshifted",
        examples=tuple(
            f"week of {utc(week * _WEEK_HOURS * hour)[:10]}: {shift:+d} h, correlation {fit:.3f}"
            for week, (fit, shift) in found[:EXAMPLES]
        ),
    )
