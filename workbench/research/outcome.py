"""What a run left behind, as arrays: the same whether the compiled loop or the replay made it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.domain.orders import Fill
from workbench.engine.core import (
    F_BALANCE,
    F_BOOK,
    F_COMMISSION,
    F_LEFT,
    F_ORDER,
    F_POSITION,
    F_PRICE,
    F_REALIZED,
    F_REASON,
    F_TIME,
    F_TRADE,
    F_UNITS,
)
from workbench.engine.matching import FILL_REASONS
from workbench.strategy import client_order_id

__all__ = [
    "BACKTEST",
    "ORDERS_PER_EVENT",
    "Outcome",
    "event_of_bar",
    "fill_records",
    "order_key",
]

Ints = npt.NDArray[np.int64]

BACKTEST = "backtest"  # stands where a deployment's id stands when live
ORDERS_PER_EVENT = 1_024

_DIGESTED = (F_TIME, F_UNITS, F_PRICE, F_REASON, F_COMMISSION, F_REALIZED, F_POSITION, F_BALANCE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Fills, equity and financing of one run. Bars count from the first one traded."""

    fills: Ints  # rows as `workbench.engine.core` writes them, the order key made by `order_key`
    fill_bar: Ints  # the bar each happened in
    equity: Ints  # micro-units at each bar's close
    financing_before_fill: Ints  # for each booking, how many fills came before
    financing_amount: Ints  # micro-units
    refused: tuple[tuple[int, str], ...]  # order key and reason; orders whose time was up too
    ambiguous_bars: int
    round_ns: Ints  # when each decision was made
    financing_book: Ints  # the instrument of each booking
    margin_calls: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the fills (without the orders' names) and of the equity curve."""
        digest = hashlib.sha256(f"outcome 1|{len(self.fills)}|{len(self.equity)}|".encode())
        for column in _DIGESTED:
            digest.update(np.ascontiguousarray(self.fills[:, column], dtype="<i8").data)
        if self.fills[:, F_BOOK].any():
            digest.update(np.ascontiguousarray(self.fills[:, F_BOOK], dtype="<i8").data)
        digest.update(np.ascontiguousarray(self.equity, dtype="<i8").data)
        return digest.hexdigest()


def event_of_bar(index: int) -> int:
    """The feed's sequence number of a traded bar's close: each bar is a quote, then a close, from 1."""
    return 2 * index + 2


def order_key(event_seq: int, number: int) -> int:
    """One whole number for the `number`-th order decided on an event."""
    return event_seq * ORDERS_PER_EVENT + number


def fill_records(rows: Ints, instruments: Sequence[Instrument]) -> list[Fill]:
    """Fills as values, with the client order ids that a deployment called `BACKTEST` would give."""
    return [
        Fill(
            client_order_id=client_order_id(BACKTEST, *divmod(row[F_ORDER], ORDERS_PER_EVENT)),
            instrument=instruments[row[F_BOOK]].id,
            time_ns=row[F_TIME],
            units=row[F_UNITS],
            price=row[F_PRICE],
            reason=FILL_REASONS[row[F_REASON]],
            commission=row[F_COMMISSION],
            realized=row[F_REALIZED],
            position=row[F_POSITION],
            balance=row[F_BALANCE],
            remaining=row[F_LEFT],
            trade=client_order_id(BACKTEST, *divmod(row[F_TRADE], ORDERS_PER_EVENT))
            if row[F_TRADE]
            else None,
        )
        for row in rows.tolist()
    ]
