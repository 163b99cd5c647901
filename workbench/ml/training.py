"""Train small models and turn each into the form the live path has.

A conversion is accepted only when it decides as its source does on every row it was trained on.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.ml.errors import ConversionError, NotEnoughDataError
from workbench.ml.onnx_model import OnnxModel, with_features

__all__ = ["train_logistic", "train_mlp"]

_TOLERANCE = 1e-5  # float32 against float64


def _check(rows: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> None:
    if len(rows) != len(labels):
        raise ValueError(f"expected one label a row, found {len(rows)} rows and {len(labels)} labels")
    if np.isnan(rows).any():
        raise ValueError("expected rows without NaN; drop the warm-up first")
    if len(np.unique(labels)) < 2:
        raise NotEnoughDataError("expected both classes among the labels, found one; take a longer period")


def _accept(model: OnnxModel, rows: npt.NDArray[np.float64], source: npt.NDArray[np.float64]) -> OnnxModel:
    found = model.predict(rows)
    worst = float(np.abs(found - source).max())
    unsure = np.abs(source - 0.5) <= worst
    flips = int(((found > 0.5) != (source > 0.5))[~unsure].sum())
    if worst > _TOLERANCE or flips:
        raise ConversionError(
            f"the converted model differs from its source by {worst:.2e} (at most {_TOLERANCE:.0e}) "
            f"and decides otherwise on {flips} of {len(rows)} rows; do not trade it"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about packages it could use off the page."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def train_logistic(
    rows: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    *,
    names: Sequence[str],
    penalty: float = 1.0,
) -> OnnxModel:
    """A logistic regression on standardized features; scaling is learned from these rows alone.

    Parameters
    ----------
    rows, labels
        Shapes (n, n_features) and (n,), no NaN, labels 0 and 1.
    penalty
        Strength of the L2 penalty, the inverse of scikit-learn's C.
    """
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _check(rows, labels)
    single = rows.astype(np.float32)  # as the live path will see them
    source = make_pipeline(StandardScaler(), LogisticRegression(C=1.0 / penalty, max_iter=1_000))
    source.fit(single, labels)
    converted = to_onnx(source, single[:1], options={id(source): {"zipmap": False}}, target_opset=18)
    model = OnnxModel(with_features(converted.SerializeToString(), names))
    return _accept(model, rows, np.asarray(source.predict_proba(single)[:, 1], dtype=np.float64))


def train_mlp(
    rows: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    *,
    names: Sequence[str],
    seed: int,
    hidden: int = 16,
    epochs: int = 60,
    weight_decay: float = 1e-3,
) -> OnnxModel:
    """A small torch network: standardize, one hidden layer, one logit; full-batch Adam, fixed seed."""
    import torch

    _check(rows, labels)
    torch.set_num_threads(1)
    single = torch.tensor(rows.astype(np.float32))
    generator = torch.Generator().manual_seed(seed)

    class Network(torch.nn.Module):
        mean: torch.Tensor
        scale: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", single.mean(dim=0))
            self.register_buffer("scale", single.std(dim=0).clamp_min(1e-12))
            self.hidden = torch.nn.Linear(single.shape[1], hidden)
            self.out = torch.nn.Linear(hidden, 1)
            with torch.no_grad():
                for layer in (self.hidden, self.out):
                    bound = layer.in_features**-0.5
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    layer.bias.zero_()

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            standard = (x - self.mean) / self.scale
            return torch.sigmoid(self.out(torch.tanh(self.hidden(standard)))).squeeze(-1)

    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=weight_decay)
    target = torch.tensor(labels.astype(np.float32))
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy(network(single), target)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        optimizer.step()
    network.eval()
    with torch.no_grad():
        source = network(single).numpy().astype(np.float64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with _quiet():
            torch.onnx.export(network, (single[:1],), path, dynamo=True, verbose=False, external_data=False)
        content = path.read_bytes()
    return _accept(OnnxModel(with_features(content, names)), rows, source)
