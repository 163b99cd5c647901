"""A form in a notebook in which a cost book is looked at, changed, and saved as a new dated version."""

import re
from html import escape
from pathlib import Path
from typing import Any

from workbench.domain.cost_book import CostBook, retail_book
from workbench.domain.cost_editing import edited_book, with_dated
from workbench.domain.cost_history import CostHistory, Costs
from workbench.domain.cost_terms import FinancingMode
from workbench.domain.instruments import known_instruments
from workbench.errors import BadInputError, WorkbenchError
from workbench.kernel.session import current_session

__all__ = ["CostForm", "cost_form"]

# field, what it is called, what it is and in which unit
_TERMS = (
    ("spread_points", "Spread", "points; one number, or 24 by hour from 17:00 New York on, or 168"),
    ("commission_ppm", "Commission by value", "millionths of the traded value, each side"),
    ("commission_per_lot", "Commission by lot", "millionths of the account's currency a lot, each side"),
    ("commission_minimum", "Commission at least", "millionths of the account's currency an order"),
    ("slippage_points", "Slippage", "points, against market, stop and close-out fills"),
    ("slippage_spread_ppm", "Slippage by spread", "millionths of the spread, on top"),
    ("financing_mode", "Financing in", "the unit of the next two"),
    ("financing_long_ppm", "Financing of longs", "millionths of that unit; negative pays"),
    ("financing_short_ppm", "Financing of shorts", "millionths of that unit; negative pays"),
    ("financing_weekdays", "Days charged", "Monday to Sunday, as 1 1 3 1 1 0 0; empty: by value dates"),
    ("margin_rate_ppm", "Margin", "millionths of the position's value; 33,333 is 30:1"),
    ("conversion_markup_ppm", "Conversion mark-up", "millionths, on both rates"),
)
_LISTS = ("spread_points", "financing_weekdays")
_GREEN, _AMBER, _RED = "#2e8b57", "#c77700", "#d03a3a"


def cost_form(book: Costs | str | Path | None = None) -> "CostForm":
    """The form on a book, dated books, a file of them, or retail costs of EUR/USD to start from.

    A name without folder is looked up in the home's `cost_books`, where the form saves too.
    """
    return CostForm(book)


