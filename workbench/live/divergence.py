"""The divergence account: live executions beside those of a backtest over the same quotes, one by one.

Two executions are the same when instrument, time, units, price, reason, profit, commission, position and
balance are; all are whole numbers, so equal means equal to the last digit. Order ids differ by design.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import Fill

__all__ = ["Divergence", "Line", "compare"]

_COMPARED = tuple(field.name for field in fields(Fill) if field.name != "client_order_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One execution on each side; None where a side has none."""

    live: Fill | None
    backtest: Fill | None

    @property
    def differences(self) -> tuple[str, ...]:
        """The names of what differs; ``missing`` or ``extra`` when a side has no such execution."""
        if self.live is None:
            return ("missing",)
        if self.backtest is None:
            return ("extra",)
        return tuple(name for name in _COMPARED if getattr(self.live, name) != getattr(self.backtest, name))

    @property
    def equal(self) -> bool:
        """Whether both sides are the same to the last digit."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """All executions of both sides, in order."""

    lines: tuple[Line, ...]

    @property
    def equal(self) -> bool:
        """Whether live is the backtest."""
        return all(line.equal for line in self.lines)

    @property
    def first_difference(self) -> Line | None:
        """Where the two part; None when they do not."""
        return next((line for line in self.lines if not line.equal), None)

    def sentence(self) -> str:
        """The finding in words."""
        line = self.first_difference
        if line is None:
            return f"all {len(self.lines)} executions are equal to the last digit"
        shown = line.live or line.backtest
        at = f"{to_datetime(shown.time_ns):%Y-%m-%d %H:%M} UTC" if shown else "the start"
        if line.live is None:
            return f"live and backtest part at {at}: live has no such execution"
        if line.backtest is None:
            return f"live and backtest part at {at}: the backtest has no such execution"
        parts = [
            f"{name} {getattr(line.live, name)} live, {getattr(line.backtest, name)} in the backtest"
            for name in line.differences
        ]
        return f"live and backtest part at {at}: {'; '.join(parts)}"

    def rows(self) -> list[dict[str, Any]]:
        """The table, in prices and money, for people and frames."""
        return [_row(line) for line in self.lines]


def compare(live: Sequence[Fill], backtest: Sequence[Fill]) -> Divergence:
    """Put the executions of both sides beside each other.

    They are aligned by instrument, time and reason, so that one missing execution does not make every later
    one differ.
    """
    lines: list[Line] = []
    left, right = list(live), list(backtest)
    i = j = 0
    while i < len(left) and j < len(right):
        if _key(left[i]) == _key(right[j]):
            lines.append(Line(live=left[i], backtest=right[j]))
            i, j = i + 1, j + 1
        elif left[i].time_ns <= right[j].time_ns:
            lines.append(Line(live=left[i], backtest=None))
            i += 1
        else:
            lines.append(Line(live=None, backtest=right[j]))
            j += 1
    for extra, missing in zip_longest(left[i:], right[j:]):
        if extra is not None:
            lines.append(Line(live=extra, backtest=None))
        if missing is not None:
            lines.append(Line(live=None, backtest=missing))
    return Divergence(lines=tuple(lines))


def _key(fill: Fill) -> tuple[str, int, str]:
    return (fill.instrument, fill.time_ns, fill.reason)


def _row(line: Line) -> dict[str, Any]:
    shown = line.live or line.backtest
    if shown is None:
        raise ValueError("expected an execution on one side, found none")
    record = instrument(shown.instrument)
    return {
        "time": to_datetime(shown.time_ns),
        "instrument": str(shown.instrument),
        "units": shown.units,
        "reason": str(shown.reason),
        "live_price": record.to_price(line.live.price) if line.live else None,
        "backtest_price": record.to_price(line.backtest.price) if line.backtest else None,
        "live_profit": to_decimal(line.live.realized - line.live.commission) if line.live else None,
        "backtest_profit": (
            to_decimal(line.backtest.realized - line.backtest.commission) if line.backtest else None
        ),
        "differences": ", ".join(line.differences),
    }
