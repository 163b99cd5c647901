"""Labels and splits let nothing of the test into the training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier

from workbench.ml import NotEnoughDataError, direction, walk_forward

HOUR = 3_600_000_000_000


def test_a_label_is_the_sign_of_the_move_over_the_horizon_and_the_last_bars_have_none():
    labels = direction(np.array([1.0, 2.0, 1.5, 1.5, 3.0]), np.arange(5) * HOUR, horizon=2)
    assert labels.values.tolist() == [1, 0, 1]
    assert labels.end_ns.tolist() == [2 * HOUR, 3 * HOUR, 4 * HOUR]


def test_a_horizon_longer_than_the_data_is_refused():
    with pytest.raises(NotEnoughDataError, match="more than 5 bars"):
        direction(np.ones(5), np.arange(5), horizon=5)


@given(
    count=st.integers(30, 300),
    horizon=st.integers(1, 12),
    splits=st.integers(1, 6),
    embargo=st.integers(0, 5),
)
def test_every_training_label_is_known_before_the_test_begins(count, horizon, splits, embargo):
    start = np.arange(count, dtype=np.int64) * HOUR
    end = start + horizon * HOUR
    try:
        parts = list(walk_forward(start, end, splits=splits, embargo_ns=embargo * HOUR))
    except NotEnoughDataError:
        assert round(count * 0.4) <= horizon + embargo
        return
    assert np.concatenate([part.test for part in parts]).tolist() == list(range(round(count * 0.4), count))
    for part in parts:
        assert end[part.train].max() + embargo * HOUR < start[part.test].min()


def _scores(splitter) -> float:
    # features are random walks independent of the price: an honest split finds nothing in them
    scores = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(1_500, 3)).cumsum(axis=0)
        labels = direction(rng.normal(size=1_500).cumsum(), np.arange(1_500) * HOUR, horizon=50)
        for train, test in splitter(labels):
            if len(set(labels.values[test])) == 2:
                model = KNeighborsClassifier(5).fit(rows[train], labels.values[train])
                scores.append(roc_auc_score(labels.values[test], model.predict_proba(rows[test])[:, 1]))
    return float(np.mean(scores))


def test_noise_scores_as_noise_when_walked_forward_and_as_an_edge_when_shuffled():
    """The canary of leakage: shuffled folds find 0.8 and more in pure noise."""
    honest = _scores(
        lambda labels: [(p.train, p.test) for p in walk_forward(labels.start_ns, labels.end_ns, splits=4)]
    )
    leaking = _scores(lambda labels: KFold(5, shuffle=True, random_state=0).split(labels.values))
    assert honest < 0.6
    assert leaking > 0.8


def test_a_planted_edge_is_found_by_walking_forward():
    rng = np.random.default_rng(1)
    feature = rng.normal(size=2_000)
    moves = 0.5 * feature[:-1] + rng.normal(size=1_999)
    mid = np.concatenate([[0.0], moves.cumsum()])
    labels = direction(mid, np.arange(2_000) * HOUR, horizon=1)
    rows = feature[:-1, None]
    scores = [
        roc_auc_score(
            labels.values[part.test],
            LogisticRegression()
            .fit(rows[part.train], labels.values[part.train])
            .predict_proba(rows[part.test])[:, 1],
        )
        for part in walk_forward(labels.start_ns, labels.end_ns, splits=4)
    ]
    assert min(scores) > 0.6
