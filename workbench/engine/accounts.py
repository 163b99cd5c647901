"""The state of the compiled core made from instruments, cost books and the calendar."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

import numpy as np

from workbench.domain.accounts import AccountMode, AccountRules, CloseOut, HedgedMargin
from workbench.domain.calendar import NEW_YORK, day_close_ns, day_open_ns, rollover_table, to_datetime
from workbench.domain.cost_book import CostBook, FinancingMode, InstrumentCosts
from workbench.domain.instruments import Instrument
from workbench.engine import layout
from workbench.engine.errors import (
    AmountTooLargeError,
    EngineError,
    MissingConversionError,
    UnsupportedAccountCurrencyError,
)
from workbench.engine.layout import Ints
from workbench.errors import BadInputError

__all__ = ["account_books", "account_state", "account_tables", "as_cost_books", "engine_error"]

_FINANCING = {
    FinancingMode.ANNUAL_365: layout.FINANCING_ANNUAL,
    FinancingMode.ANNUAL_360: layout.FINANCING_ANNUAL_360,
    FinancingMode.POINTS: layout.FINANCING_POINTS,
    FinancingMode.CURRENCY: layout.FINANCING_CURRENCY,
}
_BETWEEN = "USD"  # what currencies without a pair of their own are exchanged through


def account_state(balance: int, rules: AccountRules) -> Ints:
    """An account with `balance` micro-units that is kept by `rules`.

    Raises
    ------
    BadInputError
        A close-out level or a latency that can not be.
    """
    if not 0 < rules.close_out_ppm <= 10 * layout.PPM or rules.latency_ns < 0:
        raise BadInputError(
            "expected a close-out above 0 and at most 10,000,000 millionths of the margin and a latency of "
            f"0 or more, found {rules.close_out_ppm} and {rules.latency_ns} ns"
        )
    return layout.new_account(
        balance,
        mode=list(AccountMode).index(rules.mode),
        margin_mode=list(HedgedMargin).index(rules.hedged_margin),
        closeout_policy=list(CloseOut).index(rules.close_out),
        closeout_ppm=rules.close_out_ppm,
        latency_ns=rules.latency_ns,
    )


def as_cost_books(cost_book: CostBook | Sequence[CostBook]) -> tuple[CostBook, ...]:
    """One or several dated books, the earliest first.

    Raises
    ------
    BadInputError
        None, or two of the same date.
    """
    books = (cost_book,) if isinstance(cost_book, CostBook) else tuple(cost_book)
    other = next((item for item in books if not isinstance(item, CostBook)), None)
    if other is not None:
        found = cost_book if isinstance(cost_book, str) else other
        raise BadInputError(f"cost_book: expected a cost book or several dated ones, found {found!r}")
    books = tuple(sorted(books, key=lambda item: item.valid_from))
    if not books:
        raise BadInputError("expected a cost book, found none")
    for earlier, later in pairwise(books):
        if earlier.valid_from == later.valid_from:
            raise BadInputError(
                f"expected cost books of different dates, found two of {later.valid_from}; leave one out"
            )
    return books


def account_books(
    instruments: Sequence[Instrument],
    *,
    cost_book: CostBook | Sequence[CostBook],
    currency: str,
    account: Ints | None = None,
) -> Ints:
    """The compiled core's books for `instruments`, in their order, with the costs of the first cost book.

    An instrument that is not quoted in `currency` needs a pair of the two among the instruments, or one of
    each with USD. Tell `account` of it, which then converts.

    Raises
    ------
    UnsupportedAccountCurrencyError
        No such pair is among the instruments, or `account` was not given.
    BadInputError
        No instrument, the same one twice, or one without an entry in the cost book.
    """
    if not instruments or len({item.id for item in instruments}) != len(instruments):
        raise BadInputError(
            "expected one or more different instruments, found "
            f"{', '.join(item.id for item in instruments) or 'none'}"
        )
    first = as_cost_books(cost_book)[0]
    books = layout.new_books(len(instruments))
    for k, item in enumerate(instruments):
        books[k, layout.B_MICRO_PER_POINT] = item.micro_per_point
        books[k, layout.B_LOT_UNITS] = item.lot_units
        columns = _columns(first.of(item.id))
        books[k, layout.B_COMMISSION_PPM : layout.B_MARKUP_PPM + 1] = columns
        if item.quote == currency:
            continue
        legs = _legs(instruments, item.quote, currency)
        if not legs or account is None:
            raise UnsupportedAccountCurrencyError(
                f"{item.id} books its profit in {item.quote}, the account is in {currency}: that needs "
                f"prices of {item.quote} in {currency}, which the engine is not given; "
                f"use an account in {item.quote}, or add {item.quote}_{currency} or {currency}_{item.quote} "
                f"to the instruments (or one of each with {_BETWEEN})"
            )
        account[layout.A_CONVERTS] = 1
        books[k, layout.B_LEGS] = len(legs)
        books[k, layout.B_LEG_1] = legs[0]
        books[k, layout.B_LEG_2] = legs[-1]
        if item.base == currency:
            books[k, layout.B_BASE_KIND] = 1
        elif (pair := _pair(instruments, item.base, currency)) != 0:
            books[k, layout.B_BASE_KIND] = 2
            books[k, layout.B_BASE_BOOK] = pair
    return books


def account_tables(
    instruments: Sequence[Instrument],
    *,
    cost_book: CostBook | Sequence[CostBook],
    after_ns: int,
    until_ns: int,
) -> tuple[Ints, Ints, Ints]:
    """The rollovers in `(after_ns, until_ns]`, the days charged at each, and the changes of costs."""
    books = as_cost_books(cost_book)
    starts = [day_open_ns(book.valid_from) for book in books]
    changes = [
        (start, k, *_columns(book.of(item.id)))
        for book, start in zip(books[1:], starts[1:], strict=True)
        if start <= until_ns
        for k, item in enumerate(instruments)
    ]
    costs = np.array(changes, np.int64).reshape(-1, layout.COST_SIZE)
    roll_ns, roll_days = rollover_table(instruments, after_ns, until_ns)
    by_weekday = [[book.of(item.id).financing_weekdays for item in instruments] for book in books]
    own_days = any(found is not None for row in by_weekday for found in row)
    if not own_days and not len(costs):
        return roll_ns, roll_days, costs
    days = dict(zip(roll_ns.tolist(), roll_days, strict=True))
    instants = {*days, *(max(start, after_ns + 1) for start in starts[1:] if start <= until_ns)}
    if own_days:
        instants |= set(_day_ends(after_ns, until_ns))
    roll_ns = np.array(sorted(instants), np.int64)
    roll_days = np.zeros((len(roll_ns), len(instruments)), np.int64)
    for row, instant in enumerate(roll_ns.tolist()):
        if instant in days:
            roll_days[row] = days[instant]
        weekdays = by_weekday[max(0, bisect_left(starts, instant) - 1)]  # of the session that ends
        for k, found in enumerate(weekdays):
            if found is not None:
                roll_days[row, k] = _days_on(instant, found)
    return roll_ns, roll_days, costs


def engine_error(account: Ints, instruments: Sequence[Instrument]) -> EngineError:
    """What made the state of an account void, for the caller to raise."""
    item = instruments[int(account[layout.A_ERROR_BOOK])]
    if int(account[layout.A_ERROR]) == layout.ERROR_NO_CONVERSION:
        return MissingConversionError(
            f"{item.id}: expected a quote of the pair that converts {item.quote} to the account's currency, "
            "found none yet; feed its quotes before this instrument is traded"
        )
    return AmountTooLargeError(
        f"{item.id}: expected amounts below 4 * 10**12 of the account's currency, found a larger one; "
        "trade fewer units"
    )


def _day_ends(after_ns: int, until_ns: int) -> Iterator[int]:
    """Every 17:00 New York in `(after_ns, until_ns]`."""
    day = to_datetime(after_ns).astimezone(NEW_YORK).date()
    while (instant := day_close_ns(day)) <= until_ns:
        if instant > after_ns:
            yield instant
        day += timedelta(days=1)


def _days_on(instant: int, weekdays: Sequence[int]) -> int:
    """The days that a broker's own calendar charges at a 17:00 New York; none at another instant."""
    local = to_datetime(instant).astimezone(NEW_YORK)
    return weekdays[local.weekday()] if day_close_ns(local.date()) == instant else 0


