"""jupyter-scheduler's REST on a real Jupyter server: it lists, creates and starts our runs, for who may."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.schedule.conftest import WriteNotebook
from tests.server.serving import LabServer, NamedTokens, serving
from workbench.schedule import Scheduler, get_run, get_schedule, list_runs, list_schedules
from workbench.server.roles import WorkbenchRoles
from workbench.settings import Settings
from workbench.tracking import settings_environment

_ENVIRONMENT = {"runtime_environment_name": "workbench"}
_FACE = "workbench.schedule.jupyter_face"


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabServer]:
    """A Jupyter server over the project with jupyter-scheduler as jupyter_config.py sets it up.

    The workbench's own extension, which guards these routes as well, is left out: the face must hold alone.
    """
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    people = {"token-of-researcher": "sarah", "token-of-viewer": "alex", "token-of-nobody": "eve"}
    config = {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_scheduler": True},
            "identity_provider_class": NamedTokens,
            "allow_unauthenticated_access": False,
        },
        "NamedTokens": {"people": people},
        "SchedulerApp": {
            "scheduler_class": f"{_FACE}.WorkbenchScheduler",
            "environment_manager_class": f"{_FACE}.WorkbenchEnvironments",
            "job_files_manager_class": f"{_FACE}.WorkbenchJobFiles",
            "db_url": "sqlite://",
        },
    }
    with serving(settings.project, config) as made:
        roles = WorkbenchRoles(users={"sarah": "researcher", "alex": "viewer"})
        made.app.web_app.settings["workbench_roles"] = roles
        yield made


def _ask(
    server: LabServer, path: str, body: object = None, *, role: str = "researcher", method: str | None = None
) -> Any:
    """What the server answers, as the front end of somebody in this role asks."""
    reply = server.ask(f"/scheduler/{path}", token=f"token-of-{role}", body=body, method=method)
    assert reply.ok, reply.text
    return reply.json() if reply.content else None


def _says(
    server: LabServer, path: str, body: object = None, *, role: str = "researcher", method: str | None = None
) -> str:
    """The message of a refusal."""
    reply = server.ask(f"/scheduler/{path}", token=f"token-of-{role}", body=body, method=method)
    assert not reply.ok, reply.text
    return str(reply.json()["message"])


def test_a_job_is_created_run_by_our_scheduler_and_shown_with_its_files(
    server: LabServer, settings: Settings, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    notebook = write_notebook(
        "ideas/tiny.ipynb", 'n = 1\nshare = 0.5\nname = ""', "print(name, n + 1, share)"
    )
    wanted = {
        "name": "my job",
        "input_uri": "ideas/tiny.ipynb",
        "parameters": {"n": "41", "share": "2", "name": "12"},
        "output_formats": ["ipynb", "html"],
        "idempotency_token": "once",
        "tags": ["fx"],
        **_ENVIRONMENT,
    }
    job_id = _ask(server, "jobs", wanted)["job_id"]
    job = _ask(server, f"jobs/{job_id}")
    assert (job["status"], job["name"], job["tags"]) == ("QUEUED", "my job", ["fx"])
    run = get_run(engine, job_id)
    assert run.parameters == {"n": 41, "share": 2.0, "name": "12"}
    assert run.created_by == "sarah"
    assert _ask(server, "jobs/count?status=QUEUED") == {"count": 1}
    assert "already exists" in _says(server, "jobs", wanted)

    notebook.write_text("changed after the job was made")
    scheduler = Scheduler(settings)
    deadline = time.monotonic() + 120
    while get_run(engine, job_id).status in ("queued", "running"):
        assert time.monotonic() < deadline
        scheduler.tick()
        time.sleep(0.2)
    job = _ask(server, f"jobs/{job_id}")
    assert job["status"] == "COMPLETED", job
    assert job["start_time"] <= job["end_time"]
    assert not job["downloaded"]

    _ask(server, f"jobs/{job_id}/download_files")
    job = _ask(server, f"jobs/{job_id}")
    assert job["downloaded"]
    files = {item["file_format"]: settings.project / item["file_path"] for item in job["job_files"]}
    assert "12 42 2.0" in files["ipynb"].read_text()
    assert "12 42 2.0" in files["html"].read_text()
    assert [item["job_id"] for item in _ask(server, "jobs")["jobs"]] == [job_id]

    _ask(server, f"jobs/{job_id}", method="DELETE")
    assert list_runs(engine) == []
    assert not list((settings.home / "scheduled").iterdir())


def test_a_job_definition_is_one_of_our_schedules(
    server: LabServer, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    write_notebook("tiny.ipynb", "n = 1")
    wanted = {
        "name": "nightly",
        "input_uri": "tiny.ipynb",
        "schedule": "30 17 * * 1-5",
        "timezone": "America/New_York",
        "parameters": {"n": "5"},
        "output_formats": ["html"],
        **_ENVIRONMENT,
    }
    key = _ask(server, "job_definitions", wanted)["job_definition_id"]
    (schedule,) = list_schedules(engine)
    assert (schedule.id, schedule.cron, schedule.timezone) == (key, "30 17 * * 1-5", "America/New_York")
    assert schedule.parameters == {"n": 5}
    assert schedule.next_run_ns > time.time_ns()
    path = f"job_definitions/{key}"
    shown = _ask(server, path)
    assert (shown["active"], shown["schedule"], shown["parameters"]) == (True, "30 17 * * 1-5", {"n": "5"})
    assert _ask(server, "job_definitions")["total_count"] == 1

    _ask(server, path, {"active": False}, method="PATCH")
    paused = get_schedule(engine, key)
    assert (paused.enabled, paused.next_run_ns) == (False, 0)
    change = {"active": True, "schedule": "0 3 * * *", "timezone": "Europe/London", "parameters": {"n": "6"}}
    _ask(server, path, change, method="PATCH")
    changed = get_schedule(engine, key)
    assert (changed.enabled, changed.cron, changed.timezone) == (True, "0 3 * * *", "Europe/London")
    assert changed.parameters == {"n": 6}

    run = get_run(engine, _ask(server, f"{path}/jobs", {"parameters": {"n": "7"}})["job_id"])
    assert (run.schedule_id, run.parameters, run.status) == (key, {"n": 7}, "queued")
    of_it = _ask(server, f"jobs?job_definition_id={key}")
    assert [item["job_id"] for item in of_it["jobs"]] == [run.id]
    _ask(server, f"jobs/{run.id}", {"status": "STOPPED"}, method="PATCH")
    assert _ask(server, f"jobs/{run.id}")["status"] == "STOPPED"

    _ask(server, path, method="DELETE")
    assert list_schedules(engine) == []
    assert "found none" in _says(server, path)


def test_jobs_come_in_pages_and_in_order(server: LabServer, write_notebook: WriteNotebook) -> None:
    write_notebook("tiny.ipynb", "n = 1")
    for name in ("b", "a", "c"):
        _ask(server, "jobs", {"name": name, "input_uri": "tiny.ipynb", **_ENVIRONMENT})

    def names(query: str) -> list[str]:
        return [job["name"] for job in _ask(server, f"jobs{query}")["jobs"]]

    first = _ask(server, "jobs?sort_by=asc(name)&max_items=2")
    assert [job["name"] for job in first["jobs"]] == ["a", "b"]
    rest = _ask(server, f"jobs?sort_by=asc(name)&max_items=2&next_token={first['next_token']}")
    assert [job["name"] for job in rest["jobs"]] == ["c"]
    assert "next_token" not in rest
    assert names("") == ["c", "a", "b"]  # the newest first
    assert names("?name=b") == ["b"]
    assert names("?status=COMPLETED") == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"input_uri": "nothing.ipynb"}, "nothing.ipynb"),
        ({"input_uri": "../outside.ipynb"}, "outside.ipynb"),
        ({"input_uri": "/../outside.ipynb"}, "outside.ipynb"),
        ({"input_uri": "tiny.ipynb", "parameters": {"n": "1; import os"}}, "expected int"),
        ({"input_uri": "tiny.ipynb", "parameters": {"m": "1"}}, "declares no parameter 'm'"),
        ({"input_uri": "tiny.ipynb", "parameters": {"n = 1; m": "1"}}, "plain identifier"),
        ({"input_uri": "tiny.ipynb", "output_formats": ["exe"]}, "formats ipynb, html"),
        ({"input_uri": "tiny.ipynb", "schedule": "at night"}, "cron"),
        ({"input_uri": "tiny.ipynb", "schedule": "0 3 * * *", "timezone": "X"}, "IANA"),
    ],
)
def test_a_job_that_can_not_run_is_refused_and_leaves_nothing(
    server: LabServer,
    settings: Settings,
    engine: sa.Engine,
    write_notebook: WriteNotebook,
    body: dict[str, Any],
    says: str,
) -> None:
    write_notebook("tiny.ipynb", "n = 1")
    write_notebook("../outside.ipynb", "n = 1")
    kind = "job_definitions" if "schedule" in body else "jobs"
    assert says in _says(server, kind, {"name": "j", **body, **_ENVIRONMENT})
    assert (list_runs(engine), list_schedules(engine)) == ([], [])
    staged = settings.home / "scheduled"
    assert not staged.exists() or not list(staged.iterdir())


def test_a_viewer_sees_everything_and_changes_nothing(
    server: LabServer, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    write_notebook("tiny.ipynb", "n = 1")
    wanted = {"name": "d", "input_uri": "tiny.ipynb", "schedule": "0 3 * * *", **_ENVIRONMENT}
    job = f"jobs/{_ask(server, 'jobs', wanted)['job_id']}"
    definition = f"job_definitions/{_ask(server, 'job_definitions', wanted)['job_definition_id']}"
    before = (list_runs(engine), list_schedules(engine))

    assert _ask(server, "jobs", role="viewer")["total_count"] == 1
    assert _ask(server, definition, role="viewer")["name"] == "d"
    attempts: list[tuple[str, object, str]] = [
        ("jobs", wanted, "POST"),
        ("job_definitions", wanted, "POST"),
        (f"{definition}/jobs", {"parameters": {}}, "POST"),
        (job, {"status": "STOPPED"}, "PATCH"),
        (job, {"name": "mine"}, "PATCH"),
        (job, None, "DELETE"),
        (f"{job}/download_files", None, "GET"),
        (f"batch/jobs?job_id={job.partition('/')[2]}", None, "DELETE"),
        (definition, {"active": False}, "PATCH"),
        (definition, None, "DELETE"),
    ]
    for path, body, method in attempts:
        refusal = _says(server, path, body, role="viewer", method=method)
        assert "alex is in the role viewer, which may not schedule" in refusal, (path, method)
        assert "without a role here" in _says(server, path, body, role="nobody", method=method)
    assert "without a role here" in _says(server, "jobs", role="nobody")
    assert (list_runs(engine), list_schedules(engine)) == before


def test_without_the_workbench_extension_nobody_may_do_anything(server: LabServer) -> None:
    server.app.web_app.settings.pop("workbench_roles")
    assert "nobody has a role here" in _says(server, "jobs")
    assert "nobody has a role here" in _says(server, "jobs", {"name": "j", "input_uri": "x", **_ENVIRONMENT})


def test_the_screens_are_told_what_they_may_offer(server: LabServer) -> None:
    (environment,) = _ask(server, "runtime_environments")
    assert environment["name"] == "workbench"
    assert [item["name"] for item in environment["output_formats"]] == ["ipynb", "html"]
    features = _ask(server, "config")["supported_features"]
    assert features["stop_job"]
    assert not features["email_notifications"]
