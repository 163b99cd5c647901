"""The face that JupyterLab's scheduler screens see: jupyter-scheduler's interface onto our store.

An adapter; only it and `jupyter_models` import Jupyter in this room. Nothing runs in the Jupyter server: a job
is a row that the workbench's own scheduler picks up, and a job definition is a schedule. Configured by

    c.SchedulerApp.scheduler_class = "workbench.schedule.jupyter_face.WorkbenchScheduler"
    c.SchedulerApp.environment_manager_class = "workbench.schedule.jupyter_face.WorkbenchEnvironments"
    c.SchedulerApp.job_files_manager_class = "workbench.schedule.jupyter_face.WorkbenchJobFiles"
    c.SchedulerApp.db_url = "sqlite://"

The handlers of jupyter-scheduler ask for no authorization. So each call here looks up who makes the request
and needs the verb `status` to look and `schedule` for the rest, by the roles that the workbench's server
extension keeps in the server's settings. Without that extension nobody may do anything. The handlers turn
every error into a 500 with its text; the extension asks first and answers 403.
"""

import asyncio
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from jupyter_scheduler.environments import EnvironmentManager
from jupyter_scheduler.exceptions import IdempotencyTokenError, InputUriError, SchedulerError
from jupyter_scheduler.executors import ExecutionManager
from jupyter_scheduler.job_files_manager import JobFilesManager
from jupyter_scheduler.models import (
    CountJobsQuery,
    CreateJob,
    CreateJobDefinition,
    CreateJobFromDefinition,
    DescribeJob,
    DescribeJobDefinition,
    JobFeature,
    ListJobDefinitionsQuery,
    ListJobDefinitionsResponse,
    ListJobsQuery,
    ListJobsResponse,
    RuntimeEnvironment,
    Status,
    UpdateJob,
    UpdateJobDefinition,
)
from jupyter_scheduler.scheduler import BaseScheduler
from jupyter_server import CallContext
from traitlets import Type, Unicode

from workbench.errors import WorkbenchError
from workbench.notebook import ensure_idea
from workbench.schedule.jupyter_models import (
    ENVIRONMENT,
    FACE,
    FORMATS,
    STATUS,
    definition_of,
    face_of,
    job_of,
    kept_options,
    name_of,
    page_of,
    texts_of,
    typed_parameters,
)
from workbench.schedule.report import notebook_as_page
from workbench.schedule.runs import (
    ACTIVE,
    add_run,
    change_run,
    delete_run,
    get_run,
    list_runs,
    request_stop,
)
from workbench.schedule.schedules import (
    add_schedule,
    change_schedule,
    get_schedule,
    list_schedules,
    remove_schedule,
    run_now,
)
from workbench.settings import Settings, load_settings
from workbench.store import open_store

__all__ = ["WorkbenchEnvironments", "WorkbenchExecution", "WorkbenchJobFiles", "WorkbenchScheduler"]

