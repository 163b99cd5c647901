"""The kill switch: blocked at once, remembered on disk, cancels sent before anything waits for the store.

Each step holds when the next one can not be done: the block needs no disk, the file no database, the
cancels neither, and what the store did not take is written as soon as it does.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.roles import allowed
from workbench.errors import BadInputError
from workbench.gateway.desk import Desk
from workbench.gateway.errors import LedgerWriteError
from workbench.gateway.kill_requests import KillRequest, is_kill_scope
from workbench.gateway.messages import OperatorRequest
from workbench.gateway.orders import cancel_waiting, send_cancels, strategy_orders, write_cancels
from workbench.gateway.trading import Trading
from workbench.store.schema import kills

__all__ = ["KillChase", "kill", "kills_in_force", "unkill", "waiting_under_kill"]

_TAKE_AFTER_S = 1.0  # whoever wrote a request asks for it too, and is answered first
_AGAIN_S = 0.5
_ALERT_AFTER_S = 10.0


class _Kill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scope: str = "all"
    reason: str = ""
    request: str = ""  # the name of the kill request that was written first


def kill(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    """The verb: block, cancel, write down; what was done."""
    arguments = _arguments(request.arguments)
    began = desk.monotonic()
    try:
        _check_scope(desk, arguments.scope)
    except BadInputError:
        _forget(desk, arguments.request)
        raise
    item = KillRequest(
        scope=arguments.scope,
        by=request.user,
        role=request.role,
        reason=arguments.reason,
        created_ns=desk.ledger.now_ns(),
    )
    return _throw(desk, item, name=arguments.request or _remember(desk, item), began=began)


def unkill(desk: Desk, request: OperatorRequest) -> dict[str, Any]:
    """The verb: release a scope; requests that wait are taken first, so that none comes back later."""
    arguments = _arguments(request.arguments)
    _check_scope(desk, arguments.scope)
    if desk.kill_requests is not None:
        for name, item in desk.kill_requests.pending().items():
            _throw(desk, item, name=name, began=desk.monotonic())
    with desk.ledger.change("unkill") as change:
        change.execute(sa.delete(kills).where(kills.c.scope == arguments.scope))
        change.record("unkill", scope=arguments.scope, reason=arguments.reason, by=request.user)
    desk.kills.discard(arguments.scope)
    return {"kills": kills_in_force(desk)}


def kills_in_force(desk: Desk) -> list[str]:
    """The scopes that are blocked, those that are not in the store yet with them."""
    asked = desk.kill_requests.scopes() if desk.kill_requests is not None else set[str]()
    return sorted(desk.kills | asked)


class KillChase:
    """What goes on after a kill without anybody asking; `tick` it often.

    Requests that nobody asks for are taken over, and orders that the broker did not say are gone are
    cancelled again until its list is empty; after ten seconds the log says that they may still be live.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[str, float] = {}
        self._tried_at = -_AGAIN_S
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether something is left to do soon."""
        return bool(self._seen or self._since)

    def tick(self) -> None:
        """Look, and do the next thing."""
        self._take_requests()
        now = self._desk.monotonic()
        left = {name: trading for name, trading in self._desk.deployments.items() if self._is_left(trading)}
        self._since = {name: self._since.get(name, now) for name in left}
        if not left or now - self._tried_at < _AGAIN_S:
            return
        self._tried_at = now
        for name, trading in left.items():
            cancel = partial(self._cancel, trading)
            if not self._desk.later(trading, cancel):
                cancel()
            still = strategy_orders(trading)
            if still and now - self._since[name] >= _ALERT_AFTER_S and name not in self._told:
                self._told.add(name)
                self._desk.log.error(
                    "orders may still be live",
                    deployment_id=name,
                    client_order_ids=[str(item) for item in still],
                    detail="killed, and the broker confirms no cancel; look at the broker's own screen",
                )

    def _cancel(self, trading: Trading) -> None:
        try:
            cancel_waiting(self._desk, trading, control="R23", reason="killed")
        except LedgerWriteError as error:
            name = trading.spec.deployment_id
            self._desk.freeze(trading, f"deployment {name} is frozen: {error}")

    def _take_requests(self) -> None:
        requests = self._desk.kill_requests
        if requests is None:
            return
        now, pending = self._desk.monotonic(), requests.pending()
        self._seen = {name: self._seen.get(name, now) for name in pending}
        for name, item in pending.items():
            if now - self._seen[name] < _TAKE_AFTER_S:
                continue
            if not allowed(item.role, "kill"):
                self._desk.log.warning("kill request refused", by=item.by, role=item.role)
                requests.remove(name)
                continue
            self._seen[name] = now
            try:
                _throw(self._desk, item, name=name, began=now)
            except LedgerWriteError as error:
                self._desk.log.error("kill not written", scope=item.scope, detail=str(error))

    def _is_left(self, trading: Trading) -> bool:
        # a request that is on its way is left to whoever asks for it, who is told what was cancelled
        thrown = any(_is_under(trading, scope) for scope in self._desk.kills)
        return not trading.archived and thrown and bool(strategy_orders(trading))


def _throw(desk: Desk, item: KillRequest, *, name: str, began: float) -> dict[str, Any]:
    desk.kills.add(item.scope)  # at once, whether or not the store takes it
    blocked_s = desk.monotonic() - began
    desk.log.warning("killed", scope=item.scope, by=item.by, reason=item.reason)
    killed = {
        deployment_id: trading
        for deployment_id, trading in desk.deployments.items()
        if desk.kill_over(trading) and not trading.archived
    }
    canceled: list[str] = []
    for trading in killed.values():
        cancel = partial(_send, desk, trading, canceled, by=item.by)
        if not desk.later(trading, cancel):
            cancel()
    canceled_s = desk.monotonic() - began
    _write(desk, item, name=name)
    failed = []
    for deployment_id, trading in killed.items():
        try:
            write_cancels(desk, trading, control="R23")
        except LedgerWriteError as error:
            desk.freeze(trading, f"deployment {deployment_id} is frozen: {error}")
            failed.append(deployment_id)
    return {
        "kills": kills_in_force(desk),
        "deployments": [
            name for name, trading in sorted(desk.deployments.items()) if _is_under(trading, item.scope)
        ],
        "canceled": canceled,
        "waiting": waiting_under_kill(desk),
        "not_written": failed,
        "blocked_ms": round(1_000 * blocked_s, 3),
        "cancels_sent_ms": round(1_000 * canceled_s, 3),
    }


def waiting_under_kill(desk: Desk) -> list[str]:
    """The strategies' orders that may still be live although a kill is in force over them."""
    return [
        str(order)
        for trading in desk.deployments.values()
        if desk.kill_over(trading) and not trading.archived
        for order in strategy_orders(trading)
    ]


