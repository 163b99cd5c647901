"""Limits: what a deployment may do, set before it goes live and enforced outside the kernel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from workbench.errors import BadInputError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One deployment's limits. A missing or unreadable limit means zero: nothing may be sent."""

    instruments: tuple[str, ...] = ()  # R18: empty allows none
    max_order_units: int = 0  # R04
    max_order_value: int = 0  # R03: micro-units of the account currency
    max_position_units: int = 0  # R09: absolute net units of an instrument
    max_open_orders: int = 0  # R08
    max_orders_per_minute: int = 0  # R05, by the feed's clock
    max_margin_use_ppm: int = 0  # R11: share of equity that margin may use after the order
    max_daily_loss: int = 0  # R12: micro-units since 17:00 New York; then only orders that reduce

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Limits":
        """The limits that `to_json` wrote.

        Raises
        ------
        BadInputError
            An unknown field, a number that is not whole or below 0, or instruments that are no list of names.
        """
        known = {item.name for item in fields(cls)}
        if extra := set(value) - known:
            raise BadInputError(
                f"unknown limit {', '.join(sorted(extra))}; known: {', '.join(sorted(known))}"
            )
        numbers = {name: number for name, number in value.items() if name != "instruments"}
        for name, number in numbers.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise BadInputError(f"limit {name}: expected a whole number of 0 or more, found {number!r}")
        names = value.get("instruments", ())
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise BadInputError(f"limit instruments: expected a list of names, found {names!r}")
        return cls(instruments=tuple(names), **numbers)
