"""Accounts that hold longs and shorts at once: both count as risk, and each trade is closed by itself."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.gateway.bench import BALANCE, EUR_USD, START, WIDE, Kernel, Room, opening
from workbench.domain.accounts import AccountMode, AccountRules, HedgedMargin
from workbench.domain.control_table import FIRM, Layer
from workbench.domain.controls import LIMITS, Sense
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.controls import Exposure, check_order
from workbench.gateway.deliveries import advance
from workbench.gateway.messages import IntentResult
from workbench.gateway.strangers import has_our_form
from workbench.store.schema import intents
from workbench.strategy import Decision

OPEN = {name: () if kind.sense is Sense.FORBIDDEN else None for name, kind in LIMITS.items()}
BOTH = Exposure(
    instrument=instrument("EUR_USD"),
    margin_rate_ppm=33_333,
    bid=118_000,
    ask=118_010,
    equity=BALANCE,
    day_start_equity=BALANCE,
    peak_equity=BALANCE,
    position=10_000,
    legs=(30_000, -20_000),
    by_trade=True,
    waiting=(),
    orders_last_minute=0,
    killed="",
    time_ns=START,
    currency="USD",
)


def _order(units: int, name: str = "o", **more: Any) -> Order:
    return Order(client_order_id=ClientOrderId(name), instrument=EUR_USD, units=units, **more)


@pytest.mark.parametrize(
    ("limit", "order", "more", "observed"),
    [
        ("max_position_units", _order(10_000), {}, 60_000),
        ("max_position_units", _order(-15_000), {}, 65_000),
        ("max_position_units", _order(-15_000), {"waiting": (_order(5_000, "w"),)}, 70_000),
        # one that closes a trade adds nothing, and a stop that closes a leg does not net the others
        (
            "max_position_units",
            _order(10_000),
            {"waiting": (_order(-9_000, "w", closes=ClientOrderId("t")),), "has_exits": True},
            60_000,
        ),
        # 60,000 at 1.18010 and 3.3333 %: 2,360.18 of 100,000 dollars; the larger side is 40,000
        ("max_margin_use_ppm", _order(10_000), {}, 23_602),
        ("max_margin_use_ppm", _order(10_000), {"both_need_margin": False}, 15_735),
        # 40,000 long when the shorts are closed; 35,000 short when the longs are
        ("max_currency_exposure_ppm", _order(10_000), {}, 472_040),
        ("max_currency_exposure_ppm", _order(-15_000), {}, 413_035),
    ],
)
def test_longs_and_shorts_both_count(limit: str, order: Order, more: dict[str, Any], observed: int) -> None:
    for value, stops in ((observed - 1, True), (observed, False), (observed + 1, False)):
        layer = Layer(scope=FIRM, values={**OPEN, limit: value})
        found = check_order(order, limits=WIDE, exposure=replace(BOTH, layers=(layer,), **more))
        assert (found is not None) == stops
        if found is not None:
            assert f"observed {observed}" in found.reason


def test_closing_a_trade_is_never_kept_from_reducing_and_makes_sense_only_where_there_are_trades() -> None:
    layer = Layer(scope=FIRM, values={**OPEN, "max_position_units": 1})
    closing = _order(-30_000, closes=ClientOrderId("t"))
    held = replace(BOTH, layers=(layer,), halted="R12 daily loss")
    assert check_order(closing, limits=WIDE, exposure=held) is None
    found = check_order(closing, limits=WIDE, exposure=replace(held, legs=None, by_trade=False))
    assert found is not None
    assert found.control == "F45"
    assert "expected no trade to close" in found.reason


@pytest.mark.parametrize("margin", [HedgedMargin.ABSOLUTE_SUM, HedgedMargin.NET_SUM])
def test_a_hedged_desk_counts_both_legs_and_flattens_trade_by_trade(room: Room, margin: HedgedMargin) -> None:
    rules = AccountRules(mode=AccountMode.HEDGING, hedged_margin=margin)
    room.act("open", **opening("d-1", room.bars, account={"rules": asdict(rules)}))
    kernel = Kernel(room.ask, decide=lambda *_: Decision())
    kernel.attach()
    kernel.take()
    trading = room.desk.deployments["d-1"]

    def asked(name: str, units: int, **more: Any) -> IntentResult:
        reply = kernel.submit(_order(units, name, **more))
        assert isinstance(reply, IntentResult), reply
        return reply

    for name, units in (("a", 3_000), ("b", -3_000), ("c", -2_000)):
        assert asked(name, units).state == "WORKING"
        kernel.take()
    kernel.take()
    assert trading.books.units(EUR_USD) == -2_000
    assert room.shown()["position"] == 8_000
    exposure = trading.exposure(EUR_USD, killed="")
    assert exposure.legs == (3_000, -5_000)
    assert exposure.both_need_margin == (margin is HedgedMargin.ABSOLUTE_SUM)
    trading.limits = replace(trading.limits, max_position_units=9_000)
    assert "limit 9000, observed 9001" in asked("over", 1_001).reason
    assert asked("close", 3_000, closes=ClientOrderId("b")).state == "WORKING"
    assert asked("at", 1_000).state == "WORKING"
    kernel.take()
    kernel.take()
    assert sorted(item.units for item in trading.books.trades) == [-2_000, 1_000, 3_000]
    closing = room.act("stop", deployment_id="d-1", flatten=True)["flatten_order"].split(", ")
    assert len(closing) == 3
    assert all(has_our_form(name) for name in closing)  # another gateway on the account knows them for ours
    again = room.act("stop", deployment_id="d-1", flatten=True)["flatten_order"].split(", ")
    assert sorted(again) == sorted(closing), "nothing is closed twice"
    kernel.next()
    for _ in range(10):
        advance(room.desk, trading, most=1)
    assert trading.books.trades == ()
    assert room.shown()["position"] == 0
    states = {row["client_order_id"]: row["state"] for row in room.rows(intents)}
    assert {states[name] for name in closing} == {"FILLED"}
    before = trading.books
    room.start()
    assert room.desk.deployments["d-1"].books == before
