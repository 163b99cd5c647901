"""Sending what was decided on an event: first what is taken back, then changes of exits, then new orders."""

import time
from collections.abc import Sequence

from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.gateway.messages import (
    AskExposure,
    CancelIntent,
    CancelResult,
    ChangeIntent,
    ChangeResult,
    IntentResult,
    Judged,
    SubmitIntent,
)
from workbench.live.gateway_line import GatewayLine
from workbench.live.judging import OrderJudge
from workbench.live.log import JsonLog
from workbench.strategy import Decision

__all__ = ["send_decision"]


def send_decision(line: GatewayLine, decided: Decision, *, seq: int, log: JsonLog) -> bool:
    """Whether the gateway has taken all of it; False when a stop came before.

    Raises
    ------
    GatewayRefusedError
        It does not let this kernel trade.
    """
    return (
        _withdraw(line, decided.cancels, seq=seq, log=log)
        and _change(line, decided.changes, seq=seq, log=log)
        and _submit(line, decided.orders, seq=seq, log=log)
    )


def _withdraw(line: GatewayLine, cancels: Sequence[ClientOrderId], *, seq: int, log: JsonLog) -> bool:
    for name in cancels:
        request = CancelIntent(
            deployment_id=line.deployment_id, token=line.token, event_seq=seq, client_order_id=name
        )
        result = line.answered(request, CancelResult, what="what became of a cancel")
        if result is None:
            return False
        log.info(
            "cancel",
            seq=seq,
            client_order_id=result.client_order_id,
            state=result.state,
            reason=result.reason,
            repeated=result.repeated,
        )
    return True


def _change(line: GatewayLine, changes: Sequence[ExitChange], *, seq: int, log: JsonLog) -> bool:
    for number, change in enumerate(changes):
        request = ChangeIntent(
            deployment_id=line.deployment_id, token=line.token, event_seq=seq, number=number, change=change
        )
        result = line.answered(request, ChangeResult, what="what became of a change of exits")
        if result is None:
            return False
        log.info(
            "exit change",
            seq=seq,
            instrument=change.instrument,
            trade=change.trade,
            state=result.state,
            control=result.control,
            reason=result.reason,
            repeated=result.repeated,
        )
    return True


def _submit(line: GatewayLine, orders: Sequence[Order], *, seq: int, log: JsonLog) -> bool:
    if not orders:
        return True
    found = line.answered(
        AskExposure(deployment_id=line.deployment_id, token=line.token),
        Judged,
        what="what orders are judged against",
    )
    if found is None:
        return False
    judge = OrderJudge(found.exposures, found.limits, found.overrides)
    for order in orders:
        denial = judge.check(order)
        request = SubmitIntent(
            deployment_id=line.deployment_id,
            token=line.token,
            event_seq=seq,
            order=order,
            control=denial.control if denial else "",
            reason=denial.reason if denial else "",
        )
        began = time.monotonic()
        result = line.answered(request, IntentResult, what="what became of an intent")
        if result is None:
            return False
        judge.answered(order, result.state)
        log.info(
            "intent",
            seq=seq,
            client_order_id=result.client_order_id,
            state=result.state,
            control=result.control,
            reason=result.reason,
            repeated=result.repeated,
            seconds=round(time.monotonic() - began, 6),
        )
    return True
