"""Promotion: a run goes through the gates, and what passes them all becomes a release."""

import hashlib
import json
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import sqlalchemy as sa
from nbformat.v4 import new_code_cell

from workbench.domain.allowance import Allowance
from workbench.domain.limits import Limits
from workbench.errors import BadInputError
from workbench.market import MarketStore
from workbench.notebook import (
    Notebook,
    NotebookRun,
    Progress,
    cell_results,
    read_notebook,
    run_notebook,
    write_notebook,
)
from workbench.notebook.document import RESEARCH_TAG
from workbench.release.bundle import (
    COST_BOOK,
    ENVIRONMENT,
    EXECUTED,
    NOTEBOOK,
    STRATEGY,
    canonical,
    write_bundle,
)
from workbench.release.errors import (
    CausalityError,
    GateRefusedError,
    LimitsMissingError,
    NoCandidateError,
    ReproductionError,
)
from workbench.release.evidence import Evidence, GateProgress
from workbench.release.gates import (
    candidate_gate,
    causality_gate,
    code_gate,
    complete_gate,
    dry_start_gate,
    limits_gate,
    moments_to_try,
    reproduction_gate,
)
from workbench.release.keys import signing_key
from workbench.release.rehearsal import ORDER
from workbench.release.rehearsal_progress import progress_told
from workbench.release.released_notebook import notebook_bytes, released_form
from workbench.release.releases import Release, register_release, the_store
from workbench.research import expected_maximum_sharpe
from workbench.settings import Settings
from workbench.store.schema import candidates
from workbench.tracking import (
    NoSuchRunError,
    bootstrap,
    code_version,
    count_trials,
    executed_notebook,
    run_data,
    run_parameters,
    run_tracked,
    set_tags,
    settings_environment,
    sharpe_ratios,
)

__all__ = ["promote"]

_FORMAT = 1
_CUTS = (0.6, 0.8, 0.95)  # of the bars: where the future is taken away
_REFUSALS: Mapping[str, type[GateRefusedError]] = {
    "candidate": NoCandidateError,
    "limits": LimitsMissingError,
    "reproduction": ReproductionError,
    "causality": CausalityError,
}
_REHEARSE = """\
from workbench.kernel.session import current_session as _session
from workbench.release.rehearsal import rehearse as _rehearse
_rehearse(_session().deployed)
"""


def promote(
    subject: str | Path,
    *,
    settings: Settings,
    author: str,
    limits: Limits | Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    allowance: Allowance | None = None,
    progress: Callable[[GateProgress], None] | None = None,
    kernel_name: str = "workbench",
    timeout_s: float = 3_600.0,
    stop: threading.Event | None = None,
) -> Release:
    """Send a run through the gates and make a release of it.

    Parameters
    ----------
    subject
        The id of a notebook's MLflow run, or the path of a notebook, which is run first.
    author
        Who promotes; somebody else has to approve.
    limits
        The limits of its deployments; those proposed in `deploy(...)` when None.
    parameters
        Of the run that is made first; only with a notebook.
    allowance
        How long a decision may take and how much memory its strategy has while it trades.
    progress
        Told when a gate begins, goes on and ends.
    timeout_s
        Longest time of one run of the notebook; a promotion makes five.

    Raises
    ------
    GateRefusedError
        A gate refused; its message says why and what to do, its `evidence` what the others found.
    NoSuchRunError
        There is no such run.
    NotebookFailedError
        The notebook that was to be run first did not reach its end.
    """
    if not author.strip():
        raise BadInputError("expected the name of the person who promotes, found none")
    bootstrap(settings)
    run_id = _run_of(
        subject, parameters, settings=settings, kernel_name=kernel_name, timeout_s=timeout_s, stop=stop
    )
    with tempfile.TemporaryDirectory(prefix="workbench-promotion-") as folder:
        promotion = _Promotion(
            run_id=run_id,
            settings=settings,
            folder=Path(folder),
            kernel_name=kernel_name,
            timeout_s=timeout_s,
            stop=stop,
            tell=progress or (lambda _: None),
            allowance=allowance or Allowance(),
        )
        return promotion.run(author=author.strip(), limits=limits)


