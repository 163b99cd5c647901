"""A strategy changes the exits of what it holds: durable first, then the broker is told, then it is written.

The levels are the strategy's own, so telling a paper book again comes to the same: a wish that was durable
when the process ended is told again at the next start. At a broker elsewhere one that nobody answered stays
UNKNOWN, and either exits may stand, until the broker's report shows which (`exits_elsewhere`). Changes are
judged on what they take away: while a kill is on, an exit may be drawn closer and no more. Each counts as a
message to the broker, as an order does (R05).
"""

import sqlalchemy as sa

from workbench.domain.accounts import Position, Trade
from workbench.domain.orders import ChangeState, ExitChange
from workbench.gateway.brokers.port import AmbiguousError, RejectedError, UnavailableError
from workbench.gateway.controls import MOST_POINTS, Denial, check_rate
from workbench.gateway.desk import Desk
from workbench.gateway.journal import canonical_json
from workbench.gateway.messages import ChangeIntent, ChangeResult, KernelReply, Refused
from workbench.gateway.records import change_of, plain, write_change, write_change_state
from workbench.gateway.standing import Wish
from workbench.gateway.trading import State, Trading
from workbench.store.schema import exit_changes

__all__ = ["change_exits", "finish_changes"]

_MOST_CHANGES = 1_024  # of one event
_KNOWN = sa.select(exit_changes).where(
    exit_changes.c.deployment_id == sa.bindparam("deployment"),
    exit_changes.c.event_seq == sa.bindparam("seq"),
    exit_changes.c.number == sa.bindparam("number"),
)


def change_exits(desk: Desk, trading: Trading, request: ChangeIntent) -> KernelReply:
    """What becomes of the wish to change exits; the same wish again gets the same answer."""
    key = {
        "deployment": trading.spec.deployment_id,
        "seq": request.event_seq,
        "number": request.number,
    }
    with desk.engine.connect() as connection:
        known = connection.execute(_KNOWN, key).mappings().first()
    if known is not None:
        return _first_answer(known, trading, request)
    if trading.state is State.FROZEN:
        return Refused(reason=trading.detail)
    if not 0 < request.event_seq <= trading.decision_seq or not 0 <= request.number < _MOST_CHANGES:
        return Refused(
            reason=(
                f"expected a change of exits decided on an event up to {trading.decision_seq}, one of its "
                f"first {_MOST_CHANGES:,}, found number {request.number} of {request.event_seq}"
            )
        )
    denial = (
        _late(trading, request.event_seq)
        or _sense(trading, request.change)
        or _kill(trading, request.change, killed=desk.kill_over(trading))
        or _rate(trading, request.change)
    )
    state = ChangeState.INTENT if denial is None else ChangeState.DENIED
    with desk.ledger.change("exit change intent") as change:
        write_change(
            change,
            trading,
            request.change,
            event_seq=request.event_seq,
            number=request.number,
            state=state,
            control="" if denial is None else denial.control,
            reason="" if denial is None else denial.reason,
            now_ns=desk.ledger.now_ns(),
        )
    if denial is None:
        return _tell_broker(desk, trading, request.change, event_seq=request.event_seq, number=request.number)
    trading.denials += 1
    desk.log.warning(
        "exit change denied",
        deployment_id=trading.spec.deployment_id,
        instrument=request.change.instrument,
        control=denial.control,
        reason=denial.reason,
    )
    return ChangeResult(state=state.value, control=denial.control, reason=denial.reason, repeated=False)


def finish_changes(desk: Desk, trading: Trading) -> None:
    """Wishes that were durable when the process ended, with no word of what the broker did: told again."""
    query = (
        sa.select(exit_changes.c.event_seq, exit_changes.c.number, exit_changes.c.body)
        .where(exit_changes.c.deployment_id == trading.spec.deployment_id)
        .where(exit_changes.c.state == ChangeState.INTENT.value)
        .order_by(exit_changes.c.event_seq, exit_changes.c.number)
    )
    with desk.engine.connect() as connection:
        found = connection.execute(query).all()
    killed = desk.kill_over(trading)
    for row in found:
        change = change_of(row.body)
        denial = _kill(trading, change, killed=killed)
        if denial is None:
            _tell_broker(desk, trading, change, event_seq=row.event_seq, number=row.number)
            continue
        with desk.ledger.change("exit change denial") as written:
            write_change_state(
                written,
                trading,
                event_seq=row.event_seq,
                number=row.number,
                state=ChangeState.DENIED,
                control=denial.control,
                reason=denial.reason,
            )


