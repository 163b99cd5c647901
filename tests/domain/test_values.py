"""Instruments, money, the cost book, limits and roles."""

import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.cost_book import HOURS_OF_WEEK, CostBook, InstrumentCosts, retail_book, retail_costs
from workbench.domain.instruments import INSTRUMENTS, UnknownInstrumentError, instrument
from workbench.domain.limits import Limits
from workbench.domain.money import to_decimal, to_micro
from workbench.domain.roles import VERBS, Role, allowed
from workbench.errors import BadInputError


@pytest.mark.parametrize(
    ("name", "value"),  # one lot, one pip, as OANDA's and IG's tables of pip values have it
    [("EUR_USD", Decimal(10)), ("USD_CHF", Decimal(10)), ("EUR_JPY", Decimal(1000))],
)
def test_a_pip_of_a_lot_is_worth_what_brokers_publish(name: str, value: Decimal) -> None:
    record = instrument(name)
    assert to_decimal(record.lot_units * record.points_per_pip * record.micro_per_point) == value


@pytest.mark.parametrize(
    ("name", "units", "entry", "exit", "profit"),
    [
        ("EUR_USD", 500_000, "1.3450", "1.3490", "2000"),
        ("USD_CHF", -300_000, "0.8982", "0.8924", "1740"),
    ],
)
def test_profit_in_points_and_units_is_exact(
    name: str, units: int, entry: str, exit: str, profit: str
) -> None:
    record = instrument(name)
    points = record.to_points(exit) - record.to_points(entry)
    assert to_decimal(units * points * record.micro_per_point) == Decimal(profit)


@given(st.sampled_from(sorted(INSTRUMENTS)), st.integers(min_value=1, max_value=10**9))
def test_prices_and_points_are_inverses(name: str, points: int) -> None:
    record = instrument(name)
    assert record.to_points(record.to_price(points)) == points
    assert record.to_points(str(record.to_price(points))) == points


@pytest.mark.parametrize(
    "price", ["1.123456", "x", "", "nan", "inf", "1.1000000000000000000000000000000000001", "1e999999999"]
)
def test_what_is_no_whole_number_of_points_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="EUR_USD: expected a price with at most 5 decimals"):
        instrument("EUR_USD").to_points(price)


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_amounts_and_micro_units_are_inverses(micro: int) -> None:
    assert to_micro(to_decimal(micro)) == micro


@pytest.mark.parametrize("amount", ["0.0000001", "many", "-inf"])
def test_money_finer_than_a_micro_unit_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="at most 6 decimals"):
        to_micro(amount)


def test_a_float_price_is_not_rounded_silently() -> None:
    with pytest.raises(ValueError, match="at most 5 decimals"):
        instrument("EUR_USD").to_points(1.1)  # type: ignore[arg-type]


def test_an_unknown_instrument_is_answered_with_its_neighbours() -> None:
    with pytest.raises(UnknownInstrumentError, match="did you mean EUR_USD"):
        instrument("eur/usd")


def test_every_record_has_whole_micro_units_a_point() -> None:
    for record in INSTRUMENTS.values():
        assert record.micro_per_point * 10**record.digits == 10**6
        assert record.points_per_pip == 10
        assert record.id == f"{record.base}_{record.quote}"


def _costs(**changes: Any) -> InstrumentCosts:
    values: dict[str, Any] = {
        "spread_points": (13,) * HOURS_OF_WEEK,
        "commission_ppm": 20,
        "financing_long_ppm": -25_000,
        "financing_short_ppm": -5_000,
        "margin_rate_ppm": 33_333,
    }
    return InstrumentCosts(**{**values, **changes})


def _book(**changes: Any) -> CostBook:
    values: dict[str, Any] = {
        "broker": "retail",
        "valid_from": date(2017, 1, 1),
        "costs": {"EUR_USD": retail_costs("EUR_USD"), "USD_JPY": _costs()},
    }
    return CostBook(**{**values, **changes})


def test_a_cost_book_survives_json_and_pickle_with_the_same_version() -> None:
    book = _book()
    assert CostBook.from_json(book.to_json()) == book
    assert pickle.loads(pickle.dumps(book)) == book
    assert CostBook.from_json(book.to_json()).version == book.version


