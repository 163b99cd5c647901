"""Features know only the past, and a judgement tells chance from an edge."""

import functools

import numpy as np
import pytest

from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.ml import NotEnoughDataError, direction, feature_table, judge, train_logistic, walk_forward
from workbench.strategy import BarArrays, bar, rsi, sma

HOUR = 3_600_000_000_000


def _bars(count: int = 400, seed: int = 0) -> BarArrays:
    rng = np.random.default_rng(seed)
    close = (110_000 + rng.integers(-30, 31, count).cumsum()).astype(np.int64)
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close) + 5, np.minimum(opened, close) - 5
    return BarArrays(
        instrument=instrument("EUR_USD"),
        open_ns=np.arange(count, dtype=np.int64) * HOUR,
        close_ns=np.arange(1, count + 1, dtype=np.int64) * HOUR,
        bid_open=opened,
        bid_high=high,
        bid_low=low,
        bid_close=close,
        ask_open=opened + 13,
        ask_high=high + 13,
        ask_low=low + 13,
        ask_close=close + 13,
    )


def _features():
    close = bar.mid.close
    return {"momentum": close - close.lag(5), "stretch": close - sma(close, 20), "rsi_14": rsi(close, 14)}


def _cut(bars: BarArrays, count: int) -> BarArrays:
    names = [name for name in bars.__dataclass_fields__ if name != "instrument"]
    return BarArrays(instrument=bars.instrument, **{name: getattr(bars, name)[:count] for name in names})


@pytest.mark.parametrize("count", [25, 100, 399])
def test_cutting_the_future_off_leaves_the_past_of_every_feature_as_it_was(count):
    whole, cut = feature_table(_features(), _bars()), feature_table(_features(), _cut(_bars(), count))
    assert np.array_equal(whole.rows[:count], cut.rows, equal_nan=True)


def test_a_feature_table_says_from_where_on_everything_is_known():
    table = feature_table(_features(), _bars())
    assert table.first_known == 19  # the twentieth close completes the mean of twenty
    assert table.names == ("momentum", "stretch", "rsi_14")


def test_too_few_bars_and_bad_names_are_refused():
    with pytest.raises(NotEnoughDataError, match="no bar of 10"):
        _ = feature_table(_features(), _bars(10)).first_known
    with pytest.raises(BadInputError, match="identifiers"):
        feature_table({"a b": bar.mid.close}, _bars())
    with pytest.raises(BadInputError, match="none"):
        feature_table({}, _bars())


def _judged(edge: float):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3_000, 2))
    moves = edge * rows[:-1, 0] + rng.normal(size=2_999)
    labels = direction(np.concatenate([[0.0], moves.cumsum()]), np.arange(3_000) * HOUR, horizon=1)
    fit = functools.partial(train_logistic, names=("a", "b"))
    return judge(
        "logistic", fit, rows[labels.index], labels, walk_forward(labels.start_ns, labels.end_ns, splits=5)
    )


def test_noise_is_said_to_have_no_edge():
    found = _judged(0.0)
    assert not found.has_edge
    assert "no edge" in found.sentence()


def test_a_planted_edge_is_said_to_be_one():
    found = _judged(0.6)
    assert found.has_edge
    assert found.mean_auc > 0.6
    assert all(fold.hit_rate > fold.base_rate for fold in found.folds)