def _columns(costs: InstrumentCosts) -> tuple[int, ...]:
    """The columns of a book from B_COMMISSION_PPM to B_MARKUP_PPM."""
    return (
        costs.commission_ppm,
        costs.financing_long_ppm,
        costs.financing_short_ppm,
        costs.margin_rate_ppm,
        costs.slippage_points,
        costs.slippage_spread_ppm,
        costs.commission_minimum,
        costs.commission_per_lot,
        _FINANCING[costs.financing_mode],
        costs.conversion_markup_ppm,
    )


def _legs(instruments: Sequence[Instrument], quote: str, currency: str) -> list[int]:
    """The pairs that lead from `quote` to `currency`: one, or two through USD; none when there is no way."""
    if (direct := _pair(instruments, quote, currency)) != 0:
        return [direct]
    if _BETWEEN in (quote, currency):
        return []
    legs = [_pair(instruments, quote, _BETWEEN), _pair(instruments, _BETWEEN, currency)]
    return legs if 0 not in legs else []


def _pair(instruments: Sequence[Instrument], base: str, quote: str) -> int:
    """Book number + 1 of the pair of two currencies, negative when it is quoted the other way round."""
    for k, item in enumerate(instruments):
        if (item.base, item.quote) == (base, quote):
            return k + 1
        if (item.base, item.quote) == (quote, base):
            return -(k + 1)
    return 0
