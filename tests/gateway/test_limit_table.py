"""The table of limits in the gateway: shipped, lowered, raised by two, kept, audited, not taken on trust."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from tests.gateway.bench import Room, buy, made_up_bars
from workbench.commands.lifting import lifted
from workbench.domain.control_text import limit_from_text, limit_text
from workbench.domain.controls import CONTROLS, LIMITS, Sense, is_raise, parse_value
from workbench.domain.people import distinct_people
from workbench.errors import BadInputError
from workbench.gateway.errors import NotAllowedError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import PROTOCOL_VERSION, OperatorRequest
from workbench.gateway.operators import act, check_request
from workbench.store.schema import control_limits, journal


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    made = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(40), shipped_limits=True)
    yield made
    made.engine.dispose()


def _verb(room: Room, verb: str, *, user: str = "david", role: str = "admin", **arguments: Any) -> Any:
    """A person's verb, checked against the role."""
    request = OperatorRequest(version=PROTOCOL_VERSION, verb=verb, user=user, role=role, arguments=arguments)
    check_request(request)
    return act(room.desk, request)


def _set(
    room: Room, name: str, text: str, *, user: str = "david", role: str = "admin", **more: Any
) -> dict[str, Any]:
    change = {"action": "set", "name": name, "text": text, "reason": "a test", **more}
    return _verb(room, "limits", user=user, role=role, **change)["entry"]  # type: ignore[no-any-return]


def _value(room: Room, name: str, scope: str = "firm") -> str:
    shown = _verb(room, "controls")["in_force"]
    return next(item["text"] for item in shown if (item["name"], item["scope"]) == (name, scope))


def test_a_new_table_begins_with_a_limit_for_each_control_as_shipped(room: Room) -> None:
    shown = _verb(room, "controls")
    assert [item["id"] for item in shown["controls"]] == list(CONTROLS)
    assert {item["name"]: item["text"] for item in shown["in_force"]} == {
        name: limit_text(name, kind.default) for name, kind in LIMITS.items()
    }
    assert {(item["by"], item["scope"]) for item in shown["in_force"]} == {("workbench", "firm")}
    with room.engine.connect() as connection:
        kinds = connection.scalars(sa.select(journal.c.kind)).all()
    assert kinds == ["limits.shipped"]
    room.start()
    assert room.desk.controls.table.version == len(LIMITS)


def test_an_order_is_judged_by_the_table_in_both_processes_and_a_change_holds_at_the_next_one(
    room: Room,
) -> None:
    kernel = room.open()
    kernel.take()
    assert kernel.submit(buy(100_000, "a")).state == "WORKING"
    denied = kernel.submit(buy(100_001, "b"))
    assert (denied.state, denied.control) == ("DENIED", "R04")
    assert denied.reason == "R04 order units of the firm: limit 100000, observed 100001"
    _set(room, "max_order_units", "5000", scope="account:paper-1")
    denied = kernel.submit(buy(5_001, "c"))
    assert denied.reason == "R04 order units of the account paper-1: limit 5000, observed 5001"
    _set(room, "max_order_units", "4000", scope="instrument:EUR_USD")
    assert kernel.submit(buy(4_001, "d")).control == "R04"
    _set(room, "max_order_units", "10", scope="account:another")
    assert kernel.submit(buy(4_000, "e")).state == "WORKING"
    assert room.shown()["denials"] == 3


def test_lowering_holds_at_once_and_raising_waits_for_another_person(room: Room) -> None:
    room.desk.controls.approvers = {"david", "sarah"}
    assert _set(room, "max_order_units", "50000")["action"] == "set"
    asked = _set(room, "max_order_units", "60000")
    assert (asked["action"], _value(room, "max_order_units")) == ("proposed", "50,000")
    for name in ("david", "David", "DAVID ", "dávid", "d.a.v.i.d"):
        with pytest.raises(BadInputError, match="was proposed by david; another person has to approve"):
            _verb(room, "limits", user=name, action="approve", version=asked["version"], reason="fine")
    room.start()
    assert [item["version"] for item in _verb(room, "controls")["waiting"]] == [asked["version"]]
    done = _verb(room, "limits", user="sarah", action="approve", version=asked["version"], reason="fine")
    entry = done["entry"]
    assert (entry["by"], entry["approved_by"], entry["text"]) == ("david", "sarah", "60,000")
    assert _value(room, "max_order_units") == "60,000"
    with pytest.raises(BadInputError, match=r"number of a change that waits \(none\)"):
        _verb(room, "limits", user="sarah", action="approve", version=asked["version"], reason="again")


def test_the_same_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    room = Room(url=postgresql_url, home=tmp_path / "home", bars=made_up_bars(4), shipped_limits=True)
    room.desk.controls.approvers = {"david", "sarah"}
    asked = _set(room, "max_order_units", "no limit")
    room.start()
    _verb(room, "limits", user="sarah", action="approve", version=asked["version"], reason="fine")
    _set(room, "closed_windows", "2026-12-16T13:25Z/2026-12-16T13:45Z", scope="account:paper-1")
    room.start()
    assert _value(room, "max_order_units") == "no limit"
    assert _value(room, "closed_windows", "account:paper-1") == "2026-12-16T13:25Z/2026-12-16T13:45Z"
    assert all(item["readable"] for item in _verb(room, "controls")["in_force"])
    room.engine.dispose()


