"""One supervisor a home, its verbs and roles, and what happens when it dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.desk import Desk, eventually
from workbench.domain.roles import Role
from workbench.live.deployments import deployment as stored
from workbench.live.errors import SupervisorError, SupervisorRunningError
from workbench.live.pids import started_at
from workbench.live.supervisor import supervisor_lease

pytestmark = pytest.mark.processes

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def outside(desk: Desk) -> Iterator[Start]:
    """Starts supervisors in processes of their own."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.live.supervisor_under_test", desk.home, desk.runtime, *options],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.terminate()
            child.wait(30)
        assert child.stderr is not None
        child.stderr.close()


def answers(desk: Desk) -> bool:
    try:
        return bool(desk.client().status())
    except SupervisorError:
        return False


def test_a_second_supervisor_of_a_home_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    with (
        supervisor_lease(tmp_path),
        pytest.raises(SupervisorRunningError, match=f"pid {os.getpid()}"),
        supervisor_lease(tmp_path),
    ):
        pass
    with supervisor_lease(tmp_path):
        pass


def test_a_second_supervisor_process_ends_at_once_and_the_first_goes_on(desk: Desk, outside: Start) -> None:
    first = outside()
    eventually(lambda: answers(desk))
    second = outside()
    assert second.wait(30) != 0
    assert second.stderr is not None
    assert f"a supervisor runs already for {desk.home} (pid {first.pid})".encode() in second.stderr.read()
    assert desk.client().status()["pid"] == first.pid


def test_a_supervisor_that_was_killed_finds_its_kernel_again(desk: Desk, outside: Start) -> None:
    name = desk.deploy()
    first = outside()
    desk.gateway.endless = True
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "running")
    pid = desk.of(name)["pid"]
    eventually(lambda: not desk.places(name).connection_file.exists(), what="cutting off")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    desk.decided(60)  # it trades on without a supervisor
    second = outside()
    eventually(lambda: answers(desk) and desk.client().status()["pid"] == second.pid)
    line = desk.until(name, state="running")
    assert (line["pid"], line["restarts"], desk.gateway.attached) == (pid, 0, [pid])
    os.kill(pid, signal.SIGKILL)  # and watches over it as if it had started it
    eventually(lambda: len(desk.gateway.attached) == 2, what="the restart")
    desk.client().stop(name)
    desk.until(name, state="stopped")


def test_a_supervisor_that_was_killed_while_the_notebook_ran_starts_the_kernel_anew(
    desk: Desk, outside: Start
) -> None:
    name = desk.deploy()
    first = outside()
    pid = eventually(lambda: stored(desk.engine, name).pid, what="the kernel's start")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    outside()
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "finished")
    assert pid not in desk.gateway.attached
    assert len(desk.gateway.attached) == 1
    assert desk.gateway.acked == 120


def test_a_kernel_that_died_while_no_supervisor_was_there_is_started_again(
    desk: Desk, outside: Start
) -> None:
    name = desk.deploy()
    first = outside("--keep")
    desk.gateway.endless = True
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "running")
    pid = desk.of(name)["pid"]
    first.terminate()
    assert first.wait(30) == 0
    os.kill(pid, signal.SIGKILL)
    outside()
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "running")
    line = desk.of(name)
    assert line["pid"] != pid
    assert line["recoveries"][0]["reason"] == "its kernel ended while no supervisor was there"


def test_sigterm_stops_the_kernels_gracefully_and_the_next_supervisor_starts_them(
    desk: Desk, outside: Start
) -> None:
    name = desk.deploy()
    first = outside()
    desk.gateway.endless = True
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "running")
    pid = desk.of(name)["pid"]
    first.terminate()
    assert first.wait(30) == 0
    assert started_at(pid) == 0.0
    row = stored(desk.engine, name)
    assert (row.desired, row.state, row.pid) == ("running", "starting", 0)
    assert '"asked to stop"' in desk.places(name).log.read_text()
    outside()
    eventually(lambda: answers(desk) and desk.of(name).get("state") == "running")
    assert desk.of(name)["restarts"] == 0


@pytest.mark.parametrize("role", list(Role))
def test_each_role_has_the_verbs_of_the_matrix_and_no_other(desk: Desk, role: Role) -> None:
    desk.start()
    eventually(lambda: answers(desk))
    may = {
        "status": set(Role),
        "logs": set(Role),
        "stop": {Role.OPERATOR, Role.APPROVER, Role.ADMIN},
        "start": {Role.APPROVER, Role.ADMIN},
        "shutdown": {Role.ADMIN},
        "execute": set(),
    }
    for verb, roles in may.items():
        try:
            desk.client(role.value).ask(verb, deployment_id="none")
            problem = ""
        except SupervisorError as error:
            problem = str(error)
        refused = "does not have the verb" in problem or "unknown verb" in problem
        assert refused == (role not in roles), (verb, problem)


def test_an_unknown_verb_names_the_list_and_there_is_none_that_executes(desk: Desk) -> None:
    desk.start()
    eventually(lambda: answers(desk))
    with pytest.raises(SupervisorError, match="the supervisor has status, start, stop, logs, shutdown"):
        desk.client().ask("execute", code="1")


def test_logs_are_the_last_lines_of_the_deployment_alone(desk: Desk) -> None:
    name = desk.deploy()
    desk.start()
    desk.until(name, state="finished")
    assert '"ended"' in desk.client("viewer").logs(name, lines=1)[0]
    assert len(desk.client("viewer").logs(name, lines=5)) == 5
    with pytest.raises(SupervisorError, match="unknown deployment"):
        desk.client().logs("../../etc")
    with pytest.raises(SupervisorError, match="lines: expected a whole number"):
        desk.client().logs(name, lines=0)


def test_shutdown_leaves_the_kernels_when_asked_to(desk: Desk) -> None:
    desk.gateway.endless = True
    name = desk.deploy()
    desk.start()
    pid = desk.until(name, state="running")["pid"]
    eventually(lambda: not desk.places(name).connection_file.exists(), what="cutting off")
    desk.client().shutdown(stop_kernels=False)
    assert desk.thread is not None
    desk.thread.join(20)
    assert started_at(pid) > 0
    with pytest.raises(SupervisorError, match="no supervisor answers"):
        desk.client().status()
    desk.start()  # takes it over; the fixture then stops it
    eventually(lambda: answers(desk) and desk.of(name).get("pid") == pid)
