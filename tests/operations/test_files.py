"""The files for systemd, Prometheus and Grafana are what those programs take, and name metrics there are."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.operations.receivers import program
from workbench.cli import main
from workbench.errors import BadInputError
from workbench.gateway.metrics import GatewayMetrics
from workbench.live.metrics import SupervisorMetrics
from workbench.operations import AlertSender
from workbench.operations.files import write_files

HERE = Path(__file__).parent


def promtool() -> str:
    """Prometheus' own checker."""
    return program("promtool", package="prometheus")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with all files."""
    home = tmp_path / "home"
    home.mkdir()
    write_files(tmp_path / "files", home=home, project=tmp_path, mlruns=tmp_path / "mlruns", user="root")
    return tmp_path / "files"


def test_prometheus_takes_its_configuration_and_rules(written: Path) -> None:
    done = subprocess.run(
        [promtool(), "check", "config", written / "prometheus.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "16 rules found" in done.stdout


def test_the_rules_alert_when_they_should_and_are_quiet_otherwise() -> None:
    done = subprocess.run(
        [promtool(), "test", "rules", HERE / "prometheus_rules_test.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_each_rule_is_tried_on_made_up_numbers(written: Path) -> None:
    rules = set(re.findall(r"alert: (\w+)", (written / "prometheus_rules.yml").read_text()))
    assert rules == set(re.findall(r"alertname: (\w+)", (HERE / "prometheus_rules_test.yml").read_text()))


def test_rules_and_dashboard_name_only_metrics_that_there_are(written: Path) -> None:
    registries = (
        GatewayMetrics(alerts=AlertSender(urls=(), source="test")).registry,
        SupervisorMetrics().registry,
    )
    there = {
        sample
        for registry in registries
        for metric in registry.collect()
        for sample in (
            metric.name,
            f"{metric.name}_total" if metric.type == "counter" else metric.name,
            f"{metric.name}_bucket" if metric.type == "histogram" else metric.name,
        )
    }
    for name in ("prometheus_rules.yml", "grafana_dashboard.json"):
        named = set(re.findall(r"workbench_(?:gateway|supervisor)_\w+", (written / name).read_text()))
        assert named
        assert named <= there, name


def test_the_dashboards_panels_stand_beside_one_another(written: Path) -> None:
    panels = json.loads((written / "grafana_dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_systemd_takes_the_units(written: Path) -> None:
    units = sorted((written / "systemd").glob("*.service"))
    assert len(units) == 4
    assert not [unit.name for unit in units if "@" in unit.read_text()]
    analyze = program("systemd-analyze", package="systemd")
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "workbench-" in line]
    assert done.returncode == 0, done.stderr
    assert not ours


def test_a_path_that_a_unit_would_misread_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "my home"
    with pytest.raises(BadInputError, match="expected a home without spaces"):
        write_files(tmp_path / "files", home=home, project=tmp_path, mlruns=tmp_path)
    assert not (tmp_path / "files").exists()


def test_by_command_the_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(main, ["operations", "write", str(tmp_path / "files"), "--json"])
    assert done.exit_code == 0
    assert len(json.loads(done.output)) == 7
    assert all(Path(name).is_file() for name in json.loads(done.output))
