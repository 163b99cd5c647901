"""What the firm's limits count over accounts in several currencies: at the adverse side, or not at all."""

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.bench import BALANCE, COSTS, NO_LIMITS, TOKEN, WIDE, Room, made_up_bars, opening
from workbench.domain.control_table import FIRM, Entry, LimitTable
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.controls import Denial, Others
from workbench.gateway.messages import AskExposure, Judged, KernelReply
from workbench.gateway.trading import State, Trading
from workbench.live.judging import OrderJudge

EUR_USD, EUR_GBP, GBP_USD = (InstrumentId(name) for name in ("EUR_USD", "EUR_GBP", "GBP_USD"))
MICRO = 10**6
SERIES = {
    name: made_up_bars(12, seed=seed, name=name) for seed, name in enumerate((EUR_USD, EUR_GBP, GBP_USD))
}


def table(**limits: int) -> LimitTable:
    """Limits of the firm; no others."""
    entries = list(NO_LIMITS.entries)
    for name, value in limits.items():
        entries.append(
            Entry(
                version=len(entries) + 1,
                name=name,
                scope=FIRM,
                value=value,
                action="set",
                by="test",
                created_ns=0,
            )
        )
    return LimitTable(entries)


class Firm:
    """Deployments in several currencies on one desk, each with a price of its own."""

    def __init__(self, url: str, home: Path) -> None:
        self.room = Room(url, home, SERIES[EUR_USD], more=tuple(SERIES.values()))
        self.room.desk.controls.table = table(max_daily_loss=5_000 * MICRO)

    def open(
        self, name: str, pair: InstrumentId, currency: str, *, bid: int, ask: int, **account: Any
    ) -> Trading:
        """A deployment on an account of its own."""
        costs = replace(COSTS, costs={pair: retail_costs(pair)})  # type: ignore[misc]
        self.room.act(
            "open",
            **opening(
                name,
                SERIES[pair],
                account={"id": f"account-{name}", "currency": currency, **account},
                instruments=[pair],
                cost_book=costs.to_json(),
                limits={**WIDE.to_json(), "instruments": [pair]},
            ),
        )
        trading = self.room.desk.deployments[name]
        trading.prices[pair] = (bid, ask)
        trading.equity = trading.day_start_equity = trading.history.peak_equity = BALANCE
        return trading

    def check(self, name: str, units: int = 1_000) -> Denial | None:
        """The check of an order where it is decided and where it is sent, which have to agree."""
        trading = self.room.desk.deployments[name]
        order = Order(client_order_id=ClientOrderId("o"), instrument=trading.spec.records[0].id, units=units)
        reply: KernelReply = self.room.ask(AskExposure(deployment_id=name, token=TOKEN))
        told = msgspec.json.decode(msgspec.json.encode(reply), type=Judged)
        first = OrderJudge(told.exposures, told.limits).check(order)
        again = OrderJudge([trading.exposure(order.instrument, killed="")], trading.limits).check(order)
        assert first == again
        return first

    def others(self, name: str) -> Others:
        """What the rest of the firm adds."""
        trading = self.room.desk.deployments[name]
        return trading.exposure(trading.spec.records[0].id, killed="").others["firm"]


@pytest.fixture
def firm(sqlite_url: str, tmp_path: Path) -> Firm:
    """A dollar account on EUR_USD and a sterling account on EUR_GBP."""
    made = Firm(sqlite_url, tmp_path / "home")
    made.open("dollars", EUR_USD, "USD", bid=118_000, ask=118_010)
    made.open("sterling", EUR_GBP, "GBP", bid=88_000, ask=88_010)
    return made


def lose(trading: Trading, amount: int) -> None:
    trading.equity = trading.day_start_equity - amount


def test_a_loss_elsewhere_counts_at_what_its_currency_costs(firm: Firm) -> None:
    lose(firm.room.desk.deployments["sterling"], 3_000 * MICRO + 1)
    lose(firm.room.desk.deployments["dollars"], 1_000 * MICRO)
    firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    dear = ceil(Fraction(3_000 * MICRO + 1) * Fraction(132_013, 100_000))
    assert firm.others("dollars").loss == dear
    for limit, stops in ((1_000 * MICRO + dear - 1, True), (1_000 * MICRO + dear, False)):
        firm.room.desk.controls.table = table(max_daily_loss=limit)
        denial = firm.check("dollars")
        assert (denial is not None) is stops
        if denial is not None:
            assert denial.control == "R12"
            assert f"of the firm: limit {limit}, observed {1_000 * MICRO + dear}" in denial.reason
    # and the other way round: a dollar costs most pounds at the bid
    assert firm.others("sterling").loss == ceil(Fraction(1_000 * MICRO) * Fraction(100_000, 132_000))


def test_a_gain_elsewhere_counts_at_what_its_currency_fetches(firm: Firm) -> None:
    lose(firm.room.desk.deployments["sterling"], -(3_000 * MICRO + 1))
    firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    assert firm.others("dollars").loss == -floor(Fraction(3_000 * MICRO + 1) * Fraction(132_000, 100_000))


def test_of_two_quotes_of_a_pair_the_worse_counts(firm: Firm) -> None:
    sterling = firm.room.desk.deployments["sterling"]
    firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    firm.open("more-rates", GBP_USD, "USD", bid=131_000, ask=131_020)
    lose(sterling, 100_000)
    assert firm.others("dollars").loss == 132_013
    lose(sterling, -100_000)
    assert firm.others("dollars").loss == -131_000


