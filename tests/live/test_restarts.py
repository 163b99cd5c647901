"""How often, and after how long, a live kernel is started again; and knowing a process again."""

import os
import signal
import subprocess
import sys

import pytest

from workbench.live.pids import alive, send, started_at
from workbench.live.restarts import RestartPolicy


def test_the_fourth_restart_within_five_minutes_is_one_too_many() -> None:
    policy = RestartPolicy()
    waits = [policy.wait_s([0.0] * count, now=10.0) for count in range(4)]
    assert waits == [0.5, 2.0, 8.0, None]


def test_restarts_of_long_ago_do_not_count() -> None:
    policy = RestartPolicy()
    assert policy.wait_s([0.0, 1.0, 2.0], now=299.0) is None
    assert policy.wait_s([0.0, 1.0, 2.0], now=301.5) == 2.0


@pytest.fixture
def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_pid_is_known_again_by_when_its_process_started(sleeper: "subprocess.Popen[bytes]") -> None:
    started = started_at(sleeper.pid)
    assert alive(sleeper.pid, started)
    assert not alive(sleeper.pid, started - 1.0)
    assert not send(sleeper.pid, started - 1.0, signal.SIGKILL)
    assert sleeper.poll() is None
    assert send(sleeper.pid, started, signal.SIGKILL)
    assert os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(sleeper.pid, started)  # a zombie is no process
    sleeper.wait()
    assert not send(sleeper.pid, started, signal.SIGKILL)
