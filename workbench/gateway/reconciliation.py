"""Bringing the books and a broker's record together: one way, after a start, a crash and a reconnect.

No new order leaves before it has worked. A report that can not be had whole is an error, never "flat" and
never "gone". An order that nobody knows of stays UNKNOWN, with its exposure reserved, until the record shows
it, or the complete record has been silent about it for longer than the broker can be late (`ABSENT`), or a
named person decides. Executions are never made up: a position that differs freezes its instrument.
"""

from dataclasses import dataclass

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, OrderState
from workbench.gateway.broker_records import write_link
from workbench.gateway.brokers.port import (
    AmbiguousError,
    Beat,
    Broker,
    Lost,
    NotAuthorizedError,
    OpenOrder,
    OrderReport,
    RejectedError,
    Transaction,
    TransactionNews,
    UnavailableError,
)
from workbench.gateway.desk import Desk
from workbench.gateway.evidence import Evidence, numbered
from workbench.gateway.exits_elsewhere import settle_wishes, take_levels
from workbench.gateway.protection import tell_unprotected
from workbench.gateway.standing import Phase, Standing
from workbench.gateway.strangers import tell_strangers
from workbench.gateway.trading import State, Trading

__all__ = ["lose", "reconcile", "take_answer", "watch"]

_ROUNDS = 8  # pulls until the record does not move in one
_EACH_S = 30.0  # the check against the broker's positions and cash when nothing happens, R24
_AGAIN_S = 0.5  # while something is open: an UNKNOWN order, a cancel, a difference
_CONFIRM_S = 4.5  # a difference that lasts so long is no report that came early; told within 5 s
_LIVE = (OrderState.WORKING, OrderState.PARTIAL)
_CASH = "cash:"  # before the instrument, of a difference in cash


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """Everything of one pull, whole."""

    account: AccountSnapshot
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...]
    transactions: tuple[Transaction, ...]
    probes: dict[ClientOrderId, OrderReport | None]
    instruments: tuple[Instrument, ...] | None


def watch(desk: Desk, trading: Trading, *, now: bool = False) -> None:
    """Keep an account elsewhere known: connect, listen, and reconcile when there is a reason.

    Parameters
    ----------
    now
        Fetch the record even if nothing was heard: a decision is about to be asked for.

    Raises
    ------
    LedgerWriteError
        The store did not take what was found.
    """
    standing = trading.standing
    if standing is None or standing.released or trading.state is State.FROZEN:
        return  # what is in memory may be behind the store: a resumed deployment is read from it anew
    clock = desk.monotonic()
    if standing.phase is Phase.AWAY:
        if not standing.breaker.allows():
            return
        try:
            trading.broker.connect()
        except (NotAuthorizedError, RejectedError, AmbiguousError, UnavailableError) as error:
            lose(desk, trading, str(error), authorized=not isinstance(error, NotAuthorizedError))
            return
        standing.authorized = True
        standing.breaker.worked()
        standing.phase, standing.detail = Phase.RECONCILING, "its record is being taken in"
        standing.heard_s, standing.news = clock, True
    _listen(desk, trading)
    standing = trading.standing
    if standing is None or standing.phase is Phase.AWAY:
        return
    unsettled = bool(standing.unknown() or standing.cancels or standing.wishes or standing.mismatch_s)
    pause = _AGAIN_S if unsettled else _EACH_S
    if now or standing.news or clock - standing.tried_s >= pause:
        reconcile(desk, trading)


