"""The verdict on a search: luck is called luck, and an edge that was planted is found."""

import numpy as np
import pytest

from tests.research.proof.verdicts import EDGE, market, tried
from workbench.research.statistics import day_ends

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_of_a_grid_on_a_random_walk_is_called_overfitted(seed: int) -> None:
    found = tried(seed, edge=0.0, side=30, draws=200)
    assert found.numbers.trials == 900
    assert found.overfitted, found.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_of_a_grid_on_a_market_with_an_edge_passes(seed: int) -> None:
    found = tried(seed, edge=EDGE, side=30, draws=200)
    assert found.holds, found.sentence


def test_the_walk_has_no_drift_and_the_edge_has_one_that_turns() -> None:
    for edge, least, most in ((0.0, -0.08, 0.08), (EDGE, 0.1, 0.5)):
        found = []
        for seed in range(20):
            bars = market(seed, edge=edge)
            assert len(day_ends(bars.close_ns).sessions) == len(bars)
            moves = np.diff(bars.bid_close).astype(np.float64)
            found.append(np.corrcoef(moves[1:], moves[:-1])[0, 1])
        assert least < np.mean(found) < most
