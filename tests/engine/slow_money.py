"""The slow engine's money: exact fractions, one rounding half to even for each booking.

Amounts are micro-units; prices are whole points. Written from the rules, not from the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from workbench.domain.calendar import financing_days
from workbench.domain.cost_book import FinancingMode, InstrumentCosts
from workbench.domain.instruments import Instrument

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLION = 1_000_000
MICROSECOND = timedelta(microseconds=1)


class NoConversionError(Exception):
    """Money of a currency must be converted and there is no quote to convert it by."""


def half_even(value: Fraction) -> int:
    """Python rounds a Fraction half to even."""
    return round(value)


@dataclass
class Market:
    """The last quote of an instrument, its costs, and what its sizes leave to be taken."""

    instrument: Instrument
    costs: InstrumentCosts
    bid: int = 0
    ask: int = 0
    ladders: dict[int, list[list[int]] | None] = field(default_factory=dict)  # by side: 1 buys, -1 sells

    @property
    def micro(self) -> int:
        """Micro-units of the quote currency a unit gains with a point."""
        return 10 ** (6 - self.instrument.digits)

    @property
    def mid(self) -> Fraction:
        return Fraction(self.bid + self.ask, 2)

    @property
    def spread(self) -> int:
        return max(0, self.ask - self.bid)

    @property
    def slippage(self) -> int:
        share = Fraction(self.spread * self.costs.slippage_spread_ppm, MILLION)
        return self.costs.slippage_points - (-share.numerator // share.denominator)

    def price(self, side: int) -> int:
        """What a buyer pays (1), a seller gets (-1)."""
        return self.ask if side > 0 else self.bid

    def slipped(self, price: int, side: int) -> int:
        return max(1, price + side * self.slippage)

    def rate(self, points: Fraction | int) -> Fraction:
        """A price in units of the quote currency."""
        return Fraction(points) / 10**self.instrument.digits


@dataclass
class Exchange:
    """Converts between currencies by the quotes of the markets."""

    markets: Mapping[str, Market]
    home: str

    def gain_or_loss(self, market: Market, amount: Fraction) -> int:
        """Profit (0 or more) or loss of the quote currency, converted at the side where it costs more."""
        return half_even(amount * self._factor(market, gain=amount >= 0)) if amount else 0

    def loss(self, market: Market, amount: Fraction) -> int:
        """What is to be paid, an amount of 0 or more."""
        return half_even(amount * self._factor(market, gain=False)) if amount else 0

    def at_mid(self, currency: str) -> Fraction:
        """Home currency for one of another at the middle of the quotes."""
        product = Fraction(1)
        for found, is_base in self._legs(currency):
            product *= found.rate(found.mid) if is_base else 1 / found.rate(found.mid)
        return product

    def base_at_mid(self, market: Market) -> Fraction:
        """Home currency for one of the market's base currency at mid."""
        record = market.instrument
        if record.base == self.home:
            return Fraction(1)
        if record.quote == self.home:
            return market.rate(market.mid)
        direct = self._direct(record.base, self.home)
        if direct is not None:
            found, is_base = self._quoted(direct)
            return found.rate(found.mid) if is_base else 1 / found.rate(found.mid)
        return market.rate(market.mid) * self.at_mid(record.quote)

    def _factor(self, market: Market, *, gain: bool) -> Fraction:
        currency = market.instrument.quote
        if currency == self.home:
            return Fraction(1)
        product = Fraction(1)
        for found, is_base in self._legs(currency):
            if is_base:  # the currency is sold for gains, bought for losses
                product *= found.rate(found.bid if gain else found.ask)
            else:
                product /= found.rate(found.ask if gain else found.bid)
        markup = market.costs.conversion_markup_ppm
        return product * Fraction(MILLION - markup if gain else MILLION + markup, MILLION)

    def _legs(self, currency: str) -> list[tuple[Market, bool]]:
        if currency == self.home:
            return []
        direct = self._direct(currency, self.home)
        if direct is not None:
            return [self._quoted(direct)]
        legs = [self._direct(currency, "USD"), self._direct("USD", self.home)]
        if None in legs:
            raise NoConversionError(f"no pair converts {currency} into {self.home}")
        return [self._quoted(leg) for leg in legs if leg is not None]

    def _direct(self, currency: str, into: str) -> tuple[Market, bool] | None:
        """The pair of two currencies, and whether `currency` is its base."""
        for found in self.markets.values():
            if (found.instrument.base, found.instrument.quote) == (currency, into):
                return found, True
            if (found.instrument.base, found.instrument.quote) == (into, currency):
                return found, False
        return None

    def _quoted(self, leg: tuple[Market, bool]) -> tuple[Market, bool]:
        if not leg[0].bid:
            raise NoConversionError(f"{leg[0].instrument.id} has no quote yet")
        return leg


def day_ends(after_ns: int, until_ns: int, *, inclusive: bool) -> list[tuple[int, date]]:
    """Every 17:00 New York in (after, until], or before `until`, with its date."""
    local = (EPOCH + timedelta(microseconds=after_ns // 1000)).astimezone(NEW_YORK)
    day, found = local.date(), []
    while True:
        moment = datetime(day.year, day.month, day.day, 17, tzinfo=NEW_YORK)
        instant = (moment.astimezone(UTC) - EPOCH) // MICROSECOND * 1000
        if instant > until_ns or (instant == until_ns and not inclusive):
            return found
        if instant > after_ns:
            found.append((instant, day))
        day += timedelta(days=1)


def days_charged(market: Market, day: date) -> int:
    """Days of financing at 17:00 New York of a date."""
    fixed = market.costs.financing_weekdays
    return financing_days(day, market.instrument) if fixed is None else fixed[day.weekday()]


def financing(exchange: Exchange, market: Market, units: int, days: int) -> int:
    """What holding `units` over a day's end pays (-) or earns, in home micro-units."""
    costs = market.costs
    rate = Fraction(costs.financing_long_ppm if units > 0 else costs.financing_short_ppm, MILLION)
    size = abs(units)
    if costs.financing_mode is FinancingMode.CURRENCY:
        return half_even(size * days * rate * MILLION / market.instrument.lot_units)
    if costs.financing_mode is FinancingMode.POINTS:
        amount = size * market.micro * rate * days
    else:
        year = 365 if costs.financing_mode is FinancingMode.ANNUAL_365 else 360
        amount = size * market.mid * market.micro * rate * days / year
    return exchange.gain_or_loss(market, amount)


def commission(exchange: Exchange, market: Market, units: int, price: int) -> int:
    """Commission of one fill before the order's minimum, in home micro-units."""
    costs = market.costs
    if costs.commission_per_lot:
        return half_even(Fraction(abs(units) * costs.commission_per_lot, market.instrument.lot_units))
    value = abs(units) * price * market.micro
    return exchange.loss(market, Fraction(value * costs.commission_ppm, MILLION))
