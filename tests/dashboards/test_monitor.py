"""The monitor says what is true, in words, and stops what it is asked to stop."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from ipywidgets import Button

from tests.dashboards.conftest import DEPLOYMENT, HOUR, START, snapshot
from workbench.dashboards import words
from workbench.dashboards.monitor import Monitor, build
from workbench.dashboards.verbs import GatewayAnswer, TradingState
from workbench.dashboards.view import StoreView
from workbench.errors import WorkbenchError
from workbench.store import read_only, schema


class FakeVerbs:
    """Verbs that are only written down."""

    role = "operator"

    def __init__(
        self, *, may_stop: bool = True, down: str = "", error: str = "", **said: TradingState
    ) -> None:
        self.stopped: list[tuple[str, bool]] = []
        self._may_stop, self._error = may_stop, error
        self.answer = GatewayAnswer(wrong=down, deployments=said)

    def may_stop(self) -> bool:
        return self._may_stop

    def gateway(self) -> GatewayAnswer:
        return self.answer

    def prepare_stop(self) -> None:
        pass

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        if self._error:
            raise WorkbenchError(self._error)
        self.stopped.append((deployment_id, flatten))
        return "Stopped; the position is kept."


def _texts(widget) -> str:
    own = widget.value if isinstance(getattr(widget, "value", None), str) else ""
    return own + "".join(_texts(child) for child in getattr(widget, "children", ()))


def _buttons(widget) -> dict[str, Button]:
    """The buttons that are to be seen."""
    if widget.layout.display == "none":
        return {}
    found = {widget.description: widget} if isinstance(widget, Button) else {}
    for child in getattr(widget, "children", ()):
        found.update(_buttons(child))
    return found


def _clock() -> datetime:
    return datetime(2017, 12, 6, tzinfo=UTC)


def _page(home, verbs):
    return build(home.view, verbs, clock=_clock).box


STOP = "Stop 10_sma_cross on paper-1…"
KEEP, CLOSE, NO = "Yes, stop and keep the position", "Yes, stop and close the position", "No, let it run"


def test_a_person_reads_state_position_profit_orders_and_fills(make_home):
    text = _texts(_page(make_home(), FakeVerbs()))
    assert "10_sma_cross on paper-1 (paper account)" in text
    assert "Trading." in text
    assert "12,300 EUR bought at 1.18432, now +23.10 USD, stop loss at 1.17900." in text
    assert "+47.00 USD" in text
    assert "buy 12,300 EUR: filled" in text
    assert "buy 900,000 EUR: denied by R04: asked for 900,000 units, the limit is 100,000" in text
    assert "Bought 12,300 EUR at 1.18432 at the market" in text
    assert "GATEWAY RUNNING" in text


def test_changes_of_exits_and_replaced_orders_stand_among_the_decisions(make_home):
    home = make_home()
    row = {
        "deployment_id": DEPLOYMENT,
        "instrument": "EUR_USD",
        "changed_seq": 0,
        "created_ns": 1,
        "control": "",
        "reason": "",
    }
    asked = (
        {"stop": 117_900, "target": 0, "trailing": None, "trade": None},
        {"stop": None, "target": None, "trailing": 1_200, "trade": None},
        {"stop": 0, "target": None, "trailing": None, "trade": None},
    )
    denied = {"control": "R23", "reason": "a kill of all"}
    with home.gateway.begin() as connection:
        for number, (body, state) in enumerate(zip(asked, ("DONE", "UNKNOWN", "DENIED"), strict=True)):
            more = denied if state == "DENIED" else {}
            values = {**row, "event_seq": 4, "number": number, "body": body, "state": state, **more}
            connection.execute(sa.insert(schema.exit_changes).values(values))
        known = connection.execute(sa.select(schema.intents.c.body).limit(1)).scalar_one()
        connection.execute(sa.update(schema.intents).values(body={**known, "replaces": "abc-1-0"}))
    text = _texts(_page(home, FakeVerbs()))
    assert "other exits for EUR_USD, stop loss at 1.17900, no take profit: done" in text
    assert "trailing stop 1,200 points away: unknown: the broker has not said" in text
    assert "no stop loss: denied by R23: a kill of all" in text
    assert "in the place of an order that waited: filled" in text
    assert text.count(words.moment(home.view.changes(DEPLOYMENT)[0].decided_ns)) >= 4  # when it was decided


def test_an_order_of_the_gateway_between_two_events_has_the_market_s_time(make_home):
    home = make_home()
    with home.gateway.begin() as connection:
        connection.execute(sa.update(schema.intents).values(event_seq=schema.intents.c.event_seq + 1))
        known = set(connection.scalars(sa.select(schema.deliveries.c.time_ns)))
    decided = {line.decided_ns for line in home.view.orders(DEPLOYMENT)}
    assert decided
    assert decided <= known


def test_an_empty_home_says_so(make_home):
    home = make_home()
    with home.store.begin() as connection:
        connection.execute(sa.delete(schema.deployments))
    assert "Nothing is deployed yet." in _texts(_page(home, FakeVerbs()))


def test_a_gateway_that_is_away_is_said_and_the_last_state_stays_visible(make_home):
    text = _texts(_page(make_home(), FakeVerbs(down="the gateway is not running")))
    assert "GATEWAY NOT REACHED" in text
    assert "No order can be sent" in text
    assert "1 deployment, 0 trading." in text
    assert "Was trading when last heard of" in text
    assert "12,300 EUR bought" in text


def test_what_the_gateway_did_is_shown_before_the_supervisor_writes_it_down(make_home):
    stopped = {DEPLOYMENT: TradingState(state="stopped", detail="stopped by alex")}
    page = _page(make_home(), FakeVerbs(**stopped))
    assert "Stopped. It sends no orders. Stopped by alex." in _texts(page)
    assert _buttons(page) == {}


def test_the_limits_in_force_and_their_use_are_a_table_of_words(make_home):
    use = {
        "control": "R09",
        "name": "max_position_units",
        "scope": "account:paper",
        "used": "91,000",
        "limit": "100,000",
        "ratio": 0.91,
    }
    said = {DEPLOYMENT: TradingState(state="running", limit_use=(use,))}
    text = _texts(_page(make_home(), FakeVerbs(**said)))
    assert "Limits in force" in text
    for part in ("R09 max_position_units", "account:paper", "91,000 of 100,000", "91% – nearly used"):
        assert part in text


def test_a_frozen_deployment_says_why(make_home):
    frozen = {DEPLOYMENT: TradingState(state="frozen", detail="deployment d-1 is frozen: its books differ")}
    text = _texts(_page(make_home(), FakeVerbs(**frozen)))
    assert "FROZEN" in text
    assert "Deployment d-1 is frozen: its books differ." in text


async def test_stopping_asks_first_and_says_what_happened(make_home):
    verbs = FakeVerbs()
    monitor = build(make_home().view, verbs, clock=_clock)
    assert set(_buttons(monitor.box)) == {STOP}
    _buttons(monitor.box)[STOP].click()
    assert "Stop 10_sma_cross on paper-1?" in _texts(monitor.box)
    assert set(_buttons(monitor.box)) == {NO, KEEP, CLOSE}
    _buttons(monitor.box)[NO].click()
    await monitor.settled()
    assert verbs.stopped == []
    _buttons(monitor.box)[STOP].click()
    _buttons(monitor.box)[KEEP].click()
    assert "Stopping…" not in _texts(monitor.box)  # it is said when the work begins, beside the page
    await monitor.settled()
    assert verbs.stopped == [(DEPLOYMENT, False)]
    assert "Stopped; the position is kept." in _texts(monitor.box)


async def test_stopping_can_close_the_position(make_home):
    verbs = FakeVerbs()
    monitor = build(make_home().view, verbs, clock=_clock)
    _buttons(monitor.box)[STOP].click()
    _buttons(monitor.box)[CLOSE].click()
    await monitor.settled()
    assert verbs.stopped == [(DEPLOYMENT, True)]


async def test_without_a_position_there_is_nothing_to_close(make_home):
    home = make_home()
    with home.gateway.begin() as connection:
        connection.execute(sa.update(schema.positions).values(snapshot=snapshot(START, 100_000_000_000)))
    page = _page(home, FakeVerbs())
    _buttons(page)[STOP].click()
    assert set(_buttons(page)) == {NO, "Yes, stop"}


async def test_a_stop_that_fails_is_said_on_the_page(make_home):
    monitor = build(make_home().view, FakeVerbs(error="the gateway did not answer"), clock=_clock)
    _buttons(monitor.box)[STOP].click()
    _buttons(monitor.box)[KEEP].click()
    await monitor.settled()
    assert "Not stopped: the gateway did not answer" in _texts(monitor.box)


def test_a_viewer_is_offered_no_button_and_told_why(make_home):
    page = _page(make_home(), FakeVerbs(may_stop=False))
    assert _buttons(page) == {}
    assert "you may look and not stop" in _texts(page)


def test_stores_that_are_not_there_yet_are_said_and_shown_once_they_are(make_home, tmp_path):
    urls = [f"sqlite:///{tmp_path / name}" for name in ("workbench.db", "gateway.db")]
    monitor = Monitor(lambda: StoreView(*map(read_only, urls)), FakeVerbs(), clock=_clock)
    monitor.refresh()
    assert "The workbench has not been started here yet" in _texts(monitor.box)
    make_home()
    monitor.refresh()
    assert "10_sma_cross on paper-1" in _texts(monitor.box)


def test_a_store_that_can_not_be_read_is_said_and_the_last_state_stays(make_home):
    home = make_home()
    monitor = build(home.view, FakeVerbs(), clock=_clock)
    with home.gateway.begin() as connection:
        connection.execute(sa.text("ALTER TABLE deliveries RENAME TO elsewhere"))
    monitor.refresh()
    text = _texts(monitor.box)
    assert "OLD NEWS" in text
    assert "no such table: deliveries" in text
    assert "12,300 EUR bought" in text


def test_the_oldest_deployments_that_are_over_are_counted_and_not_drawn(make_home):
    home = make_home()
    with home.store.begin() as connection:
        row = dict(connection.execute(sa.select(schema.deployments)).mappings().one())
        over = [{**row, "id": f"old-{i}", "state": "finished", "created_ns": 100 + i} for i in range(8)]
        connection.execute(sa.insert(schema.deployments), over)
    text = _texts(_page(home, FakeVerbs()))
    assert "9 deployments, 1 trading. The oldest 3, which are over, are left out." in text
    assert [name for name in ("old-7", "old-3", "old-2", "d-1") if f"Deployment {name}," in text] == [
        "old-7",
        "old-3",
        "d-1",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("finished", "Finished: the replay came to its end."),
        ("failed", "Failed. It sends no orders."),
        ("restarting", "Restarting after an interruption"),
        ("stopped", "Stopped. It sends no orders."),
    ],
)
def test_each_state_is_a_sentence(make_home, state, said):
    home = make_home()
    home.set_deployment(state=state)
    assert said in _texts(_page(home, FakeVerbs()))


def test_the_kill_switch_is_shown_with_who_threw_it_and_why(make_home):
    home = make_home()
    with home.gateway.begin() as connection:
        connection.execute(
            sa.insert(schema.kills).values(scope="all", by="david", reason="news", created_ns=1)
        )
    text = _texts(_page(home, FakeVerbs()))
    assert "Stopped by the kill switch, thrown by david (news). No order can be sent." in text


def test_text_from_the_stores_is_never_markup(make_home):
    home = make_home()
    home.set_deployment(state="failed", detail="<script>alert(1)</script>")
    text = _texts(_page(home, FakeVerbs()))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_long_equity_curve_is_thinned_and_keeps_its_end(make_home):
    home = make_home(bars=100)
    points = home.view.equity(DEPLOYMENT, most=10)
    assert len(points) == 10
    assert points[-1].time_ns == START + 100 * HOUR
    assert points[-1].equity == Decimal("100099.000000")


def test_an_age_is_said_in_the_unit_a_person_would_use():
    now = datetime(2017, 12, 6, tzinfo=UTC)
    at = [START, START + 47 * HOUR, START + 48 * HOUR - 5_000_000_000, 0]
    assert [words.age(time_ns, now=now) for time_ns in at] == ["2 days ago", "60 min ago", "5 s ago", "never"]


def test_money_has_a_sign_only_when_there_is_something_to_sign():
    said = [words.money(Decimal(text), "USD", sign=True) for text in ("1.005", "-0.004", "-1234.5")]
    assert said == ["+1.00 USD", "0.00 USD", "-1,234.50 USD"]


def test_the_curve_is_also_said_in_a_sentence(make_home):
    sentence = words.equity_sentence(make_home(bars=3).view.equity(DEPLOYMENT), "USD")
    assert sentence == (
        "Equity from Mon 04 Dec 2017 01:00 UTC to Mon 04 Dec 2017 03:00 UTC: "
        "lowest 100,000.00 USD (Mon 04 Dec 2017 01:00 UTC), "
        "highest 100,002.00 USD (Mon 04 Dec 2017 03:00 UTC), now 100,002.00 USD."
    )


def test_a_new_bar_is_in_the_curve_at_the_next_look(make_home):
    home = make_home(bars=2)
    assert len(home.view.equity(DEPLOYMENT)) == 2
    home.deliver(3, equity=100_500_000_000)
    assert home.view.equity(DEPLOYMENT)[-1].equity == Decimal(100_500)