def test_one_person_alone_raises_and_whoever_was_seen_is_known_from_then_on(room: Room) -> None:
    assert _set(room, "max_order_units", "200000")["action"] == "set"
    assert _set(room, "max_order_units", "300000", user="DAVID")["action"] == "set"  # the same person
    assert _set(room, "max_order_units", "400000", user="sarah")["action"] == "proposed"
    room.start()
    assert _set(room, "max_order_units", "400000")["action"] == "proposed"


def test_people_that_a_server_knows_are_remembered(room: Room) -> None:
    assert _set(room, "max_open_orders", "30", approvers=["david", "sarah"])["action"] == "proposed"
    room.start()
    assert _set(room, "max_open_orders", "30")["action"] == "proposed"


@pytest.mark.parametrize("text", ["no limit", "100001"])
def test_taking_a_limit_away_is_raising_it(room: Room, text: str) -> None:
    room.desk.controls.approvers = {"david", "sarah"}
    assert _set(room, "max_order_units", text)["action"] == "proposed"
    assert _set(room, "max_order_units", text, scope="account:paper-1")["action"] == "set"  # a further bound
    _set(room, "max_order_units", "10", scope="account:paper-1")
    assert _set(room, "max_order_units", "11", scope="account:paper-1")["action"] == "proposed"


def test_an_approval_that_was_overtaken_is_refused(room: Room) -> None:
    room.desk.controls.approvers = {"david", "sarah"}
    asked = _set(room, "max_order_units", "200000")
    _set(room, "max_order_units", "10", user="sarah")
    with pytest.raises(BadInputError, match="changed by sarah since"):
        _verb(room, "limits", user="sarah", action="approve", version=asked["version"], reason="fine")
    _verb(room, "limits", user="sarah", action="withdraw", version=asked["version"], reason="too much")
    assert _verb(room, "controls")["waiting"] == []
    assert _value(room, "max_order_units") == "10"


def test_every_change_is_in_the_journal_with_who_and_why(room: Room) -> None:
    entry = _set(room, "max_order_units", "50000", scope="deployment:d-9")
    with room.engine.connect() as connection:
        body = connection.scalars(sa.select(journal.c.body).where(journal.c.kind == "limits.changed")).one()
    said = msgspec.json.decode(body)
    assert {name: said[name] for name in ("name", "scope", "value", "by", "reason", "version")} == {
        "name": "max_order_units",
        "scope": "deployment:d-9",
        "value": 50_000,
        "by": "david",
        "reason": "a test",
        "version": entry["version"],
    }
    assert verify_journal(room.engine).fault == ""
    history = _verb(room, "controls", history=True)["history"]
    assert [item["version"] for item in history] == list(range(1, len(LIMITS) + 2))


@pytest.mark.parametrize(
    "change",
    [
        sa.update(control_limits).where(control_limits.c.name == "max_order_units").values(value=10**9),
        sa.update(control_limits).where(control_limits.c.name == "max_order_units").values(value="much"),
        sa.update(control_limits).where(control_limits.c.name == "max_order_units").values(scope="account:x"),
        sa.delete(control_limits).where(control_limits.c.name == "max_order_units"),
    ],
    ids=["raised", "unreadable", "moved", "deleted"],
)
def test_a_row_that_was_changed_behind_the_gateway_passes_nothing_until_it_is_set_again(
    room: Room, change: sa.Update | sa.Delete
) -> None:
    with room.engine.begin() as connection:
        connection.execute(change)
    room.start()
    kernel = room.open()
    kernel.take()
    denied = kernel.submit(buy(1, "a"))
    assert (denied.state, denied.control) == ("DENIED", "R04")
    assert "limit none that can be read" in denied.reason
    shown = {item["name"]: item["readable"] for item in _verb(room, "controls")["in_force"]}
    assert [name for name, readable in shown.items() if not readable] == ["max_order_units"]
    assert kernel.submit(buy(-1, "b", reduce_only=True)).state == "WORKING"
    _set(room, "max_order_units", "10")
    assert kernel.submit(buy(1, "c")).state == "WORKING"


