"""A search to click in: the trial that is clicked opens its tear sheet below."""

from typing import TYPE_CHECKING, Any

from workbench.errors import BadInputError
from workbench.kernel.session import current_session

if TYPE_CHECKING:
    from workbench.research.search import SearchResult

__all__ = ["explore"]

_VIEWS = ("heatmap", "slices", "parallel")


def explore(found: "SearchResult", view: str = "heatmap", **options: Any) -> Any:
    """A widget with a picture of a search; a click on a trial opens its tear sheet below, not counted again.

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

    from workbench.kernel.framed import framed
    from workbench.research import tear_sheet

    below = widgets.Output()

    def opened(message: dict[str, Any]) -> None:
        number = message.get("trial")
        if not isinstance(number, int) or not 0 <= number < len(found):
            return
        below.outputs = ()
        below.append_stdout(f"Trial {number} is traded again …\n")
        result = found.backtest(number)
        run = current_session().run_id() if current_session().logs else ""
        head = f"Trial {number}: {found.parameters(number)}" + (f", of the MLflow run {run}" if run else "")
        below.outputs = ()
        below.append_stdout(head + "\n")
        below.append_display_data(tear_sheet(result))

    return widgets.VBox([framed(getattr(found, view)(**options)._repr_html_(), opened), below])
