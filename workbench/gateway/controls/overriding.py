"""R26, the override: one order past one soft control, asked for by one person and approved by another.

It names a deployment, an instrument, a control and the most units, signed; it ends within minutes of being
asked for, and the first order that it lets past uses it up. It lives in the journal: what was asked for,
approved, withdrawn and used survives every restart, and its use is in the transaction of the order's intent.
Only bounds that were read and compared can be passed: a kill, a halt, a frozen instrument, order sense, a
hard control, a limit of zero, and one that is missing, stop the order as ever.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.control_table import LimitTable
from workbench.domain.limits import Limits
from workbench.domain.orders import Order
from workbench.errors import BadInputError
from workbench.gateway.controls.checks import check_order
from workbench.gateway.controls.exposure import Denial, Exposure
from workbench.store.schema import journal

__all__ = [
    "MOST_MINUTES",
    "OVERRIDE_LIMIT",
    "SOFT",
    "Override",
    "OverrideBook",
    "OverrideStep",
    "judge_order",
    "most_minutes",
    "override_steps",
]

MOST_MINUTES = 15
OVERRIDE_LIMIT = "max_override_minutes"
SOFT = ("R07", "R08", "R10", "R11", "R17")
"""The controls that may be overridden: neither hard, nor about missing data, message rates, or losses."""

_NS_PER_MINUTE = 60_000_000_000
_KINDS = MappingProxyType(
    {
        "override.asked": "waits",
        "override.approved": "approved",
        "override.withdrawn": "withdrawn",
        "override.used": "used",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One override as it stands."""

    number: int  # from 1
    deployment_id: str
    instrument: str
    control: str
    units: int  # the most that the order may buy, or below zero sell
    minutes: int
    asked_ns: int  # UTC; it ends `minutes` later
    by: str
    reason: str
    state: str = "waits"  # waits | approved | withdrawn | used
    approved_by: str = ""
    client_order_id: str = ""  # the order that used it

    @property
    def expires_ns(self) -> int:
        """The first nanosecond at which it holds no more."""
        return self.asked_ns + self.minutes * _NS_PER_MINUTE

    def open_at(self, now_ns: int) -> bool:
        """Whether it is in its time; before it was asked for, by a clock set back, it is not."""
        return self.asked_ns <= now_ns < self.expires_ns

    def fits(self, order: Order, control: str) -> bool:
        """Whether it is this order's, stopped by this control."""
        same_side = (order.units > 0) == (self.units > 0)
        return (
            self.state == "approved"
            and control == self.control
            and control in SOFT
            and order.instrument == self.instrument
            and order.replaces is None
            and same_side
            and 0 < abs(order.units) <= abs(self.units)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideStep:
    """What became of an override at one time."""

    override: Override  # as it stood then
    by: str  # empty for the gateway itself, which lets an order past
    reason: str
    at_ns: int  # UTC


class OverrideBook:
    """Every override, from the journal."""

    def __init__(self) -> None:
        self._all: dict[int, Override] = {}

    def load(self, engine: sa.Engine) -> None:
        """Read them from the journal."""
        self._all = {}
        for _ in _steps(self, engine):
            pass

    def take(self, kind: str, body: Mapping[str, Any]) -> Override:
        """Take a record of the journal in; the override as it stands then."""
        if kind == "override.asked":
            found = Override(**body)
        else:
            changes = {name: body[name] for name in ("approved_by", "client_order_id") if name in body}
            found = replace(self._all[body["number"]], state=_KINDS[kind], **changes)
        self._all[found.number] = found
        return found

    @property
    def all(self) -> tuple[Override, ...]:
        """The oldest first."""
        return tuple(self._all.values())

    def find(self, number: int) -> Override:
        """One by its number.

        Raises
        ------
        BadInputError
            There is none.
        """
        if (found := self._all.get(number)) is None:
            known = ", ".join(map(str, self._all)) or "none"
            raise BadInputError(f"expected the number of an override ({known}), found {number}")
        return found

    def usable(self, deployment_id: str, *, now_ns: int, most_minutes: int | None) -> tuple[Override, ...]:
        """Those that may let an order of a deployment past now.

        Parameters
        ----------
        most_minutes
            The limit R26 of the deployment; None for no limit of a person's own.
        """
        most = MOST_MINUTES if most_minutes is None else min(most_minutes, MOST_MINUTES)
        return tuple(
            item
            for item in self._all.values()
            if item.state == "approved"
            and item.deployment_id == deployment_id
            and item.open_at(now_ns)
            and item.minutes <= most
        )

    def next_number(self) -> int:
        """The number of the next one."""
        return max(self._all, default=0) + 1

    def spend(self, override: Override, order: Order) -> dict[str, Any]:
        """Use one up, in memory at once; what the journal is told in the transaction of the intent.

        When that transaction fails nothing is sent, and the override stays used until the journal is read
        again.
        """
        body = {
            "number": override.number,
            "deployment_id": override.deployment_id,
            "control": override.control,
            "client_order_id": str(order.client_order_id),
        }
        self.take("override.used", body)
        return body

    @staticmethod
    def asked(override: Override) -> dict[str, Any]:
        """What the journal is told of a new one."""
        body = asdict(override)
        for name in ("state", "approved_by", "client_order_id"):
            del body[name]
        return body


def most_minutes(table: LimitTable) -> int:
    """How long an override may hold at the most, by the firm's own limit; 0 while overrides are off."""
    firm = table.layers(account="", deployment="", instrument="")[0]
    value = firm.values.get(OVERRIDE_LIMIT, 0)
    return min(value, MOST_MINUTES) if isinstance(value, int) else MOST_MINUTES


def override_steps(engine: sa.Engine) -> tuple[OverrideStep, ...]:
    """Everything that was done to any override, the oldest first, from the journal."""
    return tuple(_steps(OverrideBook(), engine))


def _steps(book: OverrideBook, engine: sa.Engine) -> Iterator[OverrideStep]:
    """Let a book take in what the journal says, step by step."""
    query = (
        sa.select(journal.c.kind, journal.c.body, journal.c.created_ns)
        .where(journal.c.kind.in_(tuple(_KINDS)))
        .order_by(journal.c.seq)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    for kind, text, at_ns in rows:
        body = msgspec.json.decode(text)
        yield OverrideStep(
            override=book.take(kind, body),
            by=body.get("approved_by") or body.get("by", ""),
            reason=body.get("reason", ""),
            at_ns=at_ns,
        )


def judge_order(
    order: Order, *, limits: Limits, exposure: Exposure, overrides: Iterable[Override]
) -> tuple[Denial | None, Override | None]:
    """The check of an order with what may be overridden: the denial, or the override that the order needs.

    Called in the strategy runtime and again in the gateway. An override lets past every bound of its one
    control; any other control that stops the order still does.
    """
    denial = check_order(order, limits=limits, exposure=exposure)
    if denial is None:
        return None, None
    found = next((item for item in overrides if item.fits(order, denial.control)), None)
    if found is None:
        return denial, None
    denial = check_order(order, limits=limits, exposure=exposure, past=found.control)
    return (denial, None) if denial is not None else (None, found)
