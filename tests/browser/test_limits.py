"""The editor of limits in a real browser, over a real gateway: lower, ask for more, a second approves."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab, contrast_faults, environment_of
from tests.gateway.bench import made_up_bars, opening
from tests.server.seeding import Seeded
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.market import MarketStore

pytestmark = pytest.mark.browser

Picture = Callable[[Page, str], Path]


@pytest.fixture
def gateway(lab_home: Seeded, tmp_path: Path) -> Iterator[OperatorClient]:
    """A gateway that knows two people who may change limits."""
    settings = lab_home.settings
    environment = {**environment_of(settings, tmp_path), "WORKBENCH_APPROVERS": '["david", "sarah"]'}
    command = [sys.executable, "-m", "workbench.gateway", "--home", str(settings.home)]
    log = tmp_path / "gateway.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    client = OperatorClient(settings.operator_socket, user="david", role="admin")
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(WorkbenchError):
                client.status()
                break
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield client
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def lab(page: Page, lab_server: Lab, gateway: OperatorClient) -> Page:
    """JupyterLab with the limits open, by command as from the menu and the palette."""
    page.goto(lab_server.address)
    page.locator(".jp-Launcher").wait_for(timeout=90_000)
    page.wait_for_function("() => window.jupyterapp.commands.isEnabled('workbench:limits')")
    page.evaluate("() => window.jupyterapp.commands.execute('workbench:limits')")
    expect(page.get_by_role("table", name="Limits of firm")).to_be_visible(timeout=30_000)
    return page


def test_a_limit_is_lowered_at_once_and_raised_by_two_people(
    lab: Page, gateway: OperatorClient, picture: Picture
) -> None:
    firm = lab.get_by_role("table", name="Limits of firm")
    expect(firm.get_by_role("row")).to_have_count(1 + len(gateway.controls()["in_force"]))
    change = lab.get_by_role("button", name="Change max_order_units of firm")
    for value, said in (("90000", "is 90,000"), ("120,000", "to 120,000 waits for a second person")):
        change.focus()
        lab.keyboard.press("Enter")
        form = lab.get_by_role("form", name="Change a limit")
        expect(form.get_by_label("Value", exact=True)).to_be_focused()
        lab.keyboard.press("ControlOrMeta+a")
        lab.keyboard.type(value)
        lab.keyboard.press("Tab")
        lab.keyboard.type("quiet weeks")
        lab.keyboard.press("Enter")
        expect(lab.get_by_role("status").filter(has_text=said)).to_be_visible()
        expect(form).to_have_count(0)
    expect(firm.get_by_role("row").filter(has_text="max_order_units")).to_contain_text("90,000")
    waiting = lab.get_by_role("region", name="Changes that wait for a second person")
    expect(waiting).to_contain_text("90,000 → 120,000")
    asked = gateway.controls()["waiting"][0]
    approve = waiting.get_by_role("button", name=f"Approve change {asked['version']}")
    waiting.get_by_label("Reason for the decision").fill("seen")
    expect(approve).to_be_disabled()  # whoever asked can not approve it
    picture(lab, "limits-waiting")
    other = {"sarah": "David", "david": "Sarah"}[asked["by"]]
    waiting.get_by_label("Who decides").fill(other)
    approve.click()
    expect(firm.get_by_role("row").filter(has_text="max_order_units")).to_contain_text("120,000")
    expect(waiting).to_have_count(0)
    entry = next(item for item in gateway.controls()["in_force"] if item["name"] == "max_order_units")
    assert (entry["by"], entry["approved_by"]) == (asked["by"], other)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_one_order_is_let_past_a_control_by_two_people(
    lab: Page, lab_home: Seeded, gateway: OperatorClient, theme: str, picture: Picture
) -> None:
    lab.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    bars = made_up_bars(4)
    MarketStore(lab_home.settings.market_dir, lab_home.settings.store_url).add(bars, source="made up")
    gateway.open(**opening("d-1", bars))
    mine = gateway.limits("set", name="max_override_minutes", scope="firm", text="10", reason="for the desk")
    if mine["entry"]["action"] == "proposed":
        other = OperatorClient(lab_home.settings.operator_socket, user="sarah", role="admin")
        other.limits("approve", version=mine["entry"]["version"], reason="seen")
    number = len(gateway.controls()["overrides"]) + 1
    card = lab.get_by_role("region", name="Overrides")
    lab.get_by_role("toolbar", name="Limits").get_by_role("button", name="Refresh").click()
    card.get_by_role("button", name="Ask for an override…").click()
    form = lab.get_by_role("form", name="Ask for an override")
    expect(form.get_by_label("Deployment")).to_be_focused()
    form.get_by_label("Control to pass").select_option("R08")
    form.get_by_label("Side").select_option("sell")
    form.get_by_label("Most units").fill("5,000")
    form.get_by_label("Reason").fill("a last leg")
    form.get_by_label("Who asks for it").fill("sarah")
    tone = theme.split()[-1].lower()
    form.scroll_into_view_if_needed()
    picture(lab, f"override-form-{tone}")
    form.get_by_role("button", name="Ask", exact=True).click()
    expect(card).to_contain_text("sell up to 5,000 of EUR_USD by d-1")
    expect(form).to_have_count(0)
    approve = card.get_by_role("button", name=f"Approve override {number}")
    card.get_by_label("Reason for the decision").fill("seen")
    card.get_by_label("Who decides").fill("Sarah")
    expect(approve).to_be_disabled()
    card.get_by_label("Who decides").fill("david")
    picture(lab, f"override-waits-{tone}")
    assert contrast_faults(lab, "#workbench-limits") == []
    approve.click()
    expect(card).to_contain_text("approved by david")
    found = gateway.controls()["overrides"][-1]
    assert (found["state"], found["by"], found["approved_by"]) == ("approved", "sarah", "david")
    assert (found["control"], found["units"]) == ("R08", -5_000)
    card.get_by_label("Reason for the decision").fill("done")
    card.get_by_role("button", name=f"Withdraw override {number}").click()
    expect(card.get_by_role("button", name=f"Withdraw override {number}")).to_have_count(0)
    assert gateway.controls()["overrides"][-1]["state"] == "withdrawn"


def test_a_value_of_another_unit_is_refused_in_one_sentence(lab: Page, gateway: OperatorClient) -> None:
    lab.get_by_role("button", name="Change max_daily_loss_ppm of firm").click()
    form = lab.get_by_role("form", name="Change a limit")
    form.get_by_label("Value", exact=True).fill("2000")
    form.get_by_label("Reason").fill("a typing mistake")
    form.get_by_role("button", name="Set").click()
    alert = lab.locator(".wb-LimitsEditor").get_by_role("alert")
    expect(alert).to_contain_text("R12 max_daily_loss_ppm: expected a percentage as in 2 %")
    assert "20000" in json.dumps(gateway.controls()["in_force"])


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_both_themes_have_enough_contrast(lab: Page, theme: str, picture: Picture) -> None:
    lab.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    lab.get_by_role("button", name="Change max_order_units of firm").click()
    picture(lab, f"limits-{theme.split()[-1].lower()}")
    assert contrast_faults(lab, "#workbench-limits") == []
