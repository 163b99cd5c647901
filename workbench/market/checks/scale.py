"""Are these prices of this instrument, in these units? Steps, factors of ten, reciprocals."""

from collections.abc import Iterator
from math import gcd

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.market.bars import Ints
from workbench.market.checks.report import Finding
from workbench.market.checks.words import EXAMPLES, utc

__all__ = ["ScaleWatch", "scale_findings"]

_JUMP = 0.05  # no pair moves by a twentieth from one quote to the next but in a catastrophe
_NEAR = 0.03
_UNLIKE = 2.0  # and none doubles or halves
_FEW = 20  # prices that may all be round by chance


class ScaleWatch:
    """Steps and jumps of prices that arrive in batches."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._last: tuple[int, int] | None = None  # bid, ask
        self._jumps: list[tuple[int, str]] = []
        self._jump_count = 0
        self._days: dict[int, tuple[int, int]] = {}  # UTC day -> rows, step of its prices in points
        self._rows = 0

    def add(self, time_ns: Ints, bid: Ints, ask: Ints) -> None:
        """Look at the next quotes (or closes of bars), in time order."""
        if not len(bid):
            return
        self._rows += len(bid)
        mid = (bid + ask) / 2.0
        before = np.concatenate([[mid[0] if self._last is None else sum(self._last) / 2.0], mid[:-1]])
        self._last = int(bid[-1]), int(ask[-1])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = mid / before
        for index in np.flatnonzero(np.abs(ratio - 1.0) > _JUMP).tolist():
            what = self._named(float(ratio[index]), float(mid[index]), float(before[index]))
            if what:
                self._jump_count += 1
                if len(self._jumps) < EXAMPLES:
                    self._jumps.append((int(time_ns[index]), what))
        self._step(time_ns, bid, ask)

    def findings(self) -> Iterator[Finding]:
        """What was found so far."""
        yield Finding(
            name="scale",
            severity="error" if self._jump_count else "ok",
            count=self._jump_count,
            detail="jumps by a factor of ten or a hundred, to the reciprocal, or to prices of something else"
            if self._jump_count
            else "no jump by a factor of ten or a hundred or to the reciprocal",
            examples=tuple(f"{utc(time_ns)} UTC: {what}" for time_ns, what in self._jumps),
        )
        steps = [step for rows, step in self._days.values() if rows >= _FEW]
        days, coarse = len(steps), sum(step > 1 for step in steps)
        if coarse == 0 or self._rows < 100:
            detail = f"prices use all {self._instrument.digits} decimals"
            yield Finding(name="precision", severity="ok", count=0, detail=detail)
            return
        coarsest = max(steps)
        detail = (
            f"on {coarse:,} of {days:,} days prices come in steps of up to {coarsest} points "
            f"({self._instrument.to_price(coarsest)}): fewer decimals than the instrument has"
        )
        mixed = coarse < days
        detail += ", on the others they do not: the source changed its decimals" if mixed else ""
        yield Finding(name="precision", severity="warning" if mixed else "note", count=coarse, detail=detail)

    def _named(self, ratio: float, mid: float, before: float) -> str:
        digits = self._instrument.digits
        now, then = mid / 10**digits, before / 10**digits
        if then <= 0 or now <= 0:
            return ""
        for factor in (10, 100, 1000):
            if abs(ratio / factor - 1) < _NEAR or abs(ratio * factor - 1) < _NEAR:
                return f"{then:.{digits}f} to {now:.{digits}f}, a factor of {factor}"
        if abs(now * then - 1) < _NEAR:
            return f"{then:.{digits}f} to {now:.{digits}f}, its reciprocal"
        if not 1 / _UNLIKE < ratio < _UNLIKE:
            return f"{then:.{digits}f} to {now:.{digits}f}: another instrument, or another unit"
        return ""

    def _step(self, time_ns: Ints, bid: Ints, ask: Ints) -> None:
        """The largest step that all prices of a UTC day are multiples of, days of few quotes aside."""
        day = time_ns // 86_400_000_000_000
        starts = np.concatenate([[0], np.flatnonzero(np.diff(day)) + 1, [len(day)]])
        for low, high in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            fine = 0
            for column in (bid, ask):  # a few hundred rows tell
                for price in column[low : min(high, low + 200)].tolist():
                    fine = gcd(fine, price)
                    if fine % 10:
                        break
            step = 100 if fine % 100 == 0 else 10 if fine % 10 == 0 else 1
            if step > 1:  # then all rows are asked
                both = np.gcd.reduce(bid[low:high]), np.gcd.reduce(ask[low:high])
                whole = gcd(int(both[0]), int(both[1]))
                step = 100 if whole % 100 == 0 else 10 if whole % 10 == 0 else 1
            rows, before = self._days.get(int(day[low]), (0, step))
            self._days[int(day[low])] = rows + high - low, min(before, step)


def scale_findings(instrument: Instrument, time_ns: Ints, bid: Ints, ask: Ints) -> Iterator[Finding]:
    """The findings for a series that is there as a whole."""
    watch = ScaleWatch(instrument)
    watch.add(time_ns, bid, ask)
    return watch.findings()
