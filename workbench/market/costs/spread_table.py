"""Measured spreads by hour of week: what is found, what was filled in, and how it is shown."""

from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.cost_book import HOURS_OF_WEEK, CostBook, InstrumentCosts
from workbench.domain.instruments import Instrument
from workbench.market.bars import Ints

__all__ = ["QUANTILES", "WIDEST", "Floats", "SpreadTable", "hours_text"]

WIDEST = 200_000  # points; what is wider is counted and left out
QUANTILES = (0.1, 0.5, 0.9, 0.99)
Floats = npt.NDArray[np.float64]

_DAY = 24
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpreadTable:
    """Measured spreads of one instrument by hour of week, in points.

    `counts`, `means` and `quantiles` are of the quotes found; an hour without any has nan. `filled` says of
    each hour that was too thin where its number in `points` comes from.
    """

    instrument: Instrument
    statistic: str  # mean, or the quantile taken, as in "median" and "q90"
    weight: str  # quotes, or time
    points: tuple[int, ...]
    counts: Ints  # int64[168]
    means: Floats  # float64[168]
    quantiles: Floats  # float64[168, 4]: of 10, 50, 90 and 99 %
    filled: tuple[tuple[int, str], ...]
    crossed: int  # quotes with the bid above the ask, left out
    too_wide: int  # quotes with a spread beyond all measure, left out
    first_ns: int
    last_ns: int

    def __str__(self) -> str:
        return "\n".join(self.describe())

    def describe(self) -> list[str]:
        """What was measured, how, and what had to be filled in."""
        span = " to ".join(str(item.astype("M8[m]")) for item in self._span())
        lines = [
            f"{self.instrument.id}: {self.statistic} spread of {int(self.counts.sum()):,} quotes by hour of "
            f"week, weighted by {self.weight}, {span} UTC",
            f"left out: {self.crossed:,} crossed quotes, {self.too_wide:,} wider than {WIDEST:,} points",
        ]
        if not self.filled:
            return [*lines, "no hour was filled in"]
        lines.append(f"{len(self.filled)} of {HOURS_OF_WEEK} hours had too few quotes and were filled in:")
        ways: dict[str, list[int]] = {}
        for hour, how in self.filled:
            ways.setdefault(how, []).append(hour)
        return [*lines, *(f"  {how}: {hours_text(hours)}" for how, hours in ways.items())]

    def rows(self) -> list[dict[str, Any]]:
        """One line an hour of week, for a frame or a script."""
        filled = dict(self.filled)
        return [
            {
                "hour_of_week": hour,
                "new_york": _hour_name(hour),
                "points": self.points[hour],
                "quotes": int(self.counts[hour]),
                "mean": None if not self.counts[hour] else round(float(self.means[hour]), 3),
                **{
                    f"q{round(q * 100)}": None if not self.counts[hour] else int(self.quantiles[hour, at])
                    for at, q in enumerate(QUANTILES)
                },
                "filled": filled.get(hour, ""),
            }
            for hour in range(HOURS_OF_WEEK)
        ]

    def to_json(self) -> dict[str, Any]:
        """A plain value for a script."""
        return {
            "instrument": self.instrument.id,
            "statistic": self.statistic,
            "weight": self.weight,
            "spread_points": list(self.points),
            "quotes": int(self.counts.sum()),
            "crossed": self.crossed,
            "too_wide": self.too_wide,
            "span": [str(item) for item in self._span()],
            "filled": [[hour, how] for hour, how in self.filled],
            "hours": self.rows(),
        }

    def costs(self, other: InstrumentCosts) -> InstrumentCosts:
        """`other` with these spreads."""
        return replace(other, spread_points=self.points)

    def into(self, book: CostBook) -> CostBook:
        """`book` with these spreads; its note says from which quotes and what was filled in."""
        note = f"{self.describe()[0]}; {len(self.filled)} hours filled in"
        return book.with_costs(self.instrument.id, spread_points=self.points, note=note)

    def _repr_html_(self) -> str:
        filled = dict(self.filled)
        head = "".join(f"<th>{(hour + 17) % _DAY:02}</th>" for hour in range(_DAY))
        body = ""
        for at, day in enumerate(_DAYS):
            cells = ""
            for hour in range(at * _DAY, at * _DAY + _DAY):
                title = filled.get(hour, f"{int(self.counts[hour]):,} quotes")
                text = f"<i>{self.points[hour]}</i>" if hour in filled else str(self.points[hour])
                cells += f'<td title="{escape(title)}">{text}</td>'
            body += f"<tr><th>{day}</th>{cells}</tr>"
        lines = "<br>".join(escape(line) for line in self.describe())
        return (
            f"<p>{lines}</p><table><thead><tr><th>from 17:00 New York</th>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><p>Points; filled in where in italics.</p>"
        )

    def _span(self) -> tuple[np.datetime64, np.datetime64]:
        return np.datetime64(self.first_ns, "ns"), np.datetime64(self.last_ns, "ns")


def _hour_name(hour: int) -> str:
    day = (hour + 17) // _DAY % 7
    return f"{_DAYS[day]} {(hour + 17) % _DAY:02}:00"


def hours_text(hours: list[int]) -> str:
    """Hours of the week as runs, as in Sun 17:00 to Sun 19:00."""
    runs: list[list[int]] = []
    for hour in sorted(hours):
        if runs and hour == runs[-1][1] + 1:
            runs[-1][1] = hour
        else:
            runs.append([hour, hour])
    names = [
        _hour_name(first) if first == last else f"{_hour_name(first)} to {_hour_name(last)}"
        for first, last in runs[:6]
    ]
    return ", ".join(names) + (f" and {len(runs) - 6} more runs" if len(runs) > 6 else "")
