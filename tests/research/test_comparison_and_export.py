"""Several backtests side by side, and tear sheets as PDF and tables; and the figures of another library."""

import math
import re
from pathlib import Path

import empyrical
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.research.strategies_for_tests import Cross, book, walk
from workbench.errors import BadInputError
from workbench.research import BacktestResult, run_backtest, tear_sheet
from workbench.research.comparison import compare
from workbench.research.exporting import save_pdf, save_tables, tables_of
from workbench.research.statistics import max_drawdown

BARS = walk(1_500, seed=6)


@pytest.fixture(scope="module")
def results() -> dict[str, BacktestResult]:
    """Two variants and the first once more."""
    return {
        "quick": run_backtest(Cross(fast=3, slow=9), BARS, cost_book=book()),
        "slow": run_backtest(Cross(fast=10, slow=40), BARS, cost_book=book()),
        "again": run_backtest(Cross(fast=3, slow=9), BARS, cost_book=book()),
    }


def test_backtests_stand_side_by_side(results: dict[str, BacktestResult]) -> None:
    found = compare(results)
    for label, item in results.items():
        for name, value in found.frame[label].items():
            assert value == pytest.approx(item.metrics[str(name)])
    assert found.correlation.loc["quick", "again"] == pytest.approx(1.0)
    own = np.corrcoef(results["quick"].daily.returns, results["slow"].daily.returns)[0, 1]
    assert found.correlation.loc["quick", "slow"] == pytest.approx(own)
    assert len(found.figure.axes[0].lines) == 3
    page = found._repr_html_()
    assert "Correlation of daily returns" in page
    assert next(iter(compare(list(results.values())).results)).startswith("Cross fast 3")


def test_too_few_backtests_are_refused(results: dict[str, BacktestResult]) -> None:
    with pytest.raises(BadInputError, match="from 2 to 8"):
        compare([results["quick"]])


def test_a_tear_sheet_becomes_a_pdf_with_its_figures_and_pictures(
    results: dict[str, BacktestResult], tmp_path: Path
) -> None:
    sheet = tear_sheet(results["quick"])
    content = save_pdf(sheet, tmp_path / "sheets" / "quick.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    pages = re.findall(rb"/MediaBox \[ 0 0 (\d+)\.?\d* (\d+)", content)
    assert pages == [(b"595", b"841")] * 3  # A4: the figures, and two of pictures
    assert len(sheet.figures) > 2


def test_tables_come_back_from_parquet_as_they_were(
    results: dict[str, BacktestResult], tmp_path: Path
) -> None:
    sheet = tear_sheet(results["quick"])
    files = {path.stem: path for path in save_tables(sheet, tmp_path)}
    for name, frame in tables_of(sheet).items():
        if name == "metrics":
            continue
        assert_frame_equal(pd.read_parquet(files[name]), frame, check_freq=False)
    assert {path.suffix for path in save_tables(sheet, tmp_path, format="csv")} == {".csv"}
    with pytest.raises(BadInputError, match="csv or parquet"):
        save_tables(sheet, tmp_path, format="xlsx")


def test_the_figures_agree_with_empyrical_where_the_definitions_do(
    results: dict[str, BacktestResult],
) -> None:
    for item in results.values():
        returns = item.daily.returns
        assert item.metrics["sharpe"] == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-12)
        assert item.metrics["volatility"] == pytest.approx(empyrical.annual_volatility(returns), rel=1e-12)
        assert item.metrics["return"] == pytest.approx(empyrical.cum_returns_final(returns), rel=1e-9)
        by_day = max_drawdown(item.daily.equity, start=item.starting_balance)
        assert by_day.fraction == pytest.approx(-empyrical.max_drawdown(returns), rel=1e-9)


def test_the_drawdown_is_deeper_than_empyricals_as_it_is_taken_at_every_bar(
    results: dict[str, BacktestResult],
) -> None:
    for item in results.values():
        assert float(item.metrics["max_drawdown"]) >= -empyrical.max_drawdown(item.daily.returns) - 1e-15
    assert any(
        not math.isclose(
            float(item.metrics["max_drawdown"]), -empyrical.max_drawdown(item.daily.returns), rel_tol=1e-6
        )
        for item in results.values()
    )


def test_monthly_returns_agree_with_empyricals_on_calendar_months_of_sessions(
    results: dict[str, BacktestResult],
) -> None:
    item = results["quick"]
    series = pd.Series(item.daily.returns, index=pd.DatetimeIndex(item.daily.sessions))
    theirs = empyrical.aggregate_returns(series, "monthly")
    ours = tear_sheet(item).monthly.drop(columns="Year").stack().dropna()
    assert np.allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-12, atol=1e-15)
