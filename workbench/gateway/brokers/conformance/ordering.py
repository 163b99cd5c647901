"""Cards C20 to C39: each kind of order, its exits, fills in parts, and what is refused."""

from workbench.domain.orders import FillReason, OrderKind, OrderState, TimeInForce
from workbench.gateway.brokers.conformance.bench import Ability
from workbench.gateway.brokers.conformance.card import Card, CardFailedError, Stage, deck, need
from workbench.gateway.brokers.port import Capabilities, RejectedError

__all__ = ["CARDS"]

CARDS: list[Card] = []
_card = deck("orders", CARDS)
_exits = deck("exits", CARDS)
_partial = deck("partial", CARDS)
_reject = deck("reject", CARDS)


def _parts(capabilities: Capabilities) -> bool:
    return capabilities.partial_fills


def _with_exits(capabilities: Capabilities) -> bool:
    return capabilities.exits_on_orders


@_card("C20", Ability.MARKET)
def a_market_buy_pays_the_ask(stage: Stage) -> None:
    """A market buy is filled whole at the ask, and is held."""
    end = stage.until_ended(stage.hold(1_000))
    need(end.state is OrderState.FILLED and end.fill is not None, f"found {end}")
    assert end.fill is not None
    need((end.fill.units, end.fill.price) == (1_000, stage.ask), f"found {end.fill}, the ask is {stage.ask}")
    need(stage.held() == 1_000, f"{stage.held()} are held")


@_card("C21", Ability.MARKET)
def a_market_sell_gets_the_bid(stage: Stage) -> None:
    """A market sell is filled whole at the bid, and closing it leaves nothing."""
    end = stage.until_ended(stage.hold(-1_000))
    assert end.fill is not None
    need((end.fill.units, end.fill.price) == (-1_000, stage.bid), f"found {end.fill}, the bid is {stage.bid}")
    stage.hold(1_000, reduce_only=True)
    need(stage.held() == 0, f"{stage.held()} are held")


@_card("C22", Ability.MARKET)
def a_limit_waits_for_its_level(stage: Stage) -> None:
    """A limit order waits until the ask is at its level or below, and pays no more than its level."""
    order = stage.place(stage.waiting(away=50))
    stage.move(-20)
    need(stage.names_waiting() == [order.client_order_id], "it does not wait")
    stage.move(-60)
    end = stage.until_ended(order)
    need(end.fill is not None and end.fill.price <= order.price, f"level {order.price}, found {end}")


@_card("C23", Ability.MARKET)
def a_stop_waits_for_its_level(stage: Stage) -> None:
    """A stop order waits until the ask is at its level or above, and is filled there or worse."""
    order = stage.place(stage.order(1_000, kind=OrderKind.STOP, price=stage.ask + 50))
    stage.move(20)
    need(stage.names_waiting() == [order.client_order_id], "it does not wait")
    stage.move(70)
    end = stage.until_ended(order)
    need(end.fill is not None and end.fill.price >= order.price, f"level {order.price}, found {end}")


@_card("C24", Ability.MARKET, offered=lambda found: OrderKind.MARKET_IF_TOUCHED in found.kinds)
def a_touched_order_waits_for_its_level(stage: Stage) -> None:
    """A market-if-touched order is filled once the price reaches its level from where it was."""
    order = stage.place(stage.order(1_000, kind=OrderKind.MARKET_IF_TOUCHED, price=stage.ask + 50))
    stage.move(20)
    need(stage.names_waiting() == [order.client_order_id], "it does not wait")
    stage.move(40)
    end = stage.until_ended(order)
    need(end.state is OrderState.FILLED, f"found {end}")


@_card("C25", Ability.MARKET, offered=lambda found: TimeInForce.FOK in found.times_in_force)
def fill_or_kill_is_whole_or_nothing(stage: Stage) -> None:
    """A fill-or-kill order that can not be filled at its bound ends without an execution."""
    order = stage.place(
        stage.order(1_000, time_in_force=TimeInForce.FOK, price_bound=max(1, stage.ask - 100))
    )
    stage.move(0)
    end = stage.until_ended(order)
    need(end.state in (OrderState.CANCELED, OrderState.EXPIRED) and end.fill is None, f"found {end}")
    need(stage.held() == 0, f"{stage.held()} are held")


