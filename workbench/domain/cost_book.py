"""The dated cost book: the only place costs come from.

It prices backtest, replay, paper and the check of live statements alike.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from workbench.domain.instruments import InstrumentId, instrument
from workbench.errors import BadInputError

__all__ = ["HOURS_OF_WEEK", "CostBook", "InstrumentCosts", "retail_book", "retail_costs"]

HOURS_OF_WEEK = 168
_WHOLE = ("commission_ppm", "financing_long_ppm", "financing_short_ppm", "margin_rate_ppm", "slippage_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentCosts:
    """What trading one instrument costs."""

    spread_points: tuple[int, ...]  # by hour of week, see `workbench.domain.calendar.hour_of_week`
    commission_ppm: int  # of the traded value, each side, in the quote currency
    financing_long_ppm: int  # annual rate on a long position, negative pays; 365 days
    financing_short_ppm: int  # annual rate on a short position
    margin_rate_ppm: int
    slippage_points: int = 0  # against the order, on market and stop fills

    def __post_init__(self) -> None:
        for number in (*self.spread_points, *(getattr(self, name) for name in _WHOLE)):
            if isinstance(number, bool) or not isinstance(number, int):
                raise BadInputError(f"expected whole points and whole millionths, found {number!r}")
        if len(self.spread_points) != HOURS_OF_WEEK or min(self.spread_points) < 0:
            raise BadInputError(
                f"expected {HOURS_OF_WEEK} spreads of 0 or more points, one an hour of the week; "
                f"found {len(self.spread_points)}"
            )
        if not 0 < self.margin_rate_ppm <= 1_000_000:
            raise BadInputError(f"expected a margin rate in (0, 1], found {self.margin_rate_ppm / 1e6}")
        if self.commission_ppm < 0 or self.slippage_points < 0:
            raise BadInputError("expected commission and slippage of 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBook:
    """Costs of a broker as of a date; `version` is the hash of the content."""

    broker: str
    valid_from: date
    costs: Mapping[InstrumentId, InstrumentCosts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", MappingProxyType(dict(self.costs)))

    def __reduce__(self) -> tuple[Any, ...]:
        # a read-only mapping can not be pickled, and books travel to the processes of a sweep
        return _rebuilt, (self.broker, self.valid_from, dict(self.costs))

    def of(self, name: str) -> InstrumentCosts:
        """The costs of one instrument.

        Raises
        ------
        BadInputError
            The book has no entry for it; no default is assumed.
        """
        found = self.costs.get(InstrumentId(name))
        if found is None:
            raise BadInputError(
                f"cost book {self.broker} of {self.valid_from} has no costs for {name}; "
                f"it knows {', '.join(sorted(self.costs)) or 'nothing'}: add an entry"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return {
            "broker": self.broker,
            "valid_from": self.valid_from.isoformat(),
            "costs": {name: asdict(item) for name, item in sorted(self.costs.items())},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CostBook":
        """The book that `to_json` wrote.

        Raises
        ------
        BadInputError
            A field is missing, unknown or of another kind.
        """
        try:
            costs = {
                InstrumentId(name): InstrumentCosts(**{**item, "spread_points": tuple(item["spread_points"])})
                for name, item in value["costs"].items()
            }
            return cls(
                broker=value["broker"], valid_from=date.fromisoformat(value["valid_from"]), costs=costs
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(
                f"expected a cost book with broker, valid_from and costs by instrument, found another shape: "
                f"{type(error).__name__}: {error}"
            ) from None

    @property
    def version(self) -> str:
        """SHA-256 of the canonical content, hexadecimal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _rebuilt(broker: str, valid_from: date, costs: dict[InstrumentId, InstrumentCosts]) -> CostBook:
    return CostBook(broker=broker, valid_from=valid_from, costs=costs)


def retail_costs(name: str) -> InstrumentCosts:
    """Plausible retail costs of an instrument, to start from; replace them by your broker's.

    The hourly pattern is that of OANDA's EUR/USD quotes of 2018 in New York hours: 1.3 pips in
    London and New York, 1.5 in Asia, 4.9 in the hour before 17:00 and 2.9 in the hour after, scaled by
    instrument in its own pips. Commission 20 ppm a side (0.2 basis points), financing -2.5 % long and
    -0.5 % short a year.
    """
    record = instrument(name)
    pip = record.points_per_pip
    factor = 1 if name == "EUR_USD" else 2 if record.base not in ("XAU", "XAG") else 20

    def spread(hour: int) -> int:
        new_york_hour = (hour + 17) % 24
        tenths = {16: 49, 17: 29}.get(new_york_hour, 13 if 3 <= new_york_hour < 16 else 15)
        return tenths * pip * factor // 10

    return InstrumentCosts(
        spread_points=tuple(spread(hour) for hour in range(HOURS_OF_WEEK)),
        commission_ppm=20,
        financing_long_ppm=-25_000,
        financing_short_ppm=-5_000,
        margin_rate_ppm=record.margin_rate_ppm,
    )


def retail_book(*names: str) -> CostBook:
    """A book of `retail_costs` for some instruments, dated by the quotes they were measured on."""
    return CostBook(
        broker="retail",
        valid_from=date(2018, 1, 1),
        costs={instrument(name).id: retail_costs(name) for name in names},
    )
