"""The table of limits in the gateway: kept in the store and in the journal, read from memory at each order.

Every change goes through here, so what is in memory is what is in the store. At the start each row is
compared with its record in the journal, which is chained; a row that is missing or differs makes its limit
unreadable, which passes nothing, until a person sets it again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from workbench.domain.control_table import FIRM, Entry, Layer, LimitTable, first_entries
from workbench.domain.people import distinct_people
from workbench.gateway.controls.overriding import OverrideBook
from workbench.gateway.ledger import Ledger
from workbench.store.schema import control_limits, journal

if TYPE_CHECKING:
    from workbench.gateway.trading import Trading

__all__ = ["SHIPPED_BY", "ControlBook", "DeskView"]

SHIPPED_BY = "workbench"
_SHIPPED, _CHANGED, _PEOPLE = "limits.shipped", "limits.changed", "limits.people"


@dataclass(slots=True)
class DeskView:
    """What a deployment's orders are judged against beside its own books."""

    book: "ControlBook"
    deployment: "Trading"
    deployments: Callable[[], Iterable["Trading"]]  # all that are open
    _numbers: dict[str, int | None] = field(default_factory=dict)
    _table: LimitTable | None = None  # that `_numbers` are of

    def layers(self, instrument: str) -> tuple[Layer, ...]:
        """The layers of the table over one of its instruments."""
        spec = self.deployment.spec
        return self.book.table.layers(
            account=spec.account.id, deployment=spec.deployment_id, instrument=instrument
        )

    def number(self, name: str) -> int | None:
        """The strictest number for the deployment; None for no limit, 0 for one that can not be read."""
        if self._table is not self.book.table:
            self._table, self._numbers = self.book.table, {}
        if name not in self._numbers:
            layers = [layer for item in self.deployment.spec.instruments for layer in self.layers(item)]
            self._numbers[name] = _strictest(layers, name)
        return self._numbers[name]


@dataclass(slots=True)
class ControlBook:
    """The table in force, and who is known to have a say in it."""

    table: LimitTable = field(default_factory=LimitTable)  # empty: passes nothing
    approvers: set[str] = field(default_factory=set)
    overrides: OverrideBook = field(default_factory=OverrideBook)

    def load(self, engine: sa.Engine, ledger: Ledger) -> None:
        """Read the table; one that was never there begins with the limits as they are shipped.

        Raises
        ------
        LedgerWriteError
            A new table could not be written.
        """
        self.overrides.load(engine)
        with engine.connect() as connection:
            found = connection.execute(sa.select(control_limits).order_by(control_limits.c.version))
            rows = [Entry(**row) for row in found.mappings()]
            said = connection.execute(
                sa.select(journal.c.kind, journal.c.body)
                .where(journal.c.kind.in_((_SHIPPED, _CHANGED, _PEOPLE)))
                .order_by(journal.c.seq)
            ).all()
        recorded: dict[int, Entry] = {}
        for kind, text in said:
            body = msgspec.json.decode(text)
            if kind == _PEOPLE:
                self.approvers |= set(body["names"])
                continue
            entries = body["entries"] if kind == _SHIPPED else [body]
            recorded |= {item["version"]: Entry(**item) for item in entries}
        if not rows and not recorded:
            self._ship(ledger)
            return
        kept = {row.version: row for row in rows}
        damaged = {
            version for version in kept.keys() | recorded.keys() if kept.get(version) != recorded.get(version)
        }
        truth = {**kept, **recorded}  # where they differ the chained record says which limit it was
        self.table = LimitTable((truth[version] for version in sorted(truth)), damaged=frozenset(damaged))

    @property
    def known_people(self) -> set[str]:
        """Who may change limits, as far as is known: told by settings and server, or seen doing it."""
        seen = {name for item in self.table.entries for name in (item.by, item.approved_by) if name}
        return (self.approvers | seen) - {SHIPPED_BY}

    def needs_second_person(self, user: str) -> bool:
        """Whether somebody else than `user` could look at a raise."""
        return distinct_people(self.known_people | {user}) > 1

    def add(self, ledger: Ledger, **fields: Any) -> Entry:
        """Write one version down, durably, and let it hold.

        Raises
        ------
        LedgerWriteError
            The store did not take it; nothing changed.
        """
        entry = Entry(version=self.table.version + 1, created_ns=ledger.now_ns(), **fields)
        row = asdict(entry)
        with ledger.change("limits") as change:
            change.execute(sa.insert(control_limits), row)
            change.record(_CHANGED, **row)
        self.table = LimitTable((*self.table.entries, entry), damaged=self.table.damaged)
        return entry

    def meet(self, ledger: Ledger, names: Iterable[str]) -> None:
        """Remember who else may change limits, for good."""
        new = set(names) - self.approvers
        if not new:
            return
        with ledger.change("limits") as change:
            change.record(_PEOPLE, names=sorted(new))
        self.approvers |= new

    def _ship(self, ledger: Ledger) -> None:
        entries = first_entries(by=SHIPPED_BY, now_ns=ledger.now_ns())
        rows: list[Mapping[str, Any]] = [asdict(item) for item in entries]
        with ledger.change("limits") as change:
            change.execute(sa.insert(control_limits), rows)
            change.record(_SHIPPED, entries=rows)
        self.table = LimitTable(entries)


def _strictest(layers: Iterable[Layer], name: str) -> int | None:
    found: list[int] = []
    for layer in layers:
        if name in layer.unreadable or (layer.scope == FIRM and name not in layer.values):
            return 0
        if isinstance(value := layer.values.get(name), int):
            found.append(value)
    return min(found, default=None)