def test_without_a_quote_of_now_a_loss_elsewhere_stops_what_its_limit_bounds(firm: Firm) -> None:
    assert firm.check("dollars") is None  # nothing was lost, so nothing needs a rate
    lose(firm.room.desk.deployments["sterling"], 1)
    denial = firm.check("dollars")
    assert denial is not None
    assert denial.reason == (
        "R12 daily loss in micro-units of the firm: limit 5000000000, observed nothing: "
        "no quote of now converts GBP of sterling into USD"
    )
    reduce = Order(client_order_id=ClientOrderId("r"), instrument=EUR_USD, units=-1_000, reduce_only=True)
    trading = firm.room.desk.deployments["dollars"]
    assert OrderJudge([trading.exposure(EUR_USD, killed="")], trading.limits).check(reduce) is None
    rates = firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    assert firm.check("dollars") is None
    rates.state = State.STOPPED  # its price stands still
    assert firm.check("dollars") is not None
    rates.state = State.RUNNING
    rates.ended = True
    assert firm.check("dollars") is not None
    firm.room.desk.controls.table = NO_LIMITS  # no such limit, no need to know
    assert firm.check("dollars") is None
    lose(firm.room.desk.deployments["sterling"], -1)
    firm.room.desk.controls.table = table(max_daily_loss=1)
    assert firm.check("dollars") is None  # a gain without a rate makes up for nothing


def test_a_price_older_than_r15_allows_converts_nothing(firm: Firm) -> None:
    lose(firm.room.desk.deployments["sterling"], 100_000)
    rates = firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    firm.room.desk.controls.table = table(max_daily_loss=5_000 * MICRO, max_data_age_ms=2_000)
    age: int | None = 2_000 * 10**6
    rates.feed.data_age_ns = lambda name: age  # type: ignore[method-assign]
    assert firm.check("dollars") is None
    age = 2_000 * 10**6 + 1
    denial = firm.check("dollars")
    assert denial is not None
    assert denial.control == "R12"
    age = None
    assert firm.check("dollars") is not None


def _hold(trading: Trading, units: int) -> None:
    """An order that waits counts like what is held."""
    order = Order(client_order_id=ClientOrderId("held"), instrument=trading.spec.records[0].id, units=units)
    trading.unknown[order.client_order_id] = order


def test_exposures_of_all_accounts_count_together_without_netting(firm: Firm) -> None:
    _hold(firm.room.desk.deployments["sterling"], 50_000)
    firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    # 50,000 EUR at 0.88010 GBP at 1.32013 USD; long EUR, short GBP
    worth = ceil(Fraction(50_000 * 88_010, 100_000) * Fraction(132_013, 100_000) * MICRO)
    others = firm.others("dollars")
    assert others.currencies == {"EUR": (worth, 0), "GBP": (0, -worth)}
    assert others.equity == floor(Fraction(BALANCE) * Fraction(132_000, 100_000)) + BALANCE
    own = 400_000 * 118_010 * 10  # 400,000 EUR in micro-dollars, short: not netted with those held long
    _hold(firm.room.desk.deployments["dollars"], -399_000)
    alone = ceil(Fraction(own * MICRO, BALANCE))
    firm.room.desk.controls.table = table(max_currency_exposure_ppm=alone)
    assert firm.check("dollars", -1_000) is None
    firm.room.desk.controls.table = table(max_currency_exposure_ppm=alone - 1)
    denial = firm.check("dollars", -1_000)
    assert denial is not None
    assert f"observed {alone}" in denial.reason  # never less than its own books alone


def test_the_firms_exposure_binds_where_another_account_is_over(firm: Firm) -> None:
    firm.open("rates", GBP_USD, "USD", bid=132_000, ask=132_013)
    sterling = firm.room.desk.deployments["sterling"]
    _hold(sterling, 900_000)
    worth = ceil(Fraction(900_000 * 88_010, 100_000) * Fraction(132_013, 100_000) * MICRO)
    equity = BALANCE + firm.others("dollars").equity
    together = ceil(Fraction((worth + 1_000 * 118_010 * 10) * MICRO, equity))
    firm.room.desk.controls.table = table(max_currency_exposure_ppm=together)
    assert firm.check("dollars") is None
    firm.room.desk.controls.table = table(max_currency_exposure_ppm=together - 1)
    denial = firm.check("dollars")
    assert denial is not None
    assert (denial.control, f"observed {together}" in denial.reason) == ("R10", True)


def test_what_is_held_elsewhere_and_can_not_be_valued_stops_r10(firm: Firm) -> None:
    firm.room.desk.controls.table = table(max_currency_exposure_ppm=9_000_000)
    _hold(firm.room.desk.deployments["sterling"], 1_000)
    found = firm.others("dollars").currencies
    # no pound in dollars, and a euro by EUR_USD of the judged deployment itself: 1,000 at 1.18010
    assert found == {"EUR": (1_000 * 118_010 * 10, 0), "GBP": (0, -1_000 * 118_010 * 10)}
    firm.room.desk.deployments["dollars"].prices.clear()
    denial = firm.check("dollars")
    assert denial is not None
    assert "no quote of now converts GBP of sterling into USD" in denial.reason
