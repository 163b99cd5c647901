"""Strategies that trade much, and decide by nothing but what they are given."""

import hashlib

from workbench.domain.accounts import AccountSnapshot, WaitingOrder
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind, TimeInForce
from workbench.domain.quotes import Bar
from workbench.strategy import Decision

EUR_USD = InstrumentId("EUR_USD")
HOUR = 3_600_000_000_000


def busy(bar: Bar, account: AccountSnapshot, event_seq: int) -> list[Order]:
    """Decide much, and from nothing but the arguments: open, reverse, protect, close, by the bar's digest."""
    dice = hashlib.sha256(f"{bar.open_ns}|{bar.bid_close}".encode()).digest()
    held = account.units(EUR_USD)
    orders: list[tuple[int, bool, int, int]] = []
    if dice[0] < 90:
        side = 1 if dice[1] < 128 else -1
        if held * side < 0:
            orders.append((-held, True, 0, 0))
        orders.append((side * (1_000 + 100 * dice[2]), False, 150 + dice[3], 120 + dice[4]))
    elif dice[0] < 130 and held:
        orders.append((-held, True, 0, 0))
    return [
        Order(
            client_order_id=ClientOrderId(f"busy-{event_seq}-{n}"),
            instrument=EUR_USD,
            units=units,
            reduce_only=reduce_only,
            stop_distance=stop,
            target_distance=target,
        )
        for n, (units, reduce_only, stop, target) in enumerate(orders)
    ]


def patient(bar: Bar, account: AccountSnapshot, event_seq: int) -> Decision:
    """Orders that wait, of every kind, some that expire and some with a trailing stop; each is taken back
    four bars later, whatever became of it, and one that never was with them."""
    dice = hashlib.sha256(f"{bar.open_ns}|{bar.ask_close}".encode()).digest()
    side, away = (1 if dice[1] < 128 else -1), 10 + dice[2] // 2
    kind = (OrderKind.LIMIT, OrderKind.STOP, OrderKind.MARKET_IF_TOUCHED)[dice[3] % 3]
    against = -side if kind is OrderKind.LIMIT else side
    expires = bar.close_ns + 3 * HOUR if dice[4] < 60 else 0
    price = bar.ask_close if side > 0 else bar.bid_close
    order = Order(
        client_order_id=ClientOrderId(f"patient-{event_seq}-0"),
        instrument=EUR_USD,
        units=side * (1_000 + 100 * dice[5]),
        kind=kind,
        price=price + against * away,
        time_in_force=TimeInForce.GTD if expires else TimeInForce.GTC,
        expires_ns=expires,
        trailing_distance=80 + dice[6] if dice[7] < 128 else 0,
        stop_distance=0 if dice[7] < 128 else 150 + dice[6],
    )
    orders = [order] if dice[0] < 170 else []
    if account.units(EUR_USD) and dice[8] < 40:
        closing = Order(
            client_order_id=ClientOrderId(f"patient-{event_seq}-1"),
            instrument=EUR_USD,
            units=-account.units(EUR_USD),
            reduce_only=True,
        )
        orders.append(closing)
    return Decision(orders=tuple(orders), cancels=(ClientOrderId(f"patient-{event_seq - 8}-0"),))


def handy(bar: Bar, account: AccountSnapshot, event_seq: int) -> Decision:
    """`patient`, but it trails the stop of what it holds by hand and moves its waiting orders."""
    found = patient(bar, account, event_seq)
    orders, changes, cancels = list(found.orders), [], list(found.cancels)
    dice = hashlib.sha256(f"{bar.open_ns}|{bar.bid_high}".encode()).digest()
    held = next(iter(account.positions), None)
    if held is not None and dice[0] < 160:
        level = bar.bid_close - 90 if held.units > 0 else bar.ask_close + 90
        target = bar.bid_close + 200 if held.units > 0 else bar.ask_close - 200
        changes = [
            ExitChange(instrument=EUR_USD, stop=level, target=target if dice[1] < 60 else None),
            *(
                [ExitChange(instrument=EUR_USD, trailing=0 if dice[2] < 128 else 120)]
                if dice[1] > 200
                else []
            ),
        ]
    elif dice[3] < 30:  # of nothing that is held
        changes = [ExitChange(instrument=EUR_USD, stop=0)]
    old = next((item for item in account.waiting if item.client_order_id not in cancels), None)
    name = account.waiting[-1].client_order_id if account.waiting and dice[5] < 70 else None
    if old is not None and old.client_order_id != name and dice[4] < 150:
        orders.append(_moved(old, bar, event_seq, dice[6]))
    elif old is None and dice[4] < 40:  # in the place of one that is gone or never was
        gone = WaitingOrder(client_order_id=ClientOrderId(f"patient-{event_seq - 2}-0"), units=1_000)
        orders.append(_moved(gone, bar, event_seq, dice[6]))
    if name is not None:
        cancels.append(name)
    return Decision(orders=tuple(orders), changes=tuple(changes), cancels=tuple(cancels))


def _moved(old: WaitingOrder, bar: Bar, event_seq: int, roll: int) -> Order:
    above = old.units > 0
    return Order(
        client_order_id=ClientOrderId(f"patient-{event_seq}-2"),
        instrument=EUR_USD,
        units=old.units + (100 if above else -100),
        kind=OrderKind.STOP if roll < 128 else OrderKind.LIMIT,
        price=(bar.ask_close if above else bar.bid_close) + (30 if above == (roll < 128) else -30),
        stop_distance=100 + roll,
        replaces=old.client_order_id,
    )


def decided(found: Decision | list[Order]) -> Decision:
    """A decision, of a strategy that gives no more than orders too."""
    return found if isinstance(found, Decision) else Decision(orders=tuple(found))