_STOP_WITHIN_S = 20.0
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _needs(verb: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let a method run only for a request by somebody who may; our errors become the scheduler's."""

    def decorate(method: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(method)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            _caller(verb)
            try:
                return method(*args, **kwargs)
            except WorkbenchError as error:
                raise SchedulerError(str(error)) from error

        return checked

    return decorate


def _caller(verb: str) -> str:
    """The name of the person whose request this is, who may use `verb`."""
    handler = CallContext.get(CallContext.JUPYTER_HANDLER)
    roles = handler.settings.get("workbench_roles") if handler is not None else None
    if roles is None:
        raise SchedulerError(
            "the workbench's server extension is not loaded, so nobody has a role here; "
            "enable it with `jupyter server extension enable workbench.server`"
        )
    person = roles.person(
        handler.current_user,
        provider=handler.identity_provider,
        address=handler.serverapp.ip,
        owner=handler.settings.get("workbench_owner", ""),
    )
    if not person.may(verb):
        role = f"in the role {person.role}" if person.role else "without a role here"
        raise SchedulerError(f"{person.user} is {role}, which may not {verb}; ask an administrator")
    return str(person.user)


class WorkbenchExecution(ExecutionManager):  # type: ignore[misc]  # untyped base
    """Says what the screens may offer; the workbench's scheduler does the work."""

    def execute(self) -> None:
        """Never called: no job runs in the Jupyter server."""
        raise SchedulerError("jobs are run by the workbench's own scheduler")

    @classmethod
    def supported_features(cls, *_: object) -> dict[JobFeature, bool]:
        """The features that the screens offer."""
        offered = {
            JobFeature.job_name,
            JobFeature.parameters,
            JobFeature.output_formats,
            JobFeature.job_definition,
            JobFeature.idempotency_token,
            JobFeature.tags,
            JobFeature.stop_job,
            JobFeature.delete_job,
        }
        return {feature: feature in offered for feature in JobFeature}

    @classmethod
    def validate(cls, *_: object) -> bool:
        """Every notebook will do: it runs in the workbench's kernel."""
        return True


class WorkbenchEnvironments(EnvironmentManager):  # type: ignore[misc]  # untyped base
    """The one environment: that of the workbench."""

    def list_environments(self) -> list[RuntimeEnvironment]:
        """The workbench's kernel."""
        return [
            RuntimeEnvironment(
                name=ENVIRONMENT,
                label="Workbench",
                description="The workbench's research kernel",
                file_extensions=["ipynb"],
                output_formats=list(FORMATS),
                metadata={},
                compute_types=None,
                default_compute_type=None,
                utc_only=False,
            )
        ]

    def manage_environments_command(self) -> str:
        """None."""
        return ""

    def output_formats_mapping(self) -> dict[str, str]:
        """Formats with the words for them."""
        return dict(FORMATS)


class WorkbenchJobFiles(JobFilesManager):  # type: ignore[misc]  # untyped base
    """Copies a run's files to where the file browser shows them."""

    async def copy_from_staging(self, job_id: str, redownload: bool | None = False) -> None:
        """Copy the input and the outputs below the server's root."""
        _caller("schedule")
        job = self.scheduler.get_job(job_id, False)
        sources = self.scheduler.get_staging_paths(job)
        names = self.scheduler.get_job_filenames(job)
        folder = Path(self.scheduler.get_local_output_path(model=job))
        folder.mkdir(parents=True, exist_ok=True)
        for kind, source in sources.items():
            target = folder / names[kind]
            if Path(source).is_file() and (redownload or not target.exists()):
                await asyncio.to_thread(shutil.copyfile, source, target)


class WorkbenchScheduler(BaseScheduler):  # type: ignore[misc]  # untyped base
    """jupyter-scheduler's interface onto the workbench's runs and schedules."""

    execution_manager_class = Type(
        klass="jupyter_scheduler.executors.ExecutionManager",
        default_value=WorkbenchExecution,
        help="Says what the screens may offer.",
    ).tag(config=True)
    workbench_home = Unicode("", help="The workbench's home; otherwise as in its settings.").tag(config=True)

    task_runner = None  # the workbench's scheduler is a process of its own

    def __init__(
        self, root_dir: str, environments_manager: Any, db_url: str = "", config: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(
            root_dir=root_dir, environments_manager=environments_manager, config=config, **kwargs
        )
        home = {"home": Path(self.workbench_home)} if self.workbench_home else {}
        self._settings: Settings = load_settings(**home)
        self._opened: sa.Engine | None = None

    @property
    def _engine(self) -> sa.Engine:
        if self._opened is None:
            self._opened = open_store(self._settings.store_url)
        return self._opened

    # --- jobs: runs --------------------------------------------------------------------------------

    @_needs("schedule")
    def create_job(self, model: CreateJob) -> str:
        """Queue a run of a copy of the notebook as it is now."""
        token = model.idempotency_token
        if token and any(face_of(run.options).get("token") == token for run in list_runs(self._engine)):
            raise IdempotencyTokenError(token)
        kept = kept_options(model, token=token or "")
        staged, parameters = self._stage(model.input_uri, model.parameters)
        with self._engine.begin() as connection:
            return add_run(
                connection,
                name=name_of(model.name, staged),
                pipeline=str(staged),
                parameters=parameters,
                created_by=_caller("schedule"),
                options={FACE: kept},
            ).id

    @_needs("schedule")
    def update_job(self, job_id: str, model: UpdateJob) -> None:
        """Give a run another name, or stop it."""
        get_run(self._engine, job_id)
        if model.status is Status.STOPPED:
            request_stop(self._engine, job_id, by=_caller("schedule"))
        if model.name:
            change_run(self._engine, job_id, when=tuple(STATUS), name=model.name[:200])

    @_needs("status")
    def list_jobs(self, query: ListJobsQuery) -> ListJobsResponse:
        """Runs, those of pipelines and those started elsewhere too."""
        found = [job_of(run) for run in list_runs(self._engine, most=100_000)]
        found = [
            job
            for job in found
            if (query.status is None or job.status == query.status)
            and (not query.job_definition_id or job.job_definition_id == query.job_definition_id)
            and (not query.start_time or (job.start_time or 0) >= query.start_time)
            and (not query.name or job.name.startswith(query.name))
            and set(query.tags or ()) <= set(job.tags or ())
        ]
        page, following = page_of(found, query)
        for job in page:
            self.add_job_files(job)
        return ListJobsResponse(jobs=page, total_count=len(found), next_token=following)

    @_needs("status")
    def count_jobs(self, query: CountJobsQuery) -> int:
        """How many runs have a status."""
        names = [name for name, status in STATUS.items() if status == query.status]
        return len(list_runs(self._engine, status=names, most=100_000))

    @_needs("status")
    def get_job(self, job_id: str, job_files: bool | None = True) -> DescribeJob:
        """One run."""
        job = job_of(get_run(self._engine, job_id))
        if job_files:
            self.add_job_files(job)
        return job

    @_needs("schedule")
    def stop_job(self, job_id: str) -> None:
        """Ask for a run to be stopped."""
        request_stop(self._engine, job_id, by=_caller("schedule"))

    def delete_job(self, job_id: str) -> Awaitable[None]:
        """Remove a run's record, when it has ended; it is stopped first."""
        return self._delete(job_id)

    async def _delete(self, job_id: str) -> None:
        self.stop_job(job_id)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while (run := get_run(self._engine, job_id)).status in ACTIVE:
            if time.monotonic() > deadline:
                raise SchedulerError(f"run {run.name} is being stopped; delete it when it has ended")
            await asyncio.sleep(0.2)
        delete_run(self._engine, job_id)
        if not run.schedule_id:
            self._unstage(run.pipeline)

    # --- job definitions: schedules ------------------------------------------------------------------

    @_needs("schedule")
    def create_job_definition(self, model: CreateJobDefinition) -> str:
        """Keep a schedule of a copy of the notebook as it is now."""
        kept = kept_options(model)
        staged, parameters = self._stage(model.input_uri, model.parameters)
        try:
            return add_schedule(
                self._engine,
                name=name_of(model.name, staged),
                pipeline=staged,
                cron=model.schedule or "",
                timezone=model.timezone or "UTC",
                parameters=parameters,
                created_by=_caller("schedule"),
                options={FACE: kept},
            ).id
        except WorkbenchError:
            self._unstage(str(staged))
            raise

    @_needs("schedule")
    def update_job_definition(self, job_definition_id: str, model: UpdateJobDefinition) -> None:
        """Change a schedule; `active` switches it on and off."""
        old = get_schedule(self._engine, job_definition_id)
        given = model.dict(exclude_unset=True)
        changes: dict[str, Any] = {
            ours: given[theirs]
            for theirs, ours in (("name", "name"), ("timezone", "timezone"), ("active", "enabled"))
            if given.get(theirs) is not None
        }
        if given.get("schedule") is not None:
            changes["cron"] = given["schedule"]
        staged = Path()
        if given.get("input_uri"):
            texts = given["parameters"] if given.get("parameters") is not None else texts_of(old.parameters)
            staged, changes["parameters"] = self._stage(given["input_uri"], texts)
            changes["pipeline"] = staged
        elif given.get("parameters") is not None:
            changes["parameters"] = typed_parameters(Path(old.pipeline), given["parameters"])
        kept = {name: given[name] for name in ("tags", "output_formats") if given.get(name) is not None}
        now = {"updated_ms": time.time_ns() // 1_000_000}
        changes["options"] = {FACE: {**face_of(old.options), **kept, **now}}
        try:
            change_schedule(self._engine, job_definition_id, **changes)
        except WorkbenchError:
            self._unstage(str(staged))
            raise

    @_needs("schedule")
    def delete_job_definition(self, job_definition_id: str) -> None:
        """Remove a schedule; its runs stay."""
        remove_schedule(self._engine, job_definition_id)

    @_needs("status")
    def get_job_definition(self, job_definition_id: str) -> DescribeJobDefinition:
        """One schedule."""
        return definition_of(get_schedule(self._engine, job_definition_id))

    @_needs("status")
    def list_job_definitions(self, query: ListJobDefinitionsQuery) -> ListJobDefinitionsResponse:
        """Schedules, those of pipelines too."""
        found = [
            item
            for item in map(definition_of, list_schedules(self._engine))
            if (not query.create_time or item.create_time >= query.create_time)
            and (not query.name or item.name.startswith(query.name))
            and set(query.tags or ()) <= set(item.tags or ())
        ]
        page, following = page_of(found, query)
        return ListJobDefinitionsResponse(job_definitions=page, total_count=len(found), next_token=following)

    @_needs("schedule")
    def create_job_from_definition(self, job_definition_id: str, model: CreateJobFromDefinition) -> str:
        """Queue a run of a schedule at once."""
        schedule = get_schedule(self._engine, job_definition_id)
        parameters = typed_parameters(Path(schedule.pipeline), model.parameters or {})
        return run_now(self._engine, job_definition_id, by=_caller("schedule"), parameters=parameters).id

    # --- files ---------------------------------------------------------------------------------------

    @_needs("status")
    def get_staging_paths(self, model: DescribeJob | DescribeJobDefinition) -> dict[str, str]:
        """Where the input and the outputs of a run are; the HTML is made when it is asked for first."""
        if not isinstance(model, DescribeJob):
            return {"input": get_schedule(self._engine, model.job_definition_id).pipeline}
        run = get_run(self._engine, model.job_id)
        paths = {"input": run.pipeline}
        executed = next((Path(path) for path in run.files if path.endswith(".ipynb")), None)
        for kind in model.output_formats or ():
            if executed is None:
                paths[kind] = str(self._settings.reports_dir / "runs" / run.id / f"notebook.{kind}")
                continue
            paths[kind] = str(executed.with_suffix(f".{kind}"))
            if kind == "html" and executed.is_file() and not Path(paths[kind]).exists():
                notebook_as_page(executed, Path(paths[kind]), title=run.name)
        return paths

    def _stage(self, input_uri: str, parameters: Mapping[str, str] | None) -> tuple[Path, dict[str, Any]]:
        """A copy of a notebook below the server's root, and its parameters in their types."""
        root = Path(self.root_dir).resolve()
        source = (root / input_uri.lstrip("/")).resolve()
        if not source.is_relative_to(root) or not source.is_file():
            raise InputUriError(input_uri)
        checked = typed_parameters(source, parameters or {})
        ensure_idea(source)  # written into the original, so that every copy counts for the same idea
        staged = self._settings.home / "scheduled" / str(uuid.uuid4()) / source.name
        staged.parent.mkdir(parents=True)
        shutil.copyfile(source, staged)
        return staged, checked

    def _unstage(self, path: str) -> None:
        folder = Path(path).parent
        if folder.parent == self._settings.home / "scheduled":
            shutil.rmtree(folder, ignore_errors=True)
