"""What an order is judged against, as of one moment, and the worst that what waits can come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from workbench.domain.control_table import Layer
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ClientOrderId, Order, PositionFill

__all__ = [
    "Denial",
    "Elsewhere",
    "Exposure",
    "Others",
    "Sent",
    "at_home",
    "only_reduces",
    "worst_margin",
    "worst_units",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why an order is not sent."""

    control: str
    reason: str  # names the limit and the observed value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order that was sent before, as far as it is told from another."""

    time_ns: int  # of the feed
    instrument: str
    units: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Another instrument of the account: the most that its position can be worth, long and short."""

    base: str  # ISO 4217
    quote: str
    longest: int  # micro-units of the account currency
    shortest: int  # below zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What the other deployments of a scope add, in the currency of the account that is judged.

    Of `currencies`, in micro-units, what one deployment is long does not make up for what another is short:
    either may end by itself. None where no quote values what one of them holds.
    """

    messages_last_second: int = 0
    messages_last_minute: int = 0
    orders_last_minute: int = 0
    open_orders: int = 0
    longest: int = 0  # units of the instrument, as if all that buys were filled
    shortest: int = 0
    loss: int | None = 0  # micro-units since 17:00 New York; None where no quote converts one
    currencies: Mapping[str, tuple[int, int]] | None = field(default_factory=dict)  # most long and short
    equity: int = 0  # of those that trade
    unpriced: str = ""  # what no quote converts


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What an order is judged against, as of one moment. What is not known is denied where it is needed."""

    instrument: Instrument
    margin_rate_ppm: int
    bid: int  # points, of the last price
    ask: int
    equity: int  # micro-units
    day_start_equity: int  # as of the last 17:00 New York
    position: int  # units of the instrument
    waiting: tuple[Order, ...]  # sent and not ended, UNKNOWN ones with them, of the instrument
    waiting_elsewhere: int = 0  # how many of the account's other instruments
    margin_elsewhere: int = 0  # micro-units, the most that the other instruments can come to need
    orders_last_minute: int  # by the feed's clock
    killed: str  # the kill in force over this deployment, empty for none
    layers: tuple[Layer, ...] = ()  # of the table of limits, the firm's first
    time_ns: int = 0  # of the feed
    currency: str = ""  # of the account
    has_exits: bool = False  # whether a stop or target may close the position
    halted: str = ""  # why the deployment only reduces, beginning with its control; empty when it does not
    frozen: str = ""  # why the instrument only reduces: the books differ from the broker's
    peak_equity: int = 0  # the highest since the start, or since a person let it trade on
    messages_last_second: int = 0  # orders, changes and cancels
    messages_last_minute: int = 0
    sent: tuple[Sent, ...] = ()  # of the last minute
    reference: int = 0  # twice the mid of a second source in points, 0 where there is none
    median: int = 0  # twice the mid in points, the median of the last minute
    move_ppm: int | None = None  # between the lowest and the highest mid of the last minute
    median_spread: int = 0  # points
    data_age_ns: int | None = None  # of the price, by a monotonic clock
    clock_offset_ns: int | None = None  # between the broker's clock and ours
    reconcile_age_ns: int | None = None  # since the books were last found to be the broker's
    atomic_replace: bool = True  # whether an order and the one that it replaces are never live together
    elsewhere: tuple[Elsewhere, ...] = ()
    others: Mapping[str, Others] = field(default_factory=dict)  # of the scopes firm and account
    home_rate: tuple[int, int] = (1, 1)  # what the quote currency costs in the account's: a fraction
    unpriced: str = ""  # what can not be valued in the account's currency; empty for nothing
    legs: tuple[int, int] | None = None  # units long and, below zero, short where both are held at once
    both_need_margin: bool = True  # of such an account: whether long and short each do, or the larger
    by_trade: bool = False  # whether an order may name the trade that it closes, and then does no more

    @property
    def mid(self) -> int:
        """Twice the price that orders are compared with, 0 for none."""
        return self.reference or (self.bid + self.ask if self.bid > 0 else 0)

    def without(self, name: ClientOrderId | None) -> "Exposure":
        """What an order is judged against that replaces `name`: the broker does both or neither.

        The old order has passed these controls, so the worse of the two versions is within the limits. At a
        broker where both may be live for a moment, or for good, both count.
        """
        if not self.atomic_replace:
            return self
        waiting = tuple(item for item in self.waiting if item.client_order_id != name)
        return self if name is None else replace(self, waiting=waiting)

    def after(self, order: Order) -> "Exposure":
        """What the next order of the same decision is judged against."""
        count = {name: getattr(self, name) + 1 for name in _COUNTS}
        if order.instrument != self.instrument.id:
            return replace(self, **count, waiting_elsewhere=self.waiting_elsewhere + 1)
        mine = Sent(time_ns=self.time_ns, instrument=order.instrument, units=order.units, price=order.price)
        waiting = self.without(order.replaces).waiting
        return replace(self, **count, waiting=(*waiting, order), sent=(*self.sent, mine))


_COUNTS = ("orders_last_minute", "messages_last_second", "messages_last_minute")


def at_home(amount: int, rate: tuple[int, int]) -> int:
    """An amount in the account's currency, rounded away from zero."""
    numerator, denominator = rate
    size = -(-abs(amount) * numerator // denominator)
    return size if amount > 0 else -size


def only_reduces(order: Order) -> bool:
    """Whether an order can never open or turn a position; one that names a trade closes that and no more."""
    return (
        order.reduce_only
        or order.position_fill is PositionFill.REDUCE_ONLY
        or order.closes is not None  # where trades are not kept apart, order sense denies it
    )


def worst_units(
    waiting: Sequence[Order],
    held: int,
    *,
    has_exits: bool = False,
    legs: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """The longest and the shortest position, signed, that any of the waiting orders can lead to.

    A stop or target may close what is held before the others are executed, so it counts among them. Where
    longs and shorts are held at once (`legs`) each is what is left when the other is closed.
    """
    moves = [item.units for item in waiting if not only_reduces(item)]
    if legs is not None:
        return (
            legs[0] + sum(move for move in moves if move > 0),
            legs[1] + sum(move for move in moves if move < 0),
        )
    closing = sum(abs(item.units) for item in waiting if only_reduces(item) and item.units * held < 0)
    closed = abs(held) if has_exits else min(abs(held), closing)
    longest = held + (closed if held < 0 else 0) + sum(move for move in moves if move > 0)
    shortest = held - (closed if held > 0 else 0) + sum(move for move in moves if move < 0)
    return longest, shortest


def worst_margin(
    record: Instrument,
    waiting: Sequence[Order],
    *,
    held: int,
    ask: int,
    rate_ppm: int,
    has_exits: bool = False,
    home_rate: tuple[int, int] = (1, 1),
    legs: tuple[int, int] | None = None,
    both_need_margin: bool = True,
) -> int:
    """The most margin, in micro-units, that what is held of an instrument and what waits can come to need.

    In the account's currency, by `home_rate`. Of long and short `legs` both count, or the larger.
    """
    dearest = max(ask, *(item.price for item in waiting), 0)
    sides = [abs(item) for item in worst_units(waiting, held, has_exits=has_exits, legs=legs)]
    worst = sum(sides) if legs is not None and both_need_margin else max(sides)
    numerator, denominator = home_rate
    value = worst * dearest * record.micro_per_point * numerator
    return -(-value * rate_ppm // (1_000_000 * denominator))
