"""R26: one order past a soft control, by two people, for minutes, once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from tests.gateway.bench import Kernel, Room, buy, made_up_bars, opening
from tests.gateway.processes import Gateway
from workbench.domain.controls import CONTROLS
from workbench.domain.orders import Order, OrderKind
from workbench.errors import BadInputError
from workbench.gateway.client import OperatorClient
from workbench.gateway.controls.overriding import SOFT
from workbench.gateway.errors import NotAllowedError, UnknownDeploymentError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import PROTOCOL_VERSION, AskExposure, Judged, OperatorRequest
from workbench.gateway.operators import act, check_request
from workbench.live.judging import OrderJudge
from workbench.market import Bars
from workbench.store.schema import intents, journal

MINUTE_NS = 60_000_000_000


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    made = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(40), shipped_limits=True)
    made.desk.controls.meet(made.desk.ledger, ["david", "sarah"])
    yield made
    made.engine.dispose()


def _verb(room: Room, verb: str, *, user: str = "david", role: str = "approver", **arguments: Any) -> Any:
    request = OperatorRequest(version=PROTOCOL_VERSION, verb=verb, user=user, role=role, arguments=arguments)
    check_request(request)
    return act(room.desk, request)


def _limit(room: Room, name: str, text: str, scope: str = "firm") -> None:
    asked = _verb(room, "limits", action="set", name=name, text=text, scope=scope, reason="a test")["entry"]
    if asked["action"] == "proposed":
        _verb(room, "limits", user="sarah", action="approve", version=asked["version"], reason="a test")


def _ask(room: Room, **changes: Any) -> int:
    change = {
        "deployment_id": "d-1",
        "instrument": "EUR_USD",
        "control": "R08",
        "units": 1_000,
        "minutes": 15,
        "reason": "a test",
        **changes,
    }
    return int(_verb(room, "override", action="ask", **change)["override"]["number"])


def _approve(room: Room, number: int, user: str = "sarah") -> Any:
    return _verb(room, "override", user=user, action="approve", number=number, reason="seen")["override"]


def _allowed(room: Room, **changes: Any) -> int:
    number = _ask(room, **changes)
    _approve(room, number)
    return number


def _full(room: Room) -> Kernel:
    """A deployment whose one open order is all that its account may have."""
    _limit(room, "max_override_minutes", "15")
    _limit(room, "max_open_orders", "1", scope="account:paper-1")
    kernel = room.open()
    kernel.take()
    assert _waits(kernel, "first", 500).state == "WORKING"
    assert _waits(kernel, "denied", 1_000).control == "R08"
    return kernel


def _waits(kernel: Kernel, name: str, units: int, **changes: Any) -> Any:
    return kernel.submit(_limit_order(name, units, **changes))


def _limit_order(name: str, units: int, **changes: Any) -> Order:
    off = -200 if units > 0 else 200
    price = made_up_bars(40).bid_close[0].item() + off
    return buy(units, name, kind=OrderKind.LIMIT, price=price, **changes)


def _at(room: Room, now_ns: int) -> None:
    room.desk.ledger._clock_ns = lambda: now_ns


def _state(room: Room, number: int) -> str:
    shown = _verb(room, "controls")["overrides"]
    return str(next(item["state"] for item in shown if item["number"] == number))


def test_one_order_goes_past_the_control_it_was_named_for_and_the_next_does_not(room: Room) -> None:
    kernel = _full(room)
    number = _allowed(room)
    assert _waits(kernel, "sent", 1_000).state == "WORKING"
    assert _state(room, number) == "used"
    assert _waits(kernel, "again", 1_000).control == "R08"
    with room.engine.connect() as connection:
        said = connection.execute(
            sa.select(journal.c.kind, journal.c.body)
            .where(journal.c.kind.like("override.%"))
            .order_by(journal.c.seq)
        ).all()
    bodies = [msgspec.json.decode(row.body) for row in said]
    assert [row.kind for row in said] == ["override.asked", "override.approved", "override.used"]
    assert (bodies[0]["by"], bodies[0]["control"], bodies[0]["units"]) == ("david", "R08", 1_000)
    assert (bodies[1]["approved_by"], bodies[2]["client_order_id"]) == ("sarah", "sent")
    assert verify_journal(room.engine).fault == ""


@pytest.mark.parametrize(
    ("units", "changes", "state"),
    [
        (999, {}, "WORKING"),
        (1_000, {}, "WORKING"),
        (1_001, {}, "DENIED"),
        (-1_000, {}, "DENIED"),
        (1_000, {"control": "R11"}, "DENIED"),
        (1_000, {"deployment_id": "d-2"}, "DENIED"),
    ],
)
def test_only_the_order_that_was_named_is_let_past(
    room: Room, units: int, changes: dict[str, Any], state: str
) -> None:
    kernel = _full(room)
    room.open("d-2")
    number = _allowed(room, **changes)
    assert _waits(kernel, "sent", units).state == state
    assert _state(room, number) == ("used" if state == "WORKING" else "approved")


def test_an_order_that_another_control_stops_too_stays_denied_and_uses_nothing_up(room: Room) -> None:
    kernel = _full(room)
    number = _allowed(room)
    _limit(room, "max_position_units", "1499")
    denied = _waits(kernel, "sent", 1_000)
    assert denied.reason == "R09 position units of the firm: limit 1499, observed 1500"
    assert _state(room, number) == "approved"
    assert _waits(kernel, "less", 999).state == "WORKING"


@pytest.mark.parametrize(("late_ns", "state"), [(-1, "WORKING"), (0, "DENIED"), (1, "DENIED")])
def test_it_ends_to_the_nanosecond(room: Room, late_ns: int, state: str) -> None:
    kernel = _full(room)
    now = room.desk.ledger.now_ns()
    _at(room, now)
    number = _allowed(room, minutes=7)
    _at(room, now + 7 * MINUTE_NS + late_ns)
    assert _waits(kernel, "sent", 1_000).state == state
    assert _state(room, number) == ("used" if state == "WORKING" else "expired")


def test_a_clock_that_was_set_back_opens_nothing(room: Room) -> None:
    kernel = _full(room)
    _allowed(room)
    _at(room, room.desk.ledger.now_ns() - MINUTE_NS)
    assert _waits(kernel, "sent", 1_000).control == "R08"


def test_what_waited_too_long_is_not_approved(room: Room) -> None:
    _full(room)
    number = _ask(room, minutes=1)
    _at(room, room.desk.ledger.now_ns() + MINUTE_NS)
    with pytest.raises(BadInputError, match="has expired"):
        _approve(room, number)


@pytest.mark.parametrize("name", ["david", "David", "DÁVID ", "d.avid"])
def test_nobody_approves_their_own(room: Room, name: str) -> None:
    kernel = _full(room)
    number = _ask(room)
    with pytest.raises(BadInputError, match="asked for by david; another person has to approve"):
        _approve(room, number, user=name)
    assert _waits(kernel, "sent", 1_000).control == "R08"


def test_it_is_off_as_shipped_and_where_one_person_is_known(sqlite_url: str, tmp_path: Path) -> None:
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(4), shipped_limits=True)
    room.open()
    with pytest.raises(BadInputError, match="overrides are off"):
        _ask(room)
    _limit(room, "max_override_minutes", "15")
    with pytest.raises(BadInputError, match="expected a second person"):
        _ask(room)
    room.engine.dispose()


@pytest.mark.parametrize("minutes", [-1, 0, 11])
def test_it_holds_for_as_long_as_the_limit_says_at_most(room: Room, minutes: int) -> None:
    _full(room)
    _limit(room, "max_override_minutes", "10", scope="account:paper-1")
    with pytest.raises(BadInputError, match="expected 1 to 10 minutes"):
        _ask(room, minutes=minutes)
    assert _ask(room, minutes=10) == 1


def test_no_limit_on_its_minutes_is_fifteen(room: Room) -> None:
    _full(room)
    _limit(room, "max_override_minutes", "no limit")
    with pytest.raises(BadInputError, match="expected 1 to 15 minutes, found 16"):
        _ask(room, minutes=16)


def test_switching_overrides_off_ends_those_that_were_approved(room: Room) -> None:
    kernel = _full(room)
    _allowed(room)
    _limit(room, "max_override_minutes", "0")
    assert _waits(kernel, "sent", 1_000).control == "R08"


@pytest.mark.parametrize("control", [*sorted(CONTROLS.keys() - set(SOFT)), "", "R99", "STOP"])
def test_hard_controls_are_not_overridden(room: Room, control: str) -> None:
    _full(room)
    with pytest.raises(BadInputError, match="every other one is hard"):
        _ask(room, control=control)


def test_a_kill_a_halt_and_a_limit_of_zero_stop_it_as_ever(room: Room) -> None:
    kernel = _full(room)
    _allowed(room)
    _limit(room, "max_open_orders", "0", scope="account:paper-1")
    assert _waits(kernel, "zero", 1_000).control == "R08"
    _limit(room, "max_open_orders", "1", scope="account:paper-1")
    trading = room.desk.find("d-1")
    trading.halted = "R13 drawdown"
    assert _waits(kernel, "halted", 1_000).control == "R13"
    trading.halted = ""
    room.act("kill", scope="all", reason="a test")
    assert _waits(kernel, "killed", 1_000).control == "R23"


def test_it_outlasts_a_restart_and_so_does_its_use(room: Room) -> None:
    kernel = _full(room)
    number = _allowed(room)
    room.start()
    assert _state(room, number) == "approved"
    assert _waits(kernel, "sent", 1_000).state == "WORKING"
    room.start()
    assert _state(room, number) == "used"
    assert _waits(kernel, "sent", 1_000).repeated  # the same question, the first answer
    assert _waits(kernel, "again", 1_000).control == "R08"


@pytest.mark.parametrize(("boundary", "used"), [("in intent", False), ("after intent", True)])
def test_its_use_is_durable_with_the_order_or_neither_is(
    sqlite_url: str, tmp_path: Path, boundary: str, used: bool
) -> None:
    class Ended(BaseException):
        pass

    armed = [False]

    def ends(name: str) -> None:
        if armed[0] and name == boundary:
            armed[0] = False
            raise Ended

    room = Room(
        url=sqlite_url,
        home=tmp_path / "home",
        bars=made_up_bars(40),
        shipped_limits=True,
        at_boundary=ends,
    )
    room.desk.controls.meet(room.desk.ledger, ["david", "sarah"])
    kernel = _full(room)
    number = _allowed(room)
    armed[0] = True
    with pytest.raises(Ended):
        _waits(kernel, "sent", 1_000)
    room.start()
    assert _state(room, number) == ("used" if used else "approved")
    known = {row["client_order_id"] for row in room.rows(intents)}
    assert ("sent" in known) is used
    second = _waits(kernel, "second", 1_000)
    assert (second.state == "WORKING") is not used
    assert _state(room, number) == "used"
    room.engine.dispose()


@pytest.mark.processes
def test_it_is_used_once_though_the_gateway_is_killed_right_after(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    david = gateway.operator()
    sarah = OperatorClient(gateway.settings.operator_socket, user="sarah", role="approver", timeout_s=60)
    david.limits("set", name="max_override_minutes", text="15", reason="a test")
    david.limits("set", name="max_open_orders", text="1", scope="account:paper-1", reason="a test")
    david.open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.attach()
        kernel.take()
        assert _waits(kernel, "first", 500).state == "WORKING"
        asked = david.override(
            "ask",
            deployment_id="d-1",
            instrument="EUR_USD",
            control="R08",
            units=1_000,
            reason="a test",
            approvers=["david", "sarah"],
        )
        sarah.override("approve", number=asked["override"]["number"], reason="seen")
        assert _waits(kernel, "sent", 1_000).state == "WORKING"
    gateway.kill()
    gateway.start()
    with gateway.client() as client:
        kernel.ask = client.ask
        kernel.attach()
        assert [item["state"] for item in david.controls()["overrides"]] == ["used"]
        assert _waits(kernel, "sent", 1_000).repeated
        assert _waits(kernel, "again", 1_000).control == "R08"
    assert gateway.operator().verify()


def test_the_strategy_runtime_knows_it_too_and_uses_it_once(room: Room) -> None:
    kernel = _full(room)
    order = _limit_order("sent", 1_000)

    def judge() -> OrderJudge:
        found = room.ask(AskExposure(deployment_id="d-1", token=kernel.token))
        assert isinstance(found, Judged)
        copied = msgspec.json.decode(msgspec.json.encode(found), type=Judged)  # as over the wire
        return OrderJudge(copied.exposures, copied.limits, copied.overrides)

    denial = judge().check(order)
    assert denial is not None
    assert denial.control == "R08"
    _allowed(room)
    runtime = judge()
    assert runtime.check(order) is None
    denial = runtime.check(order)
    assert denial is not None
    assert denial.control == "R08"


def test_a_withdrawn_one_lets_nothing_past_and_is_not_withdrawn_twice(room: Room) -> None:
    kernel = _full(room)
    number = _allowed(room)
    _verb(room, "override", action="withdraw", number=number, reason="changed our minds")
    assert _waits(kernel, "sent", 1_000).control == "R08"
    with pytest.raises(BadInputError, match="expected an override that holds"):
        _verb(room, "override", action="withdraw", number=number, reason="again")
    with pytest.raises(BadInputError, match="waits for approval"):
        _approve(room, number)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"deployment_id": "d-9"}, UnknownDeploymentError, "unknown deployment"),
        ({"instrument": "GBP_USD"}, BadInputError, "expected an instrument of d-1"),
        ({"units": 0}, BadInputError, "the most units"),
        ({"reason": " "}, BadInputError, "expected a reason"),
        ({"minutes": "five"}, BadInputError, "these arguments can not be used"),
    ],
)
def test_one_that_can_not_be_meant_is_refused(
    room: Room, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    _full(room)
    with pytest.raises(error, match=said):
        _ask(room, **changes)
    assert room.desk.controls.overrides.all == ()


@pytest.mark.parametrize("role", ["viewer", "researcher", "operator"])
def test_it_is_for_those_who_approve(room: Room, role: str) -> None:
    with pytest.raises(NotAllowedError, match="may not override"):
        _verb(room, "override", role=role, action="ask")