@_card("C26", Ability.MARKET)
def reduce_only_never_opens(stage: Stage) -> None:
    """A reduce-only order never opens or turns a position, even if more units are asked than are held."""
    stage.hold(1_000)
    order = stage.place(stage.order(-5_000, reduce_only=True))
    stage.move(0)
    stage.until_ended(order)
    need(stage.held() == 0, f"{stage.held()} are held")


@_card("C27")
def waiting_orders_are_shown_as_placed(stage: Stage) -> None:
    """Orders that wait are shown in the order they came, each as it was placed."""
    placed = [
        stage.place(stage.waiting(units, away=400 + k)) for k, units in enumerate((1_000, -2_000, 3_000))
    ]
    shown = [item.order for item in stage.broker.open_orders()]
    fields = [(item.client_order_id, item.units, item.kind, item.price) for item in shown]
    wanted = [(item.client_order_id, item.units, item.kind, item.price) for item in placed]
    need(fields == wanted, f"expected {wanted}, found {fields}")


@_exits("C30", Ability.MARKET, offered=_with_exits)
def a_stop_loss_comes_with_its_order(stage: Stage) -> None:
    """A stop loss that came with an order closes what it opened once the bid is at its level or below."""
    order = stage.hold(1_000, stop_distance=100)
    stage.move(-150)
    stage.until(lambda: stage.held() == 0, "the stop loss")
    end = stage.record(order)[-1]
    need(end.fill is not None and end.fill.reason is FillReason.STOP_LOSS, f"found {end}")


@_exits("C31", Ability.MARKET, offered=_with_exits)
def a_take_profit_comes_with_its_order(stage: Stage) -> None:
    """A take profit that came with an order closes what it opened at its level or better."""
    order = stage.hold(1_000, target_distance=100)
    stage.move(150)
    stage.until(lambda: stage.held() == 0, "the take profit")
    end = stage.record(order)[-1]
    need(end.fill is not None and end.fill.reason is FillReason.TAKE_PROFIT, f"found {end}")


@_exits("C32", Ability.MARKET, offered=_with_exits)
def a_trailing_stop_follows(stage: Stage) -> None:
    """A trailing stop follows the bid up, stays where it is on the way down, and closes there."""
    order = stage.hold(1_000, trailing_distance=100)
    stage.move(200)
    stage.move(-50)
    need(stage.held() == 1_000, "it closed above its level")
    stage.move(-60)
    stage.until(lambda: stage.held() == 0, "the trailing stop")
    end = stage.record(order)[-1]
    need(end.fill is not None and end.fill.reason is FillReason.TRAILING_STOP, f"found {end}")


@_exits("C33", Ability.MARKET, offered=lambda found: found.exit_changes)
def exits_can_be_changed(stage: Stage) -> None:
    """The stop of what is held can be moved and taken away; asked again it stays the same."""
    stage.hold(1_000, stop_distance=500)
    level = stage.bid - 100
    for _ in range(2):
        need(stage.broker.change_exits(stage.change(stop=level)), "nothing was changed")
        need(stage.broker.positions()[0].stop == level, f"found {stage.broker.positions()}")
    stage.broker.change_exits(stage.change(stop=0))
    stage.move(-700)
    need(stage.held() == 1_000, "a stop that was taken away closed the position")
    stage.broker.change_exits(stage.change(stop=stage.bid - 50))
    stage.move(-60)
    stage.until(lambda: stage.held() == 0, "the new stop loss")


@_exits("C34", offered=lambda found: found.exit_changes)
def exits_of_nothing_are_not_changed(stage: Stage) -> None:
    """Changing the exits where nothing is held answers False and leaves nothing behind."""
    need(
        not stage.broker.change_exits(stage.change(stop=max(1, stage.bid - 100))), "it said that it was done"
    )
    need(stage.held() == 0 and not stage.broker.open_orders(), "something was left behind")


