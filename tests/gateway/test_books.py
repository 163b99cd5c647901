"""Double entry: every posting adds up to zero, and the books come to what the engine's account comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.bench import BALANCE, COSTS, EUR_USD, made_up_bars
from tests.gateway.strategies import busy, decided
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, Fill, FillReason
from workbench.domain.quotes import Quote
from workbench.engine import MatchingEngine
from workbench.gateway.books import MICRO, Books, Posting, UnbalancedError

RECORD = instrument("EUR_USD")


def fill(units: int, price: int, *, realized: int = 0, commission: int = 0) -> Fill:
    return Fill(
        client_order_id=ClientOrderId("one"),
        instrument=EUR_USD,
        time_ns=1,
        units=units,
        price=price,
        reason=FillReason.MARKET,
        commission=commission,
        realized=realized,
        position=0,
        balance=0,
    )


def test_a_long_bought_and_sold_leaves_its_profit_in_cash() -> None:
    books = Books("USD")
    books.open(1_000 * MICRO)
    books.fill(RECORD, fill(10_000, 118_000, commission=2 * MICRO))
    assert books.units(EUR_USD) == 10_000
    assert books.cost(RECORD) == 11_800 * MICRO  # 10,000 euros at 1.18000 dollars
    assert (
        books.unrealized(RECORD, bid=118_100, ask=118_113) == 10 * MICRO
    )  # ten pips on 10,000 are 10 dollars
    books.fill(RECORD, fill(-10_000, 118_100, realized=10 * MICRO))
    assert (books.units(EUR_USD), books.cost(RECORD), books.commission) == (0, 0, 2 * MICRO)
    assert books.cash == (1_000 - 2 + 10) * MICRO
    assert set(books.trial_balance().values()) == {0}


def test_an_entry_that_does_not_add_up_is_refused_whole() -> None:
    books = Books("USD")
    sides = (
        Posting(account="cash", currency="USD", amount=5),
        Posting(account="opening", currency="EUR", amount=-5),
    )
    with pytest.raises(UnbalancedError, match="zero in each currency"):
        books.post(sides)
    assert books.balances() == {}


@given(
    st.lists(
        st.tuples(st.integers(-5_000, 5_000), st.integers(90_000, 130_000), st.integers(-(10**9), 10**9))
    )
)
def test_whatever_is_booked_each_currency_adds_up_to_zero(rows: list[tuple[int, int, int]]) -> None:
    books = Books("USD")
    books.open(10**9)
    for units, price, realized in rows:
        books.fill(RECORD, fill(units, price, realized=realized, commission=abs(units) % 7))
        books.finance(realized // 3)
        books.adjust(RECORD, units=units // 2, price=price, cost=realized, cash=units)
        assert set(books.trial_balance().values()) <= {0}
    assert books.units(EUR_USD) == sum(units + units // 2 for units, _, _ in rows)
    assert books.copy().balances() == books.balances()


def test_the_books_of_the_fills_are_the_engines_account() -> None:
    bars = made_up_bars(150)
    engine = MatchingEngine(instruments=(RECORD,), cost_book=COSTS, currency="USD", balance=BALANCE)
    books = Books("USD")
    books.open(BALANCE)
    flat = 0
    for index, bar in enumerate(bars):
        quote = Quote(instrument=EUR_USD, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
        for item in (*engine.on_quote(quote), *engine.on_bar(bar)):
            books.fill(RECORD, item)
        account = engine.account()
        books.finance(account.financing - books.financing)
        assert books.cash == account.balance
        assert books.units(EUR_USD) == account.units(EUR_USD)
        assert books.commission == account.commission
        assert books.cash + books.unrealized(RECORD, bid=bar.bid_close, ask=bar.ask_close) == pytest.approx(
            account.equity, abs=2
        )
        if books.units(EUR_USD) == 0:
            flat += 1
            assert abs(books.cost(RECORD)) <= 2 * index  # what rounding each profit to a micro-unit leaves
        for order in decided(busy(bar, account, 2 * index + 2)).orders:
            engine.submit(order)
    assert flat > 10