def _send(desk: Desk, trading: Trading, canceled: list[str], *, by: str) -> None:
    """Take back what waits; what was done is added to `canceled`."""
    canceled += send_cancels(desk, trading, reason=f"killed by {by}")


def _write(desk: Desk, item: KillRequest, *, name: str) -> None:
    row = {
        "scope": item.scope,
        "by": item.by,
        "reason": item.reason,
        "created_ns": item.created_ns or desk.ledger.now_ns(),
    }
    try:
        with desk.ledger.change("kill") as change:
            change.execute(sa.delete(kills).where(kills.c.scope == item.scope))
            change.execute(sa.insert(kills), row)
            change.record("kill", **row)
    except LedgerWriteError as error:
        for deployment_id, trading in desk.deployments.items():
            if desk.kill_over(trading) and not trading.archived:  # cancels that are not in the books
                desk.freeze(trading, f"deployment {deployment_id} is frozen: {error}")
        kept = (
            "is remembered on disk and written to the journal as soon as it can be"
            if name
            else "would not outlast this process"
        )
        raise LedgerWriteError(f"the kill of {item.scope} is in force and {kept}: {error}") from error
    _forget(desk, name)


def _remember(desk: Desk, item: KillRequest) -> str:
    """Write the kill where no database is needed; its name, empty when the disk does not take it."""
    if desk.kill_requests is None:
        return ""
    try:
        return desk.kill_requests.add(item)
    except OSError as error:
        desk.log.error("kill not on disk", scope=item.scope, detail=str(error))
        return ""


def _forget(desk: Desk, name: str) -> None:
    if desk.kill_requests is not None and name:
        desk.kill_requests.remove(name)


def _is_under(trading: Trading, scope: str) -> bool:
    spec = trading.spec
    return scope in ("all", f"account:{spec.account.id}", f"deployment:{spec.deployment_id}")


def _arguments(given: Mapping[str, Any]) -> _Kill:
    try:
        return msgspec.convert(dict(given), _Kill)
    except msgspec.ValidationError as error:
        raise BadInputError(f"these arguments can not be used: {error}") from None


def _check_scope(desk: Desk, scope: str) -> None:
    if not is_kill_scope(scope):
        raise BadInputError(f"expected a scope like all, account:ID or deployment:ID, found {scope[:100]!r}")
    if scope.startswith("deployment:"):
        desk.find(scope.partition(":")[2])
