"""Models in MLflow's registry: ONNX by version, checked by hash, never a pickle.

An alias can move under a running kernel, so what trades loads by version.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.tracking.errors import AlteredModelError, NoSuchModelError
from workbench.tracking.runs import client
from workbench.tracking.store import current_store

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "RegisteredOnnx",
    "load_model_onnx",
    "log_onnx_model",
    "model_version_of_alias",
    "register_model",
    "set_alias",
]

TAG_SHA256 = "workbench.sha256"
_REQUIREMENTS = ("onnxruntime", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredOnnx:
    """An ONNX model whose bytes are those that were registered."""

    name: str
    version: int
    sha256: str
    content: bytes
    tags: Mapping[str, str]

    def session(self) -> "onnxruntime.InferenceSession":
        """An onnxruntime session on one thread."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])


def log_onnx_model(
    run_id: str,
    content: bytes,
    *,
    name: str,
    signature: Any = None,
    pip_requirements: Sequence[str] = _REQUIREMENTS,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Log the ONNX file `content` to a run; the URI of the logged model.

    Signature and requirements are given, since MLflow otherwise spends 12 s finding the requirements.

    Parameters
    ----------
    signature
        MLflow's `ModelSignature`; read from the ONNX graph when None.
    """
    import mlflow.onnx
    import onnx
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    model = onnx.load_from_string(content)
    experiment_id = client().get_run(run_id).info.experiment_id
    logged = client().create_logged_model(
        experiment_id,
        name=name,
        source_run_id=run_id,
        tags={TAG_SHA256: hashlib.sha256(content).hexdigest(), **(tags or {})},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.onnx.save_model(
            model,
            path,
            mlflow_model=Model(
                artifact_path=logged.artifact_location, model_id=logged.model_id, run_id=run_id
            ),
            signature=signature if signature is not None else _signature(model),
            pip_requirements=list(pip_requirements),
            save_as_external_data=False,
        )
        # MLflow writes the parsed model again; the hash must stay that of the original
        (path / "model.onnx").write_bytes(content)
        client().log_model_artifacts(logged.model_id, str(path))
    client().finalize_logged_model(logged.model_id, "READY")
    client().log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_uri)


def register_model(model_uri: str, name: str, *, tags: Mapping[str, str] | None = None) -> int:
    """Register a logged model as the next version of `name`; the version."""
    from mlflow.exceptions import MlflowException

    sha256 = hashlib.sha256(_onnx_file(model_uri).read_bytes()).hexdigest()
    model_id = model_uri.removeprefix("models:/")
    try:
        logged = client().get_logged_model(model_id)
        _ensure_registered_model(name)
        version = client().create_model_version(
            name,
            logged.artifact_location,
            run_id=logged.source_run_id,
            tags={TAG_SHA256: sha256, **(tags or {})},
            await_creation_for=0,
            model_id=model_id,
        )
    except MlflowException as error:
        raise NoSuchModelError(f"{model_uri} can not be registered as {name!r}: {error.message}") from error
    return int(version.version)


def set_alias(name: str, alias: str, version: int) -> None:
    """Let `alias` point to a version, as in ``champion``."""
    client().set_registered_model_alias(name, alias, str(version))


def model_version_of_alias(name: str, alias: str) -> int:
    """The version an alias points to now.

    Raises
    ------
    NoSuchModelError
        There is no such model or alias.
    """
    from mlflow.exceptions import MlflowException

    try:
        return int(client().get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        raise NoSuchModelError(f"no model {name!r} with the alias {alias!r}: {error.message}") from error


def load_model_onnx(name: str, version: int) -> RegisteredOnnx:
    """The registered model, its bytes checked against the hash of its registration.

    Raises
    ------
    NoSuchModelError
        No such name and version.
    AlteredModelError
        The bytes are not those that were registered, or no hash was registered.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client().get_model_version(name, str(version))
        source = client().get_model_version_download_uri(name, str(version))
    except MlflowException as error:
        raise NoSuchModelError(f"no model {name!r} of version {version}: {error.message}") from error
    expected = found.tags.get(TAG_SHA256, "")
    if not expected:
        raise AlteredModelError(
            f"model {name} version {version} was registered without its sha256; "
            "register it by workbench.tracking.register_model"
        )
    content = _onnx_file(source).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != expected:
        raise AlteredModelError(
            f"model {name} version {version} was altered: expected sha256 {expected}, found {sha256}; "
            "train and register it again"
        )
    return RegisteredOnnx(name=name, version=version, sha256=sha256, content=content, tags=dict(found.tags))


def _ensure_registered_model(name: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

    try:
        client().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(
            RESOURCE_ALREADY_EXISTS
        ):  # an earlier version, or another process
            raise


def _onnx_file(uri: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        folder = Path(download_artifacts(artifact_uri=uri, tracking_uri=current_store().uri))
    except (MlflowException, OSError) as error:
        raise NoSuchModelError(f"the files of {uri} can not be read: {error}") from error
    found = sorted(folder.rglob("*.onnx"))
    if len(found) != 1:
        raise NoSuchModelError(f"expected one ONNX file in {uri}, found {len(found)}")
    return found[0]


def _signature(model: Any) -> Any:
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    def specs(values: Any) -> Schema | None:
        found: list[ColSpec | TensorSpec] = []
        for value in values:
            tensor = value.type.tensor_type
            if not tensor.elem_type:
                continue  # a sequence or map, which a tensor schema can not say
            kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
            shape = tuple(size.dim_value or -1 for size in tensor.shape.dim)
            found.append(TensorSpec(kind, shape, value.name))
        return Schema(found) if found else None

    inputs, outputs = specs(model.graph.input), specs(model.graph.output)
    return ModelSignature(inputs=inputs, outputs=outputs) if inputs or outputs else None
