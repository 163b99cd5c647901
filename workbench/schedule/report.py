"""What a report shows of a pipeline's run, and an executed notebook as one HTML file without its code."""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.domain.calendar import to_datetime
from workbench.schedule.runs import list_runs
from workbench.settings import Settings
from workbench.store import read_only
from workbench.tracking import NoSuchRunError, run_data

__all__ = ["Table", "metrics_table", "notebook_as_page", "read_record", "runs_table", "steps_table"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ border-bottom: 1px solid #d0d7de; padding: .3rem .7rem; text-align: left; vertical-align: top; }}
pre {{ white-space: pre-wrap; }} img {{ max-width: 100%; }} a.anchor-link {{ display: none; }}
</style></head><body><main>
{body}
</main></body></html>
"""


def read_record(path: str | Path) -> dict[str, Any]:
    """What the steps before a report did: `steps`, `pipeline`, `parameters`, `id`; empty without a path."""
    if not str(path):
        return {"id": "", "pipeline": "", "parameters": {}, "steps": []}
    value: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return value


@dataclass(frozen=True, slots=True)
class Table:
    """A frame that is shown whole, long texts too."""

    frame: pd.DataFrame

    def __repr__(self) -> str:
        return str(self.frame.to_string())

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return str(self.frame.to_html(escape=True, border=0))


def steps_table(record: dict[str, Any]) -> Table:
    """One row a step: how it ended and how long it took."""
    rows = [
        {
            "step": step["name"],
            "kind": step["kind"],
            "status": step["status"],
            "began (UTC)": _moment(step["started_ns"]),
            "seconds": round((step["ended_ns"] - step["started_ns"]) / 1e9, 1),
            "what happened": step["detail"],
        }
        for step in record["steps"]
    ]
    columns = ["step", "kind", "status", "began (UTC)", "seconds", "what happened"]
    return Table(pd.DataFrame(rows, columns=columns).set_index("step"))


def _moment(time_ns: int) -> str:
    return to_datetime(time_ns).strftime("%Y-%m-%d %H:%M:%S") if time_ns else ""


def metrics_table(record: dict[str, Any]) -> Table:
    """The metrics that the steps' notebooks logged to their MLflow runs, a column a step."""
    found: dict[str, dict[str, float]] = {}
    for step in record["steps"]:
        if step["run_id"]:
            with contextlib.suppress(NoSuchRunError):
                found[step["name"]] = run_data(step["run_id"])["metrics"]
    frame = pd.DataFrame({name: pd.Series(values, dtype=float) for name, values in found.items() if values})
    return Table(frame.sort_index().round(6))


def runs_table(settings: Settings, *, most: int = 20) -> Table:
    """The last runs of every schedule and pipeline, newest first."""
    engine = read_only(settings.store_url)
    try:
        runs = list_runs(engine, most=most)
    finally:
        engine.dispose()
    rows = [
        {
            "run": run.name,
            "status": run.status,
            "due (UTC)": _moment(run.scheduled_ns),
            "began (UTC)": _moment(run.started_ns),
            "by": run.created_by,
            "what happened": run.detail,
        }
        for run in runs
    ]
    columns = ["run", "status", "due (UTC)", "began (UTC)", "by", "what happened"]
    return Table(pd.DataFrame(rows, columns=columns).set_index("run"))


def notebook_as_page(executed: Path, page: Path, *, title: str) -> None:
    """Write what an executed notebook shows, without its code, as one HTML file, in one step."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # nbconvert
        template_name="basic", exclude_input=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(nbformat.read(executed, as_version=4))
    page.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{page.name}.", dir=page.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_PAGE.format(title=escape(title), body=body))
        Path(aside).chmod(0o644)
        os.replace(aside, page)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