def test_any_change_of_a_cost_changes_the_version() -> None:
    book = _book()
    others = [
        _book(broker="other"),
        _book(valid_from=date(2017, 1, 2)),
        _book(costs={"EUR_USD": retail_costs("EUR_USD"), "USD_JPY": _costs(commission_ppm=21)}),
        _book(costs={"EUR_USD": retail_costs("EUR_USD")}),
    ]
    assert len({book.version, *(item.version for item in others)}) == 5


def test_the_order_of_instruments_does_not_change_the_version() -> None:
    costs = {"USD_JPY": _costs(), "EUR_USD": retail_costs("EUR_USD")}
    assert _book(costs=costs).version == _book().version


def test_no_cost_is_made_up_for_an_instrument_the_book_does_not_have() -> None:
    with pytest.raises(BadInputError, match="has no costs for GBP_USD; it knows EUR_USD, USD_JPY"):
        _book().of("GBP_USD")


@pytest.mark.parametrize(
    "changes",
    [
        {"spread_points": (13,) * 167},
        {"spread_points": (-1,) * HOURS_OF_WEEK},
        {"spread_points": (1.5,) * HOURS_OF_WEEK},
        {"margin_rate_ppm": 0},
        {"margin_rate_ppm": 1_000_001},
        {"commission_ppm": -1},
        {"commission_ppm": 0.5},
        {"slippage_points": True},
    ],
)
def test_impossible_costs_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="expected"):
        _costs(**changes)


@pytest.mark.parametrize("value", [{}, {"broker": "x", "valid_from": "soon", "costs": {}}, {"costs": []}])
def test_a_file_that_is_no_cost_book_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="expected a cost book"):
        CostBook.from_json(value)


def test_retail_spreads_are_widest_around_17_new_york() -> None:
    spreads = retail_costs("EUR_USD").spread_points
    assert (spreads[0], spreads[23], spreads[15]) == (29, 49, 13)  # 17:00, 16:00 and 08:00 New York


def test_a_retail_book_holds_the_instruments_asked_for() -> None:
    book = retail_book("USD_JPY", "EUR_USD")
    assert sorted(book.costs) == ["EUR_USD", "USD_JPY"]
    assert book.of("USD_JPY") == retail_costs("USD_JPY")
    assert book.version == retail_book("EUR_USD", "USD_JPY").version


def test_a_missing_limit_means_nothing_is_allowed() -> None:
    assert set(Limits.from_json({}).to_json().values()) == {0, ()}


def test_limits_survive_json() -> None:
    limits = Limits(instruments=("EUR_USD", "USD_JPY"), max_order_units=10_000, max_daily_loss=5 * 10**8)
    assert Limits.from_json(limits.to_json()) == limits
    assert Limits.from_json({**limits.to_json(), "instruments": ["EUR_USD", "USD_JPY"]}) == limits


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"max_order": 5}, "unknown limit max_order; known: .*max_order_units"),
        ({"max_order_units": -1}, "whole number of 0 or more, found -1"),
        ({"max_order_units": 1.5}, "whole number"),
        ({"max_order_units": True}, "whole number"),
        ({"max_order_units": "7"}, "whole number"),
        ({"instruments": "EUR_USD"}, "expected a list of names, found 'EUR_USD'"),
        ({"instruments": [1]}, "expected a list of names"),
        ({"instruments": None}, "expected a list of names"),
    ],
)
def test_unreadable_limits_are_refused(value: dict[str, Any], match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        Limits.from_json(value)


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("viewer", {"status", "fills", "logs"}, {"stop", "kill", "backtest", "approve", "deploy"}),
        ("researcher", {"backtest", "promote", "schedule"}, {"approve", "deploy", "kill", "start"}),
        ("operator", {"stop", "kill", "status"}, {"resume", "unkill", "approve", "deploy", "promote"}),
        ("approver", {"approve", "deploy", "unkill", "resume", "kill", "limits"}, {"shutdown"}),
        ("admin", set(VERBS), set()),
        ("", set(), set(VERBS)),
        ("root", set(), set(VERBS)),
    ],
)
def test_roles_bind(role: str, may: set[str], may_not: set[str]) -> None:
    assert {verb for verb in may | may_not if allowed(role, verb)} == may


def test_no_role_may_use_a_verb_that_does_not_exist() -> None:
    assert not any(allowed(role, "become-admin") for role in Role)
