"""Models by version, their bytes checked."""

import hashlib
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from workbench.settings import Settings
from workbench.tracking import (
    AlteredModelError,
    NoSuchModelError,
    client,
    load_model_onnx,
    log_onnx_model,
    model_version_of_alias,
    register_model,
    set_alias,
    start_run,
)

pytestmark = pytest.mark.usefixtures("settings")


def _double(factor: float = 2.0) -> bytes:
    """An ONNX file that multiplies two features."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    return bytes(model.SerializeToString(deterministic=True))


def _registered(name: str = "double", factor: float = 2.0) -> int:
    uri = log_onnx_model(start_run("training"), _double(factor), name=name)
    return register_model(uri, name)


def test_a_registered_model_comes_back_with_the_same_bytes_and_answers() -> None:
    version = _registered()
    found = load_model_onnx("double", version)
    assert found.content == _double()
    assert found.sha256 == hashlib.sha256(_double()).hexdigest()
    (answer,) = found.session().run(None, {"x": np.array([[1.0, 3.5]], dtype=np.float32)})
    assert np.asarray(answer).tolist() == [[2.0, 7.0]]


def test_versions_count_up_and_an_alias_points_to_one() -> None:
    assert [_registered(), _registered(factor=3.0)] == [1, 2]
    set_alias("double", "champion", 1)
    assert model_version_of_alias("double", "champion") == 1
    set_alias("double", "champion", 2)
    assert model_version_of_alias("double", "champion") == 2
    assert load_model_onnx("double", 1).content != load_model_onnx("double", 2).content


def test_logging_a_model_spends_no_time_on_finding_requirements() -> None:
    run_id = start_run("training")
    log_onnx_model(run_id, _double(), name="warm")  # imports
    started = time.perf_counter()
    log_onnx_model(run_id, _double(), name="timed")
    assert time.perf_counter() - started < 5  # 12 s and more when MLflow finds them itself


def test_the_model_lies_with_its_experiment_and_carries_a_signature(settings: Settings) -> None:
    uri = log_onnx_model(start_run("training", "idea"), _double(), name="double")
    logged = client().get_logged_model(uri.removeprefix("models:/"))
    folder = settings.mlruns_dir / "artifacts" / "idea" / "models"
    assert logged.artifact_location.startswith(folder.resolve().as_uri())
    text = next(folder.rglob("MLmodel")).read_text(encoding="utf-8")
    assert "signature" in text
    assert "float32" in text


def test_a_model_whose_file_was_altered_is_refused(settings: Settings) -> None:
    version = _registered()
    (path,) = settings.mlruns_dir.rglob("*.onnx")
    path.write_bytes(_double(9.0))
    with pytest.raises(AlteredModelError, match=r"expected sha256 .* found"):
        load_model_onnx("double", version)


def test_a_model_registered_without_its_hash_is_refused(tmp_path: Path) -> None:
    version = _registered()
    client().delete_model_version_tag("double", str(version), "workbench.sha256")
    with pytest.raises(AlteredModelError, match="without its sha256"):
        load_model_onnx("double", version)


def test_an_output_that_no_schema_can_say_is_left_out_of_the_signature() -> None:
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["parts"])],
        "parts",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    uri = log_onnx_model(start_run("training"), model.SerializeToString(), name="parts")
    assert load_model_onnx("parts", register_model(uri, "parts")).session() is not None


def test_an_unknown_model_version_or_alias_is_named() -> None:
    with pytest.raises(NoSuchModelError, match="'nobody' of version 3"):
        load_model_onnx("nobody", 3)
    with pytest.raises(NoSuchModelError, match="'nobody' with the alias 'champion'"):
        model_version_of_alias("nobody", "champion")
    with pytest.raises(NoSuchModelError):
        register_model("models:/m-00000000000000000000000000000000", "double")