class CostForm:
    """The terms of an instrument as a table, what is wrong with them, and what would change.

    `costs` are the books as they were read or last saved, `file` where they were saved.
    """

    def __init__(self, book: Costs | str | Path | None) -> None:
        import ipywidgets as widgets

        name = "my_broker"
        if isinstance(book, str | Path):
            from workbench.kernel.data import cost_book

            name = Path(book).stem
            book = cost_book(file=book)
        self.costs: Costs = retail_book("EUR_USD") if book is None else book
        self.file: Path | None = None
        style = {"description_width": "9em"}
        self._instrument = widgets.Dropdown(
            description="Instrument", options=self._offered(), value=self._names()[0], style=style
        )
        self._terms: dict[str, Any] = {}
        rows = []
        for field, label, unit in _TERMS:
            if field == "financing_mode":
                entry = widgets.Dropdown(options=[str(item) for item in FinancingMode])
            else:
                entry = widgets.Text(continuous_update=False)
            entry.description, entry.style = label, style
            entry.tooltip = f"{label}: {unit}"
            entry.layout = widgets.Layout(width="30em")
            entry.observe(self._changed, "value")
            self._terms[field] = entry
            said = widgets.HTML(f"<span style='opacity:.72'>{escape(unit)}</span>")
            rows.append(widgets.HBox([entry, said]))
        self._valid_from = widgets.DatePicker(
            description="Valid from", value=self._last().valid_from, style=style, tooltip="the new book's day"
        )
        self._note = widgets.Text(description="Note", placeholder="why; else what was changed", style=style)
        self._name = widgets.Text(description="Save as", value=name, style=style)
        self._button = widgets.Button(description="Save new version", button_style="primary", icon="save")
        self._said = widgets.HTML()
        self._button.on_click(self._clicked)
        for item in (self._valid_from, self._note):
            item.observe(self._changed, "value")
        self._instrument.observe(self._chosen, "value")
        self.widget = widgets.VBox(
            [
                self._instrument,
                *rows,
                widgets.HBox([self._valid_from, self._note]),
                widgets.HBox([self._name, self._button]),
                self._said,
            ]
        )
        self._filling = False
        self._chosen(None)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def run(self, **entries: Any) -> Costs | None:
        """What the button does, for a cell: fill in fields by name, save; None if it could not be saved.

        Fields are those of `InstrumentCosts`, and ``instrument``, ``valid_from``, ``note``, ``name``.
        """
        for field, value in entries.items():
            widget = self._terms[field] if field in self._terms else getattr(self, f"_{field}")
            widget.value = str(value) if field in self._terms else value
        before = self.file
        self.file = None
        self._clicked(None)
        saved = self.file is not None
        self.file = self.file or before
        return self.costs if saved else None

    def _last(self) -> CostBook:
        return self.costs[-1] if isinstance(self.costs, CostHistory) else self.costs

    def _names(self) -> list[str]:
        return [str(item) for item in self._last().costs]

    def _offered(self) -> list[tuple[str, str]]:
        """Instruments of the book first, then those that can be added."""
        own = self._names()
        others = [item for item in known_instruments() if item not in own]
        return [*((item, item) for item in own), *((f"{item} (add)", item) for item in others)]

    def _chosen(self, _change: Any) -> None:
        """Show the terms of the instrument."""
        book, name = self._last(), str(self._instrument.value)
        item = book.of(name) if name in self._names() else retail_book(name).of(name)
        self._filling = True
        try:
            for field, entry in self._terms.items():
                entry.value = _written(field, getattr(item, field))
        finally:
            self._filling = False
        self._changed(None)

    def _changed(self, _change: Any) -> None:
        """Say what is wrong with what is written, or what it would change."""
        if self._filling:
            return
        try:
            new = self._new()
        except WorkbenchError as error:
            self._button.disabled = True
            self._said.value = _line(str(error), _RED)
            return
        self._button.disabled = False
        changes = self._last().diff(new)
        self._said.value = _table(changes) if changes else _line("Nothing is changed yet.", _AMBER)

    def _new(self) -> CostBook:
        """The last book with what is written."""
        name = str(self._instrument.value)
        values = {field: _read(field, entry.value) for field, entry in self._terms.items()}
        new = edited_book(
            self._last(),
            name,
            values,
            add=name not in self._names(),
            valid_from=self._valid_from.value,
            note=self._note.value.strip(),
        )
        return new

    def _clicked(self, _button: Any) -> None:
        try:
            path, new = self._save()
        except (WorkbenchError, OSError) as error:
            self._said.value = _line(f"Not saved: {error}", _RED)
            return
        self.file = path
        chosen = str(self._instrument.value)
        self._filling = True
        try:
            self._instrument.options = self._offered()
            self._instrument.value = chosen
        finally:
            self._filling = False
        dates = ", ".join(
            str(item.valid_from)
            for item in (self.costs if isinstance(self.costs, CostHistory) else [self.costs])
        )
        self._said.value = _line(
            f"Saved: version {new.version[:12]}, valid from {new.valid_from}, in {path.name} with the books "
            f'of {dates}; cost_book(file="{path.name}") reads it.',
            _GREEN,
        )

    def _save(self) -> tuple[Path, CostBook]:
        from workbench.market.costs.files import write_costs

        old, new = self._last(), self._new()
        name = self._name.value.strip()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise BadInputError(
                f"expected a name of letters, digits, dots, dashes and underscores, found {name!r}"
            )
        if not [item for item in old.diff(new) if item.field != "valid_from"]:
            raise BadInputError("nothing is changed: write another cost first")
        kept = with_dated(self.costs, new)
        file_name = name if name.endswith(".json") else f"{name}.json"
        path = current_session().settings.home / "cost_books" / file_name
        if path.exists():
            self._refuse_to_lose(path, kept)
        write_costs(kept, path)
        self.costs = kept
        return path, new

    def _refuse_to_lose(self, path: Path, kept: CostHistory) -> None:
        """A file is written over only with more books than it has."""
        from workbench.market.costs.files import read_costs

        found = read_costs(path)
        there = list(found) if isinstance(found, CostHistory) else [found]
        if not {item.version for item in there} <= {item.version for item in kept}:
            raise BadInputError(
                f"{path.name} is there already with other books (of {there[0].broker}, "
                f"{', '.join(str(item.valid_from) for item in there)}); choose another name, or open it by "
                f'cost_form("{path.name}")'
            )


def _written(field: str, value: Any) -> str:
    """A term as a person writes it."""
    if field == "spread_points":
        days = [value[hour : hour + 24] for hour in range(0, len(value), 24)]
        if len(set(value)) == 1:
            return str(value[0])
        return " ".join(map(str, days[0] if len(set(days)) == 1 else value))
    if field == "financing_weekdays":
        return "" if value is None else " ".join(map(str, value))
    return str(value) if field == "financing_mode" else f"{value:,}"


def _read(field: str, text: str) -> Any:
    """A term as `InstrumentCosts.from_json` takes it."""
    if field == "financing_mode":
        return text
    parts = text.replace(";", " ").split() if field in _LISTS else [text.strip()]
    try:
        numbers = [int(item.replace(",", "").replace("_", "")) for item in parts]
    except ValueError:
        what = "whole numbers with blanks between" if field in _LISTS else "a whole number"
        raise BadInputError(f"{_label(field)}: expected {what}, found {text!r}") from None
    if field == "financing_weekdays":
        return numbers or None
    if field == "spread_points" and len(numbers) not in (1, 24, 168):
        raise BadInputError(f"{_label(field)}: expected one number, 24 or 168, found {len(numbers)}")
    return numbers[0] if len(numbers) == 1 else numbers


def _label(field: str) -> str:
    return next(label for name, label, _ in _TERMS if name == field)


def _table(changes: Any) -> str:
    """What would change."""
    rows = "".join(f"<tr><td style='text-align:left'>{escape(str(item))}</td></tr>" for item in changes)
    return f"{_line('This would change:', _AMBER)}<table>{rows}</table>"


def _line(text: str, colour: str) -> str:
    return (
        f"<div style='border-left:4px solid {colour};padding:.2em .6em;max-width:70em'>{escape(text)}</div>"
    )
