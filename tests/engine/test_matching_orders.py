"""Waiting orders: when they fill, at what, and how they end."""

import pytest

from tests.engine.accounts import MINUTE, NOON, Desk, at, free_of_cost
from workbench.domain.orders import ExitChange, FillReason
from workbench.errors import BadInputError


def seen(fills):
    return [(item.units, item.price, str(item.reason)) for item in fills]


@pytest.mark.parametrize(
    ("kind", "units", "level", "not_yet", "then", "price"),
    [  # bid and ask of two quotes; the fill is at the quote, not at the level
        ("LIMIT", 10, 1_000, (995, 1_001), (990, 998), 998),
        ("LIMIT", -10, 1_000, (999, 1_005), (1_003, 1_010), 1_003),
        ("STOP", 10, 1_000, (999, 999), (1_001, 1_004), 1_004),
        ("STOP", -10, 1_000, (1_001, 1_004), (996, 999), 996),
        ("MARKET_IF_TOUCHED", 10, 1_000, (1_000, 1_005), (994, 999), 999),
        ("MARKET_IF_TOUCHED", 10, 1_000, (990, 995), (1_000, 1_005), 1_005),
        ("MARKET_IF_TOUCHED", -10, 1_000, (995, 1_000), (1_002, 1_007), 1_002),
    ],
)
def test_a_waiting_order_fills_at_the_quote_that_reaches_its_level(kind, units, level, not_yet, then, price):
    desk = Desk()
    desk.place(units, kind=kind, price=level)
    assert desk.points(*not_yet) == []
    assert seen(desk.points(*then)) == [(units, price, kind)]
    assert desk.engine.waiting() == ()


def test_limits_pay_no_slippage_and_stops_do():
    desk = Desk(costs=free_of_cost(slippage_points=3, slippage_spread_ppm=250_000))
    desk.place(10, kind="LIMIT", price=1_000)
    assert desk.points(990, 1_000)[0].price == 1_000
    desk.place(-10, kind="STOP", price=980)
    assert desk.points(970, 975)[0].price == 970 - 3 - 2  # a quarter of 5 points, rounded up


@pytest.mark.parametrize(
    ("trigger", "quote", "fills"),
    [
        ("DEFAULT", (997, 1_000), True),
        ("INVERSE", (999, 1_003), False),
        ("BID", (1_000, 1_003), True),
        ("ASK", (997, 1_000), True),
        ("MID", (998, 1_001), False),
        ("MID", (999, 1_001), True),
    ],
)
def test_a_stop_watches_the_side_it_is_told_and_buys_at_the_ask(trigger, quote, fills):
    desk = Desk()
    desk.place(10, kind="STOP", price=1_000, trigger=trigger)
    assert [item.price for item in desk.points(*quote)] == ([quote[1]] if fills else [])


def test_a_limit_never_pays_more_than_its_level_whatever_triggers_it():
    desk = Desk()
    desk.place(10, kind="LIMIT", price=1_000, trigger="BID")
    assert desk.points(995, 1_001) == []
    assert [item.price for item in desk.points(995, 999)] == [999]


def test_a_price_bound_drops_an_order_in_a_gap():
    desk = Desk()
    name = desk.place(10, kind="STOP", price=1_000, price_bound=1_005)
    assert desk.points(1_010, 1_012) == []
    assert desk.engine.take_canceled() == [(name, "price bound passed")]


def test_good_till_date_and_good_for_day_orders_expire():
    desk = Desk()
    desk.points(1_100)
    dated = desk.place(10, kind="LIMIT", price=1_000, time_in_force="GTD", expires_ns=NOON + 5 * MINUTE)
    daily = desk.place(10, kind="LIMIT", price=1_000, time_in_force="GFD")
    desk.quote("0.01100", time_ns=NOON + 5 * MINUTE - 1)
    assert desk.engine.take_canceled() == []
    desk.quote("0.00900", time_ns=NOON + 5 * MINUTE)
    assert desk.engine.take_canceled() == [(dated, "expired")]
    (position,) = desk.engine.account().positions
    assert position.units == 10
    daily = desk.place(10, kind="LIMIT", price=800, time_in_force="GFD")
    desk.quote("0.00850", time_ns=at("2026-03-02 22:00"))
    assert desk.engine.take_canceled() == [(daily, "expired")]


