"""One market out of several: the prices of an instrument at a timeframe, of all that was given."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.resampling import resample
from workbench.research.given import Given, Series, given

__all__ = ["INSTRUMENT", "TIMEFRAME", "Prices", "instruments_of", "timeframes_of"]

INSTRUMENT, TIMEFRAME = "instrument", "timeframe"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """What a run is given, as `run_backtest` takes it."""

    data: tuple[Series, ...]
    finer: tuple[Series, ...] = ()
    also: tuple[Series, ...] = ()
    timeframe: str | None = None  # of the bars to make of ticks
    sizes: bool = False

    def market(self, instrument: str = "", timeframe: str = "") -> "Prices":
        """One of its markets; "" for all instruments, and for the timeframes as they are.

        Bars are resampled, ticks become bars of that timeframe; prices of instruments that are left out go.
        """
        chosen = tuple(item for item in self.data if not instrument or item.instrument.id == instrument)
        traded = {item.instrument.id for item in chosen}
        has_ticks = any(not isinstance(item, Bars) for item in self.data)
        return Prices(
            data=tuple(
                resample(item, timeframe) if timeframe and isinstance(item, Bars) else item for item in chosen
            ),
            finer=tuple(item for item in self.finer if item.instrument.id in traded),
            also=tuple(item for item in self.also if item.instrument.id not in traded),
            timeframe=(timeframe or self.timeframe) if has_ticks else None,
            sizes=self.sizes,
        )

    def given(self, *, trade_from_ns: int | None) -> Given:
        """Put in order, see `workbench.research.given.given`."""
        return given(
            self.data,
            finer=self.finer or None,
            also=self.also or None,
            timeframe=self.timeframe,
            trade_from_ns=trade_from_ns,
            sizes=self.sizes,
        )


def instruments_of(wanted: Sequence[str], data: Sequence[Series]) -> list[str]:
    """The names of the instruments to choose from.

    Raises
    ------
    BadInputError
        One is not in `data`.
    """
    there = [str(item.instrument.id) for item in data]
    strange = [str(name) for name in wanted if str(name) not in there]
    if strange:
        raise BadInputError(f"instruments: expected some of {', '.join(there)}, found {', '.join(strange)}")
    return [str(name) for name in wanted]


def timeframes_of(wanted: Sequence[str | Timeframe]) -> list[str]:
    """The names of the timeframes to choose from."""
    return [str(timeframe_named(item)) for item in wanted]