def test_a_table_that_is_gone_passes_nothing(room: Room) -> None:
    with room.engine.begin() as connection:
        connection.execute(sa.delete(control_limits))
    room.start()
    kernel = room.open()
    kernel.take()
    assert kernel.submit(buy(1)).state == "DENIED"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "max_moon", "text": "1"}, "expected one of the limits"),
        ({"name": "max_order_units", "text": "-1"}, "expected a whole number"),
        ({"name": "max_order_units", "text": "2 %"}, "expected a whole number"),
        ({"name": "max_order_units", "text": ""}, "expected a whole number"),
        ({"name": "max_daily_loss_ppm", "text": "20000"}, "expected a percentage as in 2 %"),
        ({"name": "max_daily_loss", "text": "2 %"}, "expected an amount"),
        ({"name": "trading_hours", "text": "Mon 25:00-26:00"}, "expected Mon-Fri 08:00-17:00"),
        ({"name": "closed_windows", "text": "tomorrow"}, "R17 closed_windows: expected"),
        ({"name": "allowed_order_kinds", "text": "ICEBERG"}, "R18 allowed_order_kinds: expected"),
        ({"name": "max_order_units", "text": "1", "scope": "desk:fx"}, "expected a scope like firm"),
        ({"name": "max_order_units", "text": "1", "reason": "  "}, "expected a reason"),
        ({"name": "max_order_units", "text": "1", "action": "raise"}, "these arguments can not be used"),
    ],
)
def test_a_change_that_can_not_be_meant_is_refused_in_one_sentence(
    room: Room, fields: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        _verb(room, "limits", **{"action": "set", "reason": "a test", **fields})
    assert room.desk.controls.table.version == len(LIMITS)


@pytest.mark.parametrize("name", ["", "  ", "​david", "dаvid"])  # the third unseen, the fourth half Cyrillic
def test_a_name_that_nobody_can_read_is_refused(room: Room, name: str) -> None:
    with pytest.raises(BadInputError, match="expected a name that people can read"):
        _set(room, "max_order_units", "1", user=name)


def test_looking_is_for_all_and_changing_for_those_who_approve(room: Room) -> None:
    for role, may in (("viewer", False), ("researcher", False), ("operator", False), ("approver", True)):
        assert _verb(room, "controls", role=role)["version"] >= len(LIMITS)
        if may:
            _set(room, "max_order_units", "9", role=role)
            continue
        with pytest.raises(NotAllowedError, match="may not limits"):
            _set(room, "max_order_units", "9", role=role)


@pytest.mark.parametrize("name", list(LIMITS))
def test_a_limit_reads_back_as_it_is_shown(name: str) -> None:
    kind = LIMITS[name]
    samples: list[Any] = [kind.default, None]
    if kind.sense in (Sense.MOST, Sense.LEAST):
        samples += [0, 1, 7, min(12_345, kind.most)]
    elif kind.sense is Sense.FORBIDDEN:
        samples = [(), ("2026-12-16T13:25Z/2026-12-16T13:45Z",)]
    else:
        samples += [()]
    for value in samples:
        assert limit_from_text(name, limit_text(name, value)) == value
        assert parse_value(name, value) == value


@pytest.mark.parametrize(
    ("name", "before", "after", "raised"),
    [
        ("max_open_orders", 5, 6, True),
        ("max_open_orders", 5, 5, False),
        ("max_open_orders", 5, 4, False),
        ("max_open_orders", 5, None, True),
        ("max_open_orders", None, 10**6, False),
        ("min_repeat_ms", 1_000, 999, True),
        ("min_repeat_ms", 1_000, 1_001, False),
        ("allowed_instruments", ("A", "B"), ("A",), False),
        ("allowed_instruments", ("A",), ("A", "B"), True),
        ("allowed_instruments", ("A",), ("B",), True),
        ("closed_windows", ("a",), ("a", "b"), False),
        ("closed_windows", ("a", "b"), ("b",), True),
    ],
)
def test_raising_is_what_lets_more_pass(name: str, before: Any, after: Any, raised: bool) -> None:
    assert is_raise(name, before=before, after=after) is raised


def test_names_of_one_person_are_one_person() -> None:
    assert distinct_people({"David", "david ", "DÁVID", "d. avid", ""}) == 1
    assert distinct_people({"david", "sarah"}) == 2


def test_the_firms_limit_counts_what_all_its_deployments_hold(room: Room) -> None:
    first, second = room.open("d-1"), room.open("d-2")
    _set(room, "max_position_units", "100000")
    first.take()
    second.take()
    assert first.submit(buy(60_000, "a")).state == "WORKING"
    denied = second.submit(buy(40_001, "b"))
    assert denied.reason == "R09 position units of the firm: limit 100000, observed 100001"
    assert second.submit(buy(40_000, "c")).state == "WORKING"


def test_limits_are_lifted_for_a_comparison_and_put_back_and_nobodys_own_are_touched(room: Room) -> None:
    class Owner:
        def controls(self) -> Any:
            return _verb(room, "controls", user="sarah")

        def limits(self, action: str, **change: Any) -> Any:
            return _verb(room, "limits", user="sarah", action=action, **change)

    def firm() -> dict[str, str]:
        return {item["name"]: item["text"] for item in Owner().controls()["in_force"]}

    shipped = firm()
    for _ in range(2):  # it can be done again
        with (
            contextlib.suppress(ZeroDivisionError),
            lifted(Owner(), by="sarah", tell=lambda text: None),
        ):
            assert firm()["max_order_units"] == "no limit"
            assert firm()["max_kernel_silence_s"] == "60"
            raise ZeroDivisionError  # what fails meanwhile does not leave them open
        assert firm() == shipped
    _set(room, "max_order_units", "5", user="sarah")
    _set(room, "max_order_units", "6", user="david", action="propose")
    said: list[str] = []
    with lifted(Owner(), by="sarah", tell=said.append):
        assert firm()["max_order_units"] == "5"
    assert "stay" in said[0]