def reconcile(desk: Desk, trading: Trading) -> bool:
    """Take the broker's record in; whether the account is ready for orders afterwards.

    Raises
    ------
    LedgerWriteError
        The store did not take what was found; nothing of it counts.
    """
    standing = trading.standing
    if standing is None:
        return True
    standing.tried_s = desk.monotonic()
    try:
        _cancel_again(trading.broker, standing)
        report = _pull(trading.broker, standing)
    except (NotAuthorizedError, RejectedError, AmbiguousError, UnavailableError) as error:
        lose(desk, trading, str(error), authorized=not isinstance(error, NotAuthorizedError))
        return False
    fresh = standing.copy()
    fresh.news = False
    fresh.heard_s = desk.monotonic()
    with desk.ledger.change("reconciliation") as change:
        evidence = Evidence(
            change=change,
            trading=trading,
            standing=fresh,
            now_ns=desk.ledger.now_ns(),
            now_s=desk.monotonic(),
            event_seq=trading.seq + (trading.seq == trading.decision_seq),
        )
        seen = [item.order.client_order_id for item in report.open_orders]
        if fresh.opened:
            for item in report.transactions:
                evidence.transaction(item)
                seen.append(item.client_order_id)
        else:
            _open_books(evidence, report)
        tell_strangers(evidence, seen)
        _compare_orders(evidence, report, grace_s=trading.broker.capabilities().absence_grace_ns / 1e9)
        _compare_positions(evidence, report)
        take_levels(fresh, report.positions)
        settle_wishes(
            evidence,
            report.positions,
            report.account,
            grace_s=trading.broker.capabilities().absence_grace_ns / 1e9,
        )
        _compare_cash(evidence, report.account)
        _compare_instruments(evidence, report.instruments)
        if _moved(standing, fresh) or change.entries:
            write_link(change, trading, fresh, now_ns=desk.ledger.now_ns())
    first = standing.phase is not Phase.READY
    began = fresh.opened and not standing.opened
    if fresh.mismatch_s:
        fresh.phase, fresh.detail = (
            Phase.RECONCILING,
            "the broker's report differs from the books, asked again",
        )
    else:
        fresh.phase, fresh.detail = Phase.READY, ""
        fresh.compared_s = standing.tried_s  # the record may be as old as the first request for it
    fresh.reconciled += 1
    trading.standing, trading.watermark = fresh, fresh.watermark
    trading.unknown = {name: fresh.orders[name].order for name in fresh.unknown()}
    if began:  # losses count from what the account has, whatever it was said to have
        trading.equity = trading.day_start_equity = trading.history.peak_equity = trading.books.equity
    trading.undelivered += evidence.found
    trading.fills += len(evidence.found)
    taken_up = first and fresh.phase is Phase.READY
    _tell(desk, trading, evidence, first=taken_up)
    if taken_up:
        tell_unprotected(desk, trading, before=standing.levels)
    return fresh.phase is Phase.READY


def take_answer(desk: Desk, trading: Trading, name: ClientOrderId, broker_order_id: str) -> None:
    """An answer to a placing that came after nobody waited for it: evidence, as the record is."""
    standing = trading.standing
    if standing is None or trading.state is State.FROZEN:
        return  # the record shows it too
    fresh = standing.copy()
    with desk.ledger.change("late answer") as change:
        evidence = Evidence(
            change=change,
            trading=trading,
            standing=fresh,
            now_ns=desk.ledger.now_ns(),
            now_s=desk.monotonic(),
            event_seq=trading.seq + 1,
        )
        change.record("answer.late", client_order_id=name, broker_order_id=broker_order_id)
        evidence.shown(name, broker_order_id, evidence="late answer")
    trading.standing = fresh
    trading.unknown = {item: fresh.orders[item].order for item in fresh.unknown()}
    _tell(desk, trading, evidence, first=False)


def _listen(desk: Desk, trading: Trading) -> None:
    """What the streams brought. They say that something happened; the record says what."""
    standing = trading.standing
    if standing is None:
        return
    clock = desk.monotonic()
    for item in trading.broker.news():
        standing.heard_s = clock
        match item:
            case TransactionNews():
                standing.news = True
            case Beat(last_transaction=number):
                standing.news = standing.news or number > standing.watermark
            case Lost(reason=reason):
                lose(desk, trading, reason, authorized=True)
                return
    silence_s = trading.broker.capabilities().heartbeat_ns / 1e9
    if silence_s and clock - standing.heard_s > silence_s:
        lose(desk, trading, f"nothing was heard for {clock - standing.heard_s:.1f} s", authorized=True)


