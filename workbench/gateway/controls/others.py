"""What the other deployments of an account and of the firm add, in the currency of the account judged.

Amounts in another currency are converted by the quotes that the desk has now, each at the side that counts
against the order: losses and exposures at what the currency costs, gains and equity at what it fetches, and
by the worse where several feeds quote a pair. Where no current quote converts a loss or an exposure the sum
is not known, and a limit that needs it passes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.domain.accounts import AccountMode, AccountSnapshot, Position, Trade
from workbench.domain.conversion import conversion_legs, dearest_rate
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import MICRO
from workbench.domain.orders import Order
from workbench.errors import BadInputError
from workbench.gateway.controls.exposure import Others, at_home, worst_units

if TYPE_CHECKING:
    from workbench.gateway.trading import Trading

__all__ = ["data_age", "has_exits", "legs_held", "others_of"]

_REPLAYS = ("replay", "ticks")
_NS_PER_MS = 1_000_000
_Rate = tuple[int, int]


def others_of(trading: "Trading", name: InstrumentId) -> Mapping[str, Others]:
    """What the other deployments of the account and of the firm add to an order for an instrument."""
    view, spec = trading.desk_view, trading.spec
    if view is None:
        return {}
    peers = [
        item
        for item in view.deployments()
        if item.spec.deployment_id != spec.deployment_id and item.archived is None
    ]
    if not peers:
        return {"firm": Others(), "account": Others()}
    rates = _Rates(spec.account.currency, tuple(_current(trading, peers)))
    added = [(item.spec.account.id == spec.account.id, _added(item, name, rates)) for item in peers]
    return {
        "firm": _sum(found for _, found in added),
        "account": _sum(found for same, found in added if same),
    }


def data_age(trading: "Trading", name: InstrumentId) -> int | None:
    """How old an instrument's price in a deployment's feed is, in ns; None when that is not known."""
    ask: Callable[..., int | None] | None = getattr(trading.feed, "data_age_ns", None)
    if ask is None:
        return 0 if trading.spec.feed.kind in _REPLAYS else None
    return ask(name)


def legs_held(trading: "Trading", name: InstrumentId) -> tuple[int, int] | None:
    """Units long and short of a hedging account; None where they are netted."""
    if trading.spec.account.rules.mode is not AccountMode.HEDGING:
        return None
    units = [item.units for item in trading.books.trades if item.instrument == name]
    return sum(item for item in units if item > 0), sum(item for item in units if item < 0)


def has_exits(books: AccountSnapshot, name: InstrumentId) -> bool:
    """Whether a stop or target may close what is held of an instrument."""
    held: tuple[Position | Trade, ...] = (*books.positions, *books.trades)
    return any(item.stop or item.target or item.trailing for item in held if item.instrument == name)


# --- quotes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rates:
    """Rates into one currency by the quotes at hand: an instrument, its bid and its ask in points."""

    home: str
    quotes: tuple[tuple[Instrument, int, int], ...]

    def cost(self, currency: str) -> _Rate | None:
        """What a unit of a currency costs, at the worst of the quotes; None without one."""
        return self._rate(
            currency, lambda quotes: (min(bid for bid, _ in quotes), max(ask for _, ask in quotes))
        )

    def worth(self, currency: str) -> _Rate | None:
        """What a unit of a currency fetches, at the worst of the quotes; None without one."""
        return self._rate(
            currency, lambda quotes: (max(ask for _, ask in quotes), min(bid for bid, _ in quotes))
        )

    def _rate(
        self, currency: str, worst: Callable[[Sequence[tuple[int, int]]], tuple[int, int]]
    ) -> _Rate | None:
        if currency == self.home:
            return 1, 1
        known = {record.id: record for record, _, _ in self.quotes}
        try:
            legs = conversion_legs(currency, self.home, known.values())
        except BadInputError:
            return None
        prices = {
            leg.instrument: worst(
                [(bid, ask) for record, bid, ask in self.quotes if record.id == leg.instrument]
            )
            for leg in legs
        }
        return dearest_rate(legs, prices)


def _current(trading: "Trading", peers: Iterable["Trading"]) -> Iterator[tuple[Instrument, int, int]]:
    """The quotes of the feeds that go on, as old as R15 lets a price of the judged deployment be."""
    view = trading.desk_view
    most_ms = None if view is None else view.number("max_data_age_ms")
    for item in (trading, *peers):
        if item.state != "running" or item.ended:
            continue
        for record in item.spec.all_records:
            bid, ask = item.prices.get(record.id, (0, 0))
            age = data_age(item, record.id)
            fresh = most_ms is None or (age is not None and age <= most_ms * _NS_PER_MS)
            if bid > 0 and ask > 0 and fresh:
                yield record, bid, ask


# --- what one deployment adds ----------------------------------------------------------------------------


def _added(peer: "Trading", name: InstrumentId, rates: _Rates) -> Others:
    now, history, books, waiting = peer.time_ns, peer.history, peer.books, peer.waiting()
    history.trim(now)
    longest, shortest = _worst(peer, books, waiting, name)
    loss, currencies = _loss(peer, rates), _currencies(peer, books, waiting, rates)
    lost = [peer.spec.account.currency] if loss is None else []
    unvalued = [currencies] if isinstance(currencies, str) else []
    return Others(
        messages_last_second=history.messages_last_second(now),
        messages_last_minute=len(history.messages),
        orders_last_minute=len(history.sent),
        open_orders=len(waiting),
        longest=longest,
        shortest=shortest,
        loss=loss,
        currencies=None if isinstance(currencies, str) else currencies,
        equity=_equity(peer, rates),
        unpriced=", ".join(
            f"{item} of {peer.spec.deployment_id} into {rates.home}"
            for item in dict.fromkeys(lost + unvalued)
        ),
    )


def _worst(
    peer: "Trading", books: AccountSnapshot, waiting: Iterable[Order], name: InstrumentId
) -> tuple[int, int]:
    return worst_units(
        [item for item in waiting if item.instrument == name],
        books.units(name),
        has_exits=has_exits(books, name),
        legs=legs_held(peer, name),
    )


def _loss(peer: "Trading", rates: _Rates) -> int | None:
    lost, currency = peer.day_start_equity - peer.equity, peer.spec.account.currency
    if lost <= 0:
        return -_fetched(-lost, rates.worth(currency))
    rate = rates.cost(currency)
    return None if rate is None else at_home(lost, rate)


def _equity(peer: "Trading", rates: _Rates) -> int:
    """Of an account that is traded on; one without a quote, or that is over, carries nothing."""
    return _fetched(peer.equity, rates.worth(peer.spec.account.currency)) if peer.state == "running" else 0


def _fetched(amount: int, rate: _Rate | None) -> int:
    """An amount above zero in the other currency, rounded down; nothing where no rate is known."""
    return 0 if rate is None else max(amount, 0) * rate[0] // rate[1]


def _currencies(
    peer: "Trading", books: AccountSnapshot, waiting: Iterable[Order], rates: _Rates
) -> Mapping[str, tuple[int, int]] | str:
    """The most long and short in each currency; the currency that can not be valued, where one can not."""
    spans: dict[str, tuple[int, int]] = {}
    for record in peer.spec.records:
        longest, shortest = _worst(peer, books, waiting, record.id)
        if longest == shortest == 0:
            continue
        unit = _value(peer, record, waiting, rates)
        if unit is None:
            return record.quote
        high, low = at_home(longest, unit), at_home(shortest, unit)
        for currency, up, down in ((record.base, high, low), (record.quote, -low, -high)):
            most, least = spans.get(currency, (0, 0))
            spans[currency] = most + up, least + down
    return {currency: (max(most, 0), min(least, 0)) for currency, (most, least) in spans.items()}


def _value(peer: "Trading", record: Instrument, waiting: Iterable[Order], rates: _Rates) -> _Rate | None:
    """The most that a unit of an instrument comes to in micro-units, by its price or by its base currency."""
    levels = (item.price for item in waiting if item.instrument == record.id)
    price = max(peer.prices.get(record.id, (0, 0))[1], *levels, 0)
    if price and (rate := rates.cost(record.quote)) is not None:
        return price * record.micro_per_point * rate[0], rate[1]
    if (rate := rates.cost(record.base)) is not None:
        return MICRO * rate[0], rate[1]
    return None


def _sum(found: Iterable[Others]) -> Others:
    total = Others()
    for item in found:
        spans = None
        if total.currencies is not None and item.currencies is not None:
            spans = {
                name: total.currencies.get(name, (0, 0)) for name in {**total.currencies, **item.currencies}
            }
            for name, (most, least) in item.currencies.items():
                spans[name] = spans[name][0] + most, spans[name][1] + least
        total = Others(
            messages_last_second=total.messages_last_second + item.messages_last_second,
            messages_last_minute=total.messages_last_minute + item.messages_last_minute,
            orders_last_minute=total.orders_last_minute + item.orders_last_minute,
            open_orders=total.open_orders + item.open_orders,
            longest=total.longest + item.longest,
            shortest=total.shortest + item.shortest,
            loss=None if total.loss is None or item.loss is None else total.loss + item.loss,
            currencies=spans,
            equity=total.equity + item.equity,
            unpriced=", ".join(text for text in (total.unpriced, item.unpriced) if text),
        )
    return total
