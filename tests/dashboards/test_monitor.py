"""The monitor says what is true, in words, and stops what it is asked to stop."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from ipywidgets import Button

from tests.dashboards.conftest import DEPLOYMENT, HOUR, START
from workbench.dashboards import words
from workbench.dashboards.monitor import build
from workbench.errors import WorkbenchError
from workbench.store import schema


class FakeVerbs:
    """Verbs that are only written down."""

    def __init__(self, *, may_stop: bool = True, down: str = "", error: str = "") -> None:
        self.stopped: list[tuple[str, bool]] = []
        self._may_stop, self._down, self._error = may_stop, down, error

    def may_stop(self) -> bool:
        return self._may_stop

    def gateway(self) -> str:
        return self._down

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        if self._error:
            raise WorkbenchError(self._error)
        self.stopped.append((deployment_id, flatten))
        return "Stopped; the position is kept."


def _texts(widget) -> str:
    own = widget.value if isinstance(getattr(widget, "value", None), str) else ""
    return own + "".join(_texts(child) for child in getattr(widget, "children", ()))


def _buttons(widget) -> dict[str, Button]:
    found = {widget.description: widget} if isinstance(widget, Button) else {}
    for child in getattr(widget, "children", ()):
        found.update(_buttons(child))
    return found


def _page(home, verbs):
    return build(home.view, verbs, clock=lambda: datetime(2017, 12, 6, tzinfo=UTC)).box


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


def test_an_empty_home_says_so(make_home):
    home = make_home()
    with home.store.begin() as connection:
        connection.execute(sa.delete(schema.deployments))
    assert "Nothing is deployed yet." in _texts(_page(home, FakeVerbs()))


def test_a_gateway_that_is_away_is_said_and_the_last_state_stays_visible(make_home):
    text = _texts(_page(make_home(), FakeVerbs(down="the gateway is not running")))
    assert "GATEWAY NOT REACHED" in text
    assert "No order can be sent" in text
    assert "12,300 EUR bought" in text


def test_stopping_asks_first_and_says_what_happened(make_home):
    verbs = FakeVerbs()
    page = _page(make_home(), verbs)
    buttons = _buttons(page)
    buttons["Stop…"].click()
    assert verbs.stopped == []
    buttons["No, let it run"].click()
    assert verbs.stopped == []
    buttons["Stop…"].click()
    buttons["Yes, stop and keep the position"].click()
    assert verbs.stopped == [(DEPLOYMENT, False)]
    buttons["Yes, stop and close the position"].click()
    assert verbs.stopped[-1] == (DEPLOYMENT, True)
    assert "Stopped; the position is kept." in _texts(page)


def test_a_stop_that_fails_is_said_on_the_page(make_home):
    page = _page(make_home(), FakeVerbs(error="the gateway did not answer"))
    _buttons(page)["Yes, stop and keep the position"].click()
    assert "Not stopped: the gateway did not answer" in _texts(page)


def test_a_viewer_can_not_press_stop(make_home):
    assert _buttons(_page(make_home(), FakeVerbs(may_stop=False)))["Stop…"].disabled


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
