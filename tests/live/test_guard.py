"""The guard of a live kernel, over a child that hangs, crashes, eats memory or prints without end."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.desk import Desk, eventually, write_notebook
from tests.live.test_crash import uninterrupted
from workbench.domain.allowance import Allowance
from workbench.live.beat import Beat, Phase, read_beat
from workbench.live.board import Board
from workbench.live.guard import Guard
from workbench.live.launch import Places
from workbench.live.log import open_log
from workbench.live.pids import started_at
from workbench.live.printed import MOST_BYTES
from workbench.live.restarts import RestartPolicy

pytestmark = pytest.mark.processes

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a guard whose child is in one of the moods."""
    started: list[subprocess.Popen[bytes]] = []

    def made(mood: str, *, decision_s: float = 0.4) -> "subprocess.Popen[bytes]":
        with (tmp_path / "kernel.out").open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "tests.live.guard_under_test", tmp_path, mood, str(decision_s)],
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=output,
            )
        started.append(child)
        return child

    yield made
    for child in started:
        child.kill()
        child.wait()


def beat(folder: Path) -> Beat:
    found = read_beat(Places(folder, folder).beat)
    assert found is not None
    return found


def decides(folder: Path) -> bool:
    found = read_beat(Places(folder, folder).beat)
    return found is not None and found.phase is Phase.TRADING and (folder / "child").exists()


@pytest.mark.parametrize(
    ("mood", "decision_s", "phase", "why"),
    [
        ("hangs", 0.4, Phase.OVERDUE, "its strategy took longer than 0.4 s to decide event 7"),
        ("prints", 0.4, Phase.OVERDUE, "its strategy took longer than 0.4 s to decide event 7"),
        ("eats", 60.0, Phase.OVERDUE, " MiB of memory, more than the 600 MiB it may"),
        (
            "crashes",
            60.0,
            Phase.BROKEN,
            "its strategy's process was ended by SIGSEGV while it decided event 7",
        ),
        ("leaves", 60.0, Phase.TRADING, ""),
    ],
)
def test_what_a_child_does_to_itself_is_said_in_a_sentence_and_ends_it(
    start: Start, tmp_path: Path, mood: str, decision_s: float, phase: Phase, why: str
) -> None:
    guard = start(mood, decision_s=decision_s)
    assert guard.wait(60) == (3 if mood == "leaves" else 1)
    last = beat(tmp_path)
    assert last.phase is phase
    assert last.detail.endswith(why)
    assert (last.event_seq, last.orders, last.pid) == (6, 3, guard.pid)
    assert started_at(int((tmp_path / "child").read_text())) == 0.0
    assert (tmp_path / "kernel.out").stat().st_size <= MOST_BYTES + 100
    assert (tmp_path / "kernel.out").read_bytes().startswith(b"it trades\n")
    log = [json.loads(line) for line in (tmp_path / "live.log").read_text().splitlines()]
    assert log[-1]["event"] == "kernel ended"
    assert log[-1]["detail"] == last.detail


def test_a_full_disk_takes_nothing_from_what_the_guard_says_and_does(start: Start, tmp_path: Path) -> None:
    (tmp_path / "live.log").symlink_to("/dev/full")
    guard = start("hangs")
    assert guard.wait(60) == 1
    last = beat(tmp_path)  # by it the supervisor knows that the waiting orders are to be taken back
    assert (last.phase, last.detail[:12]) == (Phase.OVERDUE, "its strategy")


def test_a_sign_of_life_that_a_full_disk_does_not_take_ends_no_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, beat: Beat) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("workbench.live.guard.write_beat", full)
    words = [sys.executable, "-c", "import time; time.sleep(0.6)"]
    child = subprocess.Popen(words, start_new_session=True)
    said, say = os.pipe()
    printed, out = os.pipe()
    for pipe in (said, printed):
        os.set_blocking(pipe, False)
    guard = Guard(
        child.pid,
        deployment_id="d",
        places=Places(tmp_path, tmp_path),
        allowance=Allowance(),
        board=Board(),
        said=said,
        printed=printed,
        log=open_log(tmp_path / "live.log"),
    )
    assert guard.run() == 0
    child.wait()
    for pipe in (said, say, printed, out):
        os.close(pipe)


