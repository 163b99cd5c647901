"""Running a pipeline: its steps in order, what each did, and the files it wrote."""

import glob
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError, WorkbenchError
from workbench.live.pids import started_at
from workbench.market import MarketStore, sample_files
from workbench.notebook import Progress, RunStatus
from workbench.schedule.errors import PipelineFailedError
from workbench.schedule.pipeline import (
    ImportStep,
    NotebookStep,
    Pipeline,
    ReportStep,
    Step,
    check_target,
    load_pipeline,
)
from workbench.schedule.report import notebook_as_page
from workbench.schedule.runs import ACTIVE, add_run, change_run, end_run
from workbench.settings import Settings
from workbench.store import open_store
from workbench.tracking import run_tracked

__all__ = ["PipelineProgress", "PipelineResult", "StepResult", "run_pipeline"]

_SAMPLE_COSTS_FROM = date(2018, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineProgress:
    """Step `i` of `n` began or goes on."""

    i: int
    n: int
    step: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of a step."""

    name: str
    kind: str
    status: str  # completed | failed | stopped | skipped
    detail: str = ""  # one sentence
    started_ns: int = 0
    ended_ns: int = 0
    run_id: str = ""  # MLflow run of a notebook
    files: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {**asdict(self), "files": list(self.files), "figures": dict(self.figures)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What became of a run of a pipeline."""

    id: str  # of the run in the store
    name: str
    status: str  # completed | failed | stopped
    detail: str
    steps: tuple[StepResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every step reached its end."""
        return self.status == "completed"

    @property
    def files(self) -> tuple[str, ...]:
        """The files the steps wrote."""
        return tuple(path for step in self.steps for path in step.files)

    def raise_for_status(self) -> "PipelineResult":
        """The result itself when every step reached its end.

        Raises
        ------
        PipelineFailedError
            One did not; the message names it.
        """
        if not self.ok:
            raise PipelineFailedError(f"pipeline {self.name}: {self.detail}")
        return self


def run_pipeline(
    path: Path | str,
    settings: Settings,
    parameters: Mapping[str, Any] | None = None,
    progress: Callable[[PipelineProgress], None] | None = None,
    *,
    stop: threading.Event | None = None,
    run_id: str | None = None,
    by: str = "",
) -> PipelineResult:
    """Run a pipeline, or one notebook, and record how it went.

    Parameters
    ----------
    path
        A pipeline's YAML, or a notebook.
    stop
        When set, the step that runs is ended and no other begins.
    run_id
        The run in the store that this is, claimed by this process already; a new one is entered when None.
    by
        Who started it, when it is entered here.

    Returns
    -------
    PipelineResult
        Also when a step failed; `raise_for_status` turns that into an error.

    Raises
    ------
    BadInputError
        The file or a parameter can not be used; nothing was run.
    """
    target, given = Path(path).absolute(), dict(parameters or {})
    check_target(target, given)
    pipeline = _pipeline(target, given)
    ended = stop or threading.Event()
    with _store(settings) as engine:
        run_id = run_id or _enter(engine, pipeline, target, given, by=by or settings.user)
        work = _Work(
            pipeline=pipeline,
            folder=target.parent,
            out=settings.reports_dir / "runs" / run_id,
            settings=settings,
            engine=engine,
            run_id=run_id,
            stop=ended,
            progress=progress or (lambda _: None),
        )
        try:
            steps = work.run()
        except BaseException as error:
            end_run(engine, run_id, status="failed", detail=f"{type(error).__name__}: {error}")
            raise
        status, detail = _verdict(steps)
        end_run(engine, run_id, status=status, detail=detail, outputs=_outputs(steps))
    return PipelineResult(id=run_id, name=pipeline.name, status=status, detail=detail, steps=tuple(steps))


@dataclass(slots=True, kw_only=True)
class _Work:
    """One run of a pipeline under way."""

    pipeline: Pipeline
    folder: Path
    out: Path
    settings: Settings
    engine: sa.Engine
    run_id: str
    stop: threading.Event
    progress: Callable[[PipelineProgress], None]
    done: list[StepResult] = field(default_factory=list)

    def run(self) -> list[StepResult]:
        self.out.mkdir(parents=True, exist_ok=True)
        failed = False
        for number, step in enumerate(self.pipeline.steps, start=1):
            if self.stop.is_set() or (failed and not step.always):
                why = "the run was stopped" if self.stop.is_set() else "a step before it failed"
                self._add(StepResult(name=step.name, kind=step.kind, status="skipped", detail=why))
                continue
            self._tell(number, step, "begins")
            result = self._one(number, step)
            self._add(result)
            failed = failed or result.status != "completed"
        return self.done

    def _one(self, number: int, step: Step) -> StepResult:
        started = time.time_ns()
        try:
            if isinstance(step, ImportStep):
                values = self._import(step)
            elif isinstance(step, NotebookStep):
                values = self._notebook(number, step, parameters=step.parameters)
            else:
                values = self._report(number, step)
        except WorkbenchError as error:  # what a person can do something about ends the step, not the process
            values = {"status": "failed", "detail": str(error)}
        return StepResult(
            name=step.name, kind=step.kind, started_ns=started, ended_ns=time.time_ns(), **values
        )

    def _import(self, step: ImportStep) -> dict[str, Any]:
        market = MarketStore(self.settings.market_root, self.engine)
        reports = []
        if step.sample:
            sample = sample_files()
            reports.append(
                market.import_file(
                    sample.eurusd_h1_2017,
                    sample.instrument,
                    timeframe=sample.timeframe,
                    timezone=sample.timezone,
                    side=sample.side,
                    cost_book=_costs(sample.instrument),
                    show_progress=False,
                )
            )
        for pattern in step.files:
            found = sorted(glob.glob(str(self.folder / pattern)))
            if not found:
                raise BadInputError(f"{pattern}: expected at least one file in {self.folder}, found none")
            reports += [
                market.import_file(
                    path,
                    step.instrument,
                    fmt=step.format,
                    timeframe=step.timeframe,
                    timezone=step.timezone,
                    side=step.side,
                    cost_book=_costs(step.instrument),
                    show_progress=False,
                )
                for path in found
            ]
        new = sum(report.is_new for report in reports)
        return {
            "status": "completed",
            "detail": f"{len(reports)} files looked at, {new} of them new",
            "figures": {"fingerprints": [report.fingerprint for report in reports], "new": new},
        }

    def _notebook(
        self, number: int, step: NotebookStep | ReportStep, *, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        executed = self.out / f"{step.name}.ipynb"

        def told(progress: Progress) -> None:
            self._tell(number, step, f"cell {progress.i} of {progress.n}: {progress.first_line}")

        tracked = run_tracked(
            self.folder / step.notebook,
            settings=self.settings,
            parameters=parameters,
            output=executed,
            kernel_name=step.kernel,
            timeout_s=step.timeout_s,
            progress=told,
            stop=self.stop,
            tags={"workbench.pipeline": self.pipeline.name, "workbench.schedule_run": self.run_id},
        )
        status = {RunStatus.COMPLETED: "completed", RunStatus.STOPPED: "stopped"}.get(
            tracked.run.status, "failed"
        )
        return {
            "status": status,
            "detail": tracked.run.error or f"reached its end in {tracked.run.wall_s:.1f} s",
            "run_id": tracked.run_id,
            "files": (str(executed),),
            "figures": {"wall_s": round(tracked.run.wall_s, 2), "peak_rss_bytes": tracked.run.peak_rss_bytes},
        }

    def _report(self, number: int, step: ReportStep) -> dict[str, Any]:
        record = self.out / "record.json"
        content = {
            "id": self.run_id,
            "pipeline": self.pipeline.name,
            "parameters": self.pipeline.parameters,
            "steps": [result.to_json() for result in self.done],
        }
        record.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")
        values = self._notebook(number, step, parameters={**step.parameters, "record": str(record)})
        if values["status"] != "completed":
            return values
        today = datetime.now(UTC).date().isoformat()
        page = self.settings.reports_dir / f"{today}-{self.pipeline.name}.html"
        notebook_as_page(Path(values["files"][0]), page, title=f"{self.pipeline.name} {today}")
        return {**values, "files": (*values["files"], str(page)), "detail": f"written to {page.name}"}

    def _tell(self, number: int, step: Step, detail: str) -> None:
        self.progress(PipelineProgress(i=number, n=len(self.pipeline.steps), step=step.name, detail=detail))
        self._note(f"step {number} of {len(self.pipeline.steps)}, {step.name}: {detail}")

    def _add(self, result: StepResult) -> None:
        self.done.append(result)
        change_run(self.engine, self.run_id, when=ACTIVE, outputs=_outputs(self.done))

    def _note(self, detail: str) -> None:
        now = time.time_ns()
        change_run(self.engine, self.run_id, when=("running",), detail=detail, heartbeat_ns=now)


@contextmanager
def _store(settings: Settings) -> Iterator[sa.Engine]:
    engine = open_store(settings.store_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _pipeline(path: Path, parameters: Mapping[str, Any]) -> Pipeline:
    """The pipeline of the file; a notebook is a pipeline of one step."""
    if path.suffix != ".ipynb":
        return load_pipeline(path).with_parameters(parameters)
    step = NotebookStep(name="notebook", kind="notebook", notebook=path.name, timeout_s=86_400.0)
    step = step.model_copy(update={"parameters": dict(parameters)})
    return Pipeline(name="notebook", steps=[step])


def _enter(
    engine: sa.Engine, pipeline: Pipeline, path: Path, parameters: Mapping[str, Any], *, by: str
) -> str:
    name = path.stem if path.suffix == ".ipynb" else pipeline.name
    with engine.begin() as connection:
        return add_run(
            connection,
            name=name,
            pipeline=str(path),
            parameters=parameters,
            created_by=by,
            status="running",
            pid=os.getpid(),
            pid_started=started_at(os.getpid()),
        ).id


def _verdict(steps: list[StepResult]) -> tuple[str, str]:
    for status in ("failed", "stopped"):
        for step in steps:
            if step.status == status:
                return status, f"step {step.name}: {step.detail}"
    if any(step.status == "skipped" for step in steps):
        return "stopped", "stopped before its last step"
    seconds = sum(step.ended_ns - step.started_ns for step in steps) / 1e9
    count = "one step" if len(steps) == 1 else f"{len(steps)} steps"
    return "completed", f"{count} done in {seconds:.1f} s"


def _outputs(steps: list[StepResult]) -> dict[str, Any]:
    return {
        "steps": [step.to_json() for step in steps],
        "files": [path for step in steps for path in step.files],
    }


def _costs(name: str) -> CostBook:
    """Retail costs, which make the other side of one-sided files."""
    record = instrument(name)
    return CostBook(broker="retail", valid_from=_SAMPLE_COSTS_FROM, costs={record.id: retail_costs(name)})
