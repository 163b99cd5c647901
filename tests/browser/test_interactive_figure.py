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

DRAWN = """() => {
    const model = name => Bokeh.documents[0].get_model_by_name(name);
    const plain = values => Array.from(values);
    const candles = model("0_candles").data, trades = model("0_trades").data, panel = model("0_panel");
    return {high: plain(candles.high), bars: plain(candles.bars),
        count: plain(model("0_net_source").data.count),
        entry_price: plain(trades.entry_price), title: panel.title.text,
        lowest: panel.y_range.start, highest: panel.y_range.end};
}"""
ZOOM = """async ([start, end]) => {
    const drawn = wbZoom.drawn;
    wbZoom.range.setv({start, end});
    while (wbZoom.drawn === drawn) await new Promise(done => requestAnimationFrame(done));
}"""


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


def test_zooming_in_shows_each_bar_and_each_trade(browser: Browser, tmp_path: Path) -> None:
    result = run_backtest(Cross(), walk(3_000, seed=2), cost_book=book())
    page = tmp_path / "zoom.html"
    page.write_text(Interactive(result).html(), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    try:
        shown = context.new_page()
        shown.goto(page.as_uri())
        shown.locator("body[data-zoom=ready]").wait_for(state="attached")
        far = shown.evaluate(DRAWN)
        assert len(far["high"]) <= 320
        # zoomed out each candle reaches as far as the bars in it do
        mid_high = (result.bars.bid_high + result.bars.ask_high) / 2 * 1e-5
        assert max(far["high"]) == pytest.approx(mid_high.max(), abs=1e-9)
        assert sum(far["bars"]) == len(result.bars)
        assert sum(far["count"]) == result.metrics["trades"]  # what each stretch made counts every trade
        assert len(far["entry_price"]) < len(result.trades)
        low, high = 1_000, 1_200
        ends = [int(result.bars.open_ns[low]) // 1_000_000, int(result.bars.open_ns[high]) // 1_000_000]
        shown.evaluate(ZOOM, ends)
        near = shown.evaluate(DRAWN)
        assert set(near["bars"]) == {1}
        inside = mid_high[low:high]
        assert near["high"][-len(inside) :] == pytest.approx(inside, abs=1e-9)
        trades = result.trades
        milliseconds = trades["entry_at"].dt.tz_convert(None).to_numpy("M8[ms]").astype("i8")
        left = trades["exit_at"].dt.tz_convert(None).to_numpy("M8[ms]").astype("i8")
        seen = trades[(milliseconds < ends[1]) & ((left >= ends[0]) | trades["exit_at"].isna())]
        assert near["entry_price"] == pytest.approx(seen["entry_price"].to_numpy(), abs=1e-7)
        assert f"each candle is one bar · {len(seen)} trades" in near["title"]
        assert near["lowest"] < inside.min() < inside.max() < near["highest"]  # the height follows
    finally:
        context.close()
