"""People's verbs that change something, and status. Each is checked against the role, done, written down."""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from workbench.domain.accounts import AccountMode, AccountSnapshot
from workbench.domain.roles import allowed
from workbench.errors import BadInputError
from workbench.gateway.adoption import adopt, resolve
from workbench.gateway.controls.editing import change_limits, show_limits
from workbench.gateway.controls.halting import forgive
from workbench.gateway.controls.override_verbs import change_override
from workbench.gateway.controls.usage import shown_use
from workbench.gateway.desk import Desk
from workbench.gateway.errors import LedgerWriteError, NotAllowedError, RefusedError
from workbench.gateway.killing import kill, kills_in_force, unkill
from workbench.gateway.market_data.opening import close_feed
from workbench.gateway.messages import PROTOCOL_VERSION, OperatorRequest
from workbench.gateway.orders import cancel_waiting, flatten
from workbench.gateway.outside_accounts import check_sole
from workbench.gateway.records import plain
from workbench.gateway.recovery import new_trading, rebuild
from workbench.gateway.specs import DeploymentSpec, parse_spec
from workbench.gateway.trading import State, Trading

__all__ = ["act", "arguments_of", "check_request"]

_Arguments = TypeVar("_Arguments")


class _OnDeployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deployment_id: str
    flatten: bool = False


def check_request(request: OperatorRequest) -> None:
    """Refuse another protocol and a role without the verb.

    Raises
    ------
    RefusedError
        Another protocol version.
    NotAllowedError
        The role does not have the verb.
    """
    if request.version != PROTOCOL_VERSION:
        raise RefusedError(
            f"expected protocol version {PROTOCOL_VERSION}, found {request.version}; "
            "use the tools of the same workbench"
        )
    if not allowed(request.role, request.verb):
        raise NotAllowedError(
            f"{request.user or 'somebody'} is {request.role or 'nobody'}, which may not {request.verb}; "
            "ask an administrator"
        )


def arguments_of(kind: type[_Arguments], given: Mapping[str, Any]) -> _Arguments:
    """A verb's arguments, checked.

    Raises
    ------
    BadInputError
        One is missing, unknown or of another kind.
    """
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"these arguments can not be used: {error}") from None


