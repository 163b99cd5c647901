"""What a unit of a currency costs in another, by the pairs at hand; numbers of brokers, not ours."""

from fractions import Fraction

import pytest

from workbench.domain.conversion import conversion_legs, dearest_rate
from workbench.domain.instruments import InstrumentId, instrument
from workbench.errors import BadInputError

EUR_USD, EUR_JPY, GBP_USD, USD_JPY = (
    instrument(name) for name in ("EUR_USD", "EUR_JPY", "GBP_USD", "USD_JPY")
)


@pytest.mark.parametrize(
    ("quote", "pair", "bid", "ask", "factor"),
    [
        # OANDA's quoteHomeConversionFactors.negativeUnits of an account in euros
        ("USD", EUR_USD, 112_157, 112_170, "0.89160730"),
        ("JPY", EUR_JPY, 115_329, 115_346, "0.00867085"),
    ],
)
def test_a_loss_is_converted_as_oanda_does(quote: str, pair: object, bid: int, ask: int, factor: str) -> None:
    legs = conversion_legs(quote, "EUR", [pair])  # type: ignore[list-item]
    found = dearest_rate(legs, {pair.id: (bid, ask)})  # type: ignore[attr-defined]
    assert found is not None
    assert f"{float(Fraction(*found)):.8f}" == factor


def test_a_pair_is_multiplied_by_at_its_ask_and_two_legs_lead_through_the_dollar() -> None:
    prices = {GBP_USD.id: (126_000, 126_010), USD_JPY.id: (150_000, 150_020)}
    direct = dearest_rate(conversion_legs("GBP", "USD", [GBP_USD]), prices)
    assert direct is not None
    assert Fraction(*direct) == Fraction("1.26010")
    both = dearest_rate(conversion_legs("JPY", "GBP", [GBP_USD, USD_JPY]), prices)
    assert both is not None
    assert Fraction(*both) == 1 / Fraction("150.000") / Fraction("1.26000")
    assert dearest_rate(conversion_legs("USD", "USD", []), {}) == (1, 1)


def test_without_a_price_or_a_pair_there_is_no_rate() -> None:
    legs = conversion_legs("JPY", "GBP", [GBP_USD, USD_JPY])
    assert dearest_rate(legs, {InstrumentId("GBP_USD"): (126_000, 126_010)}) is None
    with pytest.raises(BadInputError, match="expected a pair of JPY and GBP among USD_JPY, found none"):
        conversion_legs("JPY", "GBP", [USD_JPY])
