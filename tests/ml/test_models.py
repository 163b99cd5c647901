"""Models are trained reproducibly, converted exactly and read back only unaltered."""

import math

import numpy as np
import pytest

from workbench.ml import (
    ModelFileError,
    NotEnoughDataError,
    OnnxModel,
    load_model,
    save_model,
    train_logistic,
    train_mlp,
)

NAMES = ("momentum", "range", "hour")


def _sample(seed: int = 0, count: int = 600):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 3))
    return rows, (rows[:, 0] + rng.normal(size=count) > 0).astype(np.int64)


def _trained(kind: str) -> OnnxModel:
    rows, labels = _sample()
    if kind == "logistic":
        return train_logistic(rows, labels, names=NAMES)
    return train_mlp(rows, labels, names=NAMES, seed=7)


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_training_twice_gives_the_same_bytes(kind):
    assert _trained(kind).digest == _trained(kind).digest


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_a_model_has_learnt_the_planted_feature_and_knows_its_features(kind):
    model = _trained(kind)
    rows, labels = _sample(seed=1)
    assert ((model.predict(rows) > 0.5) == labels).mean() > 0.65
    assert model.feature_names == NAMES


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_one_row_and_many_rows_give_the_same_bits(kind):
    model = _trained(kind)
    rows, _ = _sample(seed=2, count=50)
    assert [model.predict_one(row) for row in rows] == model.predict(rows).tolist()


def test_a_logistic_model_agrees_with_its_source():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = _sample()
    source = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1_000)).fit(rows, labels)
    fresh, _ = _sample(seed=3)
    assert _trained("logistic").predict(fresh) == pytest.approx(source.predict_proba(fresh)[:, 1], abs=1e-5)


def test_a_feature_that_is_not_known_yet_gives_no_answer():
    assert math.isnan(_trained("logistic").predict_one(np.array([1.0, np.nan, 0.0])))


def test_a_kept_model_comes_back_and_keeping_it_twice_changes_nothing(tmp_path):
    model = _trained("logistic")
    path = save_model(model, tmp_path)
    before = path.stat().st_mtime_ns
    save_model(model, tmp_path)
    assert path.stat().st_mtime_ns == before
    assert load_model(model.digest, tmp_path).content == model.content


def test_a_model_altered_by_one_byte_is_refused(tmp_path):
    model = _trained("logistic")
    path = save_model(model, tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="was altered"):
        load_model(model.digest, tmp_path)


def test_a_missing_model_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="no model"):
        load_model("0" * 64, tmp_path)
    with pytest.raises(ModelFileError, match="expected an ONNX model"):
        OnnxModel(b"not a model")


def test_labels_of_one_class_are_refused():
    rows, _ = _sample()
    with pytest.raises(NotEnoughDataError, match="both classes"):
        train_logistic(rows, np.ones(len(rows), dtype=np.int64), names=NAMES)
