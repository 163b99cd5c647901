"""Stops and targets at a broker outside this process, as its own report shows them.

A wish for other exits that nobody answered, or that was durable when the process ended, is never told again:
the position it was meant for may be gone. The broker's report decides. Exits that show the levels asked for
are done; others, for longer than a request can be late, are not, and that is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot, Position, Trade
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ChangeState, ExitChange
from workbench.gateway.evidence import Evidence, Finding
from workbench.gateway.records import change_of, write_change_state
from workbench.gateway.standing import Levels, Standing, Wish
from workbench.store.schema import exit_changes

__all__ = ["recall_wishes", "settle_wishes", "take_levels"]

_OPEN = (ChangeState.INTENT.value, ChangeState.UNKNOWN.value)


@dataclass(frozen=True, slots=True)
class _Found:
    state: ChangeState
    reason: str


def recall_wishes(connection: sa.Connection, standing: Standing, deployment_id: str, *, now_s: float) -> None:
    """The wishes for other exits that nobody knows the end of."""
    rows = connection.execute(
        sa.select(exit_changes)
        .where(exit_changes.c.deployment_id == deployment_id, exit_changes.c.state.in_(_OPEN))
        .order_by(exit_changes.c.event_seq, exit_changes.c.number)
    ).mappings()
    for row in rows:
        standing.wishes[row["event_seq"], row["number"]] = Wish(change=change_of(row["body"]), since_s=now_s)


def take_levels(standing: Standing, positions: Sequence[Position]) -> None:
    """Keep the exits of each position that the broker shows as the books have it."""
    shown = {item.instrument: item for item in positions}
    held = standing.books.held()
    for name in [item for item in standing.levels if item not in held]:
        del standing.levels[name]
    for name in held:
        item = shown.get(name)
        if item is not None and item.units == standing.books.units(name):
            standing.levels[name] = Levels(stop=item.stop, target=item.target, trailing=item.trailing)


def settle_wishes(
    evidence: Evidence, positions: Sequence[Position], account: AccountSnapshot, *, grace_s: float
) -> None:
    """What became of the wishes that nobody answered, by the broker's report."""
    standing, trading = evidence.standing, evidence.trading
    shown = {item.instrument: item for item in positions}
    for (seq, number), wish in sorted(standing.wishes.items()):
        found = _found(wish, shown, account, standing, silent=evidence.now_s - wish.since_s > grace_s)
        if found is None:
            continue
        write_change_state(
            evidence.change,
            trading,
            event_seq=seq,
            number=number,
            state=found.state,
            reason=found.reason,
            changed_seq=trading.seq if found.state is ChangeState.DONE else 0,
        )
        del standing.wishes[seq, number]
        if found.state is ChangeState.REJECTED:
            evidence.findings.append(
                Finding(
                    event="exits not changed",
                    fields={"instrument": wish.change.instrument, "detail": found.reason},
                )
            )


def _found(
    wish: Wish,
    shown: Mapping[InstrumentId, Position],
    account: AccountSnapshot,
    standing: Standing,
    *,
    silent: bool,
) -> _Found | None:
    """How a wish ended; None while it may still be on its way, or the report can not tell."""
    change = wish.change
    held: Position | Trade | None = shown.get(change.instrument)
    if change.trade is not None:
        held = next((item for item in account.trades if item.client_order_id == change.trade), None)
    elif (held.units if held else 0) != standing.books.units(change.instrument):
        return None  # the report is behind the record, or wrong
    if held is None:
        return _Found(ChangeState.REJECTED, "nothing is held any more") if silent else None
    if _shows(held, change):
        return _Found(ChangeState.DONE, "the broker's report shows the levels")
    if not silent:
        return None
    if change.trailing and held.trailing:
        return None  # where it lies does not tell its distance: UNKNOWN until the position is gone
    return _Found(ChangeState.REJECTED, f"the broker shows stop {held.stop}, target {held.target}")


def _shows(held: Position | Trade, change: ExitChange) -> bool:
    """Whether the exits are those asked for. A distance can not be read off a level: only its removal can."""
    return (
        (change.stop is None or held.stop == change.stop)
        and (change.target is None or held.target == change.target)
        and (change.trailing is None or (change.trailing == 0 and held.trailing == 0))
    )
