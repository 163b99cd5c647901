"""Results of several instruments: each by itself, and all of them summed up."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.research.markets_for_tests import book_for, moved
from tests.research.strategies_for_tests import Cross, walk
from workbench.domain.calendar import to_datetime, to_ns
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import BacktestResult, run_backtest, tear_sheet

NAMES = ("AUD_USD", "EUR_USD", "GBP_USD")


@pytest.fixture(scope="module")
def data() -> dict[str, Bars]:
    """Three that begin and end at times of their own; the first by name is the shortest."""
    spans = ((300, 900), (0, 1_200), (100, 1_000))
    found = {}
    for seed, (name, (low, high)) in enumerate(zip(NAMES, spans, strict=True), 1):
        found[name] = moved(name, walk(1_200, seed=seed)).at(low, high)
    return found


@pytest.fixture(scope="module")
def result(data: dict[str, Bars]) -> BacktestResult:
    """A backtest of them on one account."""
    return run_backtest(Cross(fast=3, slow=8), data, cost_book=book_for(*NAMES))


def test_what_each_instrument_did_adds_up_to_the_whole(result: BacktestResult) -> None:
    table = result.by_instrument
    assert tuple(table.index) == (*NAMES, "all")
    assert (table["trades"].iloc[:3] > 5).all()
    assert int(table.loc["all", "trades"]) == result.metrics["trades"]
    assert table.loc["all", "net_profit"] == pytest.approx(result.metrics["net_profit"], abs=1e-6)
    assert table.loc["all", "before_costs"] == pytest.approx(
        result.costs.loc["profit before costs", "amount"], abs=1e-6
    )
    for kind, micro in result.cost_micro.items():
        assert table[kind].iloc[:3].sum() == pytest.approx(micro / 1e6, abs=1e-9)
        assert table.loc["all", kind] == pytest.approx(micro / 1e6, abs=1e-9)
    alone = result.trades_of("GBP_USD")
    assert set(alone["instrument"]) == {"GBP_USD"}
    assert table.loc["GBP_USD", "net_profit"] == pytest.approx(alone["net_profit"].sum())


def test_the_tear_sheet_shows_every_instrument_over_the_whole_time(
    result: BacktestResult, tmp_path: Path
) -> None:
    ended = to_datetime(int(result.traded["AUD_USD"].close_ns[-1]))
    late = tear_sheet(result, window=(ended, "2100-01-01"))
    charts = [name for name in late.figures if name.startswith("trades")]
    assert charts == [
        f"trades {name}" for name in NAMES[1:] if result.traded[name].close_ns[-1] > to_ns(ended)
    ]
    full = tear_sheet(result, window=("1970-01-01", "2100-01-01"))
    written = {path.name for path in full.save(tmp_path)}
    assert {f"trades_{name}.png" for name in NAMES} | {"by_instrument.csv"} <= written
    page = (tmp_path / "tear_sheet.html").read_text()
    assert all(f"{name}: Mid prices" in page for name in NAMES)
    assert "By instrument, in USD" in page
    assert page.count("<img alt=") == 8
    axes = full.figures["equity"].axes[0]
    drawn = axes.lines[0].get_xdata()
    assert (drawn[-1] - drawn[0]) * 86_400e9 == pytest.approx(
        int(result.round_ns[-1] - result.round_ns[0]), rel=1e-3
    )
    rows = list(csv.DictReader((tmp_path / "equity.csv").open()))
    assert len(rows) == len(result.round_ns)
    assert {f"position {name}" for name in NAMES} <= set(rows[0])


def test_the_interactive_figure_has_a_tab_for_each_with_its_own_trades(result: BacktestResult) -> None:
    sheet = tear_sheet(result)
    equity, _, tabs = sheet.interactive().figure().children
    assert [tab.title for tab in tabs.tabs] == list(NAMES)
    found = re.search(r'id="wb-zoom">(.*?)</script>', sheet.interactive().html(), re.DOTALL)
    assert found is not None
    columns = json.loads(found[1])["columns"]
    for place, tab in enumerate(tabs.tabs):
        assert all(panel.x_range is equity.x_range for panel in tab.child.children)
        assert columns[f"{place}_net"]["count"] == len(result.trades_of(tab.title))
    assert columns["equity"]["count"] == len(result.equity)


def test_one_position_of_several_instruments_is_refused(result: BacktestResult) -> None:
    with pytest.raises(BadInputError, match=r'AUD_USD, EUR_USD, GBP_USD; ask .* positions_of\("AUD_USD"\)'):
        _ = result.positions
    assert np.abs(result.positions_of("GBP_USD")).max() > 0


def test_vectorbt_gets_all_of_them_on_one_account(result: BacktestResult) -> None:
    portfolio = result.to_vectorbt()
    half_spreads = 0.0  # vectorbt values what is open at mid
    for name, bars in result.traded.items():
        item = bars.instrument
        held = abs(int(result.positions_of(name)[-1]))
        spread = int(bars.ask_close[-1] - bars.bid_close[-1])
        half_spreads += held * spread * item.micro_per_point / 2 / 1e6
    ours = result.metrics["net_profit"] - result.metrics["financing"] + half_spreads
    assert float(portfolio.total_profit()) == pytest.approx(ours, abs=0.01)
    assert set(portfolio.orders.records["col"]) == {0, 1, 2}
    assert tuple(portfolio.wrapper.columns) == NAMES


def test_vectorbt_is_refused_what_it_would_have_to_convert(data: dict[str, Bars]) -> None:
    yen = run_backtest(
        Cross(fast=3, slow=8),
        moved("USD_JPY", data["EUR_USD"]),
        cost_book=book_for("USD_JPY"),
    )
    with pytest.raises(BadInputError, match="quoted in USD, found USD_JPY; vectorbt does not convert"):
        yen.to_vectorbt()


def test_the_card_sums_up_by_instrument(result: BacktestResult) -> None:
    page = result._repr_html_()
    assert "By instrument, in USD" in page
    assert "Bid and ask are both as recorded" in page


def test_recorded_and_modelled_sides_are_told_apart(data: dict[str, Bars]) -> None:
    one_side = replace(data["GBP_USD"], sides="ask; bid = ask - 13 points")
    mixed = run_backtest(Cross(), {**data, "GBP_USD": one_side}, cost_book=book_for(*NAMES))
    assert mixed.data["sides_meaning"] == (
        "Of AUD_USD, EUR_USD: bid and ask are both as recorded, so the spread paid is the market's. "
        "Of GBP_USD: only one side was recorded (ask; bid = ask - 13 points), so the spread paid, and stops "
        "and fills on the modelled side, are the model's and not the market's."
    )
