"""The columns behind the interactive figure, packed into its page, which draws of them what a width can show.

Up to a limit each bar is in the page. Beyond it the finest candle is of several bars, and says of how many;
peaks and troughs are kept, and every trade.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.engine.core import F_REASON
from workbench.engine.matching import FILL_REASONS
from workbench.research.chart_lines import ChartLines, chart_lines
from workbench.research.packing import packed_column
from workbench.research.thinning import thinned

if TYPE_CHECKING:
    from workbench.domain.instruments import InstrumentId
    from workbench.market import Bars
    from workbench.research.benchmarks import Against
    from workbench.research.result import BacktestResult

__all__ = ["TRADE_COLUMNS", "Zoomed"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MS = 1_000_000
TRADE_COLUMNS = ("entry_at", "last_at", "entry_price", "exit_price", "units", "net")


@dataclass
class Zoomed:
    """Gathers columns and what is drawn of them; `script` is what the page needs."""

    result: "BacktestResult"
    against: "Against"
    limit: int  # bars that are in the page one by one, of all instruments together
    colours: dict[str, str]
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: list[dict[str, str]] = field(default_factory=list)
    prices: list[dict[str, Any]] = field(default_factory=list)

    def equity(self) -> None:
        """Equity, buy and hold, and cash at the same instants; the page works out the fall from the high."""
        result, held, cash = self.result, self.against.held, self.against.cash
        values = result.equity / MICRO
        keep = thinned(values, limit=self.limit)
        known = np.searchsorted(held.round_ns, result.round_ns[keep], side="right") - 1
        other = (
            np.where(known >= 0, held.equity[known] / MICRO, np.nan) if len(held.equity) else known * np.nan
        )
        self._put("equity_at", result.round_ns[keep] // _MS, unit=1.0)
        self._put("equity", values[keep], unit=0.01)
        self._put("held", other, unit=0.01)
        self._put("cash", cash[keep] / MICRO, unit=0.01)
        for name, panel in (("equity", "equity"), ("held", "equity"), ("cash", "equity"), ("fall", "fall")):
            line = {"panel": panel, "at": "equity_at", "value": name, "source": f"{name}_source"}
            self.lines.append(line | ({"aside": "yes"} if name in ("held", "cash") else {}))

    def price(self, place: int, name: "InstrumentId") -> ChartLines:
        """Candles, lines, levels and trades of one instrument; what there is to draw."""
        bars = self.result.traded[name]
        each = max(1, -(-len(bars) * len(self.result.traded) // self.limit))
        prefix, digits = f"{place}_", bars.instrument.digits
        self._candles(prefix, bars, each)
        found = chart_lines(self.result, name)
        last = np.minimum(np.arange(each - 1, len(bars) + each - 1, each), len(bars) - 1)
        for kind, group in (("price", found.on_price), ("level", found.levels), ("beside", found.beside)):
            for number, values in enumerate(group.values()):
                column = f"{prefix}{kind}_{number}"
                own = values[last]
                self._put(column, own, unit=10.0**-digits / 10 if kind != "beside" else _unit(own))
                self.lines.append(
                    {
                        "panel": f"{column}_panel" if kind == "beside" else f"{prefix}panel",
                        "at": f"{prefix}to",
                        "value": column,
                        "source": f"{column}_source",
                    }
                )
        words = self._trades(prefix, bars)
        self._held(prefix, name)
        step = int(np.median(np.diff(bars.open_ns))) / _MS if len(bars) > 1 else 60_000
        self.prices.append(
            {
                "said": found.said,
                "candles": {
                    "panel": f"{prefix}panel",
                    "prefix": prefix,
                    "source": f"{prefix}candles",
                    "title": f"{name} {bars.timeframe}, mid",
                    "each": each,
                    "step": step * each,
                },
                "trades": {
                    "panel": f"{prefix}panel",
                    "prefix": prefix,
                    "source": f"{prefix}trades",
                    "columns": TRADE_COLUMNS,
                    "words": words,
                    "alone": {"panel": f"{prefix}net_panel", "source": f"{prefix}net_source"},
                },
            }
        )
        return found

    def script(self) -> str:
        """The columns and the program that draws them."""
        content = {
            "columns": self.columns,
            "lines": self.lines,
            "prices": self.prices,
            "start": self.result.starting_balance / MICRO,
            "up": self.colours["up"],
            "down": self.colours["down"],
        }
        text = json.dumps(content, separators=(",", ":")).replace("</", "<\\/")
        return f'<script type="application/json" id="wb-zoom">{text}</script><script>{_program()}</script>'

    def _put(self, name: str, values: npt.ArrayLike, *, unit: float) -> None:
        self.columns[name] = packed_column(values, unit=unit)

    def _candles(self, prefix: str, bars: "Bars", each: int) -> None:
        scale = 10.0**-bars.instrument.digits / 2
        opens, highs, lows, closes = (
            getattr(bars, f"bid_{part}") + getattr(bars, f"ask_{part}")
            for part in ("open", "high", "low", "close")
        )
        first = np.arange(0, len(bars), each)
        last = np.minimum(first + each, len(bars)) - 1
        self._put(f"{prefix}from", bars.open_ns[first] // _MS, unit=1.0)
        self._put(f"{prefix}to", bars.close_ns[last] // _MS, unit=1.0)
        columns = {
            "open": opens[first],
            "high": np.maximum.reduceat(highs, first),
            "low": np.minimum.reduceat(lows, first),
            "close": closes[last],
        }
        for part, values in columns.items():
            self._put(f"{prefix}{part}", values * scale, unit=scale)

    def _trades(self, prefix: str, bars: "Bars") -> list[str]:
        """Every trade; the words that its reasons are numbers of."""
        name = bars.instrument.id
        trades = self.result.trades_of(name)
        rows = self.result.outcome.fills
        trips = self.result.round_trips.chosen(self._own(trades))
        order = np.argsort(trades["entry_at"].to_numpy(), kind="stable")
        unit = 10.0**-bars.instrument.digits / 100
        ended = trades["exit_at"].notna().to_numpy()
        left = trades["exit_at"].dt.tz_convert(None).to_numpy("M8[ns]").view(np.int64)
        entered = trades["entry_at"].dt.tz_convert(None).to_numpy("M8[ns]").view(np.int64)
        words = [item.value for item in FILL_REASONS] + ["OPEN"]
        sign = np.where(trades["side"] == "long", 1, -1)
        reasons = np.where(ended, rows[np.maximum(trips.exit_fill, 0), F_REASON], len(words) - 1)
        columns = {
            "entry_at": (entered // _MS, 1.0),
            "last_at": (np.where(ended, left, bars.close_ns[-1]) // _MS, 1.0),
            "entry_price": (trades["entry_price"].to_numpy(), unit),
            "exit_price": (trades["exit_price"].to_numpy(), unit),
            "units": (trades["units"].to_numpy() * sign, 1.0),
            "net": (trades["net_profit"].to_numpy(), 0.01),
            "reason": (reasons, 1.0),
            "ordered": (rows[trips.entry_fill, F_REASON], 1.0),
            "closed": (ended, 1.0),
        }
        for part, (values, size) in columns.items():
            self._put(f"{prefix}{part}", np.asarray(values, np.float64)[order], unit=size)
        return [word.lower().replace("_", " ") for word in words]

    def _own(self, trades: Any) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(self.result.round_trips), np.bool_)
        found[trades.index.to_numpy()] = True
        return found

    def _held(self, prefix: str, name: "InstrumentId") -> None:
        """Units held, as steps: the value before and after each change."""
        units = self.result.positions_of(name)
        times = self.result.round_ns
        change = np.flatnonzero(np.diff(units, prepend=0) != 0)
        at = np.concatenate((times[:1], np.repeat(times[change], 2), times[-1:]))
        before = np.concatenate((np.zeros(1, np.int64), units))[change]
        value = np.concatenate(([0], np.stack((before, units[change]), axis=1).ravel(), units[-1:]))
        self._put(f"{prefix}held_at", at // _MS, unit=1.0)
        self._put(f"{prefix}held", value, unit=1.0)
        self.lines.append(
            {
                "panel": f"{prefix}held_panel",
                "at": f"{prefix}held_at",
                "value": f"{prefix}held",
                "source": f"{prefix}held_source",
            }
        )


def _unit(values: Floats) -> float:
    """Of a column on a scale of its own: a millionth of its range, so that rounding can not be seen."""
    known = values[np.isfinite(values)]
    spread = float(known.max() - known.min()) if len(known) else 0.0
    return spread / 1e6 if spread > 0 else 1e-6


@cache
def _program() -> str:
    return files("workbench.research").joinpath("zoom.js").read_text(encoding="utf-8")
