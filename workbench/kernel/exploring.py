"""A search to click in: the trial that is clicked opens its backtest below."""

from typing import TYPE_CHECKING, Any

from workbench.errors import BadInputError
from workbench.kernel.session import current_session

if TYPE_CHECKING:
    from workbench.research.search import SearchResult

__all__ = ["explore"]

_VIEWS = ("heatmap", "slices", "parallel")


def explore(found: "SearchResult", view: str = "heatmap", **options: Any) -> Any:
    """A widget with a picture of a search; a click on a trial runs and shows its backtest, not counted again.

    Parameters
    ----------
    view
        "heatmap", "slices" or "parallel".
    options
        Of that method of `SearchResult`.

    Raises
    ------
    BadInputError
        There is no such view.
    """
    if view not in _VIEWS:
        raise BadInputError(f"view: expected one of {', '.join(_VIEWS)}, found {view!r}")
    import ipywidgets as widgets
    from jupyter_bokeh.widgets import BokehModel

    layout, source = getattr(found, view)(**options).figure()
    below = widgets.Output()

    def opened(_name: str, _before: Any, chosen: list[int]) -> None:
        if not chosen:
            return
        number = int(source.data["trial"][chosen[0]])
        result = found.backtest(number)
        below.clear_output(wait=True)
        run = current_session().run_id() if current_session().logs else ""
        head = f"Trial {number}: {found.parameters(number)}" + (f", of the MLflow run {run}" if run else "")
        below.append_stdout(head + "\n")
        below.append_display_data(result)

    source.selected.on_change("indices", opened)
    return widgets.VBox([BokehModel(layout), below])
