"""The tear sheet: what it shows, and the files it writes."""

import csv
import json
import math
import re
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.research.strategies_for_tests import Bracket, Cross, book, walk
from workbench.domain.cost_book import CostBook
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import DEFINITIONS, BacktestResult, TearSheet, run_backtest, tear_sheet
from workbench.research.chart_lines import LEVELS
from workbench.research.interactive import Interactive
from workbench.research.packing import unpacked_column
from workbench.research.thinning import thinned


@pytest.fixture(scope="module")
def result(sample: Bars, cost_book: CostBook) -> BacktestResult:
    """A backtest of a year."""
    return run_backtest(Bracket(lookback=30, stop_pips=20.0, target_pips=40.0), sample, cost_book=cost_book)


@pytest.fixture(scope="module")
def sheet(result: BacktestResult) -> TearSheet:
    """Its tear sheet."""
    return tear_sheet(result, window=("2017-03-01", datetime(2017, 3, 15, tzinfo=UTC)))


def test_saving_writes_pictures_pages_and_tables(sheet: TearSheet, tmp_path: Path) -> None:
    written = {path.name: path.read_bytes() for path in sheet.save(tmp_path / "report")}
    pictures = {name for name in written if name.endswith(".png")}
    assert pictures == {
        *("equity.png", "monthly.png", "trades.png"),
        *("excursions.png", "times.png", "costs.png"),
    }
    for name in pictures:
        assert written[name].startswith(b"\x89PNG")
        width, height = struct.unpack(">II", written[name][16:24])
        assert width > 1_000
        assert height > 100
    trades = list(csv.DictReader((tmp_path / "report" / "trades.csv").open()))
    assert len(trades) == len(sheet.result.trades)
    metrics = {row["figure"]: row for row in csv.DictReader((tmp_path / "report" / "metrics.csv").open())}
    assert float(metrics["net_profit"]["value"]) == sheet.result.metrics["net_profit"]
    assert len((tmp_path / "report" / "equity.csv").read_text().splitlines()) == len(sheet.result.equity) + 1


def test_pages_load_nothing_from_elsewhere(sheet: TearSheet, tmp_path: Path) -> None:
    for path in sheet.save(tmp_path):
        if path.suffix == ".html":
            page = re.sub(r"data:image/png;base64,[^\"]*", "", path.read_text())
            assert not re.search(r"<(script|img|iframe|link)[^>]*\s(src|href)=[\"']?(https?:)?//", page)
    assert "Bokeh" in (tmp_path / "interactive.html").read_text()


def test_the_card_reads_on_light_and_dark_pages(sheet: TearSheet) -> None:
    page = sheet._repr_html_()
    assert "var(--jp-ui-font-color1,inherit)" in page
    assert not re.search(r"(?<![-\w])background(-color)?:\s*(#|white|rgb)", page)
    assert page.count("<img alt=") == 6
    for name in sheet.result.metrics:
        assert name in DEFINITIONS
        assert name in page


def test_monthly_returns_are_those_of_equity_at_month_ends(sheet: TearSheet) -> None:
    daily = sheet.result.daily
    ends: dict[tuple[int, int], float] = {}
    for session, equity in zip(daily.sessions, daily.equity, strict=True):
        ends[session.year, session.month] = float(equity)
    before = float(sheet.result.starting_balance)
    for (year, month), equity in ends.items():
        found = sheet.monthly.loc[year].iloc[month - 1]
        assert found == pytest.approx(equity / before - 1, abs=1e-12)
        before = equity
    assert sheet.monthly.loc[2017, "Year"] == pytest.approx(sheet.result.metrics["return"], abs=1e-12)


def test_euros_are_at_the_reference_rate_of_the_last_day_and_for_reporting(sheet: TearSheet) -> None:
    # European Central Bank, 29 December 2017: 1 EUR = 1.1993 USD
    euro = float(sheet.result.metrics["net_profit"]) / 1.1993
    assert f"Net profit {euro:,.2f} EUR" in sheet.in_euro
    assert "2017-12-29" in sheet.in_euro
    assert "For reporting only" in sheet.in_euro
    assert sheet.in_euro in sheet._repr_html_()


