"""The interactive figure of a tear sheet is dark where the reader's page is, and light where it is light."""

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.research.strategies_for_tests import Cross, book, walk
from workbench.research import run_backtest, tear_sheet
from workbench.research.interactive import Interactive

DARK, LIGHT = (17, 17, 17), (250, 250, 250)
HOST = """<!doctype html><html style="color-scheme:{scheme}"><body style="margin:0;background:rgb{colour}">
{frame}</body></html>"""


@pytest.fixture(scope="module")
def figure() -> Interactive:
    return tear_sheet(run_backtest(Cross(), walk(300, seed=2), cost_book=book())).interactive()


def look(browser: Browser, page: Path, *, scheme: str, picture: Path) -> Image.Image:
    """The page as a reader sees it whose system is light or dark."""
    context = browser.new_context(viewport={"width": 900, "height": 720}, color_scheme=scheme)
    try:
        shown = context.new_page()
        shown.goto(page.as_uri())
        frame = shown.frame_locator("iframe") if shown.locator("iframe").count() else shown
        frame.locator(".bk-Figure").first.wait_for()
        frame.locator("canvas").first.wait_for(state="attached")
        shown.wait_for_timeout(500)
        content = shown.screenshot()
    finally:
        context.close()
    picture.write_bytes(content)
    return Image.open(io.BytesIO(content)).convert("RGB")


def background(image: Image.Image) -> tuple[int, int, int]:
    """The commonest colour."""
    colours = image.getcolors(image.width * image.height)
    assert colours is not None
    found = max(colours)[1]
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_alone_follows_the_system(
    browser: Browser, figure: Interactive, tmp_path: Path, scheme: str
) -> None:
    page = tmp_path / "interactive.html"
    page.write_text(figure.html(), encoding="utf-8")
    image = look(browser, page, scheme=scheme, picture=tmp_path / f"alone-{scheme}.png")
    found = background(image)
    assert (max(found) < 60) == (scheme == "dark")
    assert (min(found) > 240) == (scheme == "light")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("declared", [True, False])
def test_in_a_notebook_it_lies_on_the_notebooks_own_background(
    browser: Browser, figure: Interactive, tmp_path: Path, theme: str, declared: bool
) -> None:
    colour = DARK if theme == "dark" else LIGHT
    page = tmp_path / "notebook.html"
    text = HOST.format(scheme=theme if declared else "normal", colour=colour, frame=figure._repr_html_())
    page.write_text(text, encoding="utf-8")
    system = "light" if theme == "dark" else "dark"  # the one that could be followed by mistake
    image = look(browser, page, scheme=system, picture=tmp_path / f"in-{theme}-{system}.png")
    assert background(image) == colour
