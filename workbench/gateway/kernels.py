"""What a live kernel may ask, and the answers."""

from workbench.gateway.cancels import withdraw
from workbench.gateway.changes import change_exits
from workbench.gateway.controls import exposures_of
from workbench.gateway.deliveries import last_acked, next_event
from workbench.gateway.desk import Desk
from workbench.gateway.errors import LedgerWriteError, UnknownDeploymentError, WrongTokenError
from workbench.gateway.market_data.quote_deliveries import (
    follows_quotes,
    next_quote_event,
    write_before_intent,
)
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    AskExposure,
    Attach,
    Attached,
    CancelIntent,
    ChangeIntent,
    Heartbeat,
    Judged,
    KernelReply,
    KernelRequest,
    NextEvent,
    Ok,
    Refused,
    SubmitIntent,
)
from workbench.gateway.orders import submit
from workbench.gateway.trading import State, Trading

__all__ = ["answer"]


def answer(desk: Desk, request: KernelRequest) -> KernelReply:
    """The answer to one request; a store that does not take a change freezes the deployment."""
    if isinstance(request, Attach) and request.version != PROTOCOL_VERSION:
        return Refused(
            reason=(
                f"expected protocol version {PROTOCOL_VERSION}, found {request.version}; "
                "start the live kernel and the gateway from the same workbench"
            )
        )
    try:
        trading = desk.enter(request.deployment_id, token=request.token)
    except (UnknownDeploymentError, WrongTokenError) as error:
        desk.log.warning("refused", deployment_id=request.deployment_id[:100], detail=str(error))
        return Refused(reason=str(error))
    trading.kernel_seen_ns = desk.ledger.now_ns()
    try:
        if follows_quotes(trading) and (decided_on := getattr(request, "event_seq", 0)):
            write_before_intent(desk, trading, decided_on)
        match request:
            case Attach():
                return _attach(desk, trading, request)
            case NextEvent(quotes=True) if follows_quotes(trading):
                return next_quote_event(desk, trading, request)
            case NextEvent():
                return next_event(desk, trading, request)
            case SubmitIntent():
                return submit(desk, trading, request)
            case CancelIntent():
                return withdraw(desk, trading, request)
            case AskExposure():
                killed = desk.kill_over(trading)
                return Judged(
                    exposures=exposures_of(trading, killed=killed),
                    limits=trading.limits,
                    overrides=desk.usable_overrides(trading),
                )
            case ChangeIntent():
                return change_exits(desk, trading, request)
            case Heartbeat():
                return Ok()
    except LedgerWriteError as error:
        desk.freeze(trading, f"deployment {request.deployment_id} is frozen: {error}")
        return Refused(reason=trading.detail)


def _attach(desk: Desk, trading: Trading, request: Attach) -> KernelReply:
    if trading.state is not State.RUNNING:
        return Refused(
            reason=f"expected a running deployment, found one {trading.state}: {trading.detail}; resume it"
        )
    trading.kernel_pid = request.pid
    with desk.engine.connect() as connection:
        acked = last_acked(connection, trading.spec.deployment_id)
    desk.log.info("attached", deployment_id=request.deployment_id, pid=request.pid, acked=acked)
    return Attached(version=PROTOCOL_VERSION, acked=acked, killed=bool(desk.kill_over(trading)))
