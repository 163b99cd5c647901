"""Cards C60 to C89: requests and answers that get lost. What is not known is said to be not known."""

from collections.abc import Callable

from workbench.domain.orders import Order, OrderState
from workbench.gateway.brokers.conformance.bench import Ability
from workbench.gateway.brokers.conformance.card import Card, CardFailedError, Stage, deck, need
from workbench.gateway.brokers.conformance.faults import Fault, Verb
from workbench.gateway.brokers.port import (
    AmbiguousError,
    Broker,
    RateLimitedError,
    UnavailableError,
)

__all__ = ["CARDS"]

CARDS: list[Card] = []
_submit = deck("ambiguous submit", CARDS)
_cancel = deck("ambiguous cancel", CARDS)
_replace = deck("ambiguous replace", CARDS)
_exits = deck("ambiguous exits", CARDS)
_report = deck("broken report", CARDS)


def _doubt(stage: Stage, fault: Fault, verb: Verb, request: Callable[[], object]) -> None:
    """The request meets the fault and must say that nobody knows."""
    stage.bench.cause(fault, verb)
    try:
        answer = request()
    except AmbiguousError as error:
        need(bool(str(error)), "the doubt says nothing")
    else:
        raise CardFailedError(f"{fault} was answered with {answer}")
    finally:
        stage.bench.heal()


def _count(stage: Stage, order: Order) -> None:
    """The broker's own count: it was handed the order once at most, by us."""
    if Ability.RECORD in stage.bench.abilities:
        times = stage.bench.received(order.client_order_id)
        need(times <= 1, f"the broker was handed {order.client_order_id} {times} times")


def _doubtful_submit(stage: Stage, fault: Fault, *, taken: bool) -> None:
    order = stage.waiting()
    _doubt(stage, fault, Verb.PLACE, lambda: stage.broker.place(order))
    stage.settled(stage.broker.open_orders)
    shown = stage.names_waiting()
    need(shown == ([order.client_order_id] if taken else []), f"{shown} wait")
    one = stage.broker.order(order.client_order_id)
    need((one is not None) == taken, f"found {one}")
    _count(stage, order)


@_submit("C60", Ability.FAULTS, fault=Fault.REQUEST_LOST)
def a_lost_order_leaves_no_trace(stage: Stage) -> None:
    """An order lost on its way is ambiguous, is not sent again, and the broker shows none."""
    _doubtful_submit(stage, Fault.REQUEST_LOST, taken=False)


@_submit("C61", Ability.FAULTS, fault=Fault.REPLY_LOST)
def an_order_without_answer_is_found(stage: Stage) -> None:
    """An order whose answer is lost is ambiguous, and is found once by its client id."""
    _doubtful_submit(stage, Fault.REPLY_LOST, taken=True)


@_submit("C62", Ability.FAULTS, fault=Fault.REPLY_CUT)
def half_an_answer_proves_nothing(stage: Stage) -> None:
    """Half an answer is ambiguous, whatever its status says; the order is found once."""
    _doubtful_submit(stage, Fault.REPLY_CUT, taken=True)


@_submit("C63", Ability.FAULTS, fault=Fault.REPLY_GARBLED)
def an_unreadable_answer_proves_nothing(stage: Stage) -> None:
    """An answer that can not be read is ambiguous; the order is found once."""
    _doubtful_submit(stage, Fault.REPLY_GARBLED, taken=True)


@_submit("C64", Ability.FAULTS, fault=Fault.SERVER_ERROR)
def a_server_error_proves_nothing(stage: Stage) -> None:
    """A server's error after it took the order is ambiguous, never a refusal; the order is found once."""
    _doubtful_submit(stage, Fault.SERVER_ERROR, taken=True)


@_submit("C65", Ability.FAULTS, fault=Fault.RESET)
def a_reset_proves_nothing(stage: Stage) -> None:
    """A connection reset after the order was taken is ambiguous; the order is found once."""
    _doubtful_submit(stage, Fault.RESET, taken=True)


@_submit("C66", Ability.FAULTS, fault=Fault.HALF_OPEN)
def silence_ends(stage: Stage) -> None:
    """An answer that never comes over an open connection is given up in bounded time, as ambiguous."""
    _doubtful_submit(stage, Fault.HALF_OPEN, taken=True)


