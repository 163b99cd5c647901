"""The cells of a notebook run again and again, each time with less of the future; a process of its own.

``python -m workbench.kernel.leak_run NOTEBOOK CUTS PARAMETERS`` prints how far it is and last the report,
as lines of JSON; see `check_leaks`.
"""

import contextlib
import io
import json
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.notebook.document import CodeCell, Notebook, first_line, read_notebook
from workbench.research.leaks import Leak, LeakReport, Timed, first_change, timed_values
from workbench.research.leaks.retried import watched_sweeps
from workbench.research.leaks.timed import known_by

__all__ = ["check_cells", "main", "until"]

_UNTIL = "WORKBENCH_DATA_UNTIL"
_LABELS = "labels"  # a cell with this tag speaks of the future on purpose
_FIRST_SHARE, _LAST_SHARE = 0.35, 0.98  # of the data: where the cuts lie


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    cells: tuple[dict[str, Timed], ...]  # what each cell left behind
    times: tuple[int, ...]  # closes of the longest series that was loaded
    error: str = ""  # why it ended early


def check_cells(
    cells: Sequence[CodeCell],
    *,
    name: str,
    cuts: int = 12,
    parameters: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> LeakReport:
    """Run cells on all data, twice, and on data cut off at each of several moments; compare.

    Parameters
    ----------
    variables
        What the cells find already there; bars and ticks among them are cut too.
    progress
        Told how many runs are done, and of how many.
    """
    given, runs = dict(variables or {}), cuts + 2
    progress(0, runs)
    whole = _run(cells, given, None, parameters)
    progress(1, runs)
    again = whole if whole.error else _run(cells, given, None, parameters)
    if whole.error:
        from workbench.kernel.errors import NotebookFailedError

        raise NotebookFailedError(f"{name}: expected the notebook to run to its end, found {whole.error}")
    unsteady = sorted(
        {
            variable
            for one, other in zip(whole.cells, again.cells, strict=False)
            for variable in one
            if variable not in other or _differ(one[variable], other[variable])
        }
    )
    moments = _moments(whole.times, cuts)
    found: dict[str, tuple[int, int, int, int]] = {}  # cell, cut, moment and number of cuts by variable
    failed: dict[int, str] = {}
    compared: set[str] = set()
    for done, cut_ns in enumerate(moments):
        progress(2 + done, 2 + len(moments))
        cut = _run(cells, given, cut_ns, parameters)
        if cut.error:
            failed[cut_ns] = cut.error
        labelled = False
        for cell, one, other in zip(cells, whole.cells, cut.cells, strict=False):
            if _LABELS in cell.tags:
                labelled = True
                continue
            for variable in sorted(one.keys() & other.keys() - set(unsteady)):
                compared.add(variable)
                at_ns = first_change(one[variable], other[variable], cut_ns=cut_ns, may_end_early=labelled)
                if at_ns is not None:
                    known = found.get(variable, (cell.number, cut_ns, at_ns, 0))
                    number = min(known[0], cell.number)
                    found[variable] = (number, known[1], known[2], known[3] + 1)
    progress(2 + len(moments), 2 + len(moments))
    lines = {cell.number: first_line(cell.source) for cell in cells}
    order = {variable: place for one in whole.cells for place, variable in enumerate(one)}
    leaks = [
        Leak(cell=cell, first_line=lines[cell], variable=variable, cut_ns=cut_ns, at_ns=at_ns, cuts=times)
        for variable, (cell, cut_ns, at_ns, times) in found.items()
    ]
    return LeakReport(
        notebook=name,
        leaks=tuple(sorted(leaks, key=lambda item: (item.cell, order.get(item.variable, 0)))),
        cuts=tuple(moments),
        compared=len(compared),
        unsteady=tuple(unsteady),
        failed=failed,
    )


def _run(
    cells: Sequence[CodeCell],
    variables: Mapping[str, Any],
    cut_ns: int | None,
    parameters: Mapping[str, Any] | None,
) -> _Ran:
    """One run in a namespace of its own; a value counts for the cell that bound it."""
    from workbench.notebook.document import PARAMETERS_TAG, parse_cell

    space: dict[str, Any] = {"__name__": "__main__"}
    for name, value in variables.items():
        cut_here = cut_ns is not None and isinstance(value, Bars | Ticks)
        space[name] = known_by(value, cut_ns) if cut_here and cut_ns is not None else value
    left: list[dict[str, Timed]] = []
    seen: dict[str, int] = {}
    error = ""
    with (
        until(cut_ns),
        watched_sweeps(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        for cell in cells:
            try:
                tree = parse_cell(cell.source)
                if tree is not None:
                    name = f"<cell {cell.number} of the check>"  # where `inspect` finds the source
                    linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(True), name)
                    exec(compile(tree, name, "exec"), space)  # noqa: S102 - the user's own
                if parameters and PARAMETERS_TAG in cell.tags:
                    space.update(parameters)
            except Exception as problem:
                error = f"cell {cell.number}: {type(problem).__name__}: {problem}"
                break
            values = timed_values(space)
            fresh = {
                name: item
                for name, item in values.items()
                if seen.get(name) != hash((item.at_ns.tobytes(), _content(item)))
            }
            for name, item in fresh.items():
                seen[name] = hash((item.at_ns.tobytes(), _content(item)))
            left.append(fresh)
    series = [item for item in space.values() if isinstance(item, Bars | Ticks) and len(item)]
    longest = max(series, key=len, default=None)
    times: tuple[int, ...] = ()
    if longest is not None:
        times = tuple((longest.close_ns if isinstance(longest, Bars) else longest.time_ns).tolist())
    elif cut_ns is None:
        clocks = [item.at_ns for cell in left for item in cell.values()]
        times = tuple(max(clocks, key=len).tolist()) if clocks else ()
    return _Ran(cells=tuple(left), times=times, error=error)


def _content(item: Timed) -> Any:
    return item.rows.tobytes() if item.rows.dtype != object else str(item.rows.tolist())


def _differ(one: Timed, other: Timed) -> bool:
    last = int(max(one.at_ns[-1], other.at_ns[-1])) if len(one.at_ns) and len(other.at_ns) else 0
    return first_change(one, other, cut_ns=last) is not None


def _moments(times: Sequence[int], cuts: int) -> list[int]:
    """Cut points over the later part of the data, each in a place of its own stretch."""
    if len(times) < 4:
        return []
    rng = np.random.default_rng(len(times))  # the same each time
    edges = np.linspace(_FIRST_SHARE, _LAST_SHARE, cuts + 1)
    shares = edges[:-1] + np.diff(edges) * rng.random(cuts)
    return sorted({int(times[int(share * (len(times) - 1))]) for share in shares})


@contextlib.contextmanager
def until(cut_ns: int | None) -> Iterator[None]:
    """Bars, ticks and tables that are read within end at a moment."""
    if cut_ns is None:
        yield
        return
    import pandas as pd

    from workbench.market import MarketStore

    before = os.environ.get(_UNTIL)
    os.environ[_UNTIL] = str(cut_ns)
    patched: list[tuple[Any, str, Any]] = []

    def patch(owner: Any, name: str, cut: Any) -> None:
        inner = getattr(owner, name)
        patched.append((owner, name, inner))
        setattr(owner, name, lambda *args, **kwargs: cut(inner(*args, **kwargs)))

    try:
        for name in ("bars", "ticks"):
            if hasattr(MarketStore, name):
                patch(MarketStore, name, lambda item: _cut_series(item, cut_ns))
        for name in ("read_csv", "read_parquet"):
            patch(pd, name, lambda item: _cut_frame(item, cut_ns))
        yield
    finally:
        for owner, name, inner in patched:
            setattr(owner, name, inner)
        if before is None:
            del os.environ[_UNTIL]
        else:
            os.environ[_UNTIL] = before


def _cut_series(item: Any, cut_ns: int) -> Any:
    return known_by(item, cut_ns) if isinstance(item, Bars | Ticks) and len(item) else item


def _cut_frame(frame: Any, cut_ns: int) -> Any:
    """Rows of a table by its index of times, or by its first column of times."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        return frame
    times: Any = frame.index if isinstance(frame.index, pd.DatetimeIndex) else None
    if times is None:
        for name in frame.columns:
            column = frame[name]
            if pd.api.types.is_datetime64_any_dtype(column):
                times = pd.DatetimeIndex(column)
                break
            if column.dtype == object or pd.api.types.is_string_dtype(column):
                parsed = pd.to_datetime(column, errors="coerce", utc=True)
                if len(parsed) and parsed.notna().all():
                    times = pd.DatetimeIndex(parsed)
                    break
    if times is None:
        return frame
    moments = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
    return frame[np.asarray(moments.as_unit("ns").asi8 <= cut_ns)]


def report_of(
    notebook: Notebook,
    *,
    cuts: int,
    parameters: Mapping[str, Any],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> LeakReport:
    """The report on a notebook, from within the process that runs it."""
    name = notebook.path.name
    return check_cells(notebook.cells, name=name, cuts=cuts, parameters=parameters, progress=progress)


def main(arguments: Sequence[str]) -> int:
    """Run the check; print how far it is, a line each, and last the report."""
    from workbench.errors import WorkbenchError

    path, cuts, parameters = arguments
    answer = os.fdopen(os.dup(1), "w")

    def told(done: int, of: int) -> None:
        answer.write(json.dumps({"done": done, "of": of}) + "\n")
        answer.flush()

    try:
        import matplotlib as mpl

        mpl.use("Agg")
        os.chdir(Path(path).absolute().parent)
        found = report_of(
            read_notebook(Path(path)), cuts=int(cuts), parameters=json.loads(parameters), progress=told
        )
        answer.write(json.dumps({"report": found.to_json()}))
    except WorkbenchError as error:
        answer.write(json.dumps({"error": str(error)}))
    answer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
