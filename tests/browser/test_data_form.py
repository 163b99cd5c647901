"""The form that brings a file in, filled in by hand in JupyterLab."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab
from tests.server.seeding import Seeded

pytestmark = pytest.mark.browser

ROWS = 1_500_000
CODE = "from workbench.kernel import data_form\ndata_form()"


@pytest.fixture(scope="module")
def quotes(lab_home: Seeded) -> Path:
    """Five days of made-up quotes, large enough that a person waits for them."""
    rng = np.random.default_rng(1)
    monday = np.datetime64("2026-03-02T00:00:00.000", "ms")
    times = monday + np.arange(ROWS) * 280
    bids = 110_000 + np.cumsum(rng.integers(-1, 2, ROWS)).clip(-5_000, 5_000)
    path = lab_home.settings.project / "eur_usd_quotes.csv"
    with path.open("w") as file:
        file.write("time,bid,ask\n")
        file.writelines(
            f"{time}Z,{bid / 1e5:.5f},{(bid + 9) / 1e5:.5f}\n"
            for time, bid in zip(np.datetime_as_string(times), bids.tolist(), strict=True)
        )
    return path


def test_a_file_is_brought_in_by_the_form(
    page: Page, lab_server: Lab, lab_home: Seeded, quotes: Path, picture: Callable[[Page, str], Path]
) -> None:
    kernel = {"kernelspec": {"name": "workbench", "display_name": "Workbench", "language": "python"}}
    nbformat.write(
        new_notebook(cells=[new_code_cell(CODE)], metadata=kernel),
        lab_home.settings.project / "bring_data.ipynb",
    )
    page.goto(lab_server.notebook("bring_data.ipynb"))
    page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=90_000)
    expect(page.get_by_text("Workbench | Idle")).to_be_visible(timeout=90_000)
    page.locator(".jp-Notebook .jp-InputArea-editor").first.click()
    page.keyboard.press("Shift+Enter")
    field = page.get_by_placeholder("choose, or paste a path")
    field.wait_for(timeout=90_000)
    button = page.get_by_role("button", name="Import")

    field.fill("no_such_file.csv")
    field.press("Tab")
    button.click()
    expect(page.locator(".jp-OutputArea").first).to_contain_text("no such file", timeout=30_000)

    field.fill(str(quotes))
    field.press("Tab")
    button.click()
    bar = page.locator(".widget-hprogress .progress-bar")
    expect(bar).to_be_visible(timeout=30_000)
    picture(page, "data-form-importing")
    expect(bar).to_be_hidden(timeout=60_000)
    expect(page.locator(".jp-OutputArea").first).to_contain_text(f"{ROWS:,}", timeout=60_000)
    picture(page, "data-form-imported")