def test_the_sign_of_life_goes_on_and_a_stop_is_heard_while_the_strategy_holds_everything(
    start: Start, tmp_path: Path
) -> None:
    guard = start("hangs", decision_s=600.0)
    eventually(lambda: decides(tmp_path), what="the start")
    first = beat(tmp_path)
    later = eventually(
        lambda: (found := beat(tmp_path)).beat_ns > first.beat_ns + 10**9 and found, what="beats"
    )
    assert later.phase is Phase.TRADING
    assert later.progress_ns == first.progress_ns
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(30) == 1
    last = beat(tmp_path)
    assert last.phase is Phase.OVERDUE
    assert last.detail == "its strategy did not finish what it was at within 6 s and was ended"


def test_a_stop_lets_a_strategy_that_decides_leave_by_itself(start: Start, tmp_path: Path) -> None:
    guard = start("writes nonsense")
    eventually(lambda: decides(tmp_path), what="the start")
    guard.send_signal(signal.SIGINT)  # does nothing
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(30) == 0
    assert (beat(tmp_path).phase, beat(tmp_path).detail) == (Phase.STOPPED, "Stopped as asked.")


def test_a_child_does_not_outlive_its_guard(start: Start, tmp_path: Path) -> None:
    guard = start("hangs", decision_s=600.0)
    eventually(lambda: decides(tmp_path), what="the start")
    child = int((tmp_path / "child").read_text())
    assert started_at(child) > 0
    guard.kill()
    guard.wait()
    eventually(lambda: started_at(child) == 0.0, within_s=10, what="the child's end")


@pytest.mark.parametrize(
    ("mood", "code"),
    [("starts others", 1), ("starts another and crashes", 1), ("starts another and leaves", 3)],
)
def test_what_a_strategy_has_started_ends_with_it(start: Start, tmp_path: Path, mood: str, code: int) -> None:
    guard = start(mood)
    assert (
        guard.wait(60) == code
    )  # whatever it left would hold the account's lease, and no kernel start again
    other = int((tmp_path / "other").read_text())
    eventually(lambda: started_at(other) == 0.0, within_s=10, what="the end of what it started")


def test_a_decision_is_on_the_board_from_its_beginning_to_its_end() -> None:
    board = Board()
    assert board.deciding is None
    board.begin(12)
    found = board.deciding
    assert found is not None
    assert (found.event_seq, board.progress.event_seq) == (12, 0)
    board.end()
    assert board.deciding is None
    board.decided(12, orders=2, replayed=False)
    board.decided(14, orders=0, replayed=True)
    progress = board.progress
    assert (progress.event_seq, progress.decisions, progress.replayed, progress.orders) == (14, 2, 1, 2)


def test_hanging_crashing_eating_and_printing_cost_a_restart_each_and_not_one_fill(desk: Desk) -> None:
    write_notebook(desk.notebook, mood="everything")
    desk.policy = RestartPolicy(limit=4, first_wait_s=0.05, factor=1.0)
    desk.allowance = Allowance(decision_s=5.0, memory_mib=700)
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="finished", within_s=600.0)
    reasons = [item["reason"] for item in line["recoveries"]]
    back = "; its waiting orders are taken back"
    assert reasons[0] == f"its strategy took longer than 5 s to decide event 6{back}"
    assert reasons[1] == "its strategy's process was ended by SIGSEGV while it decided event 20"
    assert reasons[2].endswith(f"MiB of memory, more than the 700 MiB it may{back}")
    assert reasons[3] == f"its strategy took longer than 5 s to decide event 60{back}"
    assert desk.released == [deployment] * 3  # told the gateway to take orders back, but not of the crash
    fills = [(fill.time_ns, fill.units, fill.price) for fill in desk.gateway.fills]
    assert fills == uninterrupted(desk, deployment)
    assert desk.places(deployment).output.stat().st_size < 5 * (MOST_BYTES + 1_000)


def test_a_strategy_that_hangs_at_the_same_event_again_is_not_started_a_third_time(desk: Desk) -> None:
    write_notebook(desk.notebook, mood="stuck")
    desk.allowance = Allowance(decision_s=1.0)
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert line["detail"] == (
        "Ended twice after event 4, because its strategy took longer than 1 s to decide event 6; its waiting "
        "orders are taken back and its position is kept; see its log, then start it again."
    )
    assert line["restarts"] == 1
    eventually(lambda: desk.released == [deployment] * 2, what="telling the gateway")
