"""A click on a trial of a search opens that trial's tear sheet, in a real JupyterLab."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Frame, Page, expect

from tests.browser.lab import ROOT, Lab
from tests.server.seeding import Seeded

pytestmark = pytest.mark.browser

VIEWS = ("heatmap", "parallel", "slices")
CELL = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from tests.research.strategies_for_tests import Cross, book, walk
from workbench.kernel import explore
from workbench.research.search import search
space = {{"fast": [2, 3, 5], "slow": [10, 20, 40]}}
found = search(Cross, walk(400, seed=3), space, cost_book=book(), progress=False)
"""

# where the third mark is drawn, in pixels of the canvas
PLACE = """() => {
    const source = Bokeh.documents[0].get_model_by_name("trials"), data = source.data;
    const views = Object.values(Bokeh.index).flatMap(
        function all(view) { return [view, ...(view.child_views ?? []).flatMap(all)]; });
    const plot = views.find(view => view.model.type === "Figure");
    const mark = data.xs ? [data.xs[2][0], data.ys[2][0]] : data.x ? [data.x[2], data.y[2]]
        : [data.x0[2], data.value[2]];
    return [plot.frame.x_scale.compute(mark[0]), plot.frame.y_scale.compute(mark[1])];
}"""


@pytest.fixture(scope="module")
def notebook(lab_home: Seeded) -> str:
    """A notebook that shows each view."""
    source = CELL + f"display(*(explore(found, view) for view in {VIEWS}))"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = lab_home.settings.project / "notebooks" / "explored.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source)], metadata=kernel), path)
    return "notebooks/explored.ipynb"


def test_a_click_opens_the_tear_sheet_of_that_trial(
    page: Page, lab_server: Lab, notebook: str, picture: Callable[[Page, str], Path]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab_server.notebook(notebook))
    page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=90_000)
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=90_000)
    page.locator(".jp-Notebook .jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    for number, view in enumerate(VIEWS):
        part = page.locator(".jp-Notebook .widget-vbox:has(> .wb-bridge)").nth(number)
        shown = part.frame_locator(".wb-bridge iframe")
        shown.locator(".bk-Canvas").first.wait_for(timeout=120_000)
        part.locator("iframe").scroll_into_view_if_needed()
        chosen = _click_a_trial(page, part.locator("iframe").element_handle().content_frame())
        expect(part.get_by_text(f"Trial {chosen}: ")).to_be_visible(timeout=120_000)
        card = part.locator(".wb-card")
        expect(card).to_contain_text("net profit", timeout=60_000)
        expect(card.locator("h3")).to_have_text("Cross")
        picture(page, f"explore-{view}")
    outside = re.compile(r"^(?!data:|blob:|about:)")
    assert [url for url in asked if outside.match(url) and not url.startswith(lab_server.url)] == []


def _click_a_trial(page: Page, frame: Frame | None) -> int:
    """Click on the third mark of the first panel; its trial as the picture tells it."""
    assert frame is not None
    across, down = frame.evaluate(PLACE)
    frame.locator(".bk-Canvas").first.click(position={"x": across, "y": down})
    told = frame.get_by_text(re.compile(r"^result\.backtest\(\d+\)$"))
    told.wait_for()
    return int(re.sub(r"\D", "", told.inner_text()))
