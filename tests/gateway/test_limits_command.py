"""Every `workbench limits …` command, as typed, against a gateway process."""

import json

import pytest
from click.testing import CliRunner

from tests.gateway.bench import opening
from tests.gateway.processes import Gateway
from workbench.cli import main
from workbench.market import Bars

pytestmark = pytest.mark.processes


class Person:
    """Somebody at a terminal."""

    def __init__(self, name: str, gateway: Gateway) -> None:
        self._variables = {"WORKBENCH_USER": name, "WORKBENCH_HOME": str(gateway.settings.home)}

    def types(self, *words: str, fails: bool = False) -> str:
        """What `workbench limits` with these words prints; whether it fails is checked."""
        found = CliRunner().invoke(main, ["limits", *words], env=self._variables)
        assert (found.exit_code != 0) is fails, found.output
        return found.output


def test_every_command_on_limits_does_what_it_says(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    david, sarah = Person("david", gateway), Person("sarah", gateway)

    shown = david.types("show")
    assert shown.splitlines()[0] == f"version {len(json.loads(david.types('show', '--json'))['in_force'])}"
    assert "max_override_minutes" in shown
    assert "max_order_units of firm is 50,000" in david.types(
        "set", "max_order_units", "50000", "--reason", "a start"
    )
    assert "max_daily_loss_ppm of account:paper-1 is 1.5 %" in sarah.types(
        *("set", "max_daily_loss_ppm", "1.5 %", "--scope", "account:paper-1", "--reason", "a rough week")
    )
    only = json.loads(sarah.types("show", "--scope", "account:paper-1", "--json"))
    assert [item["name"] for item in only["in_force"]] == ["max_daily_loss_ppm"]

    said = david.types("set", "max_order_units", "60000", "--reason", "a larger book")
    assert "waits for a second person" in said
    number = said.split()[-1]
    assert "another person" in david.types("approve", number, "--reason", "seen", fails=True)
    assert "asked for by david, approved by sarah" in sarah.types("approve", number, "--reason", "seen")
    said = david.types("propose", "max_order_units", "10", "--reason", "a thought")
    assert "waiting for a second person:" in sarah.types("show")
    assert "is withdrawn" in david.types("withdraw", said.split()[-1], "--reason", "no")
    rows = sarah.types("history", "max_order_units").splitlines()
    assert [row.split()[1] for row in rows[1:]] == [
        *("set", "set", "proposed", "approved", "proposed", "withdrawn")
    ]
    assert "d-1 trades on: running" in david.types("resume", "d-1")
    assert "expected one of the limits" in david.types("set", "max_moon", "1", "--reason", "x", fails=True)

    ask = (
        "override",
        "ask",
        "d-1",
        "R08",
        "--instrument",
        "EUR_USD",
        "--units",
        "-5000",
        "--reason",
        "a leg",
    )
    assert "overrides are off" in david.types(*ask, fails=True)
    said = david.types("set", "max_override_minutes", "15", "--reason", "for the desk")
    sarah.types("approve", said.split()[-1], "--reason", "seen")
    assert "override 1 of R08 for d-1 waits for a second person" in david.types(*ask, "--minutes", "10")
    assert "another person" in david.types("override", "approve", "1", "--reason", "seen", fails=True)
    assert "lets one order of up to -5,000 units past" in sarah.types(
        "override", "approve", "1", "--reason", "seen"
    )
    row = sarah.types("show").split("overrides:")[1].splitlines()[2].split()
    assert row[:8] == ["1", "approved", "R08", "d-1", "EUR_USD", "-5,000", "david", "sarah"]
    assert "is withdrawn" in david.types("override", "withdraw", "1", "--reason", "done")
    told = david.types("history").split("overrides:")[1].splitlines()
    assert [row.split()[:2] for row in told[2:]] == [["1", "asked"], ["1", "approved"], ["1", "withdrawn"]]
    assert [row.split()[6] for row in told[2:]] == ["david", "sarah", "david"]
    steps = json.loads(david.types("history", "--json"))["overrides"]
    assert [(item["step"], item["reason"]) for item in steps] == [
        ("asked", "a leg"),
        ("approved", "seen"),
        ("withdrawn", "done"),
    ]
    assert sorted(item["at_ns"] for item in steps) == [item["at_ns"] for item in steps]
