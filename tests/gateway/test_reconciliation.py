"""Reconciliation with a broker elsewhere: what blocks, what a person decides, what is fenced off."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.bench import Kernel, Room
from tests.gateway.bench import buy as room_buy
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind
from workbench.errors import BadInputError, WorkbenchError
from workbench.gateway.breaker import Breaker
from workbench.gateway.errors import LeaseLostError, LedgerWriteError
from workbench.gateway.lease import take_lease
from workbench.gateway.ledger import Ledger
from workbench.gateway.messages import ChangeIntent, ChangeResult, IntentResult, OperatorRequest
from workbench.gateway.operators import act
from workbench.gateway.reconciliation import watch
from workbench.gateway.simulation.adapter import GRACE_S
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.world import DEPLOYMENT, TOKEN, World
from workbench.gateway.standing import Phase
from workbench.gateway.trading import Trading


@pytest.fixture(scope="module")
def disk() -> Iterator[SimulatedDisk]:
    found = SimulatedDisk(SimulatedClock())
    yield found
    found.close()


class Desk:
    """A quiet world: a deployment at a broker, whose strategy does what each test says."""

    def __init__(self, disk: SimulatedDisk, *, decisions: list[list[Order]]) -> None:
        left = iter(decisions)
        self.world = World(
            seed=3, disk=disk, faults=("F08",), decide=lambda reply: ([], next(left, [])), steps=0
        )
        self.world._guard(self.world._start)
        self.world._open()

    @property
    def trading(self) -> Trading:
        found = self.world.trading()
        assert found is not None
        return found

    @property
    def standing(self) -> Any:
        assert self.trading.standing is not None
        return self.trading.standing

    def go(self, events: int = 1) -> None:
        """The market and the strategy move on."""
        for _ in range(events):
            self.world.kernel.step(self.world.ask)

    def wait(self, seconds: float) -> None:
        """Time passes, and the gateway looks."""
        for _ in range(round(seconds * 2)):
            self.world.clock.advance(0.5)
            watch(self.world.desk, self.trading)

    def verb(self, name: str, **arguments: Any) -> dict[str, Any]:
        request = OperatorRequest(
            version=1,
            verb=name,
            user="david",
            role="admin",
            arguments={"deployment_id": DEPLOYMENT, **arguments},
        )
        return act(self.world.desk, request)


def buy(name: str, units: int, **more: Any) -> Order:
    return Order(client_order_id=ClientOrderId(name), instrument="EUR_USD", units=units, **more)  # type: ignore[arg-type]


def test_an_order_without_an_answer_stays_unknown_until_the_grace_is_over_and_is_never_sent_again(
    disk: SimulatedDisk,
) -> None:
    desk = Desk(disk, decisions=[[buy("lost", 1_000)]])
    desk.world.house.troubles.lose_requests = True
    desk.go(2)
    assert desk.world.kernel.answers == {"lost": "UNKNOWN"}
    assert desk.standing.unknown() == ["lost"]
    assert [order.units for order in desk.trading.waiting()] == [1_000]  # it reserves its exposure
    desk.wait(GRACE_S - 3.0)
    assert desk.standing.unknown() == ["lost"]
    desk.wait(5.0)
    assert desk.standing.unknown() == []
    assert desk.world.house.sent["lost"] == 0
    assert desk.trading.waiting() == []


def test_a_person_may_say_what_became_of_an_unknown_order(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[buy("lost", 1_000)]])
    desk.world.house.troubles.half_open = True
    desk.trading.standing.heard_s = desk.world.clock.seconds  # type: ignore[union-attr]
    desk.world.house.troubles.half_open, desk.world.house.troubles.lose_requests = False, True
    desk.go(2)
    with pytest.raises(WorkbenchError, match="expected an order that is UNKNOWN, found other"):
        desk.verb("resolve", client_order_id="other", state="ABSENT")
    with pytest.raises(WorkbenchError, match="expected ABSENT or CANCELED"):
        desk.verb("resolve", client_order_id="lost", state="FILLED")
    desk.verb("resolve", client_order_id="lost", state="ABSENT", reason="the broker's desk says so")
    assert desk.standing.unknown() == []


def test_a_position_that_differs_freezes_the_instrument_until_a_named_person_adopts_it(
    disk: SimulatedDisk,
) -> None:
    desk = Desk(disk, decisions=[[buy("one", 2_000)], [], [], [buy("two", 500)], [], [buy("three", 500)]])
    desk.go(4)
    desk.world.outsider()
    desk.world.house.move_to(desk.world.house.seq + 2)
    desk.wait(6.0)
    assert set(desk.standing.frozen) == {"EUR_USD"}
    assert "the books hold 2000 units of EUR_USD, the broker shows 2700" in desk.standing.frozen["EUR_USD"]
    assert desk.world.logged["mismatch"] == 1
    desk.go(2)
    assert desk.world.kernel.answers["two"] == "DENIED"
    desk.world._restart()  # it outlasts the process
    desk.wait(2.0)
    assert set(desk.standing.frozen) == {"EUR_USD"}
    with pytest.raises(BadInputError, match="expected a person and a reason"):
        desk.verb("adopt", instrument="EUR_USD", reason=" ")
    adopted = desk.verb("adopt", instrument="EUR_USD", reason="bought by hand")
    assert adopted["units"] == 700
    assert desk.standing.books.units("EUR_USD") == desk.world.house.units("EUR_USD") == 2_700
    assert set(desk.standing.books.trial_balance().values()) == {0}
    desk.go(2)
    assert desk.world.kernel.answers["three"] == "WORKING"


def test_cash_that_differs_under_equal_positions_freezes_and_is_told(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[], [], [buy("one", 500)]])
    desk.go(1)
    desk.world.outsider()  # buys, and sells again before anybody looks
    desk.world.house.move_to(desk.world.house.seq + 1)
    desk.world.house.paper.place(buy("ext-back", -700))
    desk.world.house.move_to(desk.world.house.seq + 2)
    assert desk.world.house.units("EUR_USD") == 0
    desk.wait(6.0)
    assert "the books hold a balance of" in desk.standing.frozen["EUR_USD"]
    assert desk.standing.phase is Phase.READY
    assert desk.world.logged["mismatch"] == 1
    desk.go(3)
    assert desk.world.kernel.answers["one"] == "DENIED"
    adopted = desk.verb("adopt", instrument="EUR_USD", reason="traded by hand")
    assert (adopted["units"], adopted["cash"] < 0) == (0, True)
    assert desk.standing.books.cash == desk.world.house.paper.account().balance


def test_a_stop_that_is_gone_at_the_start_is_told(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[buy("one", 2_000, stop_distance=900)], [], []])
    desk.go(3)
    held = desk.standing.levels["EUR_USD"]
    assert held.stop
    desk.world._restart()
    desk.wait(1.0)
    assert (desk.standing.phase, desk.world.logged["unprotected"]) == (Phase.READY, 0)
    desk.world.house.paper.change_exits(ExitChange(instrument=InstrumentId("EUR_USD"), stop=0))
    desk.world._restart()
    desk.wait(1.0)
    assert (desk.standing.phase, desk.world.logged["unprotected"]) == (Phase.READY, 1)
    desk.wait(31.0)
    assert desk.world.logged["unprotected"] == 1  # once, when the account is taken up


def test_a_position_without_the_stop_that_the_limits_ask_for_is_told_at_the_start(room: Room) -> None:
    def started() -> list[str]:
        room.start()
        calls = room.desk.log._logger.calls  # type: ignore[attr-defined]
        return [call.args[0] for call in calls if "unprotected" in call.args[0]]

    kernel = room.open()
    kernel.take()
    assert isinstance(reply := kernel.submit(room_buy(1_000, "bare")), IntentResult)
    assert reply.state == "WORKING"
    kernel.take()
    assert started() == []  # nobody asked for a stop
    limit = {"name": "max_unprotected_s", "text": "3600", "scope": "firm", "reason": "a test"}
    room.act("limits", action="set", **limit)
    (line,) = started()
    assert "1000 units of EUR_USD are held and no stop waits at the broker" in line
    assert "it is closed when it has none for more than 3600 s" in line
    kernel = Kernel(room.ask, after=room.desk.deployments["d-1"].decision_seq)
    kernel.change(ExitChange(instrument=InstrumentId("EUR_USD"), stop=100_000))
    kernel.take()
    assert started() == []


def test_exits_of_a_position_that_is_gone_are_not_set_on_anothers(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[]])
    desk.go(1)
    desk.world.outsider()
    desk.world.house.move_to(desk.world.house.seq + 2)
    assert desk.world.house.units("EUR_USD") == 700
    change = ExitChange(instrument=InstrumentId("EUR_USD"), stop=118_000)
    reply = desk.world.ask(
        ChangeIntent(
            deployment_id=DEPLOYMENT, token=TOKEN, event_seq=desk.world.kernel.after, number=0, change=change
        )
    )
    assert isinstance(reply, ChangeResult)
    assert (reply.state, reply.reason) == ("REJECTED", "nothing of EUR_USD is held")
    assert desk.world.house.paper.positions()[0].stop == 0


def test_others_orders_count_in_the_exposure_and_are_never_touched(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[]])
    desk.go(1)
    theirs = buy("ext-7", 3_000, kind=OrderKind.LIMIT, price=110_000)
    desk.world.house.paper.place(theirs)
    desk.wait(31.0)
    assert [order.client_order_id for order in desk.trading.waiting()] == ["ext-7"]
    desk.world._kill()
    desk.wait(2.0)
    assert [order.client_order_id for order in desk.world.house.live()] == ["ext-7"]


def test_nothing_leaves_while_the_broker_is_away_and_it_comes_back_by_itself(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[buy("one", 1_000)], [buy("two", 1_000)]])
    desk.world.house.troubles.down = True
    desk.wait(1.0)
    assert desk.standing.phase is Phase.AWAY
    desk.go(2)
    assert desk.world.kernel.answers["one"] == "DENIED"
    desk.world.house.troubles.down = False
    desk.wait(40.0)
    assert desk.standing.phase is Phase.READY
    desk.go(2)
    assert desk.world.kernel.answers["two"] == "WORKING"


def test_an_intent_that_was_slow_to_be_durable_is_not_sent(disk: SimulatedDisk) -> None:
    desk = Desk(disk, decisions=[[buy("stale", 1_000)]])
    desk.go(1)
    desk.world.disk.failure = "slow"
    desk.go(1)
    assert desk.world.kernel.answers == {"stale": "DENIED"}
    assert desk.world.house.sent["stale"] == 0


def test_a_paper_account_in_the_gateway_has_nothing_to_adopt(room: Room) -> None:
    room.open("d-1").run(most=2)
    with pytest.raises(WorkbenchError, match="no other record"):
        room.act("adopt", deployment_id="d-1", instrument="EUR_USD")


def test_a_gateway_that_lost_the_lease_writes_nothing_more(room: Room) -> None:
    def ledger() -> Ledger:
        lease = take_lease(room.engine, holder="test", now_ns=1)
        return Ledger(room.engine, checkpoints=None, log=room.desk.log, lease=lease)  # type: ignore[arg-type]

    first = ledger()
    with first.change("one") as change:
        change.record("test", number=1)
    second = ledger()
    with (
        pytest.raises(LeaseLostError, match="another gateway writes to it now"),
        first.change("two") as change,
    ):
        change.record("test", number=2)
    with pytest.raises(LedgerWriteError, match="another gateway"), first.change("three"):
        pass
    with second.change("four") as change:
        change.record("test", number=4)
    assert second.length == first.length + 1  # one and four, and nothing between them


def test_pauses_before_a_broker_is_tried_again_double_and_a_flap_does_not_shorten_them() -> None:
    now = [0.0]
    breaker = Breaker(monotonic=lambda: now[0], rng=lambda: 1.0, first_s=0.5, most_s=4.0, stable_s=10.0)
    pauses = []
    for _ in range(5):
        breaker.worked()
        breaker.failed()
        began = now[0]
        while not breaker.allows():
            now[0] += 0.25
        pauses.append(now[0] - began)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0]
    breaker.worked()
    now[0] += 11.0
    breaker.failed()
    assert breaker.failures == 1
