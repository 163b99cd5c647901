"""The command answers with tables, JSON and one-sentence errors, never with a traceback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.commands.answering import columns, parameters_from
from workbench.errors import BadInputError
from workbench.processes import PortInUseError, Process, ProcessFailedError, check_port, running
from workbench.settings import load_settings


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("WORKBENCH_USER", "sarah")

    def call(*arguments: str):
        return CliRunner().invoke(main, list(arguments))

    return call


def test_every_command_explains_itself(run):
    for name, command in main.commands.items():
        subcommands = getattr(command, "commands", {None: command})
        for sub in subcommands:
            done = run(*[part for part in (name, sub, "--help") if part])
            assert done.exit_code == 0
            assert "Usage:" in done.output
            assert (command.help or "").strip()


def test_the_sample_is_imported_listed_and_checked(run):
    first = run("data", "import", "--sample", "--json")
    again = run("data", "import", "--sample", "--json")
    assert first.exit_code == again.exit_code == 0
    fingerprint = json.loads(first.stdout)[0]["fingerprint"]
    assert json.loads(again.stdout)[0]["fingerprint"] == fingerprint
    listed = json.loads(run("data", "list", "--json").stdout)
    assert [(item["instrument"], item["timeframe"], item["rows"]) for item in listed] == [
        ("EUR_USD", "H1", 6225)
    ]
    assert fingerprint[:12] in run("data", "list").output
    assert run("data", "check", fingerprint[:8]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data", "import"), "nothing to import"),
        (("data", "import", "no-such-file.csv"), "no such file"),
        (("data", "import", "--sample", "-i", "EURUSD", "x.csv"), "did you mean EUR_USD"),
        (("data", "check", "abc"), "abc"),
        (("backtest", "no-such-notebook.ipynb"), "no such file"),
        (("backtest", "x.ipynb", "-p", "fast"), "expected -p name=value"),
        (("promote", "no-such-run"), "no-such-run"),
        (("approve", "abc", "--as", "david", "--reason", "ok"), "abc"),
        (("account", "add", "a b"), "letters, digits"),
        (("account", "add", "paper", "--balance", "much"), "expected an amount"),
        (("deploy", "abc", "--account", "paper"), "abc"),
        (("stop", "abc"), "start the gateway"),
        (("kill", "--deployment", "a", "--account", "b"), "not both"),
        (("verify",), "start the workbench once"),
        (("pipeline", "run", "no-such.yaml"), "no-such.yaml"),
        (("schedule", "add", "no-such.yaml", "--cron", "* * * * *"), "no-such.yaml"),
        (("schedule", "remove", "abc"), "abc"),
    ],
)
def test_bad_input_is_one_clear_sentence(run, arguments, said, monkeypatch):
    defaults = {"timeout_s": 0.2, "kills_dir": None}
    monkeypatch.setattr("workbench.gateway.client.OperatorClient.__init__.__kwdefaults__", defaults)
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_kill_without_a_gateway_is_remembered_and_says_what_may_still_be_live(run):
    done = run("kill", "--reason", "drill")
    assert done.exit_code == 0, done.stderr
    assert "killed: all, remembered on disk" in done.output
    assert "MAY STILL BE LIVE" in done.output


@pytest.mark.parametrize("arguments", [("data", "list"), ("account", "list"), ("demo",), ("up", "--no-lab")])
def test_a_home_that_is_a_file_is_named(run, arguments, tmp_path):
    (tmp_path / "home").write_text("not a folder")
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path / 'home'}: File exists"


def test_a_file_with_an_unreadable_line_names_the_line(run, tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text(
        "time,open,high,low,close\n"
        "2024-01-02T00:00:00Z,1.10000,1.10010,1.09990,1.10005\n"
        "2024-01-02T01:00:00Z,1.10005,oops,1.09990,1.10005\n"
    )
    done = run("data", "import", str(path), "--side", "bid", "--cost-book", "retail")
    assert done.exit_code == 1
    assert "3" in done.stderr
    assert "oops" in done.stderr
    assert json.loads(run("data", "list", "--json").stdout) == []


def test_status_tells_what_is_not_running(run):
    done = run("status", "--json")
    value = json.loads(done.stdout)
    assert done.exit_code == 0
    assert not value["gateway"]["running"]
    assert "workbench up" in value["gateway"]["error"]


def test_accounts_are_added_once_and_listed(run):
    assert run("account", "add", "paper", "--balance", "2500.50").exit_code == 0
    again = run("account", "add", "paper")
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert json.loads(run("account", "list", "--json").stdout) == [
        {"id": "paper", "broker": "paper", "currency": "USD", "balance": "2500.500000"}
    ]


def test_a_setting_that_can_not_be_used_is_named(run, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LAB_PORT", "abc")
    done = run("data", "list")
    assert done.exit_code == 1
    assert "lab_port" in done.stderr


def test_parameters_are_read_as_json_where_they_are_json():
    given = parameters_from(["a=1", "b=0.5", "c=text", 'd="1"', "e=[1, 2]", "f=x=y"])
    assert given == {"a": 1, "b": 0.5, "c": "text", "d": "1", "e": [1, 2], "f": "x=y"}
    with pytest.raises(BadInputError, match="twice"):
        parameters_from(["a=1", "a=2"])


def test_columns_line_up():
    assert columns([("a", "bbb"), ("cccc", "d")], ("x", "y")) == ["x     y", "a     bbb", "cccc  d"]
    assert columns([], ("x",)) == ["(none)"]


def test_a_port_that_is_in_use_names_the_setting_that_moves_it():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            PortInUseError, match=rf"port {port} is in use, Voila needs it.*WORKBENCH_VOILA_PORT"
        ):
            check_port(port, needed_by="Voila", setting="WORKBENCH_VOILA_PORT")


def test_processes_start_in_order_and_stop_in_reverse(tmp_path):
    settings = load_settings(home=tmp_path)
    said: list[str] = []
    marks = [tmp_path / name for name in ("one", "two")]
    processes = [
        Process(
            name=mark.name,
            command=["sh", "-c", f"touch {mark}; exec sleep 60"],
            ready=mark.exists,
            folder=tmp_path,
        )
        for mark in marks
    ]
    with running(processes, settings=settings, tell=said.append) as children:
        assert all(child.poll() is None for child in children.values())
    assert all(child.poll() is not None for child in children.values())
    assert [line.split()[:2] for line in said] == [
        ["one", "ready"],
        ["two", "ready"],
        ["two", "stopped"],
        ["one", "stopped"],
    ]


def test_a_process_that_dies_at_start_is_an_error_with_the_end_of_its_log(tmp_path):
    settings = load_settings(home=tmp_path)
    broken = Process(
        name="broken",
        command=["sh", "-c", "echo no such luck; exit 3"],
        ready=lambda: False,
        folder=Path(tmp_path),
    )
    with (
        pytest.raises(ProcessFailedError, match=r"(?s)the broken ended with 3.*no such luck"),
        running([broken], settings=settings, tell=lambda _: None),
    ):
        pass


STARTING = """
import sys
from pathlib import Path
from workbench.processes import Process, running
from workbench.settings import load_settings

folder = Path(sys.argv[1])

def child(name, ready):
    command = ["sh", "-c", f"echo $$ > {folder / name}; exec sleep 300"]
    return Process(name=name, command=command, ready=ready, folder=folder)

processes = [child("ready", (folder / "ready").exists), child("never-ready", lambda: False)]
with running(processes, settings=load_settings(home=folder), tell=lambda _: None):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_processes_that_are_still_starting_end_with_whoever_started_them(tmp_path, number):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTING, str(tmp_path)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    pids = [tmp_path / "ready", tmp_path / "never-ready"]
    deadline = time.monotonic() + 60
    while not all(path.is_file() and path.read_text().endswith("\n") for path in pids):
        assert starter.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    starter.send_signal(number)
    assert starter.wait(60) != 0
    for path in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
