"""The divergence account: live executions beside those of a backtest over the same quotes, one by one.

Two executions are the same when instrument, time, units, price, reason, profit, commission, position and
balance are; all are whole numbers, so equal means equal to the last digit. Order ids differ by design.
The lines' differences and the financing add up to the whole difference of the balances, without a rest.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import Fill

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cause", "Divergence", "Line", "compare"]

_NAMES = ("client_order_id", "trade")  # a trade is called after the order that opened it
_COMPARED = tuple(field.name for field in fields(Fill) if field.name not in _NAMES)


class Cause(StrEnum):
    """Why two executions differ: the first of these that applies."""

    EQUAL = "equal"
    MISSING = "missing"  # the backtest traded, live did not
    EXTRA = "extra"  # live traded, the backtest did not
    TIMING = "timing"
    SIZE = "size"
    PRICE = "price"  # spread or slippage
    COMMISSION = "commission"
    CARRIED = "carried"  # the same execution on books that differed before it


_BY_FIELD = (
    ("time_ns", Cause.TIMING),
    ("units", Cause.SIZE),
    ("price", Cause.PRICE),
    ("commission", Cause.COMMISSION),
)


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

    @property
    def cause(self) -> Cause:
        """Why they differ."""
        if self.live is None or self.backtest is None:
            return Cause.MISSING if self.live is None else Cause.EXTRA
        names = self.differences
        found = next((cause for name, cause in _BY_FIELD if name in names), Cause.CARRIED)
        return found if names else Cause.EQUAL

    @property
    def money(self) -> int:
        """What live booked more than the backtest, in micro-units, commission taken off."""
        return _booked(self.live) - _booked(self.backtest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """All executions of both sides, in order."""

    lines: tuple[Line, ...]
    money: int  # micro-units: what live earned more than the backtest up to the last execution of each
    financing: int  # the part of it that no line explains: financing between executions

    @property
    def equal(self) -> bool:
        """Whether live is the backtest."""
        return all(line.equal for line in self.lines)

    @property
    def first_difference(self) -> Line | None:
        """Where the two part; None when they do not."""
        return next((line for line in self.lines if not line.equal), None)

    def by_cause(self) -> dict[str, int]:
        """Micro-units by cause, and ``financing``; together they are `money`."""
        found: dict[str, int] = {}
        for line in self.lines:
            if not line.equal:
                found[line.cause.value] = found.get(line.cause.value, 0) + line.money
        return {**found, "financing": self.financing} if self.financing else found

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

    def to_frame(self) -> "pd.DataFrame":
        """`rows` as a frame; money and prices stay exact decimals."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(_COLUMNS))

    def __str__(self) -> str:
        return self.sentence()


def compare(live: Sequence[Fill], backtest: Sequence[Fill], *, within_ns: int = 0) -> Divergence:
    """Put the executions of both sides beside each other.

    They are aligned by instrument, direction, time and reason, so that one missing execution does not make
    every later one differ.

    Parameters
    ----------
    live, backtest
        In the order they happened, of accounts that started with the same balance.
    within_ns
        Executions this close to each other in time may be the same one, done earlier or later.
    """
    times = [fill.time_ns for fill in backtest]
    free = [True] * len(backtest)
    found: list[tuple[int, int, Line]] = []
    for number, fill in enumerate(live):
        low = bisect_left(times, fill.time_ns - within_ns)
        high = bisect_right(times, fill.time_ns + within_ns)
        like = [place for place in range(low, high) if free[place] and _alike(fill, backtest[place])]
        partner = min(like, key=lambda place: abs(times[place] - fill.time_ns), default=None)
        if partner is not None:
            free[partner] = False
        other = None if partner is None else backtest[partner]
        found.append((fill.time_ns, number, Line(live=fill, backtest=other)))
    found += [
        (fill.time_ns, number, Line(live=None, backtest=fill))
        for number, fill in enumerate(backtest)
        if free[number]
    ]
    lines = tuple(line for *_, line in sorted(found, key=lambda item: item[:2]))
    money = _earned(live) - _earned(backtest)
    return Divergence(lines=lines, money=money, financing=money - sum(line.money for line in lines))


def _alike(one: Fill, other: Fill) -> bool:
    return (one.instrument, one.reason, one.units > 0) == (other.instrument, other.reason, other.units > 0)


def _booked(fill: Fill | None) -> int:
    return 0 if fill is None else fill.realized - fill.commission


def _earned(fills: Sequence[Fill]) -> int:
    """The balance after the last execution, less the one before the first."""
    return fills[-1].balance - (fills[0].balance - _booked(fills[0])) if fills else 0


_COLUMNS = (
    *("time", "instrument", "units", "reason", "live_price", "backtest_price", "live_profit"),
    *("backtest_profit", "money", "cause", "differences"),
)


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
        "live_profit": to_decimal(_booked(line.live)) if line.live else None,
        "backtest_profit": to_decimal(_booked(line.backtest)) if line.backtest else None,
        "money": to_decimal(line.money),
        "cause": line.cause.value,
        "differences": ", ".join(line.differences),
    }