@pytest.mark.parametrize(
    ("force", "filled", "reasons"),
    [
        ("FOK", [], ["not enough liquidity"]),
        ("IOC", [30, 20], ["rest of an immediate order"]),
        ("GTC", [30, 20], []),
    ],
)
def test_a_thin_market_fills_what_the_time_in_force_allows(force, filled, reasons):
    desk = Desk()
    desk.place(100, time_in_force=force)
    fills = desk.points(990, 1_000, asks=((1_000, 30), (1_001, 20)))
    assert [item.units for item in fills] == filled
    assert [item.remaining for item in fills] == [100 - sum(filled[: n + 1]) for n in range(len(fills))]
    assert [reason for _, reason in desk.engine.take_canceled()] == reasons
    later = desk.points(990, 1_002, asks=((1_002, 500),))
    assert [item.units for item in later] == ([50] if force == "GTC" else [])


def test_what_one_order_took_is_not_there_for_the_next():
    desk = Desk()
    desk.place(30)
    desk.place(30)
    fills = desk.points(990, 1_000, asks=((1_000, 40), (1_003, 100)))
    assert seen(fills) == [(30, 1_000, "MARKET"), (10, 1_000, "MARKET"), (20, 1_003, "MARKET")]


def test_a_limit_takes_only_levels_at_its_price_or_better():
    desk = Desk()
    desk.place(100, kind="LIMIT", price=1_001)
    fills = desk.points(990, 1_000, asks=((1_000, 30), (1_001, 20), (1_002, 100)))
    assert [item.units for item in fills] == [30, 20]
    assert len(desk.engine.waiting()) == 1


def test_orders_become_active_after_the_latency():
    desk = Desk(latency_ns=90_000_000_000)
    desk.points(1_000)
    desk.order(10)
    assert desk.points(1_001) == []
    assert [item.price for item in desk.points(1_002)] == [1_002]


def test_a_bar_fills_waiting_orders_at_their_level_and_gaps_at_the_open():
    desk = Desk()
    desk.points(100_000)
    desk.place(10, kind="LIMIT", price=99_900)
    desk.place(-10, kind="STOP", price=99_800)
    fills = desk.bar("1.00000 1.00000 0.99750 0.99750")
    assert seen(fills) == [(10, 99_900, "LIMIT"), (-10, 99_800, "STOP")]
    desk.place(10, kind="STOP", price=99_800)
    assert seen(desk.bar("0.99900 1.00000 0.99850 0.99900")) == [(10, 99_900, "STOP")]


def test_a_limit_filled_within_a_bar_meets_its_stop_but_not_its_target():
    desk = Desk()
    desk.points(100_000)
    desk.place(10, kind="LIMIT", price=99_900, stop_distance=50, target_distance=50)
    fills = desk.bar("1.00000 1.00000 0.99840 0.99900")
    assert [(item.price, item.reason) for item in fills] == [
        (99_900, FillReason.LIMIT),
        (99_850, FillReason.STOP_LOSS),
    ]
    assert desk.engine.ambiguous_bars == 0  # the fall to the stop came after the fill
    desk.place(10, kind="LIMIT", price=99_800, target_distance=50)
    assert len(desk.bar("0.99900 1.00000 0.99800 0.99840")) == 1  # the high may have come before
    assert len(desk.bar("0.99840 0.99850 0.99840 0.99840")) == 1


def test_a_stop_entry_reaches_its_target_in_its_bar_unless_its_stop_is_reached_too():
    desk = Desk()
    desk.points(100_000)
    desk.place(10, kind="STOP", price=100_100, stop_distance=200, target_distance=50)
    fills = desk.bar("1.00000 1.00200 0.99950 1.00000")
    assert [(item.price, item.reason) for item in fills] == [
        (100_100, FillReason.STOP),
        (100_150, FillReason.TAKE_PROFIT),
    ]
    desk.place(10, kind="STOP", price=100_100, stop_distance=120, target_distance=50)
    fills = desk.bar("1.00000 1.00200 0.99950 1.00000")
    assert [item.reason for item in fills] == [FillReason.STOP, FillReason.STOP_LOSS]
    assert desk.engine.ambiguous_bars == 1


