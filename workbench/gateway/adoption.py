"""What only a named person decides: to take the broker's word over the books, and how UNKNOWN ends."""

from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, OrderState
from workbench.errors import BadInputError
from workbench.gateway.broker_records import write_adjustment, write_link, write_released
from workbench.gateway.brokers.port import AmbiguousError, RejectedError, UnavailableError
from workbench.gateway.desk import Desk
from workbench.gateway.errors import RefusedError
from workbench.gateway.evidence import Evidence
from workbench.gateway.messages import OperatorRequest
from workbench.gateway.reconciliation import reconcile
from workbench.gateway.standing import Phase, Standing
from workbench.gateway.trading import Trading
from workbench.store.schema import adjustments

__all__ = ["adopt", "resolve"]


class _Adopt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deployment_id: str
    instrument: str
    reason: str = ""


class _Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deployment_id: str
    client_order_id: str
    state: str  # ABSENT or CANCELED
    reason: str = ""


def adopt(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    """The verb: the broker's position and cash are booked as an adjustment, and the instrument trades again.

    Raises
    ------
    RefusedError
        The broker's report can not be had, or the account is in this process.
    """
    arguments = _arguments(_Adopt, request)
    trading = desk.find(arguments.deployment_id)
    name = InstrumentId(arguments.instrument)
    _elsewhere(trading)
    reconcile(desk, trading)
    standing = _elsewhere(trading)
    if standing.phase is Phase.AWAY:
        raise RefusedError(
            f"expected the broker's report of {name}, found none: {standing.detail}; try again"
        )
    try:
        held = {item.instrument: item for item in trading.broker.positions()}
        account = trading.broker.account()
        if trading.broker.transactions_since(standing.watermark):
            raise RefusedError(f"the account moved while {name} was looked at; try again")
    except (AmbiguousError, RejectedError, UnavailableError) as error:
        raise RefusedError(f"expected the broker's report of {name}, found: {error}; try again") from None
    _named(request, arguments.reason)
    record = trading.record_of(name)
    theirs = held.get(name)
    units = (theirs.units if theirs else 0) - standing.books.units(name)
    price = theirs.average_price if theirs else sum(trading.prices.get(name, (0, 0))) // 2
    after = (theirs.units * theirs.average_price if theirs else 0) * record.micro_per_point
    cost = after - standing.books.cost(record) - units * price * record.micro_per_point
    cash = account.balance - standing.books.cash
    found = {"units": units, "price": price, "cost": cost, "cash": cash}
    fresh = standing.copy()
    fresh.books.adjust(record, **found)
    fresh.frozen.pop(name, None)
    fresh.mismatch_s.clear()
    fresh.news = True
    now_ns = desk.ledger.now_ns()
    with desk.ledger.change("adoption") as change:
        if units or cash:
            row = {
                "deployment_id": arguments.deployment_id,
                "number": _next_number(change.execute(_NUMBERS, {"id": arguments.deployment_id}).scalar()),
                "instrument": name,
                **found,
                "by": request.user,
                "reason": arguments.reason,
                "created_ns": now_ns,
            }
            write_adjustment(change, row)
        write_released(
            change, arguments.deployment_id, name, by=request.user, reason=arguments.reason, found=found
        )
        write_link(change, trading, fresh, now_ns=now_ns)
    trading.standing = fresh
    desk.log.warning(
        "adopted", deployment_id=arguments.deployment_id, instrument=name, by=request.user, **found
    )
    return {"deployment_id": arguments.deployment_id, "instrument": name, **found}


def resolve(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    """The verb: a person who has looked at the broker says how an UNKNOWN order ended.

    Raises
    ------
    RefusedError
        The order is not UNKNOWN.
    """
    arguments = _arguments(_Resolve, request)
    trading = desk.find(arguments.deployment_id)
    standing = _elsewhere(trading)
    state = next(
        (item for item in (OrderState.ABSENT, OrderState.CANCELED) if item.value == arguments.state), None
    )
    if state is None:
        raise BadInputError(f"expected ABSENT or CANCELED, found {arguments.state!r}")
    name = ClientOrderId(arguments.client_order_id)
    if name not in standing.unknown():
        raise RefusedError(
            f"expected an order that is UNKNOWN, found {name}; those are "
            f"{', '.join(standing.unknown()) or 'none'}"
        )
    _named(request, arguments.reason)
    fresh = standing.copy()
    with desk.ledger.change("resolution") as change:
        evidence = Evidence(
            change=change,
            trading=trading,
            standing=fresh,
            now_ns=desk.ledger.now_ns(),
            now_s=desk.monotonic(),
            event_seq=trading.seq + 1,
        )
        evidence.end(name, fresh.orders[name], state, arguments.reason, f"word of {request.user}")
    trading.standing = fresh
    trading.unknown = {item: fresh.orders[item].order for item in fresh.unknown()}
    return {"deployment_id": arguments.deployment_id, "client_order_id": name, "state": state.value}


_NUMBERS = sa.select(sa.func.max(adjustments.c.number)).where(
    adjustments.c.deployment_id == sa.bindparam("id")
)


def _next_number(last: int | None) -> int:
    return (last or 0) + 1


def _named(request: OperatorRequest, reason: str) -> None:
    """Refuse a decision in nobody's name or for no reason: both are for the record."""
    if not request.user.strip() or not reason.strip():
        raise BadInputError(
            f"expected a person and a reason for the record, found {request.user or 'nobody'} and "
            f"{reason or 'none'}; say what you saw at the broker"
        )


def _elsewhere(trading: Trading) -> Standing:
    if trading.standing is None:
        raise RefusedError(
            f"deployment {trading.spec.deployment_id} trades a paper account of the gateway's own: there is "
            "no other record to take over"
        )
    return trading.standing


def _arguments(kind: type[Any], request: OperatorRequest) -> Any:
    try:
        return msgspec.convert(dict(request.arguments), kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"these arguments can not be used: {error}") from None
