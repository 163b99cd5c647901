"""The monitor: what every deployment is doing, in words and a picture, with a stop button.

`build(view, verbs)` gives an ipywidgets box that notebook and Voila show alike. It changes only what
changed, so a screen reader is not told the same thing every second.
"""

import asyncio
import html
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Protocol

import ipywidgets as widgets
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure
from jupyter_bokeh.widgets import BokehModel

from workbench.dashboards import words
from workbench.dashboards.view import DeploymentView, FillLine, OrderLine, StoreView
from workbench.domain.calendar import to_datetime
from workbench.errors import WorkbenchError

__all__ = ["Monitor", "Verbs", "build"]

_STYLE = f"<style>{files('workbench.dashboards').joinpath('monitor.css').read_text()}</style>"


class Verbs(Protocol):
    """What a viewer may ask for; each is checked again where it is carried out."""

    def may_stop(self) -> bool:
        """Whether this viewer's role has the verb."""

    def gateway(self) -> str:
        """Empty when the gateway answers, else what is wrong."""

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        """Stop a deployment; with `flatten` its position is closed at the next price."""


def _text(value: object) -> str:
    return html.escape(str(value))


def _table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, empty: str) -> str:
    if not rows:
        return f"<p>{_text(empty)}</p>"
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in headers)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figures(item: DeploymentView) -> str:
    values = (
        ("Profit or loss", words.money(item.profit, item.currency, sign=True)),
        ("Equity", words.money(item.equity, item.currency)),
        ("Margin in use", words.money(item.margin_used, item.currency)),
        ("Commission paid", words.money(item.commission, item.currency)),
        ("Financing", words.money(item.financing, item.currency, sign=True)),
        ("Market time", words.moment(item.market_ns)),
        ("Restarts", str(item.restarts)),
    )
    cells = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in values)
    return f'<dl class="wb-figures">{cells}</dl>'


def _badge(item: DeploymentView) -> str:
    if item.killed_by:
        return '<span class="wb-badge wb-bad">KILLED</span>'
    kind = {"running": "wb-good", "finished": "wb-good", "failed": "wb-bad"}.get(item.state, "wb-warn")
    return f'<span class="wb-badge {kind}">{_text(item.state.upper())}</span>'


class _Card:
    """One deployment on the page."""

    def __init__(self, deployment_id: str, verbs: Verbs) -> None:
        self._id = deployment_id
        self._verbs = verbs
        self._head = widgets.HTML()
        self._lists = widgets.HTML()
        self._answer = widgets.HTML()
        self._source = ColumnDataSource({"time": [], "equity": []})
        self._length = -1
        self._stop = widgets.Button(
            description="Stop…",
            icon="stop",
            button_style="danger",
            tooltip="Stop this deployment from trading",
        )
        self._sure = widgets.Button(description="Yes, stop and keep the position", layout={"width": "auto"})
        self._flat = widgets.Button(description="Yes, stop and close the position", layout={"width": "auto"})
        self._cancel = widgets.Button(description="No, let it run")
        self._question = widgets.HBox([self._sure, self._flat, self._cancel], layout={"display": "none"})
        self._stop.on_click(lambda _: self._ask(True))
        self._cancel.on_click(lambda _: self._ask(False))
        self._sure.on_click(lambda _: self._do_stop(flatten=False))
        self._flat.on_click(lambda _: self._do_stop(flatten=True))
        self.box = widgets.VBox(
            [self._head, BokehModel(self._plot()), self._stop, self._question, self._answer, self._lists]
        )
        self.box.add_class("wb-card")

    def _plot(self) -> object:
        plot = figure(
            height=220,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            title="Equity",
            toolbar_location=None,
        )
        plot.line("time", "equity", source=self._source, line_width=2, color="#1976d2")
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        plot.xaxis.formatter = DatetimeTickFormatter(days="%d %b", hours="%d %b %H:%M", months="%b %Y")
        plot.add_tools(
            HoverTool(
                tooltips=[("time", "@time{%d %b %Y %H:%M} UTC"), ("equity", "@equity{0,0.00}")],
                formatters={"@time": "datetime"},
                mode="vline",
            )
        )
        return plot

    def _ask(self, asked: bool) -> None:
        self._question.layout.display = "flex" if asked else "none"
        self._stop.layout.display = "none" if asked else "inline-block"

    def _do_stop(self, *, flatten: bool) -> None:
        self._ask(False)
        try:
            said = self._verbs.stop(self._id, flatten=flatten)
        except WorkbenchError as error:
            said = f"Not stopped: {error}"
        self._answer.value = f'<p role="status"><strong>{_text(said)}</strong></p>'

    def show(
        self,
        item: DeploymentView,
        curve: list[tuple[datetime, float]],
        orders: list[OrderLine],
        fills: list[FillLine],
    ) -> None:
        """Show the deployment as it is now."""
        title = f"{_text(item.release_name)} on {_text(item.account_id)} ({_text(item.broker)} account)"
        sentences = f"{words.state_sentence(item)} {words.position_sentence(item)}"
        head = (
            f"<h2>{title} {_badge(item)}</h2><p>{_text(sentences)}</p>{_figures(item)}"
            f"<p><small>deployment {_text(item.id)}, release {_text(item.release_id[:12])}</small></p>"
        )
        if self._head.value != head:
            self._head.value = head
        if len(curve) != self._length or (curve and self._source.data["equity"][-1] != curve[-1][1]):
            self._length = len(curve)
            self._source.data = {"time": [time for time, _ in curve], "equity": [value for _, value in curve]}
        order_rows = [(words.moment(line.decided_ns), words.order_sentence(line)) for line in orders]
        fill_rows = [
            (
                words.moment(line.time_ns),
                words.fill_sentence(line),
                words.money(line.realized, item.currency, sign=True),
                words.money(line.commission, item.currency),
            )
            for line in fills
        ]
        lists = (
            "<h3>Last decisions and orders</h3>"
            + _table(("Decided at", "Order"), order_rows, empty="No order yet.")
            + "<h3>Last executions</h3>"
            + _table(("Time", "What", "Profit booked", "Commission"), fill_rows, empty="No execution yet.")
        )
        if self._lists.value != lists:
            self._lists.value = lists
        stoppable = (
            self._verbs.may_stop() and item.desired == "running" and item.state not in ("finished", "failed")
        )
        self._stop.disabled = not stoppable
        if not stoppable and item.state in ("finished", "failed", "stopped"):
            self._ask(False)


