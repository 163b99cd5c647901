"""The runs MLflow knows, one line each. It blocks: MLflow is imported at the first call, for seconds."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.server.reading import StoreReader
from workbench.settings import Settings
from workbench.tracking import TAG_NOTEBOOK, bootstrap, client

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["TrackedRuns"]

_USER_TAG = "mlflow.user"


class TrackedRuns:
    """Runs of the tracking store, with what the workbench's own store says of them."""

    def __init__(self, settings: Settings, reader: StoreReader) -> None:
        self._settings = settings
        self._reader = reader

    def latest(self, most: int) -> list[dict[str, Any]]:
        """The newest runs first; none where nothing was ever tracked."""
        if not self._exists():
            return []
        bootstrap(self._settings)
        experiments = {item.experiment_id: item.name for item in client().search_experiments()}
        found = client().search_runs(
            list(experiments), order_by=["attributes.start_time DESC"], max_results=most
        )
        candidates = self._reader.candidates()
        trials = self._reader.trial_counts([run.info.run_id for run in found])
        return [
            _run_json(
                run,
                experiment=experiments.get(run.info.experiment_id, ""),
                notebook=candidates.get(run.info.run_id),
                trials=trials.get(run.info.run_id, 0),
            )
            for run in found
        ]

    def _exists(self) -> bool:
        url = sa.make_url(self._settings.tracking_uri)
        if url.get_backend_name() != "sqlite":
            return True
        return (self._settings.project / str(url.database)).is_file()


def _run_json(run: "Run", *, experiment: str, notebook: str | None, trials: int) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "id": run.info.run_id,
        "name": run.info.run_name or run.info.run_id[:8],
        "experiment": experiment,
        "status": run.info.status.lower(),
        "started": run.info.start_time,
        "notebook": notebook or tags.get(TAG_NOTEBOOK, ""),
        "author": tags.get(_USER_TAG, ""),
        "candidate": notebook is not None,
        "trials": trials,
        "metrics": {
            name: value if abs(value) < float("inf") else None for name, value in run.data.metrics.items()
        },
    }
