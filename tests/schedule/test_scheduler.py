"""The scheduler with real processes: killed, stopped, too long, restarted; none stays running for ever."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from tests.schedule.conftest import WriteNotebook
from workbench.live.pids import alive
from workbench.schedule import (
    Run,
    Scheduler,
    SchedulerRunningError,
    add_schedule,
    get_run,
    get_schedule,
    lease,
    list_runs,
    request_stop,
    run_now,
)
from workbench.schedule.runs import add_run, change_run
from workbench.settings import Settings
from workbench.tracking import settings_environment

pytestmark = pytest.mark.processes

_PATIENCE_S = 90.0
_SLOW = "import pathlib, time\npathlib.Path(mark).touch()\ntime.sleep(seconds)"


@pytest.fixture
def scheduler(settings: Settings) -> Iterator[Scheduler]:
    """A scheduler in this process; what it started is ended with it."""
    made = Scheduler(settings, poll_s=0.1, patience_s=3.0)
    yield made
    made._shut_down()


@pytest.fixture
def slow(settings: Settings, write_notebook: WriteNotebook) -> Path:
    """A notebook that says when it is in its long cell."""
    return write_notebook("slow.ipynb", 'mark = ""\nseconds = 120.0', _SLOW)


def _until(scheduler: Scheduler | None, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        if scheduler is not None:
            scheduler.tick()
        time.sleep(0.1)


def _queue(engine: sa.Engine, notebook: Path, mark: Path, **values: object) -> Run:
    schedule = add_schedule(
        engine,
        name="slow",
        pipeline=notebook,
        created_by="sarah",
        parameters={"mark": str(mark)},
        **values,  # type: ignore[arg-type]  # table of values
    )
    return run_now(engine, schedule.id, by="sarah")


def _processes_of(run: Run) -> list[psutil.Process]:
    parent = psutil.Process(run.pid)
    return [parent, *parent.children(recursive=True)]


def test_a_killed_run_is_failed_and_leaves_no_process(
    settings: Settings, engine: sa.Engine, scheduler: Scheduler, slow: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    run_id = _queue(engine, slow, mark).id
    _until(scheduler, mark.exists)
    run = get_run(engine, run_id)
    assert run.status == "running"
    assert "step 1 of 1" in run.detail
    processes = _processes_of(run)
    assert len(processes) >= 3  # the run, papermill's process, the kernel
    os.kill(run.pid, signal.SIGKILL)
    _until(scheduler, lambda: get_run(engine, run_id).status == "failed")
    ended = get_run(engine, run_id)
    assert "SIGKILL" in ended.detail
    assert ended.ended_ns > ended.started_ns
    _until(
        None, lambda: not any(process.is_running() and process.status() != "zombie" for process in processes)
    )


def test_a_run_is_stopped_on_request(
    engine: sa.Engine, scheduler: Scheduler, slow: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    run_id = _queue(engine, slow, mark).id
    _until(scheduler, mark.exists)
    assert request_stop(engine, run_id, by="david").status == "stopping"
    _until(scheduler, lambda: get_run(engine, run_id).status == "stopped")
    run = get_run(engine, run_id)
    _until(scheduler, lambda: not alive(run.pid, run.pid_started))
    assert Path(run.files[0]).exists()  # the cells that ran are kept


def test_a_run_over_its_time_is_failed_and_ended(
    engine: sa.Engine, scheduler: Scheduler, slow: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    run_id = _queue(engine, slow, mark, timeout_s=3_600.0).id
    _until(scheduler, mark.exists)
    change_run(engine, run_id, when=("running",), started_ns=time.time_ns() - 3_601 * 10**9)
    _until(scheduler, lambda: get_run(engine, run_id).status == "failed")
    assert get_run(engine, run_id).detail == "ran longer than its limit of 3600 s"
    run = get_run(engine, run_id)
    _until(scheduler, lambda: not alive(run.pid, run.pid_started))
    assert get_run(engine, run_id).detail == "ran longer than its limit of 3600 s"  # the first word counts


def test_a_run_whose_process_never_begins_is_failed(
    settings: Settings, engine: sa.Engine, slow: Path, tmp_path: Path
) -> None:
    broken = Scheduler(settings, child=(sys.executable, "-c", "raise SystemExit('no memory left')"))
    run_id = _queue(engine, slow, tmp_path / "mark").id
    _until(broken, lambda: get_run(engine, run_id).status == "failed")
    assert get_run(engine, run_id).detail == "its process ended with code 1 before it began: no memory left"


def test_a_run_of_a_process_that_is_gone_does_not_stay_running(
    engine: sa.Engine, scheduler: Scheduler
) -> None:
    with engine.begin() as connection:
        common = {"name": "old", "pipeline": "x.ipynb", "parameters": {}, "created_by": "sarah"}
        gone = add_run(connection, **common, status="running", pid=2**22 - 1, pid_started=1.0)  # type: ignore[arg-type]  # table of values
        another = add_run(connection, **common, status="running", pid=os.getpid(), pid_started=1.0)  # type: ignore[arg-type]  # a later process of the pid
    scheduler.tick()
    assert [get_run(engine, run.id).status for run in (gone, another)] == ["failed", "failed"]
    assert "gone without a word" in get_run(engine, gone.id).detail


def test_the_scheduler_process_fires_what_is_due_and_outlives_its_own_kill(
    settings: Settings, engine: sa.Engine, slow: Path, tmp_path: Path
) -> None:
    """Killed in the middle of a run: the run goes on and says itself how it ended; the next one goes on."""
    first_mark, second_mark = tmp_path / "first", tmp_path / "second"
    long_ago = time.time_ns() - 3 * 86_400 * 10**9
    schedule = add_schedule(
        engine,
        name="nightly",
        pipeline=slow,
        parameters={"mark": str(first_mark), "seconds": 1.5},
        cron="0 3 * * *",
        misfire="run_once",
        created_by="sarah",
        now_ns=long_ago,
    )
    first = _start(settings)
    try:
        _until(None, first_mark.exists)
        first.kill()
        first.wait()
        (run,) = list_runs(engine)
        assert run.status == "running"
        assert "made up for once" in run.detail or "step" in run.detail
        second = _start(settings)
        try:
            _until(None, lambda: get_run(engine, run.id).status == "completed")
            assert get_schedule(engine, schedule.id).next_run_ns > time.time_ns()
            another = run_now(
                engine, schedule.id, by="david", parameters={"mark": str(second_mark), "seconds": 90.0}
            )
            _until(None, second_mark.exists)
            second.terminate()
            assert second.wait(timeout=60) == 0
            stopped = get_run(engine, another.id)
            assert stopped.status == "stopped"
            assert not alive(stopped.pid, stopped.pid_started)
        finally:
            second.kill()
    finally:
        first.kill()
    assert len(list_runs(engine)) == 2


def test_only_one_scheduler_works_for_a_home(settings: Settings) -> None:
    with (
        lease(settings),
        pytest.raises(SchedulerRunningError, match=f"process {os.getpid()}"),
        lease(settings),
    ):
        pass
    with lease(settings):
        process = _start(settings)
        assert process.wait(timeout=60) == 1
        assert b"works for" in (process.stdout.read() if process.stdout else b"")
    with lease(settings):
        pass


def _start(settings: Settings) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "workbench.schedule", "--poll", "0.2"],
        env={**os.environ, **settings_environment(settings)},
        cwd=settings.project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
