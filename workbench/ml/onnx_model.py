"""A model as the live path has it: an ONNX file, known by its hash, answered one row at a time.

The back-test asks the same question the same way, row by row, so live and back-test agree bit for bit.
Nothing is unpickled.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from workbench.ml.errors import ModelFileError

__all__ = ["OnnxModel", "load_model", "save_model"]

_FEATURES_KEY = "workbench.features"


class OnnxModel:
    """A classifier that answers with the probability of the class one.

    Parameters
    ----------
    content
        The ONNX file; its metadata carries the names of the features in order, separated by newlines.

    Raises
    ------
    ModelFileError
        The content is no ONNX file, or carries no names.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # no thread pool to wait for beside a trading loop
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelFileError(
                f"expected an ONNX model, found something onnxruntime refuses: {error}"
            ) from error
        names = self._session.get_modelmeta().custom_metadata_map.get(_FEATURES_KEY, "")
        if not names:
            raise ModelFileError(f"the model's metadata has no {_FEATURES_KEY!r}; make it with workbench.ml")
        self.content = content
        self.feature_names: tuple[str, ...] = tuple(names.split("\n"))
        self.digest = hashlib.sha256(content).hexdigest()
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name
        self._row = np.empty((1, len(self.feature_names)), dtype=np.float32)

    def predict_one(self, row: npt.NDArray[np.float64]) -> float:
        """The probability of class one; NaN when a feature is NaN."""
        if np.isnan(row).any():
            return float("nan")
        self._row[0, :] = row
        answer = np.asarray(self._session.run([self._output], {self._input: self._row})[0], dtype=np.float64)
        return float(answer.reshape(-1)[-1])

    def predict(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """`predict_one` of each row; shape (n, n_features) to (n,)."""
        return np.array([self.predict_one(row) for row in rows], dtype=np.float64)


def with_features(content: bytes, names: Sequence[str]) -> bytes:
    """The ONNX file with the names of its features written into its metadata."""
    import onnx

    model = onnx.load_from_string(content)
    entry = model.metadata_props.add()
    entry.key, entry.value = _FEATURES_KEY, "\n".join(names)
    return bytes(model.SerializeToString(deterministic=True))


def save_model(model: OnnxModel, folder: Path) -> Path:
    """Keep the model under its hash; keeping it twice changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.digest}.onnx"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(model.content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, path)
    return path


def load_model(digest: str, folder: Path) -> OnnxModel:
    """The model kept under `digest`.

    Raises
    ------
    ModelFileError
        There is none, or its bytes are not those of that hash.
    """
    path = folder / f"{digest}.onnx"
    if not path.is_file():
        raise ModelFileError(f"no model {digest} in {folder}; train it again or copy its file there")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ModelFileError(f"{path} was altered: expected sha256 {digest}, found {found}")
    return OnnxModel(content)
