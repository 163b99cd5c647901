"""What is logged to a run can be read back by its id."""

import json
import math
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.tracking import (
    TAG_DATA,
    NoSuchRunError,
    add_data,
    client,
    code_version,
    finish_run,
    log_dict,
    log_figure,
    log_metrics,
    log_params,
    log_result,
    log_table,
    log_text,
    run_data,
    set_tags,
    start_run,
)

pytestmark = pytest.mark.usefixtures("settings")


def _artifact(run_id: str, name: str, folder: Path) -> Path:
    return Path(client().download_artifacts(run_id, name, str(folder)))


def test_params_metrics_and_tags_come_back_and_undefined_metrics_are_left_out() -> None:
    run_id = start_run("first", "idea", {"colour": "blue"})
    log_params(run_id, {f"p{number}": number for number in range(250)})
    log_metrics(run_id, {"sharpe": 1.5, "nothing": math.nan, "endless": math.inf, "word": "high"})
    set_tags(run_id, {"colour": "green"})
    finish_run(run_id, "FAILED")
    found = run_data(run_id)
    assert len(found["params"]) == 250
    assert found["metrics"] == {"sharpe": 1.5}
    assert found["tags"]["colour"] == "green"
    assert (found["name"], found["status"]) == ("first", "FAILED")


def test_tables_texts_pictures_and_values_come_back(tmp_path: Path) -> None:
    run_id = start_run("files")
    frame = pd.DataFrame({"equity": [1.0, 2.5]}, index=pd.date_range("2017-01-01", periods=2, tz="UTC"))
    log_table(run_id, frame, "tables/equity.parquet")
    log_text(run_id, "ä", "note.txt")
    log_dict(run_id, {"b": 1, "a": [2]}, "value.json")
    log_figure(run_id, b"\x89PNG", "plots/x.png")
    back = pd.read_parquet(_artifact(run_id, "tables/equity.parquet", tmp_path))
    pd.testing.assert_frame_equal(back, frame, check_freq=False)
    assert _artifact(run_id, "note.txt", tmp_path).read_text(encoding="utf-8") == "ä"
    assert json.loads(_artifact(run_id, "value.json", tmp_path).read_text()) == {"a": [2], "b": 1}
    assert _artifact(run_id, "plots/x.png", tmp_path).read_bytes() == b"\x89PNG"


def test_a_run_collects_the_fingerprints_of_its_data_once_each() -> None:
    run_id = start_run("data")
    for fingerprint in ("aa", "bb", "aa"):
        add_data(run_id, fingerprint)
    assert run_data(run_id)["tags"][TAG_DATA] == "aa bb"


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(NoSuchRunError, match="'0000'"):
        run_data("0000")


@dataclass
class _Book:
    version: str = "book1"


@dataclass
class _Result:
    """As `workbench.research.BacktestResult`, which stands in a room that this one does not import."""

    name: str = "SmaCross"
    spec: dict[str, Any] = field(default_factory=lambda: {"class": "SmaCross", "digest": "s1"})
    parameters: dict[str, Any] = field(default_factory=lambda: {"fast": 10})
    metrics: dict[str, Any] = field(default_factory=lambda: {"sharpe": 0.5, "trades": 12})
    digest: str = "d1"
    fingerprint: str = "f1"
    cost_book: _Book = field(default_factory=_Book)

    def to_frame(self) -> pd.DataFrame:
        """Two bars."""
        return pd.DataFrame({"equity": [100.0, 101.0]})


def test_a_second_result_in_one_run_keeps_the_first(tmp_path: Path) -> None:
    run_id = start_run("results")
    log_result(run_id, _Result(), number=1)
    log_result(run_id, _Result(parameters={"fast": 20}, metrics={"sharpe": 0.7}, fingerprint="f2"), number=2)
    found = run_data(run_id)
    assert found["params"]["strategy.fast"] == "10"
    assert found["params"]["2.strategy.fast"] == "20"
    assert found["metrics"] == {"sharpe": 0.7, "trades": 12.0}
    history = client().get_metric_history(run_id, "sharpe")
    assert [(item.step, item.value) for item in history] == [(1, 0.5), (2, 0.7)]
    assert found["tags"][TAG_DATA] == "f1 f2"
    for number in ("01", "02"):
        back = pd.read_parquet(_artifact(run_id, f"result_{number}/equity.parquet", tmp_path))
        assert back["equity"].tolist() == [100.0, 101.0]


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=s", "-c", "user.email=s@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_code_version_is_the_commit_and_whether_files_changed_since(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    assert code_version(folder).name.startswith("forex-workbench ")
    _git(folder, "init", "-q")
    (folder / "strategy.py").write_text("a = 1\n")
    _git(folder, "add", "strategy.py")
    _git(folder, "commit", "-q", "-m", "first")
    commit = _git(folder, "rev-parse", "HEAD")
    assert (code_version(folder).name, code_version(folder).dirty) == (commit, False)
    (folder / "strategy.py").write_text("a = 2\n")
    assert code_version(folder).dirty
    assert str(code_version(folder)) == f"{commit} (changed since)"
