"""The notebook's session: settings, mode, notebook, idea, and the MLflow run its results go to.

Nothing is opened before it is needed: MLflow when something is logged first, the store when a trial is
counted first. Outside research mode nothing is logged and no trial is counted.
"""

import atexit
import contextlib
import os
import threading
import uuid
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.accounts import AccountRules
from workbench.kernel.errors import UnknownModeError
from workbench.kernel.showing import note
from workbench.settings import Settings, load_settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from workbench.domain.cost_history import Costs
    from workbench.strategy import Strategy
    from workbench.tracking import SqlTrialLedger

__all__ = ["Mode", "Session", "current_session", "new_session"]

_EXPERIMENT = "workbench"


class Mode(StrEnum):
    """What the notebook's results are for."""

    RESEARCH = "research"  # logged, every trial counted
    REPRODUCE = "reproduce"  # promotion runs the notebook again and compares
    DRY = "dry"  # promotion rehearses the live start
    LIVE = "live"  # the notebook arms a live kernel


class Session:
    """One kernel's session.

    Parameters
    ----------
    environment
        `WORKBENCH_MODE`, `WORKBENCH_RUN_ID`, `WORKBENCH_NOTEBOOK`, `WORKBENCH_IDEA`; a Jupyter server's
        `JPY_SESSION_NAME` says the notebook when nothing else does.
    """

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], *, before: "Session | None" = None
    ) -> None:
        self.settings = settings
        # a kernel works on one line of research, whatever its environment is made to say meanwhile
        self._kernel_mark: str = before._kernel_mark if before is not None else f"kernel:{uuid.uuid4()}"
        self.mode = _mode(environment.get("WORKBENCH_MODE", ""))
        self.results: list[dict[str, str]] = []  # kind and digest of each result, in order
        self.data: dict[str, str] = {}  # fingerprint by "EUR_USD H1"
        self.cost_book: Costs | None = None  # of the last result, as the account
        self.account = AccountRules()
        self.currency = ""  # of the last result's account; empty before the first
        self.others: dict[str, str] = {}  # what it was given and did not trade: "H1" by instrument
        self.finer: dict[str, str] = {}  # what its orders were matched on instead: "M1" by instrument
        self.sizes = False  # whether its orders took no more than the sizes recorded with ticks
        self.backtests = 0
        self.deployed: tuple[Strategy, list[str], str] | None = None  # strategy, instruments, timeframe
        self._environment = dict(environment)
        self._run_id = environment.get("WORKBENCH_RUN_ID", "")
        self._opened_here = False
        self._lock = threading.RLock()  # a widget's callback may come in another thread

    @property
    def logs(self) -> bool:
        """Whether results are logged and trials counted."""
        return self.mode is Mode.RESEARCH

    @property
    def run_was_given(self) -> bool:
        """Whether somebody else keeps the MLflow run: a run of the whole notebook."""
        return bool(self._environment.get("WORKBENCH_RUN_ID"))

    @property
    def has_run(self) -> bool:
        """Whether there is an MLflow run already."""
        return bool(self._run_id)

    @property
    def author(self) -> str:
        """Who works here."""
        return self.settings.user

    @cached_property
    def notebook(self) -> Path | None:
        """The notebook's file; None when nobody said."""
        found = self._environment.get("WORKBENCH_NOTEBOOK") or self._environment.get("JPY_SESSION_NAME", "")
        path = Path(found) if found else None
        return path if path is not None and path.suffix == ".ipynb" else None

    @property
    def notebook_name(self) -> str:
        """What the notebook is called; `scratch` for a console."""
        return self.notebook.stem if self.notebook is not None else "scratch"

    @cached_property
    def idea(self) -> str:
        """The idea that trials count for; a copied or renamed notebook keeps it.

        A notebook that is open is not written to: without an idea in its metadata its place decides, and the
        next run of it by papermill writes the same idea down.
        """
        given = self._environment.get("WORKBENCH_IDEA", "")
        if given:
            return given
        from workbench.notebook import NotANotebookError, idea_of, idea_of_place, read_notebook

        if self.notebook is None:
            return idea_of_place(self.settings.project / f"scratch-{self.author}")
        try:
            return idea_of(read_notebook(self.notebook)) or idea_of_place(self.notebook)
        except NotANotebookError:  # not saved yet
            return idea_of_place(self.notebook)

    @cached_property
    def engine(self) -> "sa.Engine":
        """The relational store."""
        from workbench.store import open_store

        return open_store(self.settings.store_url)

    def ledger(self) -> "SqlTrialLedger | None":
        """Where trials are counted; None where they are not."""
        if not self.logs:
            return None
        from workbench.tracking import SqlTrialLedger

        return SqlTrialLedger(
            self.engine,
            idea=self.idea,
            author=self.author,
            run_id=self.run_id(),
            name=self.notebook_name,
            marks=self.marks(),
        )

    def marks(self) -> tuple[str, ...]:
        """What the notebook is known by besides its idea, see `workbench.tracking.marks_of`."""
        from workbench.notebook import NotANotebookError, read_notebook
        from workbench.tracking import marks_of

        code = ""
        if self.notebook is not None:
            with contextlib.suppress(NotANotebookError):  # not saved yet
                code = "\n".join(cell.source for cell in read_notebook(self.notebook).cells)
        return (*marks_of(place=self.notebook, code=code, author=self.author), self._kernel_mark)

    def run_id(self) -> str:
        """The MLflow run of this session, opened now if there is none yet; empty where nothing is logged."""
        if not self.logs:
            return ""
        with self._lock:
            if not self._run_id:
                self._run_id = self._open_run()
            else:
                self._point_at_store()
        return self._run_id

    def used(self, *, key: str, fingerprint: str) -> None:
        """Remember which data a result was made from."""
        self.data[key] = fingerprint

    def made(self, kind: str, digest: str) -> None:
        """Remember a result."""
        self.results.append({"kind": kind, "digest": digest})

    def notebook_sha256(self) -> str:
        """SHA-256 of the notebook's code as saved; empty when there is no file."""
        from workbench.notebook import NotANotebookError, read_notebook

        if self.notebook is None:
            return ""
        try:
            return read_notebook(self.notebook).source_sha256
        except NotANotebookError:
            return ""

    def close(self) -> None:
        """End the run if this session opened it."""
        with self._lock:
            if self._opened_here:
                from workbench.tracking import finish_run

                finish_run(self._run_id)
                self._opened_here = False
                self._run_id = ""

    @cached_property
    def _store(self) -> Any:
        from workbench.tracking import bootstrap

        return bootstrap(self.settings)

    def _point_at_store(self) -> None:
        _ = self._store

    def _open_run(self) -> str:
        from workbench.notebook import NotANotebookError, read_notebook
        from workbench.tracking import TAG_IDEA, notebook_tags, start_run

        self._point_at_store()
        tags = {TAG_IDEA: self.idea, "mlflow.user": self.author}
        if self.notebook is not None:
            try:
                saved = read_notebook(self.notebook)
                tags = notebook_tags(saved, settings=self.settings, idea=self.idea)
            except NotANotebookError:
                pass  # not saved yet
        run_id = start_run(self.notebook_name, _EXPERIMENT, tags)
        self._opened_here = True
        atexit.register(self.close)
        note(f"Results of this session go to the MLflow run {run_id} of experiment “{_EXPERIMENT}”.")
        return run_id


_current: Session | None = None
_current_lock = threading.Lock()


def current_session() -> Session:
    """The session of this process, made at the first call."""
    with _current_lock:
        return _current if _current is not None else _begin()


def new_session() -> Session:
    """End the session and begin another, with another MLflow run if nobody set one from outside."""
    with _current_lock:
        if _current is not None:
            _current.close()
        return _begin(before=_current)


def _begin(*, before: Session | None = None) -> Session:
    global _current
    _current = Session(load_settings(), os.environ, before=before)
    return _current


def _mode(name: str) -> Mode:
    try:
        return Mode(name or Mode.RESEARCH)
    except ValueError:
        raise UnknownModeError(
            f"expected WORKBENCH_MODE to be one of {', '.join(Mode)}, found {name!r}"
        ) from None