@_submit("C67", Ability.FAULTS, fault=Fault.DRIBBLE)
def a_dribble_ends(stage: Stage) -> None:
    """An answer that comes too slowly to end in time is given up, as ambiguous."""
    _doubtful_submit(stage, Fault.DRIBBLE, taken=True)


def _taken_once(stage: Stage, fault: Fault) -> Order:
    """An order that is accepted although its request or answer meets the fault, and waits once."""
    stage.bench.cause(fault, Verb.PLACE)
    order = stage.place(stage.waiting())
    need(stage.names_waiting() == [order.client_order_id], f"found {stage.names_waiting()}")
    return order


@_submit("C68", Ability.FAULTS, fault=Fault.SLOW)
def a_late_answer_is_an_answer(stage: Stage) -> None:
    """An answer that comes late but in time is an answer."""
    _count(stage, _taken_once(stage, Fault.SLOW))


@_submit("C69", Ability.FAULTS, fault=Fault.TWICE)
def a_request_that_arrives_twice_is_one_order(stage: Stage) -> None:
    """A request that the network delivers twice is one order."""
    _taken_once(stage, Fault.TWICE)


@_submit("C70", Ability.FAULTS, fault=Fault.TOO_MANY)
def too_many_requests_is_a_refusal(stage: Stage) -> None:
    """The broker's own "too many requests" is `RateLimitedError`: nothing was taken or sent again."""
    order = stage.waiting()
    stage.bench.cause(Fault.TOO_MANY, Verb.PLACE)
    try:
        stage.broker.place(order)
    except RateLimitedError:
        need(stage.names_waiting() == [], f"found {stage.names_waiting()}")
        _count(stage, order)
        return
    raise CardFailedError("it was accepted")


@_submit("C71", Ability.FAULTS, Ability.MARKET, fault=Fault.REPLY_LOST)
def a_fill_without_an_answer_is_in_the_record(stage: Stage) -> None:
    """A market order whose answer is lost and that is filled is found in the record since the watermark."""
    stage.hold(500)
    watermark = stage.record()[-1].number
    order = stage.order(1_000)
    _doubt(stage, Fault.REPLY_LOST, Verb.PLACE, lambda: stage.broker.place(order))
    stage.move(0)
    stage.settled(stage.broker.positions)
    end = stage.until_ended(order)
    need(end.number > watermark and end.state is OrderState.FILLED, f"found {end}")
    need(len(stage.record(order)) == 1 and stage.held() == 1_500, f"{stage.held()} are held")
    _count(stage, order)


def _doubtful_cancel(stage: Stage, fault: Fault) -> Order:
    """A waiting order whose taking back meets the fault."""
    order = stage.place(stage.waiting())
    name = order.client_order_id
    _doubt(stage, fault, Verb.CANCEL, lambda: stage.broker.cancel(name, reason="card"))
    return order


@_cancel("C75", Ability.FAULTS, fault=Fault.REPLY_LOST)
def taking_back_without_an_answer_can_be_asked_again(stage: Stage) -> None:
    """A cancel whose answer is lost is ambiguous; asked again it is False, and the record says CANCELED."""
    order = _doubtful_cancel(stage, Fault.REPLY_LOST)
    need(not stage.broker.cancel(order.client_order_id, reason="card"), "it was taken back twice")
    need(stage.until_ended(order).state is OrderState.CANCELED, f"found {stage.record(order)}")
    need(len(stage.record(order)) == 1, f"found {stage.record(order)}")


@_cancel("C76", Ability.FAULTS, fault=Fault.REQUEST_LOST)
def a_lost_cancel_can_be_asked_again(stage: Stage) -> None:
    """A cancel lost on its way is ambiguous, never assumed done; asked again it is done."""
    name = _doubtful_cancel(stage, Fault.REQUEST_LOST).client_order_id
    need(stage.names_waiting() == [name], f"found {stage.names_waiting()}")
    need(stage.broker.cancel(name, reason="card"), "asked again it was not done")


@_cancel("C77", Ability.FAULTS, fault=Fault.SERVER_ERROR)
def a_cancel_met_by_a_server_error_is_not_known(stage: Stage) -> None:
    """A server's error on a cancel is ambiguous, and the record says what it was."""
    order = _doubtful_cancel(stage, Fault.SERVER_ERROR)
    need(stage.until_ended(order).state is OrderState.CANCELED, f"found {stage.record(order)}")


