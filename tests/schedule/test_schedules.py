"""Schedules in the store: each moment fires once, and missed ones follow the policy. On both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
import sqlalchemy as sa
from nbformat.v4 import new_code_cell, new_notebook

from workbench.domain.calendar import to_ns
from workbench.errors import BadInputError
from workbench.schedule import (
    NoSuchRunError,
    NoSuchScheduleError,
    Schedule,
    add_schedule,
    change_schedule,
    delete_run,
    enable_schedule,
    get_schedule,
    list_runs,
    list_schedules,
    remove_schedule,
    request_stop,
    run_now,
)
from workbench.schedule.runs import end_run
from workbench.schedule.schedules import fire_due
from workbench.store import open_store

_MINUTE = 60 * 10**9
_NIGHT = to_ns(datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.fixture
def engine(store_url: str) -> Iterator[sa.Engine]:
    """An empty store on each database."""
    store = open_store(store_url)
    yield store
    store.dispose()


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook with one parameter."""
    node = new_notebook(cells=[new_code_cell("n = 1", metadata={"tags": ["parameters"]})])
    path = tmp_path / "tiny.ipynb"
    nbformat.write(node, path)
    return path


def _nightly(engine: sa.Engine, notebook: Path, **values: object) -> Schedule:
    given = {"name": "nightly", "cron": "30 17 * * *", "timezone": "America/New_York", **values}
    return add_schedule(engine, pipeline=notebook, created_by="sarah", now_ns=_NIGHT, **given)  # type: ignore[arg-type]  # table of values


def test_what_is_due_is_queued_exactly_once(engine: sa.Engine, notebook: Path) -> None:
    schedule = _nightly(engine, notebook, parameters={"n": 3})
    due = to_ns(datetime(2026, 11, 20, 22, 30, tzinfo=UTC))  # 17:30 in New York
    assert schedule.next_run_ns == due
    assert fire_due(engine, now_ns=due - 1, grace_ns=_MINUTE) == []
    (run_id,) = fire_due(engine, now_ns=due + 5, grace_ns=_MINUTE)
    assert fire_due(engine, now_ns=due + 6, grace_ns=_MINUTE) == []
    (run,) = list_runs(engine)
    assert (run.id, run.status, run.scheduled_ns, run.parameters) == (run_id, "queued", due, {"n": 3})
    assert get_schedule(engine, schedule.id).next_run_ns == due + 24 * 60 * _MINUTE


@pytest.mark.parametrize(("misfire", "status"), [("skip", "skipped"), ("run_once", "queued")])
def test_missed_moments_follow_the_policy(
    engine: sa.Engine, notebook: Path, misfire: str, status: str
) -> None:
    schedule = _nightly(engine, notebook, misfire=misfire)
    three_days_later = _NIGHT + 3 * 24 * 60 * _MINUTE
    fire_due(engine, now_ns=three_days_later, grace_ns=_MINUTE)
    fire_due(engine, now_ns=three_days_later + 1, grace_ns=_MINUTE)
    (run,) = list_runs(engine)
    assert run.status == status
    assert "missed by" in run.detail
    assert get_schedule(engine, schedule.id).next_run_ns > three_days_later


def test_a_run_is_skipped_while_the_one_before_is_going(engine: sa.Engine, notebook: Path) -> None:
    schedule = _nightly(engine, notebook, cron="* * * * *")
    (first,) = fire_due(engine, now_ns=schedule.next_run_ns, grace_ns=_MINUTE)
    fire_due(engine, now_ns=schedule.next_run_ns + _MINUTE, grace_ns=_MINUTE)
    assert [run.status for run in list_runs(engine)] == ["skipped", "queued"]
    end_run(engine, first, status="completed", detail="")
    assert len(fire_due(engine, now_ns=schedule.next_run_ns + 2 * _MINUTE, grace_ns=_MINUTE)) == 1


def test_a_schedule_that_is_off_does_not_fire_and_makes_up_for_nothing(
    engine: sa.Engine, notebook: Path
) -> None:
    schedule = enable_schedule(engine, _nightly(engine, notebook).id, enabled=False)
    assert schedule.next_run_ns == 0
    assert fire_due(engine, now_ns=_NIGHT + 10**18, grace_ns=_MINUTE) == []
    on_again = enable_schedule(engine, schedule.id)
    assert on_again.next_run_ns > to_ns(datetime.now(UTC))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"cron": "every night"}, "cron expression"),
        ({"timezone": "New York"}, "IANA time zone"),
        ({"misfire": "backfill"}, "skip or run_once"),
        ({"name": " "}, "name of 1 to 200"),
        ({"timeout_s": 0}, "1 to 604800 seconds"),
        ({"parameters": {"n": "text"}}, "expected int"),
        ({"parameters": {"m": 1}}, "declares no parameter"),
        ({"pipeline": "nothing.ipynb"}, "no such file"),
        ({"pipeline": "run.sh"}, "expected a pipeline"),
    ],
)
def test_a_wrong_value_is_refused_when_adding_and_when_changing(
    engine: sa.Engine, notebook: Path, values: dict[str, object], says: str
) -> None:
    schedule = _nightly(engine, notebook)
    with pytest.raises(BadInputError, match=says):
        add_schedule(engine, **{"name": "n", "pipeline": notebook, "created_by": "s", **values})  # type: ignore[arg-type]  # table of values
    with pytest.raises(BadInputError, match=says):
        change_schedule(engine, schedule.id, **values)
    assert list_schedules(engine) == [schedule]


def test_a_removed_schedule_leaves_its_runs(engine: sa.Engine, notebook: Path) -> None:
    schedule = _nightly(engine, notebook)
    run = run_now(engine, schedule.id, by="david", parameters={"n": 9})
    remove_schedule(engine, schedule.id)
    assert [item.id for item in list_runs(engine, schedule_id=schedule.id)] == [run.id]
    assert (run.created_by, run.parameters) == ("david", {"n": 9})
    with pytest.raises(NoSuchScheduleError, match=schedule.id):
        remove_schedule(engine, schedule.id)


def test_a_queued_run_is_stopped_at_once_and_an_ended_one_stays(engine: sa.Engine, notebook: Path) -> None:
    run = run_now(engine, _nightly(engine, notebook).id, by="sarah")
    with pytest.raises(NoSuchRunError, match="stop it first"):
        delete_run(engine, run.id)
    assert request_stop(engine, run.id, by="david").detail == "stopped by david"
    assert not end_run(engine, run.id, status="completed", detail="")
    assert request_stop(engine, run.id, by="alex").detail == "stopped by david"
    delete_run(engine, run.id)
    assert list_runs(engine) == []