@dataclass(slots=True)
class _Promotion:
    """One promotion under way."""

    run_id: str
    settings: Settings
    folder: Path
    kernel_name: str
    timeout_s: float
    stop: threading.Event | None
    tell: Callable[[GateProgress], None]
    allowance: Allowance
    evidence: tuple[Evidence, ...] = ()
    gate: str = ""
    candidate: Mapping[str, Any] = ()  # type: ignore[assignment]  # set by `run` before it is read
    parameters: Mapping[str, Any] = ()  # type: ignore[assignment]  # as above
    origin: Path = Path()  # the notebook's own file

    def run(self, *, author: str, limits: Limits | Mapping[str, Any] | None) -> Release:
        """Through all gates."""
        self._begin("complete")
        recorded = run_data(self.run_id)
        executed = self._executed(recorded)
        row = self._candidate_row()
        self.origin = Path(row["notebook"]) if row is not None and row["notebook"] else Path()
        saved = read_notebook(self.origin) if self.origin.is_file() else None
        self._end(complete_gate(executed, parameters=self.parameters, saved=saved))

        self._begin("candidate")
        self.candidate = row["spec"] if row is not None else {}
        tried, sharpes = self._trials(str(self.candidate.get("idea", "")))
        self._end(
            candidate_gate(
                self.candidate if row is not None else None, run_id=self.run_id, trials=tried, sharpes=sharpes
            )
        )

        self._begin("limits")
        set_limits = _limits(limits, proposed=self.candidate["limits"])
        self._end(limits_gate(set_limits, instruments=self.candidate["instruments"]))

        self._begin("code")
        code = code_version(self.origin.parent if self.origin.name else self.settings.project)
        ran = str(recorded["tags"].get("workbench.code", ""))
        self._end(code_gate(ran=ran, now=str(code), changed=code.dirty))

        released = released_form(executed)
        again = self._reproduce(released, executed)
        rehearsed = self._rehearse(released)
        self._check_causality(released, rehearsed)

        lock = "\n".join(rehearsed["environment"]) + "\n"
        files = {
            NOTEBOOK: notebook_bytes(released),
            EXECUTED: again.read_bytes(),
            ENVIRONMENT: lock.encode(),
            COST_BOOK: canonical(self.candidate["cost_book"]),
            STRATEGY: canonical(self.candidate["strategy"]),
        }
        manifest = self._manifest(
            author=author,
            limits=set_limits,
            trials=tried,
            notebook_sha256=executed.source_sha256,
            lock_sha256=hashlib.sha256(lock.encode()).hexdigest(),
            code=str(code),
        )
        key = signing_key(self.settings.keys_dir, "release")
        release_id, signature = write_bundle(
            self.settings.releases_dir, manifest=manifest, files=files, key=key
        )
        folder = self.settings.releases_dir / release_id
        whole = json.loads((folder / "manifest.json").read_bytes())
        release = Release(id=release_id, signature=signature, manifest=whole, folder=folder)
        register_release(release, settings=self.settings)
        set_tags(self.run_id, {"workbench.release": release_id})
        return release

    def _executed(self, recorded: Mapping[str, Any]) -> Notebook:
        """The notebook as it ran, with what it showed."""
        try:
            executed = read_notebook(executed_notebook(self.run_id, self.folder))
            self.parameters = run_parameters(self.run_id)
        except NoSuchRunError as error:
            self._end(
                Evidence(
                    name="complete",
                    passed=False,
                    summary=f"{error}; a run made by hand, cell by cell, can not be promoted: "
                    "run the notebook from top to bottom",
                )
            )
            raise  # not reached: the gate above refuses
        if recorded["status"] != "FINISHED":
            self._end(
                Evidence(
                    name="complete",
                    passed=False,
                    summary=f"expected a run that reached its end, found it {recorded['status'].lower()}: "
                    f"{recorded['tags'].get('workbench.error', 'no reason was logged')}",
                )
            )
        return executed

    def _candidate_row(self) -> Mapping[str, Any] | None:
        with the_store(self.settings) as engine, engine.connect() as connection:
            row = (
                connection.execute(sa.select(candidates).where(candidates.c.run_id == self.run_id))
                .mappings()
                .one_or_none()
            )
        return None if row is None else dict(row)

    def _trials(self, idea: str) -> tuple[int, dict[str, Any]]:
        """How many variants of the idea were tried, and what the best of so many shows without any skill."""
        with the_store(self.settings) as engine:
            tried, sharpes = count_trials(engine, idea), sharpe_ratios(engine, idea)
        if sharpes.count < 2:
            return tried, {}
        expected = expected_maximum_sharpe(sharpes.count, variance=sharpes.variance)
        return tried, {
            "best_sharpe_ratio": round(sharpes.best, 4),
            "best_sharpe_ratio_expected_without_skill": round(expected, 4),
        }

    def _reproduce(self, released: nbformat.NotebookNode, executed: Notebook) -> Path:
        self._begin("reproduction")
        run = self._notebook(released, "reproduced", mode="reproduce")
        if not run.ok:
            self._end(
                Evidence(
                    name="reproduction",
                    passed=False,
                    summary=f"run again in a clean kernel, the notebook did not reach its end: {run.error}",
                    figures={"cell": run.cell},
                )
            )
        recorded, again = cell_results(executed), cell_results(run.executed_path)
        self._end(reproduction_gate(recorded, again, wall_s=run.wall_s))
        return run.executed_path

    def _rehearse(self, released: nbformat.NotebookNode) -> Mapping[str, Any]:
        self._begin("dry_start")
        run, found = self._rehearsal(released, "whole", until_ns=0)
        if found is None:
            summary = f"without its research cells the notebook does not reach its end: {run.error}"
            self._end(Evidence(name="dry_start", passed=False, summary=summary, figures={"cell": run.cell}))
            raise AssertionError("not reached: the gate refuses")
        self._end(
            dry_start_gate(found, candidate=self.candidate, allowance=self.allowance, wall_s=run.wall_s)
        )
        return found

    def _check_causality(self, released: nbformat.NotebookNode, rehearsed: Mapping[str, Any]) -> None:
        self._begin("causality")
        cut: list[tuple[int, Mapping[str, Any] | str]] = []
        for number, until_ns in enumerate(self._moments(rehearsed), start=1):
            self.tell(
                GateProgress(name=self.gate, state="running", detail=f"moment {number} of {len(_CUTS)}")
            )
            run, found = self._rehearsal(
                released, f"cut-{number}", until_ns=until_ns, from_ns=rehearsed["from_ns"]
            )
            cut.append((until_ns, run.error if found is None else found))
        self._end(causality_gate(rehearsed, cut))

    def _moments(self, rehearsed: Mapping[str, Any]) -> list[int]:
        """Closes of the first instrument's bars, and its decisions, spread over the later part of them."""
        name, frame = self.candidate["instruments"][0], self.candidate["timeframe"]
        with the_store(self.settings) as engine:
            market = MarketStore(self.settings.market_root, engine)
            bars = market.bars(name, frame, fingerprint=self.candidate["data"][f"{name} {frame}"])
        decided, first = rehearsed["decisions"][name], rehearsed["from_ns"]
        closes = bars.close_ns[bars.close_ns >= first].tolist()
        moments = sorted({*closes, *(at for at, _ in decided)}) or bars.close_ns.tolist()
        return moments_to_try(moments, decided, shares=_CUTS)

    def _rehearsal(
        self, released: nbformat.NotebookNode, label: str, *, until_ns: int, from_ns: int = 0
    ) -> tuple[NotebookRun, Mapping[str, Any] | None]:
        """Run the notebook as a live kernel would, then let its strategy decide; None when it failed."""
        out, order = self.folder / f"{label}.decisions.json", self.folder / f"{label}.order.json"
        wanted = {
            "out": str(out),
            "until_ns": until_ns,
            "from_ns": from_ns,
            "market_dir": self.settings.market_url or str(self.settings.market_dir.resolve()),
            "store_url": self.settings.store_url,
            "data": self.candidate["data"],
            "cost_book": self.candidate["cost_book"],
            "account": self.candidate.get("account", {}),
            "currency": self.candidate.get("currency", ""),
            "others": sorted(self.candidate.get("others", {})),
            "sizes": self.candidate.get("sizes", False),
        }
        order.write_text(json.dumps(wanted), encoding="utf-8")
        node = nbformat.from_dict(released)
        node.cells = [*released.cells, new_code_cell(_REHEARSE, id="rehearsal")]
        environment = {ORDER: str(order), **({"WORKBENCH_DATA_UNTIL": str(until_ns)} if until_ns else {})}
        with progress_told(out, self._tell_rehearsed):
            run = self._notebook(node, label, mode="dry", env=environment, skip_tags=(RESEARCH_TAG,))
        return run, json.loads(out.read_text(encoding="utf-8")) if run.ok else None

    def _tell_rehearsed(self, done: int, of: int) -> None:
        detail = f"{done:,} of {of:,} events decided"
        self.tell(GateProgress(name=self.gate, state="running", detail=detail, done=done, of=of))

    def _notebook(
        self,
        node: nbformat.NotebookNode,
        label: str,
        *,
        mode: str,
        env: Mapping[str, str] | None = None,
        skip_tags: tuple[str, ...] = (),
    ) -> NotebookRun:
        name = self.origin.name or "notebook.ipynb"
        path = write_notebook(node, self.folder / label / name, sign=False)
        gate = self.gate

        def told(progress: Progress) -> None:
            detail = f"cell {progress.i} of {progress.n}: {progress.first_line}"
            self.tell(GateProgress(name=gate, state="running", detail=detail))

        return run_notebook(
            path,
            self.folder / f"{label}.ipynb",
            parameters=self.parameters,
            kernel_name=self.kernel_name,
            env={
                **settings_environment(self.settings),
                "WORKBENCH_MODE": mode,
                "WORKBENCH_RUN_ID": "",
                "WORKBENCH_IDEA": self.candidate["idea"],
                "WORKBENCH_NOTEBOOK": str(self.origin),
                "WORKBENCH_DATA": json.dumps(self.candidate["data"]),
                **(env or {}),
            },
            timeout_s=self.timeout_s,
            progress=told,
            stop=self.stop,
            skip_tags=skip_tags,
            cwd=self.origin.parent if self.origin.is_file() else self.settings.project,
        )

    def _begin(self, gate: str) -> None:
        self.gate = gate
        self.tell(GateProgress(name=gate, state="running"))

    def _end(self, found: Evidence) -> None:
        """Keep what a gate found.

        Raises
        ------
        GateRefusedError
            It refused.
        """
        self.evidence = (*self.evidence, found)
        if found.passed:
            self.tell(GateProgress(name=found.name, state="passed", detail=found.summary))
            return
        self.tell(GateProgress(name=found.name, state="refused", detail=found.summary))
        kind = _REFUSALS.get(found.name, GateRefusedError)
        raise kind(f"{found.title}: no. {found.summary}", gate=found.name, evidence=self.evidence)

    def _manifest(
        self,
        *,
        author: str,
        limits: Limits,
        trials: int,
        notebook_sha256: str,
        lock_sha256: str,
        code: str,
    ) -> dict[str, Any]:
        candidate = self.candidate
        spec = candidate["strategy"]
        return {
            "format": _FORMAT,
            "name": self.origin.stem or spec["class"],
            "run_id": self.run_id,
            "author": author,
            "created_ns": time.time_ns(),
            "idea": candidate["idea"],
            "trials": trials,
            "notebook_sha256": notebook_sha256,
            "parameters": dict(self.parameters),
            "instruments": list(candidate["instruments"]),
            "timeframe": candidate["timeframe"],
            "data": dict(candidate["data"]),
            "strategy": {
                "name": spec["class"],
                "params": spec["params"],
                "digest": spec["digest"],
                "spec": spec,
            },
            "cost_book": candidate["cost_book"],
            "cost_book_version": candidate["cost_book_version"],
            "account": candidate.get("account", {}),
            "currency": candidate.get("currency", ""),
            "others": sorted(candidate.get("others", {})),
            "sizes": candidate.get("sizes", False),
            "limits": {**limits.to_json(), "instruments": list(limits.instruments)},
            "allowance": self.allowance.to_json(),
            "environment": {"python": platform.python_version(), "sha256": lock_sha256},
            "code": code,
            "evidence": [item.to_json() for item in self.evidence],
        }


def _run_of(
    subject: str | Path,
    parameters: Mapping[str, Any] | None,
    *,
    settings: Settings,
    kernel_name: str,
    timeout_s: float,
    stop: threading.Event | None,
) -> str:
    if isinstance(subject, str) and not subject.endswith(".ipynb"):
        if parameters:
            raise BadInputError("parameters are those of the run; give them only with a notebook")
        return subject
    tracked = run_tracked(
        Path(subject),
        settings=settings,
        parameters=parameters,
        kernel_name=kernel_name,
        timeout_s=timeout_s,
        stop=stop,
    )
    tracked.run.raise_for_status()
    return tracked.run_id


def _limits(given: Limits | Mapping[str, Any] | None, *, proposed: Mapping[str, Any] | None) -> Limits:
    if isinstance(given, Limits):
        return given
    return Limits.from_json(given if given is not None else proposed or {})
