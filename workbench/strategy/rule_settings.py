"""The parts of rules that do not change from bar to bar, as `decide_bar` takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.strategy import decision as d
from workbench.strategy.entries import AtMarket, Entry, Level, LimitAt, StopAt, TouchAt
from workbench.strategy.expressions import Expr
from workbench.strategy.rules import NUMBERS, Rules
from workbench.strategy.sizes import SIZE_UNITS, size_arguments

__all__ = ["RuleSettings", "declared_numbers"]

_KINDS: Mapping[type[Entry], int] = {
    AtMarket: d.KIND_MARKET,
    LimitAt: d.KIND_LIMIT,
    StopAt: d.KIND_STOP,
    TouchAt: d.KIND_TOUCH,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleSettings:
    """What `decide_bar` takes besides a bar's signals."""

    rows: npt.NDArray[np.int64]  # of each of `NUMBERS` its row in the numbers of a bar, -1 for none
    settings: npt.NDArray[np.int64]
    amounts: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rules: Rules, instrument: Instrument) -> "RuleSettings":
        """The settings of `rules` for one instrument; rows are those of `declared_numbers`."""
        settings = np.zeros(d.SETTINGS, np.int64)
        amounts = np.zeros(d.AMOUNTS)
        for place, long in enumerate((True, False)):
            settings[d.S_ENTRY_LONG + place] = _KINDS[type(rules.side("entry", long=long))]
            settings[d.S_STOP_LONG + place] = _setting(rules.side("stop", long=long))
            settings[d.S_TARGET_LONG + place] = _setting(rules.side("target", long=long))
            settings[d.S_TRAIL_LONG + place] = _setting(rules.side("trail", long=long))
            reduce = rules.side("reduce", long=long)
            settings[d.S_REDUCES_LONG + place] = 0 if reduce is None else reduce.times
            amounts[d.V_REDUCE_LONG + place] = 0.0 if reduce is None else reduce.fraction
        settings[d.S_SIZE], amounts[d.V_SIZE] = size_arguments(rules.size, instrument)
        settings[d.S_ADD_SIZE], amounts[d.V_ADD_SIZE] = size_arguments(
            rules.add_size or rules.size, instrument
        )
        settings[d.S_EXPIRES_BARS] = rules.expires_bars
        settings[d.S_MAX_BARS] = rules.max_bars or 0
        settings[d.S_MAX_ADDS] = rules.max_adds
        amounts[d.V_REBALANCE_BAND] = rules.rebalance_band
        keys = [item.key for _, item in declared_numbers(rules)]
        columns = rules.columns()
        found = [columns[name] for name in NUMBERS]
        rows = np.array([-1 if item is None else keys.index(item.key) for item in found], np.int64)
        if rules.add_size is None:
            rows[d.N_ADD_VOLATILITY] = rows[d.N_VOLATILITY]
        return cls(rows=rows, settings=settings, amounts=amounts)

    @property
    def fixed_units(self) -> bool:
        """Whether sizes are numbers of units whatever the account is worth."""
        return bool(self.settings[d.S_SIZE] == SIZE_UNITS and self.settings[d.S_ADD_SIZE] == SIZE_UNITS)


def declared_numbers(rules: Rules) -> Sequence[tuple[str, Expr]]:
    """The different numbers that `rules` declare, each by its first name, in the order of their rows."""
    columns = rules.columns()
    found: dict[str, tuple[str, Expr]] = {}
    for name in NUMBERS:
        item = columns[name]
        if item is not None:
            found.setdefault(item.key, (name, item))
    return list(found.values())


def _setting(item: Expr | Level | None) -> int:
    if item is None:
        return d.NONE
    return d.LEVEL if isinstance(item, Level) else d.DISTANCE
