"""Cards C40 to C59: taking back, replacing, and the record of what happened."""

from workbench.domain.orders import OrderState
from workbench.gateway.brokers.conformance.bench import Ability
from workbench.gateway.brokers.conformance.card import Card, CardFailedError, Stage, deck, need
from workbench.gateway.brokers.port import EXTERNAL_PREFIX, RejectedError

__all__ = ["CARDS"]

CARDS: list[Card] = []
_cancel = deck("cancel", CARDS)
_replace = deck("replace", CARDS)
_record = deck("record", CARDS)


@_cancel("C40")
def a_waiting_order_is_taken_back(stage: Stage) -> None:
    """An order that waits can be taken back: it waits no more, and the record says CANCELED."""
    order = stage.place(stage.waiting())
    need(stage.broker.cancel(order.client_order_id, reason="card"), "it said that there was none")
    end = stage.until_ended(order)
    need(end.state is OrderState.CANCELED and end.fill is None, f"found {end}")
    need(stage.names_waiting() == [], "it waits")


@_cancel("C41")
def taking_back_twice_is_taking_back_once(stage: Stage) -> None:
    """Taking back an order that is gone, or never was, answers False and changes nothing."""
    order = stage.place(stage.waiting())
    stage.broker.cancel(order.client_order_id, reason="card")
    ends = len(stage.record(order))
    need(not stage.broker.cancel(order.client_order_id, reason="card"), "it was taken back twice")
    need(not stage.broker.cancel(stage.waiting().client_order_id, reason="card"), "one that never was")
    need(len(stage.record(order)) == ends == 1, f"found {stage.record(order)}")


@_cancel("C42", Ability.MARKET)
def a_filled_order_is_not_taken_back(stage: Stage) -> None:
    """Taking back an order that was filled answers False, and the position stays."""
    order = stage.hold(1_000)
    need(not stage.broker.cancel(order.client_order_id, reason="card"), "a filled order was taken back")
    need(stage.held() == 1_000, f"{stage.held()} are held")


@_replace("C45")
def a_replaced_order_is_gone(stage: Stage) -> None:
    """Replacing ends the old order and lets the new one wait: never both, never none."""
    old = stage.place(stage.waiting(1_000, away=500))
    new = stage.waiting(2_000, away=600)
    accepted = stage.broker.replace(old.client_order_id, new)
    shown = {item.order.client_order_id: item for item in stage.broker.open_orders()}
    need(list(shown) == [new.client_order_id], f"{list(shown)} wait")
    one = shown[new.client_order_id]
    need((one.order.units, one.order.price) == (new.units, new.price), f"found {one}")
    need(one.broker_order_id == accepted.broker_order_id, f"found {one}, was told {accepted}")
    need(stage.until_ended(old).state is OrderState.CANCELED, f"found {stage.record(old)}")


@_replace("C46", Ability.MARKET)
def what_has_ended_is_not_replaced(stage: Stage) -> None:
    """Replacing an order that was filled is `RejectedError`, and places nothing."""
    old = stage.hold(1_000)
    new = stage.waiting(2_000)
    try:
        stage.broker.replace(old.client_order_id, new)
    except RejectedError:
        need(stage.broker.order(new.client_order_id) is None, "the new one was placed")
        need(stage.held() == 1_000 and stage.names_waiting() == [], "something changed")
        return
    raise CardFailedError("a filled order was replaced")


@_replace("C47")
def a_bad_replacement_leaves_the_old_one(stage: Stage) -> None:
    """Replacing by an order that makes no sense is `RejectedError`, and the old one waits as before."""
    old = stage.place(stage.waiting())
    try:
        stage.broker.replace(old.client_order_id, stage.waiting(price=0))
    except RejectedError:
        shown = [(item.order.client_order_id, item.order.price) for item in stage.broker.open_orders()]
        need(shown == [(old.client_order_id, old.price)], f"found {shown}")
        need(stage.record(old) == [], f"found {stage.record(old)}")
        return
    raise CardFailedError("nonsense was accepted")


@_record("C50", Ability.MARKET)
def the_record_rises(stage: Stage) -> None:
    """Transactions have rising numbers, and those since a number are exactly the ones behind it."""
    for units in (1_000, -400, 300):
        stage.hold(units)
    everything = stage.record()
    numbers = [item.number for item in everything]
    need(len(numbers) >= 3 and numbers == sorted(set(numbers)) and numbers[0] > 0, f"found {numbers}")
    for k, number in enumerate(numbers):
        need(
            stage.record(since=number) == everything[k + 1 :], f"since {number}: {stage.record(since=number)}"
        )


@_record("C51", Ability.MARKET)
def executions_add_up(stage: Stage) -> None:
    """Each execution has an id of its own, and all of them add up to what is held."""
    for units in (1_000, -400, -900, 300):
        stage.hold(units)
    fills = [item for item in stage.record() if item.fill is not None]
    ids = [item.broker_trade_id for item in fills]
    need(len(set(ids)) == len(ids) and all(ids), f"found {ids}")
    total = sum(item.fill.units for item in fills if item.fill is not None)
    need(total == stage.held() == 0, f"executions add up to {total}, {stage.held()} are held")


@_record("C52", Ability.MARKET)
def one_order_can_be_asked_for(stage: Stage) -> None:
    """An order is found by its client id, waiting, filled or taken back; one that never was is None."""
    waits, filled, gone = (
        stage.place(stage.waiting()),
        stage.hold(1_000),
        stage.place(stage.waiting(away=700)),
    )
    stage.broker.cancel(gone.client_order_id, reason="card")
    stage.until_ended(gone)
    found = [stage.broker.order(item.client_order_id) for item in (waits, filled, gone)]
    states = [None if item is None else item.state for item in found]
    need(states == [OrderState.WORKING, OrderState.FILLED, OrderState.CANCELED], f"found {found}")
    need(found[0] is not None and found[0].remaining == waits.units, f"found {found[0]}")
    need(stage.broker.order(stage.waiting().client_order_id) is None, "an order that never was is shown")


@_record("C53", Ability.OTHERS)
def orders_of_others_are_shown(stage: Stage) -> None:
    """An order that somebody else placed is shown with the prefix of external orders, and stays."""
    stage.bench.other(stage.waiting(3_000))
    found = stage.broker.open_orders()
    need([item.order.units for item in found] == [3_000], f"found {found}")
    need(found[0].order.client_order_id.startswith(EXTERNAL_PREFIX), f"found {found[0]}")