class Monitor:
    """The page: a headline and a card for each deployment."""

    def __init__(self, view: StoreView, verbs: Verbs, *, clock: Callable[[], datetime]) -> None:
        self._view = view
        self._verbs = verbs
        self._clock = clock
        self._headline = widgets.HTML()
        self._cards: dict[str, _Card] = {}
        self._list = widgets.VBox([])
        self.box = widgets.VBox([widgets.HTML(_STYLE), self._headline, self._list])
        self.box.add_class("wb-monitor")

    def refresh(self) -> None:
        """Read everything anew and show it."""
        items = self._view.deployments()
        for item in items:
            card = self._cards.get(item.id)
            if card is None:
                card = self._cards[item.id] = _Card(item.id, self._verbs)
            curve = [
                (to_datetime(point.time_ns), float(point.equity)) for point in self._view.equity(item.id)
            ]
            card.show(item, curve, self._view.orders(item.id, most=8), self._view.fills(item.id, most=8))
        boxes = tuple(self._cards[item.id].box for item in items)
        if boxes != self._list.children:
            self._list.children = boxes
        self._headline.value = self._summary(items)

    def _summary(self, items: list[DeploymentView]) -> str:
        wrong = self._verbs.gateway()
        gateway = (
            f'<span class="wb-badge wb-bad">GATEWAY NOT REACHED</span> {_text(wrong)} No order can be sent; '
            "what you see is the last that was written down."
            if wrong
            else '<span class="wb-badge wb-good">GATEWAY RUNNING</span>'
        )
        running = sum(item.state == "running" for item in items)
        shown = (
            f"{len(items)} deployment{'s' if len(items) != 1 else ''}, {running} trading." if items else ""
        )
        nothing = "" if items else "<p>Nothing is deployed yet.</p>"
        now = self._clock().astimezone(UTC)
        return (
            f"<h1>Monitor</h1><p>{gateway} {_text(shown)}</p>{nothing}"
            f'<p aria-live="off"><small>Updated {now:%H:%M:%S} UTC. Times below are market times.</small></p>'
        )

    async def keep_fresh(self, *, every: timedelta = timedelta(seconds=1)) -> None:
        """Refresh for ever; a failing read is shown and tried again."""
        while True:
            try:
                self.refresh()
            except WorkbenchError as error:
                self._headline.value = f'<h1>Monitor</h1><p role="alert"><strong>{_text(error)}</strong></p>'
            await asyncio.sleep(every.total_seconds())


def build(view: StoreView, verbs: Verbs, *, clock: Callable[[], datetime] | None = None) -> Monitor:
    """The monitor, filled once; `await monitor.keep_fresh()` keeps it so."""
    monitor = Monitor(view, verbs, clock=clock or (lambda: datetime.now(UTC)))
    monitor.refresh()
    return monitor
