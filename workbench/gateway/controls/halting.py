"""What the controls do over time: halt a deployment, flatten it, take its entries back, raise an alert.

A halt is durable and ends only when a named person resumes the deployment. A halted deployment may reduce
what it holds and take orders back, and nothing else. What led to a halt counts no more once it was resumed.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import Position
from workbench.domain.controls import LIMITS
from workbench.domain.orders import ChangeState, Order, OrderKind, OrderState
from workbench.gateway.brokers.port import Transaction
from workbench.gateway.controls.book import DeskView
from workbench.gateway.controls.exposure import only_reduces
from workbench.gateway.records import fill_of
from workbench.store.schema import cancels, control_halts, deliveries, exit_changes, fills, intents

if TYPE_CHECKING:
    from workbench.gateway.desk import Desk
    from workbench.gateway.trading import Trading

__all__ = [
    "forgive",
    "limit_of",
    "load_halts",
    "note",
    "recall_orders",
    "unprotected",
    "watch_controls",
    "watch_silence",
    "watched",
]

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_HALTS = control_halts
_TOLD = (ChangeState.DONE, ChangeState.REJECTED, ChangeState.UNKNOWN)  # to a broker, which heard of it


def watched(desk: "Desk", trading: "Trading") -> "Trading":
    """A deployment with the table over it, and with what is halted."""
    trading.desk_view = DeskView(desk.controls, trading, desk.deployments.values)
    with desk.engine.connect() as connection:
        load_halts(connection, trading)
    return trading


def load_halts(connection: sa.Connection, trading: "Trading") -> None:
    """What is halted, and up to which events former halts were forgiven."""
    query = (
        sa.select(_HALTS)
        .where(_HALTS.c.deployment_id == trading.spec.deployment_id)
        .order_by(_HALTS.c.number)
    )
    rows = connection.execute(query).mappings().all()
    trading.halted = next((f"{row['control']} {row['reason']}" for row in rows if not row["ended_ns"]), "")
    trading.forgiven = tuple(row["ended_seq"] for row in rows if row["ended_ns"])


def recall_orders(connection: sa.Connection, trading: "Trading") -> None:
    """Let the history know again what was sent and denied before this process began."""
    history, since_ns = trading.history, trading.time_ns - _MINUTE_NS
    forgiven = max(trading.forgiven, default=0)
    query = (
        sa.select(
            intents.c.event_seq, intents.c.body, intents.c.state, intents.c.control, deliveries.c.time_ns
        )
        .outerjoin(
            deliveries,
            sa.and_(
                deliveries.c.deployment_id == intents.c.deployment_id,
                deliveries.c.event_seq == intents.c.event_seq,
            ),
        )
        .where(intents.c.deployment_id == trading.spec.deployment_id)
        .order_by(intents.c.created_ns)
    )
    for row in connection.execute(query):
        time_ns = row.time_ns or 0
        fresh = row.event_seq > forgiven
        if row.state == OrderState.DENIED:
            history.senseless += fresh and row.control == "F45"
            if time_ns > since_ns and fresh:
                history.denials.append(time_ns)
        elif row.state != OrderState.INTENT:
            history.answered(rejected=fresh and row.state == OrderState.REJECTED)
            if time_ns > since_ns:
                history.order(msgspec.convert(row.body, Order), time_ns)
    sent = [
        time_ns
        for table, told in (
            (cancels, cancels.c.event_seq > 0),
            (exit_changes, exit_changes.c.state.in_(_TOLD)),
        )
        for time_ns in connection.scalars(
            sa.select(deliveries.c.time_ns)
            .join(
                table,
                sa.and_(
                    deliveries.c.deployment_id == table.c.deployment_id,
                    deliveries.c.event_seq == table.c.event_seq,
                ),
            )
            .where(table.c.deployment_id == trading.spec.deployment_id, told, deliveries.c.time_ns > since_ns)
        )
    ]
    history.messages = deque(sorted((*history.messages, *sent)))
    if trading.standing is not None:
        _recall_books(connection, trading, forgiven=forgiven)


def _recall_books(connection: sa.Connection, trading: "Trading", *, forgiven: int) -> None:
    """The fills and the highest equity of an account elsewhere, whose past is not computed again."""
    name = trading.spec.deployment_id
    done = sa.select(fills).where(fills.c.deployment_id == name, fills.c.event_seq > forgiven)
    for row in connection.execute(done.order_by(fills.c.event_seq, fills.c.time_ns)).mappings():
        trading.history.fill(fill_of(row))
    equity = deliveries.c.snapshot["equity"].as_integer()
    highest = sa.select(sa.func.max(equity)).where(
        deliveries.c.deployment_id == name, deliveries.c.event_seq >= forgiven
    )
    trading.history.peak_equity = max(trading.history.peak_equity, connection.scalar(highest) or 0)
    trading.history.slipped = []


def forgive(desk: "Desk", trading: "Trading", *, by: str) -> bool:
    """Let a halted deployment trade on, in a person's name; whether there was something to forgive."""
    if not trading.halted:
        return False
    now = desk.ledger.now_ns()
    with desk.ledger.change("resume") as change:
        change.execute(
            sa.update(_HALTS)
            .where(_HALTS.c.deployment_id == trading.spec.deployment_id, _HALTS.c.ended_ns == 0)
            .values(ended_ns=now, ended_seq=trading.seq, ended_by=by)
        )
        change.record(
            "deployment.forgiven",
            deployment_id=trading.spec.deployment_id,
            halt=trading.halted,
            event_seq=trading.seq,
            by=by,
        )
    trading.halted = ""
    trading.forgiven = (*trading.forgiven, trading.seq)
    trading.history.forgive(trading.equity)
    return True