def test_market_orders_and_expiring_ones_take_no_part_in_a_range():
    desk = Desk()
    desk.points(100_000)
    desk.place(10, kind="LIMIT", price=99_900, time_in_force="GTD", expires_ns=desk.time_ns + 30 * MINUTE)
    assert desk.bar("1.00000 1.00000 0.99000 1.00000") == []
    assert [reason for _, reason in desk.engine.take_canceled()] == ["expired"]


def test_a_trailing_stop_follows_the_closing_side_and_never_goes_back():
    desk = Desk()
    desk.place(10, trailing_distance=20)
    desk.points(1_000, 1_002)
    levels = []
    for bid in (1_010, 1_005, 1_030):
        assert desk.points(bid, bid + 2) == []
        levels.append(desk.engine.account().positions[0].trailing)
    assert levels == [990, 990, 1_010]
    assert seen(desk.points(1_008, 1_012)) == [(-10, 1_008, "TRAILING_STOP")]


def test_a_trailing_stop_within_a_bar_uses_the_level_before_it_then_that_of_its_best_price():
    desk = Desk()
    desk.place(10, trailing_distance=100)
    desk.points(100_000)
    assert seen(desk.bar("1.00000 1.00300 0.99900 1.00250")) == [(-10, 99_900, "TRAILING_STOP")]
    desk.place(10, trailing_distance=100)
    desk.points(100_000)
    assert desk.bar("1.00000 1.00300 0.99950 1.00250") == []
    assert desk.engine.account().positions[0].trailing == 100_200
    desk.engine.change_exits(ExitChange(instrument="EUR_USD", trailing=50))
    assert seen(desk.bar("1.00250 1.00400 1.00240 1.00300")) == [(-10, 100_350, "TRAILING_STOP")]


def test_exits_can_be_given_as_levels_and_changed():
    desk = Desk()
    desk.place(10, stop_price=900, target_price=1_100)
    desk.points(1_000)
    assert desk.engine.change_exits(ExitChange(instrument="EUR_USD", stop=950, target=0))
    (position,) = desk.engine.account().positions
    assert (position.stop, position.target) == (950, 0)
    assert seen(desk.points(949)) == [(-10, 949, "STOP_LOSS")]
    assert not desk.engine.change_exits(ExitChange(instrument="EUR_USD", stop=900))


def test_one_order_or_those_of_one_instrument_can_be_canceled():
    desk = Desk("EUR_USD", "GBP_USD")
    first = desk.place(10, kind="LIMIT", price=900)
    second = desk.place(10, kind="LIMIT", price=900, k=1)
    third = desk.place(10, kind="LIMIT", price=800)
    assert desk.engine.cancel(first)
    assert not desk.engine.cancel(first)
    assert desk.engine.waiting() == (second, third)
    assert desk.engine.cancel_all("GBP_USD") == [second]
    assert [item.client_order_id for item in desk.points(700)] == [third]


def test_an_exit_takes_what_the_market_offers_and_the_next_quote_the_rest():
    desk = Desk()
    desk.place(100, stop_distance=50)
    desk.points(1_000)
    fills = desk.points(940, 945, bids=((940, 30), (935, 10)))
    assert [(item.units, item.price, item.remaining) for item in fills] == [(-30, 940, -70), (-10, 935, -60)]
    assert [item.units for item in desk.points(945)] == [-60]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"price": 100}, "no level"),
        ({"kind": "LIMIT"}, "a level of 1 to"),
        ({"time_in_force": "GTD"}, "expires_ns with GTD"),
        ({"expires_ns": 5}, "expires_ns with GTD"),
        ({"time_in_force": "GFD"}, "a quote before a good-for-day order"),
        ({"closes": "x"}, "closes only where trades"),
        ({"trailing_distance": -1}, "0 or more points"),
        ({"reduce_only": True, "position_fill": "OPEN_ONLY"}, "found both"),
    ],
)
def test_an_order_whose_fields_do_not_belong_together_is_refused(fields, message):
    with pytest.raises(BadInputError, match=message):
        Desk().place(10, **fields)


@pytest.mark.parametrize(
    "asks", [((1_001, 5),), ((1_000, 5), (1_000, 5)), ((1_000, 0),), tuple((1_000 + n, 1) for n in range(11))]
)
def test_sizes_that_do_not_fit_the_quote_are_refused(asks):
    with pytest.raises(BadInputError, match="the best first"):
        Desk().points(990, 1_000, asks=asks)