def lose(desk: Desk, trading: Trading, reason: str, *, authorized: bool) -> None:
    """The connection is lost: no new orders until the record has been taken in again."""
    standing = trading.standing
    if standing is None:
        return
    told = standing.phase is Phase.AWAY and standing.authorized == authorized
    standing.phase, standing.detail, standing.authorized = Phase.AWAY, reason, authorized
    standing.breaker.failed()
    trading.broker.disconnect()
    if not told:
        desk.log.error(
            "broker away",
            deployment_id=trading.spec.deployment_id,
            detail=reason if authorized else f"the credential is not accepted: {reason}",
        )


def _pull(broker: Broker, standing: Standing) -> _Report:
    """The account, its orders, positions and record, at one moment of the record."""
    found: list[Transaction] = list(broker.transactions_since(standing.watermark))
    for _ in range(_ROUNDS):
        last = max((item.number for item in found), default=standing.watermark)
        account, positions, waiting = broker.account(), broker.positions(), broker.open_orders()
        shown = {item.order.client_order_id for item in waiting}
        told = {item.client_order_id for item in found}
        probes = {
            name: broker.order(name)
            for name, known in standing.orders.items()
            if name not in shown | told and (known.state not in _LIVE or known.doubted_s)
        }
        more = broker.transactions_since(last)
        if not more:
            return _Report(
                account=account,
                positions=positions,
                open_orders=waiting,
                transactions=tuple(numbered(found)),
                probes=probes,
                instruments=None if standing.phase is Phase.READY else broker.instruments(),
            )
        found += more
    raise UnavailableError(f"the account's record moved in each of {_ROUNDS} pulls")


def _cancel_again(broker: Broker, standing: Standing) -> None:
    """Ask again for what was to be taken back and is not known to be; asking often does no harm."""
    for name in sorted(standing.cancels & set(standing.orders)):
        try:
            broker.cancel(name, reason="withdrawn")
        except (AmbiguousError, RejectedError):
            continue  # the record says what became of it


def _open_books(evidence: Evidence, report: _Report) -> None:
    """The books begin with what the account has; what happened on it before is not ours."""
    standing = evidence.standing
    standing.opened = True
    standing.opening_balance = report.account.balance
    standing.opening_financing = report.account.financing
    standing.books.open(report.account.balance)
    standing.watermark = max((item.number for item in report.transactions), default=standing.watermark)
    evidence.change.record(
        "books.opened",
        deployment_id=evidence.trading.spec.deployment_id,
        balance=report.account.balance,
        watermark=standing.watermark,
    )


def _compare_orders(evidence: Evidence, report: _Report, *, grace_s: float) -> None:
    standing = evidence.standing
    ours: list[OpenOrder] = []
    others: list[OpenOrder] = []
    for item in report.open_orders:
        (ours if evidence.is_ours(item.order.client_order_id) else others).append(item)
    standing.external = tuple(others)
    for item in ours:
        evidence.shown(item.order.client_order_id, item.broker_order_id, evidence="open orders")
    shown = {item.order.client_order_id for item in report.open_orders}
    for name, found in report.probes.items():
        if found is not None and name in standing.orders:
            evidence.report(found)
    for name, known in sorted(standing.orders.items()):
        if name in shown:
            continue
        if known.state in _LIVE:
            evidence.missing(name, reason="the broker does not show the order any more, nor an end of it")
            standing.news = True
            continue
        silent_s = evidence.now_s - max(known.sent_s, known.doubted_s)
        if name in report.probes and report.probes[name] is None and silent_s > grace_s:
            evidence.end(
                name,
                known,
                OrderState.ABSENT,
                "the broker's complete record does not show it",
                f"no trace in the record up to transaction {standing.watermark}, {silent_s:.1f} s after "
                "it was sent",
            )