def test_without_a_reference_rate_the_sheet_says_so() -> None:
    result = run_backtest(Cross(), walk(200, seed=1, year=2040), cost_book=book())  # after the shipped rates
    assert tear_sheet(result).in_euro.startswith("Not shown in euro")


def test_the_window_shows_its_own_bars_and_trades(sheet: TearSheet) -> None:
    axes = sheet.figures["trades"].axes[0]
    left, right = axes.get_xlim()
    first, last = np.array(["2017-03-01T00", "2017-03-15T01"], "M8[h]").astype("M8[s]").astype(float) / 86_400
    assert first <= left <= right <= last
    trades = sheet.result.trades
    inside = trades[
        (trades["entry_at"] <= pd.Timestamp("2017-03-15", tz="UTC"))
        & (
            trades["exit_at"].fillna(pd.Timestamp.max.tz_localize("UTC"))
            >= pd.Timestamp("2017-03-01", tz="UTC")
        )
    ]
    lines = [line for line in axes.lines if line.get_linestyle() == "--"]
    dashed = [line for line in lines if line.get_label() not in LEVELS]
    assert {line.get_label() for line in lines} >= {"stop", "target"}
    assert len(dashed) == len(inside) > 0


def test_a_window_without_bars_is_refused(result: BacktestResult) -> None:
    with pytest.raises(BadInputError, match="no bar between"):
        tear_sheet(result, window=("2019-01-01", "2019-02-01"))
    with pytest.raises(BadInputError, match="expected a date"):
        tear_sheet(result, window=("March", "April"))


@pytest.mark.parametrize("bars", [1, 30])
def test_a_backtest_without_trades_has_a_tear_sheet(bars: int, tmp_path: Path) -> None:
    result = run_backtest(Cross(slow=300), walk(bars, seed=1), cost_book=book())
    assert result.metrics["trades"] == 0
    assert "sharpe" not in result.metrics
    assert all(math.isfinite(float(value)) for value in result.metrics.values())
    sheet = tear_sheet(result)
    assert len(sheet.save(tmp_path)) == 16
    assert "No trade ended" in sheet._repr_html_()


def test_thinning_keeps_ends_and_extremes() -> None:
    values = np.random.default_rng(1).normal(size=10_000).cumsum()
    kept = thinned(values, limit=300)
    assert len(kept) <= 300
    assert {0, 9_999, int(values.argmin()), int(values.argmax())} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    assert thinned(values[:200], limit=300).tolist() == list(range(200))


@pytest.mark.parametrize("limit", [2_000_000, 500])
def test_the_interactive_page_holds_every_bar_or_every_extreme_and_every_trade(
    result: BacktestResult, limit: int
) -> None:
    page = Interactive(result).html(limit=limit)
    found = re.search(r'<script type="application/json" id="wb-zoom">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    packed = json.loads(found[1])
    columns = {name: unpacked_column(item) for name, item in packed["columns"].items()}
    assert columns["equity"][-1] == pytest.approx(result.equity[-1] / 1e6, abs=0.006)
    assert columns["equity"].min() == pytest.approx(result.equity.min() / 1e6, abs=0.006)
    bars = result.bars
    mid_high = (bars.bid_high + bars.ask_high) / 2 * 1e-5
    each = packed["prices"][0]["candles"]["each"]
    assert each == (1 if limit > len(bars) else math.ceil(len(bars) / limit))
    assert len(columns["0_high"]) == math.ceil(len(bars) / each)
    assert columns["0_high"].max() == pytest.approx(mid_high.max(), abs=1e-9)
    if each == 1:
        np.testing.assert_allclose(columns["0_high"], mid_high, atol=1e-9)
        np.testing.assert_array_equal(columns["0_to"] * 1_000_000, bars.close_ns)
    np.testing.assert_allclose(columns["0_net"], result.trades["net_profit"], atol=0.006)
    np.testing.assert_allclose(columns["0_entry_price"], result.trades["entry_price"], atol=1e-7)
    words = packed["prices"][0]["trades"]["words"]
    told = [words[int(at)] for at in columns["0_reason"]]
    assert told == [item.lower().replace("_", " ") for item in result.trades["reason"]]


def test_the_figure_in_a_notebook_lies_in_a_frame(result: BacktestResult) -> None:
    assert "srcdoc=" in tear_sheet(result).interactive()._repr_html_()
