"""MLflow's store: created once, in WAL mode, by however many processes at once."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from onnx import helper

from workbench.settings import Settings, load_settings
from workbench.tracking import (
    TrackingStoreError,
    bootstrap,
    current_store,
    finish_run,
    load_model_onnx,
    log_metrics,
    log_onnx_model,
    log_text,
    register_model,
    run_data,
    start_run,
)
from workbench.tracking import client as mlflow_client


def test_four_processes_that_start_at_once_on_a_new_store_all_log_to_it(tmp_path: Path) -> None:
    code = f"""
        import pathlib, sys
        from workbench.settings import load_settings
        from workbench.tracking import bootstrap, finish_run, log_metrics, start_run
        folder = pathlib.Path({str(tmp_path)!r})
        bootstrap(load_settings(home=folder / "home", project=folder, mlruns=folder / "mlruns"))
        run = start_run(sys.argv[1], "shared")
        log_metrics(run, {{"number": float(sys.argv[1])}})
        finish_run(run)
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], errors
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        found = connection.execute("SELECT value FROM metrics ORDER BY value").fetchall()
        shared = connection.execute("SELECT count(*) FROM experiments WHERE name = 'shared'").fetchone()
    assert found == [(0.0,), (1.0,), (2.0,), (3.0,)]
    assert shared == (1,)


def test_opening_a_store_that_is_there_costs_little_and_does_not_import_mlflow(settings: Settings) -> None:
    started = time.perf_counter()
    bootstrap(settings)
    assert time.perf_counter() - started < 0.1
    code = (
        "import sys; from workbench.tracking import bootstrap; from workbench.settings import load_settings; "
    )
    code += "bootstrap(load_settings()); sys.exit('mlflow' in sys.modules)"
    environment = {**os.environ, "WORKBENCH_PROJECT": str(settings.project)}
    environment["WORKBENCH_MLRUNS"] = str(settings.mlruns_dir)
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_telemetry_is_off_and_pickles_are_refused(settings: Settings) -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_artifacts_of_an_experiment_lie_beside_the_database(settings: Settings) -> None:
    run_id = start_run("x", "My idea / 2")
    uri = mlflow_client().get_run(run_id).info.artifact_uri
    assert uri == f"{settings.mlruns_dir.resolve().as_uri()}/artifacts/My-idea-2/{run_id}/artifacts"


def test_a_store_written_by_an_older_mlflow_is_looked_at_again(settings: Settings) -> None:
    stamp = settings.mlruns_dir / ".mlflow-schema"
    stamp.write_text("mlflow 3.0.0\n", encoding="utf-8")
    bootstrap(settings)
    assert stamp.read_text(encoding="utf-8").startswith("mlflow 3.17")


def test_a_moved_project_keeps_its_artifacts_and_models(settings: Settings, tmp_path: Path) -> None:
    run_id = start_run("x", "idea")
    log_text(run_id, "kept", "note.txt")
    finish_run(run_id)
    model = helper.make_model(helper.make_graph([], "empty", [], []), ir_version=10)
    version = register_model(log_onnx_model(run_id, model.SerializeToString(), name="m"), "m")
    moved = settings.project / "elsewhere" / "mlruns"
    moved.parent.mkdir()
    settings.mlruns_dir.rename(moved)
    bootstrap(load_settings(home=tmp_path / "home", project=moved.parent, mlruns=moved))
    assert Path(mlflow_client().download_artifacts(run_id, "note.txt")).read_text() == "kept"
    assert load_model_onnx("m", version).content == model.SerializeToString()
    assert start_run("y", "idea") != run_id
    assert not settings.mlruns_dir.exists()


def test_runs_can_be_kept_in_postgresql(settings: Settings, postgresql_url: str, tmp_path: Path) -> None:
    elsewhere = load_settings(
        home=tmp_path / "home", project=tmp_path, mlruns=tmp_path / "team", mlflow_uri=postgresql_url
    )
    bootstrap(elsewhere)
    run_id = start_run("x", "idea")
    log_metrics(run_id, {"sharpe": 1.0})
    log_text(run_id, "kept", "note.txt")
    assert run_data(run_id)["metrics"] == {"sharpe": 1.0}
    assert next((tmp_path / "team").rglob("note.txt")).read_text() == "kept"
    assert postgresql_url not in (tmp_path / "team" / ".mlflow-schema").read_text()  # it may hold a password


def test_a_damaged_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    mlruns = tmp_path / "mlruns"
    mlruns.mkdir()
    (mlruns / "mlflow.db").write_bytes(b"this is no database, and long enough to be read as one" * 40)
    with pytest.raises((TrackingStoreError, sqlite3.DatabaseError), match=r"mlflow\.db|not a database"):
        bootstrap(load_settings(home=tmp_path / "home", project=tmp_path, mlruns=mlruns))


def test_logging_without_a_store_says_what_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingStoreError, match="bootstrap"):
        current_store()
