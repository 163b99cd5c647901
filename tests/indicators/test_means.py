"""Means formed eight at a time are those formed one by one, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.indicators import sma


def one_by_one(values, n):
    update = sma.stream(n).update
    return np.array([update(item) for item in values.tolist()])


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 7, 8, 50, 200, 513, 700]),
    kinds=st.lists(st.sampled_from(["halves", "floats", "large", "holes", "zeros"]), min_size=1, max_size=6),
)
def test_many_values_give_the_bits_of_one_at_a_time(seed, n, kinds):
    rng = np.random.default_rng(seed)
    parts = []
    for kind in kinds:
        part = np.rint(rng.normal(size=int(rng.integers(1, 900))) * 400 + 220_000) / 2
        if kind == "floats":
            part = part + rng.random(len(part))
        elif kind == "large":
            part = part * 2.0 ** rng.integers(20, 60)
        elif kind == "holes":
            part[rng.random(len(part)) < 0.02] = np.nan
        elif kind == "zeros":
            part = np.where(rng.random(len(part)) < 0.5, -0.0, 0.5)
        parts.append(part)
    values = np.concatenate(parts)
    assert sma(values, n).tobytes() == one_by_one(values, n).tobytes()


@pytest.mark.parametrize("n", [3, 20, 64])
def test_the_mean_of_whole_numbers_is_exact(n):
    values = np.random.default_rng(n).integers(90_000, 130_000, 5_000).astype(np.float64)
    found = sma(values, n)
    exact = [sum(map(int, values[i - n + 1 : i + 1])) / n for i in range(n - 1, len(values))]
    assert found[n - 1 :].tolist() == exact