def _doubtful_replace(stage: Stage, fault: Fault, *, done: bool) -> None:
    old = stage.place(stage.waiting())
    new = stage.waiting(2_000, away=600)
    _doubt(stage, fault, Verb.REPLACE, lambda: stage.broker.replace(old.client_order_id, new))
    stage.settled(stage.broker.open_orders)
    shown = stage.names_waiting()
    need(shown == [(new if done else old).client_order_id], f"{shown} wait")
    ended = [item.client_order_id for item in stage.record() if item.state is OrderState.CANCELED]
    need(ended == ([old.client_order_id] if done else []), f"{ended} were taken back")
    _count(stage, new)


@_replace("C80", Ability.FAULTS, fault=Fault.REPLY_LOST)
def a_replacement_without_an_answer_is_one_order(stage: Stage) -> None:
    """A replacement whose answer is lost is ambiguous; the record says that the new one alone waits."""
    _doubtful_replace(stage, Fault.REPLY_LOST, done=True)


@_replace("C81", Ability.FAULTS, fault=Fault.REQUEST_LOST)
def a_lost_replacement_leaves_the_old_order(stage: Stage) -> None:
    """A replacement lost on its way is ambiguous; the record says that the old one alone waits."""
    _doubtful_replace(stage, Fault.REQUEST_LOST, done=False)


@_replace("C82", Ability.FAULTS, fault=Fault.REPLY_CUT)
def half_an_answer_to_a_replacement_proves_nothing(stage: Stage) -> None:
    """Half an answer to a replacement is ambiguous; the record says which order waits."""
    _doubtful_replace(stage, Fault.REPLY_CUT, done=True)


@_exits(
    "C84", Ability.FAULTS, Ability.MARKET, fault=Fault.REPLY_LOST, offered=lambda found: found.exit_changes
)
def exits_without_an_answer_are_shown(stage: Stage) -> None:
    """A change of exits whose answer is lost is ambiguous; the positions show what holds."""
    stage.hold(1_000, stop_distance=500)
    change = stage.change(stop=stage.bid - 200)
    _doubt(stage, Fault.REPLY_LOST, Verb.CHANGE_EXITS, lambda: stage.broker.change_exits(change))
    need(stage.broker.positions()[0].stop == change.stop, f"found {stage.broker.positions()}")
    stage.broker.change_exits(change)
    need(stage.broker.positions()[0].stop == change.stop, f"found {stage.broker.positions()}")


def _broken(stage: Stage, fault: Fault) -> None:
    stage.hold(1_000)
    stage.place(stage.waiting())
    reads: tuple[Callable[[Broker], object], ...] = (
        lambda broker: broker.account(),
        lambda broker: broker.positions(),
        lambda broker: broker.open_orders(),
        lambda broker: broker.transactions_since(0),
        lambda broker: broker.order(stage.order(1).client_order_id),
    )
    for read in reads:
        stage.bench.cause(fault, Verb.REPORT)
        try:
            found = read(stage.broker)
        except UnavailableError:
            continue
        finally:
            stage.bench.heal()
        raise CardFailedError(f"{fault} was read as {found}")
    need(stage.held() == 1_000 and len(stage.names_waiting()) == 1, "the account is not as it was")


@_report("C86", Ability.FAULTS, Ability.MARKET, fault=Fault.REPLY_CUT)
def half_a_report_is_none(stage: Stage) -> None:
    """Half a report is `UnavailableError`, never taken for a flat account or a short list."""
    _broken(stage, Fault.REPLY_CUT)


@_report("C87", Ability.FAULTS, Ability.MARKET, fault=Fault.SERVER_ERROR)
def a_report_met_by_a_server_error_is_none(stage: Stage) -> None:
    """A server's error on a report is `UnavailableError`, never an empty list."""
    _broken(stage, Fault.SERVER_ERROR)


@_report("C88", Ability.FAULTS, Ability.MARKET, fault=Fault.RESET)
def a_report_met_by_a_reset_is_none(stage: Stage) -> None:
    """A reset connection on a report is `UnavailableError`, never an empty list."""
    _broken(stage, Fault.RESET)
