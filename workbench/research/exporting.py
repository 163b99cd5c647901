"""Tear sheets on paper and as tables for other programs: PDF, CSV, Parquet."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.by_time import by_session, by_weekday
from workbench.research.statistics import DEFINITIONS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.research.tear_sheet import TearSheet

__all__ = ["save_pdf", "save_tables", "tables_of"]

_A4 = (8.27, 11.69)  # inches
_FORMATS = ("csv", "parquet")
_LINES = 42  # of a table on a page
_DPI = 200
_LEFT, _TOP, _BOTTOM, _GAP = 0.08, 0.955, 0.04, 0.02  # shares of a page


def save_pdf(sheet: "TearSheet", path: Path | str) -> Path:
    """Write a tear sheet as a PDF of A4 pages: the figures with their values, then the pictures at 200 dpi.

    Raises
    ------
    OSError
        The file can not be written.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    title = f"{sheet.result.name}, {sheet.result.data['instrument']} {sheet.result.data['timeframe']}"
    with PdfPages(target, metadata={"Title": title, "Producer": None, "Creator": None}) as pages:
        for page in (*_pages(sheet, title), *_pictures(sheet)):
            pages.savefig(page, dpi=_DPI)
    return target


def tables_of(sheet: "TearSheet") -> "dict[str, pd.DataFrame]":
    """The tables behind a tear sheet by name: trades, equity, costs, monthly, metrics and others."""
    import pandas as pd  # takes a while

    result = sheet.result
    metrics = pd.DataFrame(
        [(name, value, DEFINITIONS[name]) for name, value in result.metrics.items()],
        columns=["figure", "value", "definition"],
    ).set_index("figure")
    found = {
        "trades": result.trades,
        "equity": result.to_frame(),
        "costs": result.costs,
        "monthly": sheet.monthly,
        "metrics": metrics,
        "against": sheet.against.frame,
        "by_weekday": by_weekday(result),
        "by_session": by_session(result),
    }
    return found | ({"by_instrument": result.by_instrument} if len(result.traded) > 1 else {})


def save_tables(sheet: "TearSheet", folder: Path | str, *, format: str = "parquet") -> list[Path]:
    """Write the tables behind a tear sheet to `folder`, made if missing; the files.

    Parameters
    ----------
    format
        "parquet", which keeps types and times, or "csv".

    Raises
    ------
    BadInputError
        Another format.
    """
    if format not in _FORMATS:
        raise BadInputError(f"format: expected {' or '.join(_FORMATS)}, found {format!r}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in tables_of(sheet).items():
        path = target / f"{name}.{format}"
        if format == "csv":
            frame.to_csv(path, lineterminator="\n")
        else:
            frame.to_parquet(path)
        written.append(path)
    return written


def _pages(sheet: "TearSheet", title: str) -> "list[Figure]":
    """The figures with their values, as many pages as they need."""
    from workbench.research import pictures

    result = sheet.result
    rows = [(name.replace("_", " "), html.figure_text(name, value)) for name, value in result.metrics.items()]
    parameters = ", ".join(f"{name} {value}" for name, value in result.parameters.items())
    found = []
    for start in range(0, len(rows), _LINES):
        page = pictures.new_figure(*_A4)
        page.text(0.08, 0.95, title, fontsize=14, fontweight="bold")
        page.text(0.08, 0.93, parameters or "no parameters", fontsize=9)
        page.text(0.08, 0.915, f"{result.data['first']} to {result.data['last']}", fontsize=9)
        for line, (name, value) in enumerate(rows[start : start + _LINES]):
            height = 0.885 - line * 0.02
            page.text(0.08, height, name, fontsize=9)
            page.text(0.55, height, value, fontsize=9, ha="right")
        found.append(page)
    return found


def _pictures(sheet: "TearSheet") -> "list[Figure]":
    """The pictures one below the other, as wide as the page, as many pages as they need."""
    from matplotlib.image import imread

    from workbench.research import pictures

    found: list[Figure] = []
    top = _BOTTOM  # of what is left of the page
    for drawn in sheet.figures.values():
        content = BytesIO()
        drawn.savefig(content, format="png", dpi=_DPI, facecolor="white")
        content.seek(0)
        image = imread(content)
        width = 1 - 2 * _LEFT
        height = min(image.shape[0] / image.shape[1] * width * _A4[0] / _A4[1], _TOP - _BOTTOM)
        if top - height < _BOTTOM:
            found.append(pictures.new_figure(*_A4))
            found[-1].set_layout_engine("none")
            top = _TOP
        axes = found[-1].add_axes((_LEFT, top - height, width, height))
        axes.imshow(image, aspect="equal", interpolation="none")
        axes.set_axis_off()
        top -= height + _GAP
    return found
