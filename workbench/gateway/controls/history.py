"""What the controls remember of a deployment: prices, messages, fills and rejects of the last while.

All of it follows from the feed and from what was written down, so that a gateway that starts again arrives
at the same; only ages by the wall clock begin anew.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median_low

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import EXIT_REASONS, Fill, Order
from workbench.gateway.controls.exposure import Sent

__all__ = ["PriceWatch", "RiskHistory"]

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_TEN_MINUTES_NS = 10 * _MINUTE_NS
_SPREADS = 101
_SIDES: Mapping[bool, int] = {True: 1, False: -1}


@dataclass(slots=True)
class PriceWatch:
    """One instrument's prices of the last minute, and its last spreads; the newest price always counts."""

    quotes: deque[tuple[int, int]] = field(default_factory=deque)  # time, twice the mid
    spreads: deque[int] = field(default_factory=lambda: deque(maxlen=_SPREADS))

    def take(self, time_ns: int, bid: int, ask: int) -> None:
        """A new quote."""
        self.quotes.append((time_ns, bid + ask))
        self.spreads.append(ask - bid)
        while self.quotes[0][0] < time_ns - _MINUTE_NS:
            self.quotes.popleft()

    @property
    def median(self) -> int:
        """Twice the median mid of the last minute, in points; 0 before the first quote."""
        return median_low(mid for _, mid in self.quotes) if self.quotes else 0

    @property
    def median_spread(self) -> int:
        """The median of the last 101 spreads, in points."""
        return median_low(self.spreads) if self.spreads else 0

    @property
    def move_ppm(self) -> int | None:
        """Between the lowest and the highest mid of the last minute, of the lowest; None before a quote."""
        if not self.quotes:
            return None
        mids = [mid for _, mid in self.quotes]
        low = min(mids)
        return -(-(max(mids) - low) * 1_000_000 // low) if low > 0 else None


@dataclass(slots=True)
class RiskHistory:
    """One deployment's."""

    prices: dict[InstrumentId, PriceWatch] = field(default_factory=dict)
    messages: deque[int] = field(default_factory=deque)  # feed times of orders, changes and cancels
    sent: deque[Sent] = field(default_factory=deque)  # orders of the last minute
    reentries: deque[int] = field(default_factory=deque)  # feed times of positions opened from flat
    denials: deque[int] = field(default_factory=deque)
    rejects_in_a_row: int = 0
    losses_in_a_row: int = 0
    senseless: int = 0
    peak_equity: int = 0
    number: int = 0  # the last transaction seen
    number_seq: int = 0  # the feed event it happened on
    expected: dict[str, int] = field(default_factory=dict)  # the price an order was decided on, by its id
    slipped: list[tuple[str, int]] = field(default_factory=list)  # orders and points, not looked at yet
    unprotected_ns: int = 0  # feed time since which a position has no stop, 0 for none
    watched_ns: int = 0  # wall clock: since when the live kernel is waited for
    silent_ns: int = 0  # the last sign of life after which its entries were taken back
    decided_ns: dict[str, int] = field(default_factory=dict)  # feed time of waiting orders, by their id

    def quote(self, instrument: InstrumentId, time_ns: int, bid: int, ask: int) -> None:
        """The market moved."""
        self.prices.setdefault(instrument, PriceWatch()).take(time_ns, bid, ask)

    def message(self, time_ns: int) -> None:
        """An order, a change or a cancel went to the broker."""
        self.messages.append(time_ns)

    def order(self, order: Order, time_ns: int, *, bid: int = 0, ask: int = 0) -> None:
        """An order went to the broker while the market stood at `bid` and `ask`."""
        self.message(time_ns)
        self.sent.append(
            Sent(time_ns=time_ns, instrument=order.instrument, units=order.units, price=order.price)
        )
        if price := order.price or (ask if order.units > 0 else bid):
            self.expected[order.client_order_id] = price

    def answered(self, *, rejected: bool) -> None:
        """The broker took an order, or did not."""
        self.rejects_in_a_row = self.rejects_in_a_row + 1 if rejected else 0

    def denied(self, time_ns: int, *, control: str) -> None:
        """An order was stopped here."""
        self.denials.append(time_ns)
        self.senseless += control == "F45"

    def fill(self, fill: Fill) -> int:
        """An execution; by how many points it was worse than what it was decided on, remembered if it was."""
        if fill.units and fill.position == fill.units:
            self.reentries.append(fill.time_ns)
        if fill.realized:
            self.losses_in_a_row = self.losses_in_a_row + 1 if fill.realized < 0 else 0
        if fill.reason in EXIT_REASONS:
            return 0  # decided by the broker at a level of its own
        expected = self.expected.get(fill.client_order_id, 0)
        if not fill.remaining:
            self.expected.pop(fill.client_order_id, None)
        slippage = max(0, (fill.price - expected) * _SIDES[fill.units > 0]) if expected else 0
        if slippage:
            self.slipped.append((fill.client_order_id, slippage))
        return slippage

    def forgive(self, equity: int) -> None:
        """A named person lets the deployment trade on: what led to the halt counts no more."""
        self.reentries.clear()
        self.denials.clear()
        self.rejects_in_a_row = self.losses_in_a_row = self.senseless = 0
        self.peak_equity = equity
        self.unprotected_ns = 0

    def trim(self, now_ns: int) -> None:
        """Forget what is older than any control looks back."""
        for times, span in (
            (self.messages, _MINUTE_NS),
            (self.denials, _MINUTE_NS),
            (self.reentries, _TEN_MINUTES_NS),
        ):
            while times and times[0] <= now_ns - span:
                times.popleft()
        while self.sent and self.sent[0].time_ns <= now_ns - _MINUTE_NS:
            self.sent.popleft()

    def messages_last_second(self, now_ns: int) -> int:
        """Messages of the last second by the feed's clock."""
        return _after(self.messages, now_ns - _SECOND_NS)


def _after(times: Iterable[int], since_ns: int) -> int:
    return sum(time_ns > since_ns for time_ns in times)
