"""Live executions beside a backtest's, to the last micro-unit."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, Fill, FillReason
from workbench.live.divergence import Cause, compare

HOUR_NS = 3_600_000_000_000


def fills(*profits: int, commission: int = 0) -> list[Fill]:
    """Executions an hour apart that buy and sell in turn and book these micro-units."""
    balance, made = 100_000_000_000, []
    for number, profit in enumerate(profits):
        balance += profit - commission
        made.append(
            Fill(
                client_order_id=ClientOrderId(f"o-{number}"),
                instrument=InstrumentId("EUR_USD"),
                time_ns=1_483_311_600_000_000_000 + number * HOUR_NS,
                units=1_000 if number % 2 == 0 else -1_000,
                price=105_000 + number,
                reason=FillReason.MARKET,
                commission=commission,
                realized=profit,
                position=1_000 if number % 2 == 0 else 0,
                balance=balance,
            )
        )
    return made


def test_the_same_executions_are_equal_whatever_their_orders_are_called() -> None:
    live = fills(0, 1_250_000, 0, -340_000)
    other = [replace(fill, client_order_id=ClientOrderId("x")) for fill in live]
    found = compare(live, other)
    assert found.equal
    assert (found.money, found.financing, found.by_cause()) == (0, 0, {})
    assert found.sentence() == "all 4 executions are equal to the last digit"


def test_a_difference_of_one_micro_unit_is_the_first_difference() -> None:
    live = fills(0, 1_000_000)
    found = compare(live, fills(0, 1_000_001))
    assert not found.equal
    assert found.first_difference is found.lines[1]
    assert found.money == -1
    assert found.by_cause() == {"carried": -1}
    assert "realized 1000000 live, 1000001 in the backtest" in str(found)


def test_a_missing_execution_does_not_make_the_later_ones_differ() -> None:
    everything = fills(0, 0, 0, 0)
    found = compare([everything[0], *everything[2:]], everything)
    assert [line.cause for line in found.lines] == [Cause.EQUAL, Cause.MISSING, Cause.EQUAL, Cause.EQUAL]
    found = compare(everything, [everything[0], *everything[2:]])
    assert [line.cause for line in found.lines] == [Cause.EQUAL, Cause.EXTRA, Cause.EQUAL, Cause.EQUAL]


def test_each_cause_is_named() -> None:
    one = fills(0)[0]
    for change, cause in (
        ({"units": 2_000}, Cause.SIZE),
        ({"price": 105_003}, Cause.PRICE),
        ({"commission": 7}, Cause.COMMISSION),
        ({"balance": 5}, Cause.CARRIED),
    ):
        assert compare([replace(one, **change)], [one]).lines[0].cause is cause
    late = replace(one, time_ns=one.time_ns + 250_000_000)
    assert [line.cause for line in compare([late], [one]).lines] == [Cause.MISSING, Cause.EXTRA]
    assert [line.cause for line in compare([late], [one], within_ns=HOUR_NS).lines] == [Cause.TIMING]


def test_a_close_and_an_opening_at_one_instant_find_their_partners_in_any_order() -> None:
    first, second = fills(5, 0)
    second = replace(second, time_ns=first.time_ns)
    assert compare([first, second], [second, first]).lines[0].cause is Cause.EQUAL
    assert all(line.equal for line in compare([first, second], [second, first]).lines)


def test_the_frame_keeps_money_exact() -> None:
    frame = compare(fills(0, 1_250_000, commission=40_000), fills(0, 1_250_000)).to_frame()
    assert list(frame["cause"]) == ["commission", "commission"]
    assert frame["money"].sum() == Decimal("-0.08")
    assert compare([], []).to_frame().empty


@given(
    live=st.lists(st.integers(-(10**9), 10**9), max_size=12),
    other=st.lists(st.integers(-(10**9), 10**9), max_size=12),
    financing=st.integers(-(10**6), 10**6),
)
def test_the_causes_add_up_to_the_whole_difference(live: list[int], other: list[int], financing: int) -> None:
    mine = fills(*live)
    if len(mine) > 1:
        mine[-1] = replace(mine[-1], balance=mine[-1].balance + financing)
    found = compare(mine, fills(*other))
    assert (
        sum(found.by_cause().values())
        == found.money
        == sum(live) - sum(other) + (financing if len(mine) > 1 else 0)
    )