def _compare_positions(evidence: Evidence, report: _Report) -> None:
    """Units must be equal exactly; a difference that lasts freezes the instrument, and nothing is booked."""
    standing = evidence.standing
    theirs = {item.instrument: item.units for item in report.positions}
    asked = {name for name in standing.mismatch_s if not name.startswith(_CASH)}  # both may hold none again
    for name in sorted({*theirs, *standing.books.held(), *asked}):
        units, books = theirs.get(name, 0), standing.books.units(name)
        _confirm(
            evidence,
            name,
            wrong=units != books,
            reason=f"the books hold {books} units of {name}, the broker shows {units}",
        )


def _compare_cash(evidence: Evidence, account: AccountSnapshot) -> None:
    """Financing is taken in as the broker books it; after that the balance must be equal exactly."""
    standing = evidence.standing
    paid = account.financing - standing.opening_financing - standing.financing
    if paid:
        standing.books.finance(paid)
        standing.financing += paid
        evidence.change.record("financing", deployment_id=evidence.trading.spec.deployment_id, amount=paid)
    for record in evidence.trading.spec.records[:1]:
        _confirm(
            evidence,
            record.id,
            wrong=account.balance != standing.books.cash,
            reason=(
                f"the books hold a balance of {standing.books.cash} micro-units, the broker shows "
                f"{account.balance}"
            ),
            cash=True,
        )


def _confirm(evidence: Evidence, name: InstrumentId, *, wrong: bool, reason: str, cash: bool = False) -> None:
    standing = evidence.standing
    key = InstrumentId(f"{_CASH}{name}") if cash else name
    if not wrong:
        standing.mismatch_s.pop(key, None)
        return
    names = [item.id for item in evidence.trading.spec.records] if cash else [name]
    if all(item in standing.frozen for item in names):
        standing.mismatch_s.pop(key, None)
        return
    since = standing.mismatch_s.setdefault(key, evidence.now_s)
    if evidence.now_s - since < _CONFIRM_S:
        standing.news = True
        return
    del standing.mismatch_s[key]
    for item in names:
        evidence.freeze(item, reason)


def _compare_instruments(evidence: Evidence, found: tuple[Instrument, ...] | None) -> None:
    """An instrument that is not what the deployment was opened with is not traded on: nothing is rounded."""
    if found is None:
        return
    theirs = {item.id: item for item in found}
    for record in evidence.trading.spec.records:
        currency = evidence.standing.books.currency
        if record.quote != currency:
            evidence.freeze(
                record.id,
                f"{record.id} books its profit in {record.quote} and the account is in {currency}: at a "
                "broker outside the gateway nothing is converted",
            )
        other = theirs.get(record.id)
        if other is None or (other.digits, other.unit_step, other.minimum_units) != (
            record.digits,
            record.unit_step,
            record.minimum_units,
        ):
            shown = "none" if other is None else f"{other.minimum_units} in steps of {other.unit_step}"
            evidence.freeze(
                record.id,
                f"the broker's record of {record.id} has changed: expected {record.minimum_units} in steps "
                f"of {record.unit_step}, found {shown}",
            )


def _moved(before: Standing, after: Standing) -> bool:
    return (before.watermark, before.opened, before.financing) != (
        after.watermark,
        after.opened,
        after.financing,
    )


def _tell(desk: Desk, trading: Trading, evidence: Evidence, *, first: bool) -> None:
    name = trading.spec.deployment_id
    for fill in evidence.found:
        desk.log.info(
            "fill",
            deployment_id=name,
            client_order_id=fill.client_order_id,
            time_ns=fill.time_ns,
            units=fill.units,
            price=fill.price,
            reason=fill.reason.value,
        )
    for item in evidence.findings:
        desk.log.error(item.event, deployment_id=name, **item.fields)
    if first:
        desk.log.info("reconciled", deployment_id=name, watermark=trading.watermark)
