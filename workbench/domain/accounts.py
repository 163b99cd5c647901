"""What an account is like, and what it holds at a moment."""

from dataclasses import dataclass
from enum import StrEnum

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId

__all__ = [
    "AccountMode",
    "AccountRules",
    "AccountSnapshot",
    "CloseOut",
    "HedgedMargin",
    "Position",
    "Trade",
    "WaitingOrder",
]


class AccountMode(StrEnum):
    """What an order does to what is held."""

    NETTING = "NETTING"  # one position an instrument
    HEDGING = "HEDGING"  # independent trades, long and short at once
    FIFO = "FIFO"  # trades, the oldest closed first: NFA rule 2-43(b), accounts in the USA


class HedgedMargin(StrEnum):
    """Which units need margin where longs and shorts of one instrument are held."""

    ABSOLUTE_SUM = "ABSOLUTE_SUM"  # both
    MAXIMAL_SIDE = "MAXIMAL_SIDE"  # the larger side
    NET_SUM = "NET_SUM"  # the difference


class CloseOut(StrEnum):
    """What is closed when the equity is too small a part of the margin."""

    ALL = "ALL"  # everything at once, as OANDA does
    LARGEST_LOSS_FIRST = "LARGEST_LOSS_FIRST"  # until it has recovered, as MetaTrader 5 does


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """How a broker keeps an account."""

    mode: AccountMode = AccountMode.NETTING
    hedged_margin: HedgedMargin = HedgedMargin.ABSOLUTE_SUM
    close_out: CloseOut = CloseOut.ALL
    close_out_ppm: int = 500_000  # of the margin: at this equity or less the account is closed out
    latency_ns: int = 0  # from an order's submission to the first quote that can fill it


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one instrument, longs less shorts."""

    instrument: InstrumentId
    units: int  # signed
    average_price: int  # points, rounded half to even (for reading; the books keep the exact cost)
    unrealized: int  # micro-units, at the closing side
    stop: int  # points, 0 for none, as for all exits
    target: int
    trailing: int = 0  # where the trailing stop lies now


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A trade of a hedging or FIFO account, called after the order that opened it."""

    client_order_id: ClientOrderId
    instrument: InstrumentId
    opened_ns: int
    units: int  # signed
    average_price: int  # points, rounded half to even
    unrealized: int  # micro-units, at the closing side
    stop: int  # points, 0 for none
    target: int
    trailing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingOrder:
    """An order that waits at the broker."""

    client_order_id: ClientOrderId
    units: int  # still to fill, signed


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
    trades: tuple[Trade, ...] = ()  # the oldest first; none where positions are netted
    margin_calls: int = 0  # how often the equity at mid fell to the margin or below
    mid_equity: int = 0  # with prices at mid, which margin calls and close-outs look at
    waiting: tuple[WaitingOrder, ...] = ()  # in the order they came

    @property
    def margin_available(self) -> int:
        """What is left for new positions."""
        return max(0, self.equity - self.margin_used)

    @property
    def close_out_part(self) -> float:
        """Half the margin as a part of the equity at mid: brokers that close out at one half do so at 1."""
        return (
            0.5 * self.margin_used / self.mid_equity if self.mid_equity > 0 else float(self.margin_used > 0)
        )

    def units(self, instrument: InstrumentId) -> int:
        """Signed units held of `instrument`."""
        return next((item.units for item in self.positions if item.instrument == instrument), 0)