def note(trading: "Trading", found: Iterable[Transaction]) -> None:
    """Let the history see what happened at a broker in this process, once."""
    history = trading.history
    for item in found:
        if item.number <= history.number:
            continue
        before, history.number = history.number_seq, item.number
        if any(before <= seq < item.event_seq for seq in trading.forgiven):
            history.losses_in_a_row = 0
            history.reentries.clear()
        history.number_seq = max(before, item.event_seq)
        if item.fill is not None:
            history.fill(item.fill)


def watch_controls(desk: "Desk", trading: "Trading") -> None:
    """Do what the controls ask for after something happened.

    Raises
    ------
    LedgerWriteError
        A halt could not be written down; it holds in this process all the same.
    """
    if trading.archived is not None:
        return
    most, slipped = limit_of(trading, "max_slippage_points"), trading.history.slipped
    trading.history.slipped = []
    for name, slippage in slipped:
        if most is not None and slippage > most:
            text = f"slippage in points: limit {most}, observed {slippage} of {name}"
            _alert(desk, trading, "R20", text)
    _take_back_old(desk, trading)
    _protect(desk, trading)
    if trading.halted:
        return
    for control, name, observed in _states(trading):
        most = limit_of(trading, name)
        if most is not None and observed > most:
            reason = f"{LIMITS[name].words}: limit {most}, observed {observed}"
            _halt(desk, trading, control, reason, flatten=name == "flatten_daily_loss_ppm")
            return


def watch_silence(desk: "Desk", trading: "Trading") -> None:
    """R22: a live kernel that says nothing for too long has its waiting entries taken back, once."""
    most, history = limit_of(trading, "max_kernel_silence_s"), trading.history
    if most is None or trading.archived is not None or trading.ended:
        return
    history.watched_ns = history.watched_ns or desk.ledger.now_ns()
    seen = trading.kernel_seen_ns or history.watched_ns
    if history.silent_ns == seen:
        return  # done before
    silent_s = (desk.ledger.now_ns() - seen) // _SECOND_NS
    if silent_s <= most:
        return
    history.silent_ns = seen
    if _take_back(desk, trading, "R22", f"silent live kernel: limit {most} s, observed {silent_s} s"):
        _alert(desk, trading, "R22", f"seconds of silence: limit {most}, observed {silent_s}")


def limit_of(trading: "Trading", name: str) -> int | None:
    """The strictest number that the table has for a deployment; None for no limit, 0 for one that is lost."""
    return 0 if trading.desk_view is None else trading.desk_view.number(name)


def unprotected(trading: "Trading") -> list[Position]:
    """What is held, wholly or in part, without a stop at the broker."""
    waiting = trading.waiting()
    return [
        item
        for item in trading.books.positions
        if not (item.stop or item.trailing)
        and not any(
            order.instrument == item.instrument and order.kind is OrderKind.STOP and only_reduces(order)
            for order in waiting
        )
        and any(not (trade.stop or trade.trailing) for trade in trading.books.trades or (item,))
    ]


def _states(trading: "Trading") -> Iterator[tuple[str, str, int]]:
    history = trading.history
    lost = trading.day_start_equity - trading.equity
    fallen = history.peak_equity - trading.equity
    yield "R12", "flatten_daily_loss_ppm", _ppm(lost, trading.day_start_equity)
    yield "R13", "max_drawdown_ppm", _ppm(fallen, history.peak_equity)
    yield "R06", "max_reentries", len(history.reentries)
    yield "R14", "max_rejects_in_a_row", history.rejects_in_a_row
    yield "R14", "max_losses_in_a_row", history.losses_in_a_row
    yield "R14", "max_senseless_orders", history.senseless
    yield "R14", "max_denials_per_minute", len(history.denials)


