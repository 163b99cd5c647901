"""What the controls do over time: halts until a named person, entries taken back, positions closed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.gateway.bench import BALANCE, HOUR, NO_LIMITS, Kernel, Room, buy, made_up_bars
from workbench.domain.control_table import Entry, LimitTable
from workbench.domain.orders import Fill, FillReason, OrderKind
from workbench.gateway.brokers.port import RejectedError
from workbench.gateway.controls.halting import watch_silence
from workbench.gateway.controls.history import PriceWatch, RiskHistory
from workbench.gateway.journal import verify_journal
from workbench.store.schema import control_halts, journal, orders

SECOND = 1_000_000_000


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    made = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(60))
    yield made
    made.engine.dispose()


def _limited(room: Room, **limits: int) -> None:
    """Nothing binds but these of the firm."""
    more = [
        Entry(
            version=NO_LIMITS.version + number,
            name=name,
            scope="firm",
            value=value,
            action="set",
            by="david",
            created_ns=0,
        )
        for number, (name, value) in enumerate(limits.items(), start=1)
    ]
    room.desk.controls.table = LimitTable((*NO_LIMITS.entries, *more))


def _begun(room: Room, **limits: int) -> Kernel:
    kernel = room.open()
    _limited(room, **limits)
    kernel.take()
    return kernel


def _again(room: Room, **limits: int) -> Kernel:
    """The gateway ends and starts; the kernel goes on."""
    room.start()
    _limited(room, **limits)
    kernel = Kernel(room.ask)
    kernel.after = room.desk.deployments["d-1"].decision_seq
    return kernel


def _rejecting(room: Room) -> None:
    def reject(order: object) -> None:
        raise RejectedError("the broker does not want it")

    room.desk.deployments["d-1"].broker.place = reject  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize(("limit", "halted"), [(4, True), (5, False), (6, False)])
def test_r14_rejects_in_a_row_halt_and_the_halt_outlasts_the_gateway(
    room: Room, limit: int, halted: bool
) -> None:
    kernel = _begun(room, max_rejects_in_a_row=limit)
    _rejecting(room)
    for number in range(5):
        assert kernel.submit(buy(1_000, f"r-{number}")).state == "REJECTED"
    assert bool(room.shown()["halted"]) is halted
    if not halted:
        return
    assert room.shown()["halted"] == "R14 rejects in a row: limit 4, observed 5"
    kernel = _again(room, max_rejects_in_a_row=limit)
    denied = kernel.submit(buy(1_000, "next"))
    assert (denied.state, denied.control) == ("DENIED", "R14")
    assert "until a named person resumes" in denied.reason
    assert kernel.submit(buy(-1_000, "less", reduce_only=True)).state == "WORKING"
    room.act("resume", deployment_id="d-1")
    assert kernel.submit(buy(1_000, "then")).state == "WORKING"
    kernel = _again(room, max_rejects_in_a_row=limit)
    assert room.shown()["halted"] == ""
    assert kernel.submit(buy(1_001, "too")).state == "WORKING"
    row = room.rows(control_halts)[0]
    assert (row["control"], row["ended_by"]) == ("R14", "david")
    with room.engine.connect() as connection:
        kinds = connection.scalars(sa.select(journal.c.kind)).all()
    assert kinds.count("deployment.halted") == kinds.count("deployment.forgiven") == 1
    assert verify_journal(room.engine).fault == ""


def test_r14_an_accepted_order_ends_the_row(room: Room) -> None:
    kernel = _begun(room, max_rejects_in_a_row=2)
    place = room.desk.deployments["d-1"].broker.place
    for number in range(6):
        _rejecting(room)
        if number % 3 == 2:
            room.desk.deployments["d-1"].broker.place = place  # type: ignore[method-assign]
        kernel.submit(buy(1_000, f"r-{number}"))
    assert room.shown()["halted"] == ""


@pytest.mark.parametrize(("limit", "halted"), [(2, True), (3, False), (4, False)])
def test_r14_orders_that_make_no_sense_halt_after_a_few(room: Room, limit: int, halted: bool) -> None:
    kernel = _begun(room, max_senseless_orders=limit)
    for number in range(3):
        assert kernel.submit(buy(0, f"r-{number}")).control == "F45"
    assert bool(room.shown()["halted"]) is halted
    _again(room, max_senseless_orders=limit)
    assert bool(room.shown()["halted"]) is halted


def test_r14_a_flood_of_denied_orders_halts(room: Room) -> None:
    kernel = _begun(room, max_orders_per_minute=2, max_denials_per_minute=50)
    states = [kernel.submit(buy(1_000, f"r-{number}")) for number in range(60)]
    assert [item.state for item in states[:3]] == ["WORKING", "WORKING", "DENIED"]
    assert room.shown()["halted"] == "R14 denials a minute: limit 50, observed 51"
    assert states[-1].control == "R14"


@pytest.mark.parametrize(("beyond", "halted"), [(-1, True), (0, False), (1, False)])
def test_r13_a_drawdown_from_the_peak_halts_and_takes_entries_back(
    room: Room, beyond: int, halted: bool
) -> None:
    kernel = _begun(room)
    kernel.submit(buy(1_000_000, "a"))
    for number in range(12):
        kernel.take()
        trading = room.desk.deployments["d-1"]
        if number == 1:
            entry = replace(buy(1_000, "entry"), kind=OrderKind.LIMIT, price=100_000)
            protecting = replace(
                buy(-1_000_000, "protect", reduce_only=True), kind=OrderKind.STOP, price=100_000
            )
            assert [kernel.submit(item).state for item in (entry, protecting)] == ["WORKING"] * 2
        fallen = trading.history.peak_equity - trading.equity
        if number > 1 and fallen > 0:
            break
    assert fallen > 0
    observed = -(-fallen * 1_000_000 // trading.history.peak_equity)
    _limited(room, max_drawdown_ppm=observed + beyond)
    kernel.submit(buy(1, "tick", reduce_only=True))  # something happens
    assert bool(room.shown()["halted"]) is halted
    states = {row["client_order_id"]: row["state"] for row in room.rows(orders)}
    assert states["entry"] == ("CANCELED" if halted else "WORKING")
    assert states["protect"] == "WORKING"
    if halted:
        room.act("resume", deployment_id="d-1")
        assert room.desk.deployments["d-1"].history.peak_equity == trading.equity
        fresh = _again(room, max_drawdown_ppm=observed + beyond)
        assert room.desk.deployments["d-1"].history.peak_equity == trading.equity
        assert fresh.submit(buy(1_000, "then")).state == "WORKING"


def test_r12_beyond_its_second_limit_the_day_is_flattened(room: Room) -> None:
    kernel = _begun(room)
    kernel.submit(buy(-1_000_000, "a"))
    kernel.take()
    trading = room.desk.deployments["d-1"]
    for _ in range(10):
        kernel.take()
        if trading.day_start_equity > trading.equity:
            break
    assert trading.day_start_equity > trading.equity
    _limited(room, flatten_daily_loss_ppm=1)
    kernel.take()
    assert room.shown()["halted"].startswith("R12 daily loss in millionths of equity: limit 1, observed")
    kernel.take()
    assert room.shown()["position"] == 0


def test_r21_a_position_without_a_stop_is_closed(room: Room) -> None:
    kernel = _begun(room, max_unprotected_s=3_600)
    kernel.submit(buy(1_000, "a", stop_distance=5_000))
    for _ in range(5):
        kernel.take()
    assert (room.shown()["halted"], room.shown()["position"]) == ("", 1_000)
    kernel.submit(buy(1_000, "b", position_fill="OPEN_ONLY"))
    kernel.submit(buy(-2_000, "c", reduce_only=True))
    kernel.take()
    kernel.submit(buy(1_000, "d"))
    for _ in range(4):
        kernel.take()
    assert room.shown()["halted"].startswith("R21 seconds without a stop: limit 3600, observed 7200")
    kernel.take()
    assert room.shown()["position"] == 0


def test_r20_orders_that_wait_too_long_are_taken_back(room: Room) -> None:
    kernel = _begun(room, max_order_age_s=2 * 3_600)
    entry = replace(buy(1_000, "entry"), kind=OrderKind.LIMIT, price=100_000)
    kernel.submit(entry)
    for hours, state in ((1, "WORKING"), (2, "WORKING"), (3, "CANCELED")):
        kernel.take()
        found = {row["client_order_id"]: row["state"] for row in room.rows(orders)}
        assert (hours, found["entry"]) == (hours, state)
        if hours == 1:
            kernel = _again(room, max_order_age_s=2 * 3_600)


def test_r22_a_silent_kernel_has_its_entries_taken_back_and_keeps_what_protects(room: Room) -> None:
    kernel = _begun(room, max_kernel_silence_s=60)
    entry = replace(buy(1_000, "entry"), kind=OrderKind.LIMIT, price=100_000)
    protecting = replace(buy(-1_000, "protect", reduce_only=True), kind=OrderKind.STOP, price=100_000)
    for item in (entry, protecting):
        assert kernel.submit(item).state == "WORKING"
    trading, now_ns = room.desk.deployments["d-1"], room.desk.ledger.now_ns
    for seconds, state in ((60, "WORKING"), (61, "CANCELED")):
        room.desk.ledger._clock_ns = lambda late=seconds: trading.kernel_seen_ns + late * SECOND
        watch_silence(room.desk, trading)
        found = {row["client_order_id"]: row["state"] for row in room.rows(orders)}
        assert (found["entry"], found["protect"]) == (state, "WORKING")
    assert now_ns() >= 0
    assert room.shown()["halted"] == ""  # it trades on when it is heard again
    assert kernel.submit(buy(1_000, "again")).state == "WORKING"


def test_r06_and_losses_are_counted_from_fills() -> None:
    history = RiskHistory()

    def fill(units: int, position: int, realized: int, minute: int) -> int:
        return history.fill(
            Fill(
                client_order_id=f"f-{minute}-{units}",  # type: ignore[arg-type]
                instrument="EUR_USD",  # type: ignore[arg-type]
                time_ns=minute * 60 * SECOND,
                units=units,
                price=118_050,
                reason=FillReason.MARKET,
                commission=0,
                realized=realized,
                position=position,
                balance=BALANCE,
            )
        )

    history.expected["f-3--5"] = 118_060
    for minute, (units, position, realized) in enumerate(
        [(5, 5, 0), (-5, 0, -1), (5, 5, 0), (-5, 0, -2), (5, 5, 0), (5, 10, 0), (-10, 0, 3)]
    ):
        slippage = fill(units, position, realized, minute)
        assert slippage == (10 if minute == 3 else 0)  # sold ten points below what it was decided on
    assert history.slipped == [("f-3--5", 10)]
    assert len(history.reentries) == 3  # opened from flat; adding is none
    assert history.losses_in_a_row == 0
    fill(5, 5, 0, 8)
    fill(-5, 0, -1, 9)
    assert history.losses_in_a_row == 1
    history.trim(10 * 60 * SECOND)
    assert len(history.reentries) == 3  # the first was ten minutes ago
    history.forgive(BALANCE)
    assert (len(history.reentries), history.losses_in_a_row) == (0, 0)


def test_r20_a_fill_far_from_what_it_was_decided_on_raises_an_alert(room: Room) -> None:
    kernel = _begun(room, max_slippage_points=1)
    bars = made_up_bars(60)
    for number in range(1, 8):
        worse = int(bars.ask_open[number] - bars.ask_close[number - 1])
        kernel.submit(buy(1_000, f"a-{number}"))
        kernel.take()
        log: Any = room.desk.log
        alerts = "".join(str(call) for call in log._logger.calls)
        said = f"slippage in points: limit 1, observed {worse} of a-{number}"
        assert (said in alerts) is (worse > 1)


def test_r06_re_entries_halt(room: Room) -> None:
    kernel = _begun(room, max_reentries=0)
    trading = room.desk.deployments["d-1"]
    kernel.submit(buy(1_000, "a"))
    kernel.take()
    assert trading.history.reentries
    assert room.shown()["halted"] == "R06 re-entries in ten minutes: limit 0, observed 1"


def test_prices_of_the_last_minute() -> None:
    watch = PriceWatch()
    assert (watch.median, watch.move_ppm, watch.median_spread) == (0, None, 0)
    for second, bid in ((0, 100_000), (30, 100_500), (60, 101_000), (61, 100_900)):
        watch.take(second * SECOND, bid, bid + 10)
    # the first is more than a minute old: 201,010, 202,010 and 201,810 are left
    assert watch.median == 201_810
    assert watch.move_ppm == 4_975  # 1,000 of 201,010, rounded up
    assert watch.median_spread == 10
    watch.take(61 * SECOND + HOUR, 90_000, 90_050)  # after an hour of silence only the newest counts
    assert (watch.median, watch.move_ppm) == (180_050, 0)


def test_the_same_orders_again_give_the_same_history(room: Room) -> None:
    def seen() -> tuple[Any, ...]:
        history = room.desk.deployments["d-1"].history
        return (
            tuple(history.messages),
            tuple(history.sent),
            tuple(history.reentries),
            history.losses_in_a_row,
            history.rejects_in_a_row,
            history.senseless,
            history.peak_equity,
            {name: (watch.median, watch.median_spread) for name, watch in history.prices.items()},
        )

    kernel = room.open()
    for _ in range(20):
        kernel.step()
    trading = room.desk.deployments["d-1"]
    trading.history.trim(trading.time_ns)
    before = seen()
    room.start()
    trading = room.desk.deployments["d-1"]
    trading.history.trim(trading.time_ns)
    assert seen() == before
    assert before[6] > 0
