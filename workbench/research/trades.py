"""Round trips: fills paired into trades, from flat to flat or to the other side.

A fill that turns a position closes one trade and opens the next; its commission is shared by units. An
account is netted, so units added to a position belong to the trade that is open.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import compiled

__all__ = ["RoundTrips", "round_trips"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Trades as columns; one row a trade, in order of entry. Money in micro-units, prices in points."""

    entry_fill: Ints
    exit_fill: Ints  # of the last fill that closed; -1 while open
    units: Ints  # opened in total, signed
    entry_price: Floats  # mean over the units opened
    exit_price: Floats  # mean over the units closed, NaN when none was
    realized: Ints  # before commission and financing
    commission: Ints
    financing: Ints

    def __len__(self) -> int:
        return int(self.units.shape[0])

    @property
    def closed(self) -> npt.NDArray[np.bool_]:
        """Which trades have ended."""
        return self.exit_fill >= 0

    @property
    def net(self) -> Ints:
        """Realized profit after commission and financing."""
        return self.realized - self.commission + self.financing

    def chosen(self, which: npt.NDArray[np.bool_]) -> "RoundTrips":
        """Some of the trades."""
        return RoundTrips(**{item.name: getattr(self, item.name)[which] for item in fields(self)})


def round_trips(
    *,
    units: Ints,
    price: Ints,
    commission: Ints,
    realized: Ints,
    financing_before_fill: Ints,
    financing: Ints,
    book: Ints | None = None,
    trade: Ints | None = None,
    financing_book: Ints | None = None,
) -> RoundTrips:
    """Pair fills into trades.

    Parameters
    ----------
    units, price, commission, realized
        One entry a fill, in order of time.
    financing_before_fill, financing
        Rollovers in order of time: which fill came next (the number of fills before), and micro-units.
    book, trade, financing_book
        Of fills the instrument and the trade they belong to, and of bookings the instrument, where there are
        several. What is booked for an instrument with several trades is shared by their units.
    """
    count = len(units)
    holding, books = np.zeros(count, np.int64), np.zeros(1, np.int64)
    if book is not None and trade is not None and count:
        keys, holding = np.unique(np.stack([book, trade], axis=1), axis=0, return_inverse=True)
        holding = np.ascontiguousarray(holding.reshape(-1), np.int64)
        books = np.ascontiguousarray(keys[:, 0], np.int64)
    of = np.zeros(len(financing), np.int64) if financing_book is None else financing_book
    if financing_book is None and book is not None and count:
        of = np.full(len(financing), book[0], np.int64)
    columns = _pair(units, price, commission, realized, holding, books, financing_before_fill, financing, of)
    return RoundTrips(
        entry_fill=columns[0],
        exit_fill=columns[1],
        units=columns[2],
        entry_price=columns[3],
        exit_price=columns[4],
        realized=columns[5],
        commission=columns[6],
        financing=columns[7],
    )


@compiled
def _pair(
    units: Ints,
    price: Ints,
    commission: Ints,
    realized: Ints,
    holding: Ints,
    books: Ints,
    before_fill: Ints,
    financing: Ints,
    financing_book: Ints,
) -> Any:
    n = units.shape[0]
    entry_fill = np.empty(n, np.int64)
    exit_fill = np.empty(n, np.int64)
    opened = np.zeros(n, np.int64)
    closed = np.zeros(n, np.int64)
    opened_value = np.zeros(n, np.float64)
    closed_value = np.zeros(n, np.float64)
    profit = np.zeros(n, np.int64)
    paid = np.zeros(n, np.int64)
    rolled = np.zeros(n, np.int64)
    last = -1
    trip = np.zeros(books.shape[0], np.int64)  # of each holding the trade that is open
    held = np.zeros(books.shape[0], np.int64)
    event = 0
    for i in range(n + 1):
        while event < before_fill.shape[0] and (i == n or before_fill[event] <= i):
            total = 0
            for h in range(books.shape[0]):
                if books[h] == financing_book[event]:
                    total += abs(held[h])
            left = financing[event]
            for h in range(books.shape[0]):
                if books[h] == financing_book[event] and held[h] != 0:
                    size = abs(held[h])
                    part = left if size == total else np.int64(round(float(left) * size / total))
                    rolled[trip[h]] += part
                    left -= part
                    total -= size
            event += 1
        if i == n:
            break
        h = holding[i]
        at, position = trip[h], held[h]
        rest, rest_paid = units[i], commission[i]
        if position != 0 and (position > 0) != (rest > 0):
            part = -position if abs(rest) > abs(position) else rest
            part_paid = rest_paid if part == rest else rest_paid * abs(part) // abs(rest)
            closed[at] += part
            closed_value[at] += float(part) * price[i]
            profit[at] += realized[i]
            paid[at] += part_paid
            position += part
            if position == 0:
                exit_fill[at] = i
            rest -= part
            rest_paid -= part_paid
        if rest != 0:
            if position == 0:
                last += 1
                at = last
                entry_fill[at] = i
                exit_fill[at] = -1
            opened[at] += rest
            opened_value[at] += float(rest) * price[i]
            paid[at] += rest_paid
            position += rest
        trip[h], held[h] = at, position
    count = last + 1
    entry_price = opened_value[:count] / opened[:count]
    exit_price = np.full(count, np.nan)
    for k in range(count):
        if closed[k] != 0:
            exit_price[k] = closed_value[k] / closed[k]
    return (
        entry_fill[:count],
        exit_fill[:count],
        opened[:count],
        entry_price,
        exit_price,
        profit[:count],
        paid[:count],
        rolled[:count],
    )