def _halt(desk: "Desk", trading: "Trading", control: str, reason: str, *, flatten: bool = False) -> None:
    """Only orders that reduce from now on; written down, entries taken back, people told."""
    from workbench.gateway.orders import flatten as close_all  # it asks these controls itself

    began = time.monotonic()
    trading.halted = f"{control} {reason}"  # at once, whether or not the store takes it
    name = trading.spec.deployment_id
    highest = sa.select(sa.func.coalesce(sa.func.max(_HALTS.c.number), 0)).where(
        _HALTS.c.deployment_id == name
    )
    with desk.ledger.change("halt") as change:
        row = {
            "deployment_id": name,
            "number": int(change.execute(highest).scalar_one()) + 1,
            "control": control,
            "reason": reason,
            "begun_seq": trading.seq,
            "created_ns": desk.ledger.now_ns(),
            "ended_seq": 0,
            "ended_ns": 0,
            "ended_by": "",
        }
        change.execute(sa.insert(_HALTS), row)
        change.record("deployment.halted", **row)
    _take_back(desk, trading, control, f"{control} {reason}")
    if flatten:
        close_all(desk, trading, by=f"control {control}")
    _alert(desk, trading, control, f"halted: {reason}", began=began)


def _take_back_old(desk: "Desk", trading: "Trading") -> None:
    """R20: orders that wait for longer than they may."""
    most = limit_of(trading, "max_order_age_s")
    if most is None:
        return
    ages = _waiting_since(desk, trading)
    old = {name for name, since in ages.items() if trading.time_ns - since > most * _SECOND_NS}
    if old:
        _take_back(desk, trading, "R20", f"R20 seconds an order waits: limit {most}", only=old)
        _alert(desk, trading, "R20", f"orders that wait: limit {most} s, taken back {', '.join(sorted(old))}")


def _waiting_since(desk: "Desk", trading: "Trading") -> dict[str, int]:
    """The feed time at which each waiting order was decided."""
    names = [item.client_order_id for item in trading.waiting()]
    unknown = [name for name in names if name not in trading.history.decided_ns]
    if unknown:
        query = (
            sa.select(intents.c.client_order_id, deliveries.c.time_ns)
            .join(
                deliveries,
                sa.and_(
                    deliveries.c.deployment_id == intents.c.deployment_id,
                    deliveries.c.event_seq == intents.c.event_seq,
                ),
            )
            .where(intents.c.client_order_id.in_(unknown))
        )
        with desk.engine.connect() as connection:
            trading.history.decided_ns |= {row[0]: row[1] for row in connection.execute(query)}
    known = {name: at for name, at in trading.history.decided_ns.items() if name in set(names)}
    trading.history.decided_ns = known
    return known


def _protect(desk: "Desk", trading: "Trading") -> None:
    """R21: a position without a stop at the broker for too long is closed, and nothing new is opened."""
    most = limit_of(trading, "max_unprotected_s")
    if most is None:
        return
    bare = unprotected(trading)
    if not bare:
        trading.history.unprotected_ns = 0
        return
    trading.history.unprotected_ns = trading.history.unprotected_ns or trading.time_ns
    open_s = (trading.time_ns - trading.history.unprotected_ns) // _SECOND_NS
    if open_s > most and not trading.halted:
        names = ", ".join(item.instrument for item in bare)
        reason = f"seconds without a stop: limit {most}, observed {open_s} of {names}"
        _halt(desk, trading, "R21", reason, flatten=True)


def _take_back(
    desk: "Desk", trading: "Trading", control: str, reason: str, *, only: set[str] | None = None
) -> list[str]:
    """Take waiting entries back, those that protect stay; the ids that were."""
    from workbench.gateway.orders import send_cancels, write_cancels  # it asks these controls itself

    waiting = trading.waiting()
    names = {item.client_order_id for item in waiting if not only_reduces(item)} if only is None else only
    if not names:
        return []
    canceled = send_cancels(desk, trading, reason=reason, only=frozenset(names))
    write_cancels(desk, trading, control=control)
    return canceled


def _alert(desk: "Desk", trading: "Trading", control: str, text: str, *, began: float | None = None) -> None:
    """R25: tell people at once; an alert that took too long says so."""
    took_ms = 0 if began is None else round((time.monotonic() - began) * 1_000)
    most = limit_of(trading, "max_alert_delay_ms")
    desk.log.error(
        "control alert",
        deployment_id=trading.spec.deployment_id,
        control=control,
        detail=text,
        took_ms=took_ms,
        late=most is not None and took_ms > most,
    )


def _ppm(part: int, whole: int) -> int:
    return -(-part * 1_000_000 // whole) if whole > 0 else 0
