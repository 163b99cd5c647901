"""What an account holds at a moment."""

from dataclasses import dataclass

from workbench.domain.instruments import InstrumentId

__all__ = ["AccountSnapshot", "Position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A net position in one instrument."""

    instrument: InstrumentId
    units: int  # signed
    average_price: int  # points, rounded half to even (for reading; the books keep the exact cost)
    unrealized: int  # micro-units, at the closing side
    stop: int  # points, 0 for none
    target: int  # points, 0 for none


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """Balance, equity, margin and positions as of `time_ns`; money in micro-units of `currency`."""

    time_ns: int
    currency: str
    balance: int
    equity: int
    margin_used: int
    financing: int  # paid (-) or received (+) since the start
    commission: int  # paid since the start, 0 or more
    positions: tuple[Position, ...]

    def units(self, instrument: InstrumentId) -> int:
        """Signed units held of `instrument`."""
        return next((item.units for item in self.positions if item.instrument == instrument), 0)
