"""Tear sheets on paper and as tables for other programs: PDF, CSV, Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import BadInputError
from workbench.research import html
from workbench.research.statistics import DEFINITIONS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.research.tear_sheet import TearSheet

__all__ = ["save_pdf", "save_tables", "tables_of"]

_A4 = (8.27, 11.69)  # inches
_FORMATS = ("csv", "parquet")
_LINES = 42  # of a table on a page


def save_pdf(sheet: "TearSheet", path: Path | str) -> Path:
    """Write a tear sheet as a PDF: the figures with their values, then each picture; vector graphics.

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
        for page in _pages(sheet, title):
            pages.savefig(page)
        for picture in sheet.figures.values():
            pages.savefig(picture, facecolor="white")
    return target


def tables_of(sheet: "TearSheet") -> "dict[str, pd.DataFrame]":
    """The tables behind a tear sheet by name: trades, equity, costs, monthly, metrics."""
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
        page.text(0.08, 0.915, f"{result.data['first']} to {result.data['last']} UTC", fontsize=9)
        for line, (name, value) in enumerate(rows[start : start + _LINES]):
            height = 0.885 - line * 0.02
            page.text(0.08, height, name, fontsize=9)
            page.text(0.55, height, value, fontsize=9, ha="right")
        found.append(page)
    return found