def _tell_broker(
    desk: Desk, trading: Trading, change: ExitChange, *, event_seq: int, number: int
) -> ChangeResult:
    trading.history.message(trading.time_ns)
    state, reason = ChangeState.DONE, ""
    try:
        # at a broker elsewhere another's position may lie where ours was: it is not touched
        strange = trading.standing is not None and not change.trade and _held(trading, change) is None
        if strange or not trading.broker.change_exits(change):
            state, reason = ChangeState.REJECTED, f"nothing of {change.trade or change.instrument} is held"
    except RejectedError as error:
        state, reason = ChangeState.REJECTED, str(error)
    except (AmbiguousError, UnavailableError) as error:
        state, reason = ChangeState.UNKNOWN, str(error)
    if state is ChangeState.UNKNOWN and trading.standing is not None:
        key, wish = (event_seq, number), Wish(change=change, since_s=desk.monotonic())
        trading.standing.wishes[key], trading.standing.news = wish, True
    desk.at_boundary("exits changed")
    with desk.ledger.change("exit change answer") as written:
        write_change_state(
            written,
            trading,
            event_seq=event_seq,
            number=number,
            state=state,
            reason=reason,
            changed_seq=trading.seq if state is ChangeState.DONE else 0,
        )
    desk.log.info(
        "exit change",
        deployment_id=trading.spec.deployment_id,
        instrument=change.instrument,
        state=state.value,
        event_seq=event_seq,
        reason=reason,
    )
    return ChangeResult(state=state.value, control="", reason=reason, repeated=False)


def _first_answer(known: sa.RowMapping, trading: Trading, request: ChangeIntent) -> KernelReply:
    if canonical_json(known["body"]) != canonical_json(plain(request.change)):
        return Refused(
            reason=(
                f"change {request.number} of event {request.event_seq} was asked before with other levels; "
                "give each change its own number"
            )
        )
    state = ChangeState(known["state"])
    if state is ChangeState.INTENT:
        return Refused(reason=trading.detail or "the change is being recovered; ask again")
    return ChangeResult(state=state.value, control=known["control"], reason=known["reason"], repeated=True)


# --- controls ------------------------------------------------------------------------------------------


def _late(trading: Trading, event_seq: int) -> Denial | None:
    """Levels that were chosen on an older price, or by a strategy that may not trade."""
    if trading.state is not State.RUNNING:
        reason = f"STOP: no changes of exits, the deployment is {trading.state}: {trading.detail}"
        return Denial(control="STOP", reason=reason)
    if event_seq != trading.decision_seq or trading.acked:
        done = ", which was reported as done" if trading.acked else ""
        reason = f"R15 stale data: limit event {trading.decision_seq}{done}, observed event {event_seq}"
        return Denial(control="R15", reason=reason)
    return None


def _sense(trading: Trading, change: ExitChange) -> Denial | None:
    names = [record.id for record in trading.spec.records]
    if change.instrument not in names or change.instrument not in trading.limits.instruments:
        allowed = ", ".join(name for name in trading.limits.instruments if name in names) or "none"
        reason = f"R18 instruments: limit {allowed}, observed {change.instrument}"
        return Denial(control="R18", reason=reason)
    asked = {"stop": change.stop, "target": change.target, "trailing": change.trailing}
    given = {name: value for name, value in asked.items() if value is not None}
    wrong = ""
    if not given:
        wrong = "expected a stop, a target or a trailing stop to change, found none"
    elif not all(0 <= value <= MOST_POINTS for value in given.values()):
        wrong = f"expected levels and distances of 0 to {MOST_POINTS} points, found {given}"
    else:
        bid, ask = trading.prices.get(change.instrument, (0, 0))
        levels = {name: value for name, value in given.items() if value and name != "trailing"}
        if not all(bid // 2 <= value <= 2 * ask for value in levels.values()):
            wrong = f"expected levels between half and twice the market at {bid}/{ask} points, found {levels}"
    return Denial(control="F45", reason=f"F45 order sense: {wrong}") if wrong else None


def _kill(trading: Trading, change: ExitChange, *, killed: str) -> Denial | None:
    """While a kill is on, what protects may be drawn closer and never taken away."""
    held = _held(trading, change)
    if (
        not killed
        or held is None
        or not _loosens(change, held, trading.prices.get(change.instrument, (0, 0)))
    ):
        return None
    reason = f"R23 kill switch: no stop moved away or removed, found a kill of {killed}"
    return Denial(control="R23", reason=reason)


def _rate(trading: Trading, change: ExitChange) -> Denial | None:
    """R05; a change that does no more than protect better is counted and never denied."""
    held, prices = _held(trading, change), trading.prices.get(change.instrument, (0, 0))
    protects = held is not None and change.target is None and not _loosens(change, held, prices)
    if protects and (change.stop or change.trailing):
        return None
    return check_rate(limits=trading.limits, exposure=trading.exposure(change.instrument, killed=""))


def _held(trading: Trading, change: ExitChange) -> Position | Trade | None:
    books = trading.books
    if change.trade is not None:
        return next((item for item in books.trades if item.client_order_id == change.trade), None)
    return next((item for item in books.positions if item.instrument == change.instrument), None)


def _loosens(change: ExitChange, held: Position | Trade, prices: tuple[int, int]) -> bool:
    """Whether a stop or trailing stop would lie farther from the market than it does."""
    sign = 1 if held.units > 0 else -1  # with it a stop lies below the market
    if change.stop is not None and held.stop and (not change.stop or sign * change.stop < sign * held.stop):
        return True
    if change.trailing is None or not held.trailing:
        return False
    level = prices[0 if sign > 0 else 1] - sign * change.trailing
    return not change.trailing or sign * level < sign * held.trailing
