"""What one deployment's orders are judged against now: its books, the market, its history, its surroundings.

Signals that a part outside gives are taken where that part offers them and are unknown elsewhere, which a
limit that needs them denies: the feed's `data_age_ns`, the broker's `clock_offset_ns`, and the
`reconcile_age_ns` of what is known of an account elsewhere. A replay into a book kept here is on one clock by
construction, so all three are 0 there.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.domain.accounts import AccountMode, AccountSnapshot, HedgedMargin
from workbench.domain.conversion import Leg, conversion_legs, dearest_rate
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import Order
from workbench.errors import BadInputError
from workbench.gateway.controls.exposure import (
    Elsewhere,
    Exposure,
    at_home,
    worst_margin,
    worst_units,
)
from workbench.gateway.controls.others import data_age, has_exits, legs_held, others_of

if TYPE_CHECKING:
    from workbench.gateway.trading import Trading

__all__ = ["exposure_of", "exposures_of"]

_MINUTE_NS = 60_000_000_000
_UNKNOWN = (0, 1)  # of a rate: what is valued by it is refused


def exposure_of(trading: "Trading", name: InstrumentId, *, killed: str) -> Exposure:
    """What an order for an instrument is judged against; one not traded is judged as the first is."""
    now, history, spec = trading.time_ns, trading.history, trading.spec
    while trading.order_times and trading.order_times[0] <= now - _MINUTE_NS:
        trading.order_times.popleft()
    history.trim(now)
    records = spec.records
    record = next((item for item in records if item.id == name), records[0])
    books, waiting = trading.books, _by_instrument(trading)
    others = [item for item in records if item.id != record.id]
    bid, ask = trading.prices.get(record.id, (0, 0))
    prices = history.prices.get(record.id)
    rates = {item.id: _home_rate(trading, item) for item in records}
    exposure = Exposure(
        instrument=record,
        margin_rate_ppm=trading.margin_rates_ppm[record.id],
        bid=bid,
        ask=ask,
        equity=trading.equity,
        day_start_equity=trading.day_start_equity,
        position=books.units(record.id),
        waiting=waiting[record.id],
        waiting_elsewhere=sum(len(found) for found in waiting.values()) - len(waiting[record.id]),
        margin_elsewhere=sum(
            worst_margin(
                item,
                waiting[item.id],
                held=books.units(item.id),
                ask=trading.prices.get(item.id, (0, 0))[1],
                rate_ppm=trading.margin_rates_ppm[item.id],
                has_exits=has_exits(books, item.id),
                home_rate=rates[item.id] or _UNKNOWN,
                legs=legs_held(trading, item.id),
                both_need_margin=_both_need_margin(trading),
            )
            for item in others
        ),
        orders_last_minute=len(trading.order_times),
        killed=killed,
        layers=trading.desk_view.layers(record.id) if trading.desk_view is not None else (),
        time_ns=now,
        currency=spec.account.currency,
        has_exits=has_exits(books, record.id),
        halted=trading.halted,
        frozen=trading.obstacle(record.id),
        peak_equity=max(history.peak_equity, trading.equity),
        messages_last_second=history.messages_last_second(now),
        messages_last_minute=len(history.messages),
        sent=tuple(history.sent),
        elsewhere=tuple(
            _elsewhere(trading, item.id, waiting[item.id], books, rate=rates[item.id] or _UNKNOWN)
            for item in others
        ),
        atomic_replace=_atomic_replace(trading),
        data_age_ns=_data_age(trading, record),
        clock_offset_ns=trading.broker.clock_offset_ns(),
        reconcile_age_ns=0 if trading.standing is None else trading.standing.reconcile_age_ns(),
        others=others_of(trading, record.id),
        home_rate=rates[record.id] or _UNKNOWN,
        legs=legs_held(trading, record.id),
        both_need_margin=_both_need_margin(trading),
        by_trade=trading.standing is None and spec.account.rules.mode is not AccountMode.NETTING,
        unpriced=", ".join(
            f"{item.quote} of {item.id}"
            for item in records
            if rates[item.id] is None
            and (item.id == record.id or waiting[item.id] or _is_held(books, item.id))
        ),
    )
    if prices is None:
        return exposure
    return replace(
        exposure, median=prices.median, move_ppm=prices.move_ppm, median_spread=prices.median_spread
    )


def exposures_of(trading: "Trading", *, killed: str) -> tuple[Exposure, ...]:
    """The same for each instrument it trades, for the strategy runtime to judge its orders by."""
    return tuple(exposure_of(trading, item.id, killed=killed) for item in trading.spec.records)


def _by_instrument(trading: "Trading") -> dict[InstrumentId, tuple[Order, ...]]:
    found = trading.waiting()
    return {
        item.id: tuple(order for order in found if order.instrument == item.id)
        for item in trading.spec.records
    }


def _both_need_margin(trading: "Trading") -> bool:
    return trading.spec.account.rules.hedged_margin is HedgedMargin.ABSOLUTE_SUM


def _is_held(books: AccountSnapshot, name: InstrumentId) -> bool:
    """Whether anything is, as much long as short too."""
    return any(item.instrument == name for item in books.positions) or any(
        item.instrument == name for item in books.trades
    )


def _elsewhere(
    trading: "Trading",
    name: InstrumentId,
    waiting: tuple[Order, ...],
    books: AccountSnapshot,
    *,
    rate: tuple[int, int],
) -> Elsewhere:
    record = next(item for item in trading.spec.records if item.id == name)
    dearest = max(trading.prices.get(name, (0, 0))[1], *(item.price for item in waiting), 0)
    longest, shortest = worst_units(
        waiting, books.units(name), has_exits=has_exits(books, name), legs=legs_held(trading, name)
    )
    worth = dearest * record.micro_per_point
    return Elsewhere(
        base=record.base,
        quote=record.quote,
        longest=at_home(longest * worth, rate),
        shortest=at_home(shortest * worth, rate),
    )


def _legs(trading: "Trading", record: Instrument) -> tuple[Leg, ...] | None:
    """The pairs by which an instrument's quote currency is converted; None where there are none."""
    spec = trading.spec
    try:
        return tuple(conversion_legs(record.quote, spec.account.currency, spec.all_records))
    except BadInputError:
        return None


def _atomic_replace(trading: "Trading") -> bool:
    """Whether only one of the two versions of a replaced order can be live; not while nobody answers."""
    away = trading.standing is not None and trading.standing.away
    return not away and trading.broker.capabilities().atomic_replace


def _home_rate(trading: "Trading", record: Instrument) -> tuple[int, int] | None:
    """What a unit of its quote currency costs in the account's; None while that is not known."""
    legs = _legs(trading, record)
    return None if legs is None else dearest_rate(legs, trading.prices)


def _data_age(trading: "Trading", record: Instrument) -> int | None:
    """How old its price is, or that of a pair it is converted by where that is older."""
    names = (record.id, *(leg.instrument for leg in _legs(trading, record) or ()))
    ages = [data_age(trading, name) for name in names]
    return None if None in ages else max(age for age in ages if age is not None)
