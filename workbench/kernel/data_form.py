"""A form in a notebook that brings a file into the market store and shows what the checks found."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.cost_book import retail_book
from workbench.domain.instruments import known_instruments
from workbench.errors import WorkbenchError
from workbench.kernel.session import current_session

if TYPE_CHECKING:
    from workbench.market import ImportReport

__all__ = ["DataForm", "data_form"]

_ENDINGS = (".csv", ".gz", ".xz", ".bz2", ".zip", ".parquet", ".json", ".bi5", ".txt")
_SHOWN = 300
_ZONES = ("UTC", "America/New_York", "metatrader", "Etc/GMT+5", "Europe/London", "Asia/Tokyo")
_OUT_OF_FILE = "found in the file"


def data_form(folder: str | Path | None = None) -> "DataForm":
    """The form; files of `folder` (by default the working directory) are offered, any path can be pasted."""
    return DataForm(Path.cwd() if folder is None else Path(folder))


class DataForm:
    """Fields, a button, a bar, and the report of the last import in `report`."""

    def __init__(self, folder: Path) -> None:
        import ipywidgets as widgets

        self.folder = folder.expanduser().resolve()
        self.report: ImportReport | None = None
        style, wide = {"description_width": "8em"}, widgets.Layout(width="44em")
        self._path = widgets.Combobox(
            description="File or folder",
            options=_offered(self.folder),
            placeholder="choose, or paste a path",
            ensure_option=False,
            style=style,
            layout=wide,
        )
        self._instrument = widgets.Dropdown(
            description="Instrument",
            options=list(known_instruments()),
            value="EUR_USD",
            style=style,
            tooltip="what the file is quotes of",
        )
        self._format = widgets.Dropdown(description="Format", options=_formats(), value="auto", style=style)
        self._timezone = widgets.Combobox(
            description="Time zone",
            options=_ZONES,
            placeholder=_OUT_OF_FILE,
            ensure_option=False,
            style=style,
        )
        self._side = widgets.Dropdown(
            description="One price is",
            options=[(_OUT_OF_FILE, ""), ("bid", "bid"), ("ask", "ask"), ("mid", "mid")],
            style=style,
        )
        self._modelled = widgets.Checkbox(
            description="model the other side of one-price files with retail spreads",
            value=False,
            indent=False,
            layout=wide,
        )
        self._button = widgets.Button(description="Import", button_style="primary", icon="upload")
        self._bar = widgets.FloatProgress(
            min=0.0, max=1.0, layout=widgets.Layout(width="24em", visibility="hidden")
        )
        self._said = widgets.HTML()
        self._button.on_click(self._clicked)
        self.widget = widgets.VBox(
            [
                self._path,
                widgets.HBox([self._instrument, self._format]),
                widgets.HBox([self._timezone, self._side]),
                self._modelled,
                widgets.HBox([self._button, self._bar]),
                self._said,
            ]
        )

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def run(self, path: str | Path | None = None, **choices: Any) -> "ImportReport | None":
        """What the button does, for a cell: fill in fields by name (`instrument`, `timezone` …), import."""
        if path is not None:
            self._path.value = str(path)
        for name, value in choices.items():
            getattr(self, f"_{name}").value = value
        self._clicked(None)
        return self.report

    def _clicked(self, _button: Any) -> None:
        self.report = None
        self._button.disabled = True
        self._said.value = ""
        try:
            self.report = self._import()
        except (WorkbenchError, OSError) as error:
            self._said.value = _refused(error)
        except KeyboardInterrupt:
            self._said.value = _line("Stopped; the store is as it was.", "#c77700")
        else:
            self._said.value = _shown(self.report)
        finally:
            self._button.disabled = False
            self._bar.layout.visibility = "hidden"

    def _import(self) -> "ImportReport":
        from workbench.errors import BadInputError
        from workbench.market import MarketStore

        text = self._path.value.strip().strip("'\"")
        if not text:
            raise BadInputError("expected a file: choose one or paste its path")
        path = (self.folder / Path(text).expanduser()).resolve()
        if not path.exists():
            raise BadInputError(f"no such file: {path}")
        session = current_session()
        store = MarketStore(session.settings.market_root, session.engine)
        instrument = str(self._instrument.value)
        total = max(sum(item.stat().st_size for item in _files(path)), 1)
        self._bar.value = 0.0
        self._bar.layout.visibility = "visible"
        done = 0

        def told(count: int) -> None:
            nonlocal done
            done += count
            share = min(done / total, 1.0)
            if share - self._bar.value > 0.01 or share == 1.0:
                self._bar.value = share

        return store.import_file(
            path,
            instrument,
            fmt=self._format.value,
            timezone=self._timezone.value.strip() or None,
            side=self._side.value or None,
            cost_book=retail_book(instrument) if self._modelled.value else None,
            told=told,
        )


def _formats() -> Sequence[str]:
    from workbench.market.formats import FORMATS

    return ("auto", *FORMATS)


def _files(path: Path) -> list[Path]:
    return [item for item in path.rglob("*") if item.is_file()] if path.is_dir() else [path]


def _offered(folder: Path) -> tuple[str, ...]:
    """Files of the folder and those right below it that may hold quotes, by name."""
    if not folder.is_dir():
        return ()
    found = [
        item
        for pattern in ("*", "*/*")
        for item in folder.glob(pattern)
        if item.suffix.lower() in _ENDINGS and not item.name.startswith(".") and item.is_file()
    ]
    return tuple(sorted(str(item.relative_to(folder)) for item in found[:_SHOWN]))


def _shown(report: "ImportReport") -> str:
    dataset = report.dataset
    what = "Imported" if report.is_new else "It is there already, nothing changed"
    said = f"{what}: dataset {dataset.fingerprint[:12]}, {dataset.rows:,} {dataset.kind}."
    if report.check.ok:
        parts = [_line(said, "#2e8b57")]
    else:
        parts = [_line(f"{said} It is {report.check.verdict}.", "#c77700")]
    if report.zone is not None:
        parts.append(f"<div style='max-width:70em'>{escape(report.zone.text)}</div>")
    parts += [f"<div>{escape(f'{item.name}: {item.count:,} {item.detail}')}</div>" for item in report.notes]
    return "".join([*parts, report.check._repr_html_()])


def _refused(error: Exception) -> str:
    return _line(f"Not imported: {error}", "#d03a3a")


def _line(text: str, colour: str) -> str:
    return (
        f"<div style='border-left:4px solid {colour};padding:.2em .6em;max-width:70em'>{escape(text)}</div>"
    )
