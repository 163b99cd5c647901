"""The way of an order: once, only where allowed, and only after it is durable."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.bench import BALANCE, HOUR, START, TOKEN, Kernel, Room, buy, expected_fills, opening
from workbench.domain.instruments import InstrumentId
from workbench.errors import BadInputError
from workbench.gateway.brokers.port import AmbiguousError, RejectedError
from workbench.gateway.deliveries import advance
from workbench.gateway.errors import LedgerWriteError, NotAllowedError, RefusedError, UnknownDeploymentError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import PROTOCOL_VERSION, Attached, EventReply, IntentResult, Refused, Waiting
from workbench.market import Bars
from workbench.store.schema import fills, intents, journal, kills, orders


def _result(reply: Any) -> IntentResult:
    assert isinstance(reply, IntentResult), reply
    return reply


def test_an_order_is_answered_when_the_broker_has_it(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    result = _result(kernel.submit(buy(1_000)))
    assert (result.state, result.control, result.repeated) == ("WORKING", "", False)
    assert room.rows(intents)[0]["body"]["units"] == 1_000
    assert room.rows(orders)[0]["accepted_seq"] == 2
    reply = kernel.take()
    assert [(fill.units, fill.position) for fill in reply.fills] == [(1_000, 1_000)]
    assert room.rows(orders)[0]["state"] == room.rows(intents)[0]["state"] == "FILLED"


def test_the_same_order_again_gets_the_first_answer_and_is_sent_once(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    first = _result(kernel.submit(buy(1_000)))
    again = [_result(kernel.submit(buy(1_000))) for _ in range(3)]
    kernel.take()
    again.append(_result(kernel.submit(buy(1_000), event_seq=2)))
    assert {(item.state, item.repeated) for item in again} == {(first.state, True)}
    assert len(room.rows(orders)) == len(room.rows(fills)) == 1


def test_a_denial_is_repeated_too_even_when_the_order_would_pass_now(room: Room) -> None:
    kernel = room.open(limits={"max_order_units": 999})
    kernel.take()
    first = _result(kernel.submit(buy(1_000)))
    assert (first.state, first.control) == ("DENIED", "R04")
    assert first.reason == "R04 order units: limit 999, observed 1000"
    room.act("open", **opening("d-1", room.bars))
    again = _result(kernel.submit(buy(1_000)))
    assert again == IntentResult(
        client_order_id="one", state="DENIED", control="R04", reason=first.reason, repeated=True
    )
    assert _result(kernel.submit(buy(1_000, "two"))).state == "WORKING"


@pytest.mark.parametrize("other", [buy(1_001), buy(1_000, stop_distance=5), buy(1_000, reduce_only=True)])
def test_another_order_under_a_used_id_is_refused(room: Room, other: Any) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    reply = kernel.submit(other)
    assert isinstance(reply, Refused)
    assert "used before" in reply.reason


def test_an_id_of_another_deployment_is_refused(room: Room) -> None:
    first, second = room.open("d-1"), room.open("d-2")
    first.take(), second.take()
    first.submit(buy(1_000))
    assert isinstance(second.submit(buy(1_000)), Refused)


def test_without_the_session_secret_nothing_is_answered(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    thief = Kernel(room.ask, token="guessed", after=2)
    for reply in (thief.attach(), thief.next(), thief.submit(buy(1_000))):
        assert isinstance(reply, Refused)
        assert "session secret" in reply.reason
    assert room.rows(intents) == []


def test_a_new_session_secret_ends_the_old_one(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    room.act("open", **opening("d-1", room.bars, token_sha256=hashlib.sha256(b"new").hexdigest()))
    assert isinstance(kernel.submit(buy(1_000)), Refused)
    assert isinstance(Kernel(room.ask, token="new").attach(), Attached)
    room.start()
    assert isinstance(Kernel(room.ask, token="new").attach(), Attached)


def test_a_deployment_that_is_not_open_is_refused(room: Room) -> None:
    reply = Kernel(room.ask, deployment_id="nobody").attach()
    assert isinstance(reply, Refused)
    assert "unknown deployment 'nobody'" in reply.reason


def test_another_protocol_version_is_refused(room: Room) -> None:
    reply = room.open().attach(version=PROTOCOL_VERSION + 1)
    assert isinstance(reply, Refused)
    assert f"expected protocol version {PROTOCOL_VERSION}, found" in reply.reason


def test_an_order_on_an_event_that_is_over_is_denied(room: Room) -> None:
    kernel = room.open()
    kernel.take(), kernel.take()
    late = _result(kernel.submit(buy(1_000), event_seq=2))
    assert (late.state, late.control) == ("DENIED", "R15")


@pytest.mark.parametrize("event_seq", [0, -1, 4, 2**62])
def test_an_order_on_an_event_that_was_never_seen_is_refused(room: Room, event_seq: int) -> None:
    kernel = room.open()
    kernel.take()
    assert isinstance(kernel.submit(buy(1_000), event_seq=event_seq), Refused)
    assert room.rows(intents) == []


@pytest.mark.parametrize("name", ["", "a" * 33, "a b", "ü", "a\x00", "'; DROP TABLE intents; --"])
def test_a_name_that_is_no_client_order_id_is_refused(room: Room, name: str) -> None:
    kernel = room.open()
    kernel.take()
    assert isinstance(kernel.submit(buy(1_000, name)), Refused)


def test_an_instrument_of_no_kind_is_refused_and_another_one_denied(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    assert isinstance(kernel.submit(replace(buy(1), instrument=InstrumentId("EUR\x00"))), Refused)
    elsewhere = replace(buy(1, "two"), instrument=InstrumentId("GBP_USD"))
    assert _result(kernel.submit(elsewhere)).control == "R18"


def test_orders_are_counted_by_the_minutes_of_the_feed(room: Room) -> None:
    kernel = room.open(limits={"max_orders_per_minute": 2})
    kernel.take()
    controls = [_result(kernel.submit(buy(1, f"a-{n}"))).control for n in range(3)]
    assert controls == ["", "", "R05"]
    room.start()
    assert _result(kernel.submit(buy(1, "a-3"))).control == "R05"
    kernel.take()
    assert _result(kernel.submit(buy(1, "b"))).control == ""


def test_after_a_day_of_losses_only_orders_that_reduce_pass_until_five_in_new_york(room: Room) -> None:
    kernel = room.open(limits={"max_daily_loss": 1_000_000})
    five = START + 22 * HOUR  # the bars begin on Monday at midnight, UTC
    kernel.take()
    kernel.submit(buy(-100_000, "in"))
    kernel.take()
    seen = []
    day_start = BALANCE
    for n in range(40):
        books = kernel.take().account
        expected = "R12" if day_start - books.equity > 1_000_000 else ""
        assert _result(kernel.submit(buy(-1, f"n-{n}"))).control == expected, n
        if expected:
            assert _result(kernel.submit(buy(1, f"r-{n}", reduce_only=True))).control == ""
        seen.append((books.time_ns > five, expected))
        if books.time_ns == five:
            day_start = books.equity
            room.start()  # what the day began with is known after a restart too
    assert {(False, "R12"), (True, "R12"), (True, "")} <= set(seen)


# --- people's verbs -------------------------------------------------------------------------------


def test_a_kill_says_which_deployments_it_covers(room: Room) -> None:
    room.open()
    assert room.act("kill", scope="account:paper-1")["deployments"] == ["d-1"]
    assert room.act("kill", scope="account:paper-11")["deployments"] == []
    assert room.act("kill", scope="all")["deployments"] == ["d-1"]


@pytest.mark.parametrize("scope", ["all", "account:paper-1", "deployment:d-1"])
def test_a_kill_cancels_what_waits_and_blocks_what_comes(room: Room, scope: str) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    assert room.act("kill", scope=scope, reason="drill")["canceled"] == ["one"]
    assert room.rows(kills)[0]["by"] == "david"
    assert _result(kernel.submit(buy(1_000, "two"))).control == "R23"
    assert kernel.take().fills == ()
    assert _result(kernel.submit(buy(-1, "three", reduce_only=True))).control == "R23"
    room.start()
    assert _result(kernel.submit(buy(1_000, "four"))).control == "R23"
    room.act("unkill", scope=scope)
    assert _result(kernel.submit(buy(1_000, "five"))).state == "WORKING"
    assert {row["client_order_id"]: row["state"] for row in room.rows(orders)} == {
        "one": "CANCELED",
        "five": "WORKING",
    }


def test_a_kill_of_one_deployment_leaves_the_others(room: Room) -> None:
    first, second = room.open("d-1"), room.open("d-2", account={"id": "paper-2"})
    first.take(), second.take()
    room.act("kill", scope="deployment:d-1")
    room.act("kill", scope="account:paper-1")
    assert _result(first.submit(buy(1, "a"))).control == "R23"
    assert _result(second.submit(buy(1, "b"))).state == "WORKING"


def test_a_kernel_is_told_of_a_kill(room: Room) -> None:
    kernel = room.open(feed={"bars_per_second": 1.0})
    room.act("kill")
    attached, waiting = kernel.attach(), kernel.next()
    assert isinstance(attached, Attached)
    assert isinstance(waiting, Waiting)
    assert attached.killed
    assert waiting.killed


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["buy", "sell", "close", "next", "restart", "again"]), max_size=25))
def test_after_a_kill_nothing_of_the_strategy_is_executed(room: Room, steps: list[str]) -> None:
    number = len(room.desk.deployments)
    name = f"d-{number}"
    kernel = room.open(name)
    kernel.take()
    kernel.submit(buy(1_000, f"{number}-open"))
    kernel.take()
    kernel.submit(buy(1_000, f"{number}-waits"))
    room.act("kill", scope=f"deployment:{name}")
    before = [row["client_order_id"] for row in room.rows(fills)]
    for n, step in enumerate(steps):
        match step:
            case "buy" | "sell":
                kernel.submit(buy(500 if step == "buy" else -500, f"{number}-{n}"))
            case "close":
                kernel.submit(buy(-500, f"{number}-{n}", reduce_only=True))
            case "again":
                kernel.submit(buy(1_000, f"{number}-waits"), event_seq=4)
            case "next":
                kernel.take()
            case "restart":
                room.start()
    kernel.take()
    assert [row["client_order_id"] for row in room.rows(fills)] == before
    assert room.shown(name)["position"] == 1_000
    assert verify_journal(room.engine).fault == ""


def test_stop_takes_no_orders_and_moves_no_event_until_resumed(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    stopped = room.act("stop", deployment_id="d-1")
    assert (stopped["state"], stopped["canceled"]) == ("stopped", ["one"])
    assert _result(kernel.submit(buy(1_000, "two"))).control == "STOP"
    assert isinstance(kernel.next(), Waiting)
    assert isinstance(kernel.attach(), Refused)
    room.start()
    assert room.shown()["state"] == "stopped"
    assert room.act("resume", deployment_id="d-1")["state"] == "running"
    assert isinstance(kernel.attach(), Attached)
    assert _result(kernel.submit(buy(1_000, "three"))).control == "R15"  # it said that it was done with it
    kernel.take()
    assert _result(kernel.submit(buy(1_000, "four"))).state == "WORKING"


@pytest.mark.parametrize("killed", [False, True])
def test_flatten_closes_the_position_at_the_next_quote_with_nobody_asking(room: Room, killed: bool) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000, stop_distance=5_000))
    kernel.take()
    if killed:
        room.act("kill")
    stopped = room.act("stop", deployment_id="d-1", flatten=True)
    assert stopped["flatten_order"].startswith("gw-")
    assert room.act("stop", deployment_id="d-1", flatten=True)["flatten_order"] == stopped["flatten_order"]
    room.start()  # a crash between the two
    assert room.shown()["waiting"] == 1
    advance(room.desk, room.desk.find("d-1"), most=1)  # what the server does on its own
    assert (room.shown()["position"], room.shown()["event_seq"]) == (0, 5)
    last = room.rows(fills)[-1]
    assert (last["units"], last["reason"], last["client_order_id"]) == (
        -1_000,
        "MARKET",
        stopped["flatten_order"],
    )
    room.start()
    assert room.shown()["state"] == "stopped"
    if not killed:
        room.act("resume", deployment_id="d-1")
        assert [fill.units for fill in kernel.take().fills] == [-1_000]


def test_a_closed_deployment_is_opened_again_where_it_was(room: Room, bars: Bars) -> None:
    kernel = room.open()
    kernel.run(most=30)
    room.act("close", deployment_id="d-1")
    room.start()
    assert room.shown()["state"] == "closed"
    assert room.shown()["event_seq"] == 60
    with pytest.raises(RefusedError, match="open it again"):
        room.act("resume", deployment_id="d-1")
    assert room.act("open", **opening("d-1", bars))["state"] == "running"
    back = Kernel(room.ask)
    back.attach()
    reply = back.run()
    assert isinstance(reply, EventReply)
    assert back.replayed == 29


def test_a_stopped_deployment_stays_stopped_when_a_supervisor_opens_it_again(room: Room) -> None:
    room.open()
    room.act("stop", deployment_id="d-1")
    assert room.act("open", **opening("d-1", room.bars))["state"] == "stopped"
    room.start()
    assert room.shown()["state"] == "stopped"


def test_another_business_under_an_open_id_is_refused(room: Room) -> None:
    room.open()
    with pytest.raises(RefusedError, match="give a new deployment a new id"):
        room.act("open", **opening("d-1", room.bars, account={"balance": 1}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deployment_id": "../x"}, "deployment_id"),
        ({"token_sha256": "secret"}, "token_sha256"),
        ({"instruments": []}, "length"),
        ({"instruments": ["EUR_USD", "EUR_USD"]}, "each instrument once"),
        ({"instruments": ["EUR_USD", "GBP_USD"]}, "the fingerprint of the bars of each of EUR_USD, GBP_USD"),
        ({"instruments": ["EURUSD"]}, "did you mean EUR_USD"),
        ({"timeframe": "H7"}, "unknown timeframe"),
        ({"account": {"currency": "GBP"}}, "take an account in USD"),
        ({"account": {"broker": "oanda"}}, "broker"),
        ({"account": {"balance": 1.5}}, "balance"),
        ({"feed": {"end_ns": START}}, "end after its start"),
        ({"feed": {"bars_per_second": -1}}, "bars_per_second"),
        ({"feed": {"kind": "magic"}}, "kind"),
        ({"limits": {"max_order_units": -1}}, "max_order_units"),
        ({"limits": {"unknown": 1}}, "unknown limit"),
        ({"cost_book": {"costs": {}}}, "has no costs for EUR_USD"),
        ({"cost_book": {"costs": {"EUR_USD": {}}}}, "expected a cost book"),
        ({"extra": {"a": 1}}, "extra"),
    ],
)
def test_a_deployment_that_makes_no_sense_is_not_opened(
    room: Room, changes: dict[str, Any], message: str
) -> None:
    spec = opening("d-1", room.bars)
    for name, value in changes.items():
        spec[name] = {**spec.get(name, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(BadInputError, match=message):
        room.act("open", **spec)
    assert room.desk.deployments == {}


def test_a_verb_needs_its_role_and_arguments_that_make_sense(room: Room) -> None:
    room.open()
    with pytest.raises(NotAllowedError, match="which may not kill"):
        room.act("kill", role="viewer")
    with pytest.raises(NotAllowedError):
        room.act("status", role="nobody")
    with pytest.raises(BadInputError, match="scope"):
        room.act("kill", scope="everything")
    with pytest.raises(BadInputError, match="arguments"):
        room.act("kill", scop="all")
    with pytest.raises(UnknownDeploymentError):
        room.act("kill", scope="deployment:d-9")
    with pytest.raises(UnknownDeploymentError):
        room.act("stop", deployment_id="d-9")
    assert room.desk.kills == set()


def test_the_session_secret_is_nowhere_in_the_store(room: Room) -> None:
    room.open().run(most=5)
    assert all(TOKEN not in row["body"] for row in room.rows(journal))


# --- brokers that do not behave ----------------------------------------------------------------------


def _break_broker(room: Room, error: Exception) -> list[str]:
    asked: list[str] = []

    def place(order: Any) -> Any:
        asked.append(order.client_order_id)
        raise error

    room.desk.find("d-1").broker.place = place  # type: ignore[method-assign]
    return asked


def test_an_order_nobody_knows_about_is_unknown_reserved_and_never_sent_again(room: Room) -> None:
    kernel = room.open(limits={"max_position_units": 1_500, "max_open_orders": 2})
    kernel.take()
    asked = _break_broker(room, AmbiguousError("no answer in 5 s"))
    first = _result(kernel.submit(buy(1_000)))
    assert (first.state, first.reason) == ("UNKNOWN", "no answer in 5 s")
    assert _result(kernel.submit(buy(1_000))).state == "UNKNOWN"
    assert _result(kernel.submit(buy(501, "two"))).control == "R09"
    room.start()
    assert room.shown()["unknown"] == ["one"]
    assert _result(kernel.submit(buy(501, "three"))).control == "R09"
    kernel.take()
    assert room.rows(intents)[0]["state"] == "UNKNOWN"
    assert asked == ["one"]


def test_an_order_the_broker_rejects_is_answered_so(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    _break_broker(room, RejectedError("the market is closed"))
    result = _result(kernel.submit(buy(1_000)))
    assert (result.state, result.reason) == ("REJECTED", "the market is closed")
    assert _result(kernel.submit(buy(1_000))) == replace_repeated(result)
    assert room.rows(orders) == []


def replace_repeated(result: IntentResult) -> IntentResult:
    """The same answer, given again."""
    return IntentResult(
        client_order_id=result.client_order_id,
        state=result.state,
        control=result.control,
        reason=result.reason,
        repeated=True,
    )


# --- a store that does not take a change -----------------------------------------------------------------


def test_when_the_disk_is_full_nothing_is_sent_and_a_resume_goes_on(room: Room, bars: Bars) -> None:
    kernel = room.open()
    kernel.attach()
    kernel.run(most=20)

    @sa.event.listens_for(room.engine, "connect")
    def little_room(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with room.engine.begin() as connection:  # no write is to fit into what is left of the pages there are
        connection.execute(sa.text("CREATE TABLE padding (bytes BLOB)"))
        connection.execute(
            sa.text(
                "CREATE TRIGGER pad AFTER INSERT ON journal "
                "BEGIN INSERT INTO padding VALUES (zeroblob(50000)); END"
            )
        )
        pages = connection.scalar(sa.text("PRAGMA page_count")) or 0
    room.engine.dispose()
    asked = _break_broker(room, AssertionError("an order was sent"))
    reply = kernel.run()
    assert isinstance(reply, Refused)
    assert "full" in reply.reason
    assert asked == []
    shown = room.shown()
    assert shown["state"] == "frozen"
    assert "resume" in shown["detail"]
    assert isinstance(kernel.submit(buy(1, "later")), Refused)
    with pytest.raises(LedgerWriteError, match="the kill of all is in force"):
        room.act("kill", reason="the disk is full")
    assert room.desk.kills == {"all"}
    pages = 1_000_000
    room.engine.dispose()
    room.act("unkill")
    room.act("resume", deployment_id="d-1")
    back = Kernel(room.ask)
    back.attach()
    back.run()
    assert back.fills == expected_fills(bars)
    assert verify_journal(room.engine).fault == ""