def act(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    """Do a checked verb; its answer.

    Raises
    ------
    WorkbenchError
        It was not done, and why.
    """
    verb = _VERBS.get(request.verb)
    if verb is None:
        raise BadInputError(f"unknown verb {request.verb!r}; the gateway knows {', '.join(sorted(_VERBS))}")
    desk.log.info("verb", verb=request.verb, user=request.user, role=request.role)
    return verb(desk, request)


def _status(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "protocol": PROTOCOL_VERSION,
        "now_ns": desk.ledger.now_ns(),
        "journal_length": desk.ledger.length,
        "kills": kills_in_force(desk),
        "deployments": [_shown(desk, trading) for _, trading in sorted(desk.deployments.items())],
    }


def _shown(desk: Desk, trading: Trading) -> dict[str, Any]:
    books, spec = trading.books, trading.spec
    state = "finished" if trading.ended and trading.state is State.RUNNING else trading.state.value
    return {
        "deployment_id": spec.deployment_id,
        "release_id": spec.release_id,
        "account_id": spec.account.id,
        "instruments": list(spec.instruments),
        "timeframe": spec.timeframe,
        "state": state,
        "detail": trading.detail,
        "killed": desk.kill_over(trading),
        "halted": trading.halted,
        "currency": books.currency,
        "balance": books.balance,
        "equity": books.equity,
        "margin_used": books.margin_used,
        "positions": plain(books.positions),
        "position": _held(books, spec),
        "last_event_ns": trading.time_ns,
        "event_seq": trading.seq,
        "decision_seq": trading.decision_seq,
        "orders": trading.orders,
        "waiting": len(trading.working),
        "unknown": sorted(trading.unknown),
        "broker": _link(trading),
        "denials": trading.denials,
        "fills": trading.fills,
        "kernel_pid": trading.kernel_pid,
        "kernel_seen_ns": trading.kernel_seen_ns,
        "limits": trading.limits.to_json(),
        "limit_use": shown_use(trading),
    }


def _link(trading: Trading) -> dict[str, Any]:
    """The connection to a broker outside this process; nothing of one in it."""
    standing = trading.standing
    if standing is None:
        return {}
    return {
        "phase": standing.phase.value,
        "detail": standing.detail,
        "frozen": dict(standing.frozen),
        "cancel_pending": sorted(standing.cancels),
        "external": len(standing.external),
        "watermark": standing.watermark,
    }


def _held(books: AccountSnapshot, spec: DeploymentSpec) -> int:
    """Units held: signed of one instrument, of several in all, so that nothing held is told from flat.

    Of a hedging account those long and short together, never below zero.
    """
    if spec.account.rules.mode is AccountMode.HEDGING:
        return sum(abs(item.units) for item in books.trades)
    units = [books.units(item.id) for item in spec.records]
    return units[0] if len(units) == 1 else sum(map(abs, units))


def _open(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    spec = parse_spec(request.arguments)
    check_sole(desk, spec)
    known = desk.deployments.get(spec.deployment_id)
    if known is not None and not known.spec.same_business(spec):
        raise RefusedError(
            f"deployment {spec.deployment_id} is open with another account, feed, release or cost book; "
            "give a new deployment a new id"
        )
    if known is None:
        trading = new_trading(desk, spec)
    elif known.state is State.CLOSED:
        close_feed(known.feed)
        trading = rebuild(desk, spec, state=State.RUNNING, detail="")
        desk.deployments[spec.deployment_id] = trading
    elif known.spec == spec:
        return _shown(desk, known)
    else:
        trading = known
    state = trading.state  # a frozen one stays so until somebody resumes it
    try:
        with desk.ledger.change("open") as change:
            change.record(
                "deployment.opened",
                deployment_id=spec.deployment_id,
                spec=plain(spec),
                state=state.value,
                detail="" if state is State.RUNNING else trading.detail,
                by=request.user,
            )
    except LedgerWriteError:
        if known is None:
            close_feed(trading.feed)
        raise
    trading.spec, trading.limits = spec, spec.parsed_limits()
    desk.deployments[spec.deployment_id] = trading
    return _shown(desk, trading)


def _stop(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    return _end(desk, request, state=State.STOPPED)


def _close(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    return _end(desk, request, state=State.CLOSED)


def _end(desk: Desk, request: OperatorRequest, *, state: State) -> dict[str, Any]:
    arguments = arguments_of(_OnDeployment, request.arguments)
    trading = desk.find(arguments.deployment_id)
    if trading.state is State.FROZEN and (arguments.flatten or state is State.STOPPED):
        raise RefusedError(
            f"{trading.detail}; it takes no orders already, and its position is not known well enough to "
            "close it: resume it first"
        )
    closed = trading.state is State.CLOSED
    if not closed:
        trading.state = state  # at once, whether or not the store takes it
        trading.detail = f"{state} by {request.user}"
    with desk.ledger.change("stop") as change:
        change.record(
            f"deployment.{trading.state.value}",
            deployment_id=arguments.deployment_id,
            detail=trading.detail,
            flatten=arguments.flatten,
            by=request.user,
        )
    canceled = cancel_waiting(desk, trading, control="STOP", reason=trading.detail)
    order = flatten(desk, trading, by=request.user) if arguments.flatten and not trading.archived else ""
    return {**_shown(desk, trading), "canceled": canceled, "flatten_order": order}


def _resume(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    arguments = arguments_of(_OnDeployment, request.arguments)
    trading = desk.find(arguments.deployment_id)
    if trading.state is State.CLOSED:
        raise RefusedError(f"deployment {arguments.deployment_id} is closed; open it again")
    if trading.state is State.RUNNING:
        forgive(desk, trading, by=request.user)
        return _shown(desk, trading)
    check_sole(desk, trading.spec)
    close_feed(trading.feed)
    fresh = rebuild(desk, trading.spec, state=State.RUNNING, detail="")
    desk.deployments[arguments.deployment_id] = fresh
    if fresh.state is State.FROZEN:
        raise RefusedError(fresh.detail)
    forgive(desk, fresh, by=request.user)
    try:
        with desk.ledger.change("resume") as change:
            change.record(
                "deployment.resumed", deployment_id=arguments.deployment_id, detail="", by=request.user
            )
    except LedgerWriteError as error:
        desk.freeze(fresh, f"deployment {arguments.deployment_id} is frozen: {error}")
        raise
    return _shown(desk, fresh)


_VERBS: Mapping[str, Callable[[Desk, OperatorRequest], dict[str, Any]]] = {
    "status": _status,
    "controls": show_limits,
    "limits": change_limits,
    "override": change_override,
    "open": _open,
    "stop": _stop,
    "close": _close,
    "resume": _resume,
    "kill": kill,
    "unkill": unkill,
    "adopt": adopt,
    "resolve": resolve,
}
