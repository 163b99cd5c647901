"""The main paths through JupyterLab, in a real browser."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

from tests.browser.lab import Desk, Lab, contrast_faults
from tests.server.seeding import DEPLOYMENT, Seeded
from workbench.live import add_account
from workbench.store import open_store
from workbench.store.schema import accounts
from workbench.tracking import bootstrap, finish_run, log_metrics, start_run
from workbench.tracking.runs import TAG_NOTEBOOK

pytestmark = pytest.mark.browser

Picture = Callable[[Page, str], Path]


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab_home: Seeded) -> None:
    """Two notebooks: one that can be read, and one that the gates refuse at once."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder = lab_home.settings.project / "notebooks"
    nbformat.write(new_notebook(cells=[new_code_cell("1 + 1")], metadata=kernel), folder / "sma_cross.ipynb")


@pytest.fixture(scope="module", autouse=True)
def tracked(lab_home: Seeded) -> Iterator[None]:
    """A run in MLflow."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WORKBENCH_ARTIFACTS"):
            patch.setenv(name, "")  # put back afterwards: `bootstrap` sets them for the whole process
        bootstrap(lab_home.settings)
        run_id = start_run("sweep of 42", tags={TAG_NOTEBOOK: "notebooks/sma_cross.ipynb"})
        log_metrics(run_id, {"sharpe": 1.2345})
        finish_run(run_id)
        yield


@pytest.fixture
def lab(page: Page, lab_server: Lab, desk: Desk) -> Page:
    """A page with an open notebook."""
    page.goto(lab_server.notebook("notebooks/sma_cross.ipynb"))
    page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=90_000)
    return page


def open_panel(page: Page) -> None:
    page.get_by_role("button", name="Gateway running").click()
    expect(page.get_by_role("region", name="Workbench")).to_be_visible()


def test_the_panel_shows_deployments_releases_and_runs(lab: Page, picture: Picture) -> None:
    open_panel(lab)
    panel = lab.get_by_role("region", name="Workbench")
    card = panel.get_by_role("article", name=f"Deployment {DEPLOYMENT}")
    expect(card).to_contain_text("100,245.25 USD")
    expect(card).to_contain_text("long 20,000 EUR_USD at 1.09213")
    expect(panel.get_by_role("article", name="Release sma_cross")).to_contain_text("Approved by david")
    expect(panel.get_by_role("article", name="Release breakout_london")).to_contain_text("waits for approval")
    expect(panel).to_contain_text("sweep of 42")
    picture(lab, "panel-light")


def test_the_status_bar_tells_the_gateways_state_and_whose_money_it_is(lab: Page) -> None:
    item = lab.locator(".wb-StatusItem")
    expect(item).to_contain_text("Gateway running")
    expect(item).to_contain_text("PAPER")


def test_promote_opens_from_the_notebooks_toolbar_and_shows_the_gates(lab: Page, picture: Picture) -> None:
    lab.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Promote").click()
    dialog = lab.get_by_role("dialog")
    expect(dialog).to_contain_text("Promote to a release")
    expect(dialog.get_by_label("Promote", exact=True)).to_have_value("")
    picture(lab, "promote-form")
    dialog.get_by_role("button", name="Ask the gates").click()
    expect(dialog.get_by_role("listitem").first).to_contain_text("Notebook complete")
    picture(lab, "promote-gates")
    expect(dialog.get_by_role("status")).to_contain_text("refused", timeout=120_000)
    expect(dialog.get_by_role("listitem").first).to_contain_text("refused")
    picture(lab, "promote-refused")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def test_killing_asks_twice_by_keyboard_alone_and_is_shown(
    lab: Page, lab_home: Seeded, desk: Desk, picture: Picture
) -> None:
    open_panel(lab)
    lab.get_by_role("button", name="Kill all…").focus()
    lab.keyboard.press("Enter")
    dialog = lab.get_by_role("dialog")
    expect(dialog).to_contain_text("Kill all trading?")
    go_on = dialog.get_by_role("button", name="Go on")
    expect(go_on).to_be_disabled()
    lab.keyboard.type("odd prices")
    expect(go_on).to_be_enabled()
    picture(lab, "kill-first")
    lab.keyboard.press("Enter")
    expect(dialog).to_contain_text("Really kill all trading?")
    assert desk.asked == []
    confirm = dialog.get_by_role("button", name="Kill all")
    lab.keyboard.type("kill")
    expect(confirm).to_be_disabled()
    picture(lab, "kill-second")
    lab.get_by_label("Type KILL to confirm").fill("KILL")
    expect(confirm).to_be_enabled()
    lab.keyboard.press("Enter")
    expect(lab.locator(".wb-StatusItem")).to_contain_text("Gateway killed")
    ((_, verb, arguments),) = desk.asked
    remembered = lab_home.settings.kills_dir / arguments.pop("request")
    remembered.unlink()  # as the gateway does when it has taken it
    assert (verb, arguments) == ("kill", {"scope": "all", "reason": "odd prices"})
    expect(lab.get_by_role("alert").filter(has_text="Kill switch thrown")).to_contain_text("odd prices")
    picture(lab, "killed")
    lab.get_by_role("button", name="Release kill switch…").click()
    lab.get_by_role("dialog").get_by_label("Reason").fill("prices are fine")
    lab.get_by_role("dialog").get_by_role("button", name="Release").click()
    expect(lab.locator(".wb-StatusItem")).to_contain_text("Gateway running")


def test_the_commands_are_in_the_palette_and_the_menu(lab: Page, picture: Picture) -> None:
    open_panel(lab)  # so that it is connected: what may not be done now is not offered
    lab.evaluate("window.jupyterapp.commands.execute('apputils:activate-command-palette')")
    lab.locator("#modal-command-palette input").fill("kill all")
    picture(lab, "palette")
    expect(lab.locator(".lm-CommandPalette-item", has_text="Kill All Trading")).to_be_visible()
    lab.keyboard.press("Escape")
    lab.get_by_role("menuitem", name="Workbench").click()
    expect(lab.get_by_role("menuitem", name="Approve or Refuse a Release…")).to_be_visible()
    picture(lab, "menu")


def test_a_release_is_approved_by_a_second_person(lab: Page, lab_home: Seeded, picture: Picture) -> None:
    open_panel(lab)
    lab.get_by_role("article", name="Release breakout_london").get_by_role("button", name="Decide…").click()
    dialog = lab.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Evidence read")
    dialog.get_by_label("Your name").fill("sarah")
    picture(lab, "approve")
    dialog.get_by_role("button", name="Sign the decision").click()
    expect(lab.get_by_text("another person has to decide on it")).to_be_visible()
    lab.get_by_role("article", name="Release breakout_london").get_by_role("button", name="Decide…").click()
    dialog.get_by_label("Reason").fill("Evidence read")
    dialog.get_by_label("Your name").fill("david")
    dialog.get_by_role("button", name="Sign the decision").click()
    card = lab.get_by_role("article", name="Release breakout_london")
    expect(card).to_contain_text("Approved by david: Evidence read")
    expect(card.get_by_role("button", name="Deploy…")).to_be_enabled()


@pytest.fixture
def far_account(lab_home: Seeded) -> Iterator[str]:
    """An account at a broker elsewhere."""
    engine = open_store(lab_home.settings.store_url)
    where = {"url": "https://broker.example", "at_broker": "far"}
    add_account(engine, "far-1", balance=Decimal(0), broker="paper_http", settings=where)
    yield "far-1"
    with engine.begin() as connection:
        connection.execute(accounts.delete().where(accounts.c.id == "far-1"))
    engine.dispose()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_deploy_form_offers_the_prices_that_an_account_can_have(
    lab: Page, far_account: str, theme: str, picture: Picture
) -> None:
    lab.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    open_panel(lab)
    card = lab.get_by_role("article", name="Release sma_cross")
    card.get_by_role("button", name="Deploy…").click()
    dialog = lab.get_by_role("dialog")
    expect(dialog.get_by_label("Account")).to_have_value("paper-2")
    prices, deploy = dialog.get_by_label("Prices"), dialog.get_by_role("button", name="Deploy")
    assert prices.locator("option").evaluate_all("found => found.map(item => item.value)") == [
        *("bars", "ticks", "stream")
    ]
    expect(dialog.get_by_label("Bars a second")).to_have_value("20")
    picture(lab, f"deploy-replay-{theme.split()[-1].lower()}")
    dialog.get_by_label("Replay from").fill("last week")
    expect(deploy).to_be_disabled()
    prices.select_option("stream")
    expect(dialog.get_by_label("Replay from")).to_have_count(0)
    expect(deploy).to_be_disabled()  # nobody publishes quotes here, and none is named
    dialog.get_by_label("Account").select_option(far_account)
    expect(prices.locator("option")).to_have_count(1)
    expect(dialog.get_by_label("Source of the quotes")).to_have_value("broker")
    expect(deploy).to_be_disabled()
    picture(lab, f"deploy-stream-{theme.split()[-1].lower()}")
    assert contrast_faults(lab, ".jp-Dialog") == []
    dialog.get_by_label("Type the name of the account").fill("far-1")
    expect(deploy).to_be_enabled()
    dialog.get_by_role("button", name="Cancel").click()


def test_a_dead_gateway_is_told_and_what_was_known_stays(lab: Page, desk: Desk, picture: Picture) -> None:
    open_panel(lab)
    with desk.silent():
        expect(lab.locator(".wb-StatusItem")).to_contain_text("Gateway stopped", timeout=20_000)
        panel = lab.get_by_role("region", name="Workbench")
        expect(panel.get_by_role("alert")).to_contain_text("workbench up")
        expect(panel).to_contain_text("100,245.25 USD")
        picture(lab, "gateway-stopped")
    expect(lab.locator(".wb-StatusItem")).to_contain_text("Gateway running", timeout=20_000)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_both_themes_have_enough_contrast(lab: Page, theme: str, picture: Picture) -> None:
    lab.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    open_panel(lab)
    lab.get_by_text("7 of 7 gates passed").first.click()
    picture(lab, f"panel-{theme.split()[-1].lower()}")
    assert contrast_faults(lab, "#workbench-panel", ".wb-StatusItem") == []
