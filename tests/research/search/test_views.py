"""Pictures of searches: the right trials behind their marks, in a page that needs no network."""

import json
import re

import numpy as np
import pytest
from bokeh.models import HoverTool

from tests.research.strategies_for_tests import Bracket, Cross, book, walk
from workbench.errors import BadInputError
from workbench.research.search import Nsga2, Random, SearchResult, search

BARS = walk(500, seed=3)


@pytest.fixture(scope="module")
def found() -> SearchResult:
    """A grid over three axes."""
    return search(
        Cross,
        BARS,
        {"fast": [2, 3, 5], "slow": [10, 20, 40], "units": [1_000, 9_000]},
        cost_book=book(),
        progress=False,
    )


def test_a_heatmap_shows_the_best_trial_of_each_cell(found: SearchResult) -> None:
    _, source = found.heatmap("slow", "fast", value="net_profit").figure()
    assert len(source.data["trial"]) == 9
    for number, value, x, y in zip(
        *(source.data[name] for name in ("trial", "value", "x", "y")), strict=True
    ):
        row = found.row(int(number))
        assert (row["slow"], row["fast"]) == ([10, 20, 40][x], [2, 3, 5][y])
        cell = (found.columns["fast"] == row["fast"]) & (found.columns["slow"] == row["slow"])
        assert value == row["net_profit"] == np.nanmax(found.figure("net_profit")[cell])


def test_the_figure_under_the_mouse_has_its_name(found: SearchResult) -> None:
    for view in (found.heatmap(value="net_profit"), found.slices(value="net_profit")):
        layout, _ = view.figure()
        tips = [tool.tooltips for tool in layout.select({"type": HoverTool})]
        assert tips
        assert all(tip == [("trial", "@trial"), ("net_profit", "@value{0.0000}")] for tip in tips)


def test_slices_and_lines_carry_every_trial_and_what_is_told_of_it(found: SearchResult) -> None:
    for view in (found.slices(), found.parallel()):
        _, source = view.figure()
        assert sorted(source.data["trial"]) == list(range(18))
        for number, told in zip(source.data["trial"], source.data["told"], strict=True):
            said = dict(json.loads(told))
            assert said["fast"] == str(found.row(int(number))["fast"])
            assert "sharpe" in said
    ends = found.parallel().figure()[1].data["ys"]
    assert all(0.0 <= value <= 1.0 for line in ends for value in line)


def test_continuous_axes_and_texts_can_be_drawn() -> None:
    wide = search(
        Bracket,
        BARS,
        ["lookback", "stop_pips", "target_pips"],
        cost_book=book(),
        method=Random(trials=40),
        progress=False,
    )
    page = wide.heatmap("stop_pips", "lookback").html()
    assert not re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?(?:https?:)?//""", page)
    assert len(wide.slices().figure()[1].data["trial"]) == np.isfinite(wide.figure("sharpe")).sum()
    two = search(
        Cross,
        BARS,
        {"fast": [2, 3], "slow": [9, 12]},
        cost_book=book(),
        method=Nsga2(trials=12, population=4),
        goals=("sharpe", "-max_drawdown"),
        progress=False,
    )
    assert "iframe" in two.parallel()._repr_html_()


def test_a_picture_that_can_not_be_drawn_is_refused(found: SearchResult) -> None:
    with pytest.raises(BadInputError, match="no axis"):
        found.heatmap("fest", "slow")
    with pytest.raises(BadInputError, match="unknown figure"):
        found.slices(value="sharp")
    one = search(Cross, BARS, {"fast": [2, 3]}, cost_book=book(), progress=False)
    with pytest.raises(BadInputError, match="two axes"):
        one.heatmap()