@_partial("C35", Ability.MARKET, Ability.LADDER, offered=_parts)
def a_fill_in_parts_keeps_the_rest(stage: Stage) -> None:
    """A limit order filled in part reports it, waits with the rest, and ends when that is filled too."""
    order = stage.place(stage.waiting(1_000, away=50))
    stage.move(-100, size=400)
    stage.until(lambda: len(stage.record(order)) == 1, "the first part")
    first = stage.record(order)[0]
    need(first.state is OrderState.PARTIAL and first.fill is not None, f"found {first}")
    assert first.fill is not None
    need((first.fill.units, first.fill.remaining) == (400, 600), f"found {first.fill}")
    rest = [item.order.units for item in stage.broker.open_orders()]
    need(rest == [600], f"expected 600 units to wait, found {rest}")
    shown = stage.broker.order(order.client_order_id)
    need(shown is not None and (shown.state, shown.remaining) == (OrderState.PARTIAL, 600), f"found {shown}")
    stage.move(0, size=5_000)
    end = stage.until_ended(order)
    parts = [item.fill.units for item in stage.record(order) if item.fill is not None]
    need(end.state is OrderState.FILLED and sum(parts) == 1_000 and stage.held() == 1_000, f"found {parts}")


@_partial("C36", Ability.MARKET, Ability.LADDER, offered=_parts)
def a_part_stays_when_the_rest_is_taken_back(stage: Stage) -> None:
    """Taking the rest of a partly filled order back ends it, and what was filled stays held."""
    order = stage.place(stage.waiting(1_000, away=50))
    stage.move(-100, size=400)
    stage.until(lambda: stage.held() == 400, "the first part")
    need(stage.broker.cancel(order.client_order_id, reason="card"), "the rest was not taken back")
    end = stage.until_ended(order)
    need(end.state is OrderState.CANCELED and stage.held() == 400, f"found {end}, {stage.held()} held")
    need(not stage.broker.open_orders(), "the rest waits")


def _refused(stage: Stage, **fields: object) -> None:
    order = stage.order(**{"units": 1_000, **fields})  # type: ignore[arg-type]
    try:
        stage.broker.place(order)
    except RejectedError as error:
        need(bool(str(error)), "the refusal says nothing")
        need(stage.names_waiting() == [], "a refused order waits")
        need(
            not stage.record(order) or stage.record(order)[-1].state is OrderState.REJECTED, "it was executed"
        )
        return
    raise CardFailedError(f"{order} was accepted")


@_reject("C37")
def nonsense_is_refused(stage: Stage) -> None:
    """Unknown instruments, no units and orders without their level are `RejectedError`, with a reason."""
    _refused(stage, instrument="XXX_YYY")
    _refused(stage, units=0)
    _refused(stage, kind=OrderKind.LIMIT, price=0)


@_reject("C38")
def an_id_is_used_once(stage: Stage) -> None:
    """A second order with the client id of one that waits is `RejectedError`; the first is as it was."""
    order = stage.place(stage.waiting())
    try:
        stage.broker.place(stage.waiting(2_000, client_order_id=order.client_order_id))
    except RejectedError:
        shown = [item.order.units for item in stage.broker.open_orders()]
        need(shown == [1_000], f"found {shown}")
        return
    raise CardFailedError("two orders of one client id were accepted")


@_reject("C39", Ability.MARKET)
def no_margin_is_no_position(stage: Stage) -> None:
    """An order that the account has no margin for is refused, or ends without an execution."""
    order = stage.order(900_000_000)
    try:
        stage.broker.place(order)
    except RejectedError:
        pass
    else:
        stage.move(0)
        end = stage.until_ended(order)
        need(end.fill is None and end.state is not OrderState.FILLED, f"found {end}")
    need(stage.held() == 0, f"{stage.held()} are held")
