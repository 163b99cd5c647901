"""What one deployment's orders are judged against now: its books, the market, its history, its surroundings.

Signals that a part outside gives are taken where that part offers them and are unknown elsewhere, which a
limit that needs them denies: the feed's `data_age_ns`, the broker's `clock_offset_ns`, and the
`reconcile_age_ns` of what is known of an account elsewhere. A replay into a book kept here is on one clock by
construction, so all three are 0 there.
"""

from collections.abc import Callable, Iterable, Mapping
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
    Others,
    at_home,
    worst_margin,
    worst_units,
)

if TYPE_CHECKING:
    from workbench.gateway.trading import Trading

__all__ = ["exposure_of", "exposures_of"]

_MINUTE_NS = 60_000_000_000
_UNKNOWN = (0, 1)  # of a rate: what is valued by it is refused
_REPLAYS = ("replay", "ticks")


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
                has_exits=_has_exits(books, item.id),
                home_rate=rates[item.id] or _UNKNOWN,
                legs=_legs_held(trading, item.id),
                both_need_margin=_both_need_margin(trading),
            )
            for item in others
        ),
        orders_last_minute=len(trading.order_times),
        killed=killed,
        layers=trading.desk_view.layers(record.id) if trading.desk_view is not None else (),
        time_ns=now,
        currency=spec.account.currency,
        has_exits=_has_exits(books, record.id),
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
        others=_others(trading, record.id),
        home_rate=rates[record.id] or _UNKNOWN,
        legs=_legs_held(trading, record.id),
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


def _legs_held(trading: "Trading", name: InstrumentId) -> tuple[int, int] | None:
    """Units long and short of a hedging account; None where they are netted."""
    if trading.spec.account.rules.mode is not AccountMode.HEDGING:
        return None
    units = [item.units for item in trading.books.trades if item.instrument == name]
    return sum(item for item in units if item > 0), sum(item for item in units if item < 0)


def _both_need_margin(trading: "Trading") -> bool:
    return trading.spec.account.rules.hedged_margin is HedgedMargin.ABSOLUTE_SUM


def _is_held(books: AccountSnapshot, name: InstrumentId) -> bool:
    """Whether anything is, as much long as short too."""
    return any(item.instrument == name for item in books.positions) or any(
        item.instrument == name for item in books.trades
    )


def _has_exits(books: AccountSnapshot, name: InstrumentId) -> bool:
    exits = (item.stop or item.target or item.trailing for item in books.positions if item.instrument == name)
    of_trades = (
        item.stop or item.target or item.trailing for item in books.trades if item.instrument == name
    )
    return any(exits) or any(of_trades)


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
        waiting, books.units(name), has_exits=_has_exits(books, name), legs=_legs_held(trading, name)
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
    known = trading.spec.feed.kind in _REPLAYS
    names = (record.id, *(leg.instrument for leg in _legs(trading, record) or ()))
    ages = [_signal(trading.feed, "data_age_ns", name, known=known) for name in names]
    return None if None in ages else max(age for age in ages if age is not None)


def _signal(source: object, name: str, *arguments: object, known: bool) -> int | None:
    """What a part says of itself; without a word of its own 0 where it is known by construction."""
    ask: Callable[..., int | None] | None = getattr(source, name, None)
    if ask is None:
        return 0 if known else None
    return ask(*arguments)


def _others(trading: "Trading", name: InstrumentId) -> Mapping[str, Others]:
    """What the other deployments of the account and of the firm add."""
    if trading.desk_view is None:
        return {}
    spec = trading.spec
    peers = [
        item for item in trading.desk_view.deployments() if item.spec.deployment_id != spec.deployment_id
    ]
    account = [item for item in peers if item.spec.account.id == spec.account.id]
    return {
        "firm": _added(peers, name, currency=spec.account.currency),
        "account": _added(account, name, currency=spec.account.currency),
    }


def _added(peers: Iterable["Trading"], name: InstrumentId, *, currency: str) -> Others:
    total = Others()
    for peer in peers:
        if peer.archived is not None:
            continue
        now = peer.time_ns
        peer.history.trim(now)
        waiting = peer.waiting()
        longest, shortest = worst_units(
            [item for item in waiting if item.instrument == name],
            peer.books.units(name),
            has_exits=_has_exits(peer.books, name),
            legs=_legs_held(peer, name),
        )
        loss = peer.day_start_equity - peer.equity if peer.spec.account.currency == currency else 0
        total = Others(
            messages_last_second=total.messages_last_second + peer.history.messages_last_second(now),
            messages_last_minute=total.messages_last_minute + len(peer.history.messages),
            orders_last_minute=total.orders_last_minute + len(peer.history.sent),
            open_orders=total.open_orders + len(waiting),
            longest=total.longest + longest,
            shortest=total.shortest + shortest,
            loss=total.loss + loss,
        )
    return total
