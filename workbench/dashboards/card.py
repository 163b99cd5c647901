"""One deployment on the page: what it does, its figures, its curve, and how it is stopped."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import ipywidgets as widgets

from workbench.dashboards import words
from workbench.dashboards.chart import EquityChart
from workbench.dashboards.markup import badge, definitions, put, table, text
from workbench.dashboards.verbs import GatewayAnswer
from workbench.dashboards.view import ChangeLine, DeploymentView, EquityPoint, FillLine, OrderLine
from workbench.errors import WorkbenchError

__all__ = ["Card", "Reading", "Verbs"]

_KINDS = {"running": "good", "unheard": "bad", "finished": "good", "failed": "bad", "frozen": "bad"}
_NEARLY = 0.9  # of a limit
_OVER = ("finished", "failed", "stopped")


class Verbs(Protocol):
    """What a viewer may ask for; each is checked again where it is carried out."""

    @property
    def role(self) -> str:
        """The viewer's role."""

    def may_stop(self) -> bool:
        """Whether this viewer's role has the verb."""

    def gateway(self) -> GatewayAnswer:
        """What the gateway says; blocks for as long as it takes."""

    def prepare_stop(self) -> None:
        """Make ready for a `stop` that is likely to come."""

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        """Stop a deployment; with `flatten` its position is closed at the next price. Blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One deployment as it was read."""

    deployment: DeploymentView
    equity: list[EquityPoint]
    orders: list[OrderLine]
    fills: list[FillLine]
    changes: list[ChangeLine]


class Card:
    """One deployment on the page."""

    def __init__(self, item: DeploymentView, verbs: Verbs) -> None:
        self._id = item.id
        self._name = f"{item.release_name} on {item.account_id}"
        self._verbs = verbs
        self._tasks: set[asyncio.Task[None]] = set()
        self._head = widgets.HTML()
        self._figures = widgets.HTML()
        self._lists = widgets.HTML()
        self._answer = widgets.HTML()
        self._question = widgets.HTML()
        self._chart = EquityChart(item.currency)
        self._stop = _button(f"Stop {self._name}…", "wb-danger")
        self._keep = _button("Yes, stop and keep the position", "wb-danger")
        self._flat = _button("Yes, stop and close the position", "wb-danger")
        self._cancel = _button("No, let it run")
        self._asking = widgets.VBox([self._question, widgets.Box([self._cancel, self._keep, self._flat])])
        self._asking.add_class("wb-question")
        self._asking.layout.display = "none"
        self._stop.layout.display = "none"
        self._stop.on_click(lambda _: self._ask())
        self._cancel.on_click(lambda _: self._let_run())
        self._keep.on_click(lambda _: self._start(self._carry_out(flatten=False)))
        self._flat.on_click(lambda _: self._start(self._carry_out(flatten=True)))
        self._item = item
        self._stopping = False
        self.box = widgets.VBox(
            [
                self._head,
                self._stop,
                self._asking,
                self._answer,
                self._figures,
                self._chart.box,
                self._lists,
            ]
        )
        self.box.add_class("wb-card")

    def show(self, reading: Reading, *, again: bool = False) -> None:
        """Show the deployment as it is now, touching only what changed; everything when `again`."""
        item = self._item = reading.deployment
        put(self._head, _heading(item), again=again)
        put(self._figures, _figures(item), again=again)
        put(self._lists, _lists(reading), again=again)
        put(self._answer, self._answer.value, again=again)
        self._chart.show(reading.equity, again=again)
        self._offer()
        if not self._stoppable:
            self._stop.layout.display = self._asking.layout.display = "none"
        elif self._asking.layout.display == "none" and not self._stopping:
            self._stop.layout.display = "inline-block"

    async def settled(self) -> None:
        """Return when nothing that was asked for is still being done."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    @property
    def _stoppable(self) -> bool:
        return self._verbs.may_stop() and self._item.desired == "running" and self._item.state not in _OVER

    def _ask(self) -> None:
        self._stop.layout.display = "none"
        put(self._answer, "")
        put(
            self._question,
            f'<p role="alert"><strong>Stop {text(self._name)}?</strong> From then on it sends no orders, '
            f"until an approver starts it again. {text(words.position_sentence(self._item))}</p>",
        )
        self._offer()
        self._asking.layout.display = "flex"
        self._cancel.focus()
        self._start(asyncio.to_thread(self._verbs.prepare_stop))

    def _offer(self) -> None:
        held = any(position["units"] for position in self._item.positions)
        self._keep.description = "Yes, stop and keep the position" if held else "Yes, stop"
        self._flat.layout.display = "inline-block" if held else "none"

    def _let_run(self) -> None:
        self._asking.layout.display = "none"
        self._stop.layout.display = "inline-block"
        self._stop.focus()

    async def _carry_out(self, *, flatten: bool) -> None:
        self._stopping = True
        self._asking.layout.display = "none"
        self._say("Stopping…")
        try:
            said = await asyncio.to_thread(self._verbs.stop, self._id, flatten=flatten)
        except WorkbenchError as error:
            said = f"Not stopped: {error}"
        finally:
            self._stopping = False
        self._say(said)

    def _say(self, sentence: str) -> None:
        put(self._answer, f'<p role="alert"><strong>{text(sentence)}</strong></p>')

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _button(description: str, *classes: str) -> widgets.Button:
    button = widgets.Button(description=description, layout={"width": "auto", "height": "auto"})
    for name in ("wb-button", *classes):
        button.add_class(name)
    return button


def _heading(item: DeploymentView) -> str:
    kind = "bad" if item.killed_by else _KINDS.get(item.state, "warn")
    return (
        f"<h2>{text(item.release_name)} on {text(item.account_id)} ({text(item.broker)} account) "
        f"{badge(words.state_word(item), kind=kind)}</h2>"
        f"<p>{text(words.state_sentence(item))} {text(words.position_sentence(item))}</p>"
        f"<p><small>Market time: {text(words.moment(item.market_ns))}</small></p>"
    )


def _figures(item: DeploymentView) -> str:
    return definitions(
        (
            ("Profit or loss", words.money(item.profit, item.currency, sign=True)),
            ("Equity", words.money(item.equity, item.currency)),
            ("Margin in use", words.money(item.margin_used, item.currency)),
            ("Commission paid", words.money(item.commission, item.currency)),
            ("Financing", words.money(item.financing, item.currency, sign=True)),
        )
    )


def _limits(item: DeploymentView) -> str:
    rows = [
        (
            f"{use['control']} {use['name']}",
            str(use["scope"]),
            f"{use['used']} of {use['limit']}",
            f"{use['ratio']:.0%}" + (" – nearly used" if use["ratio"] > _NEARLY else ""),
        )
        for use in item.limit_use
    ]
    return table("Limits in force", ("Limit", "Of", "Used", "Share"), rows, empty="The gateway says of none.")


def _lists(reading: Reading) -> str:
    item = reading.deployment
    log = [(line.decided_ns, words.order_sentence(line)) for line in reading.orders]
    log += [(line.decided_ns, words.change_sentence(line)) for line in reading.changes]
    log.sort(key=lambda found: -found[0])
    decided = [(words.moment(at_ns), sentence) for at_ns, sentence in log]
    executed = [
        (
            words.moment(line.time_ns),
            words.fill_sentence(line),
            words.money(line.realized, item.currency, sign=True),
            words.money(line.commission, item.currency),
        )
        for line in reading.fills
    ]
    return (
        table("Last decisions and orders", ("Decided at", "Order or exits"), decided, empty="No order yet.")
        + table(
            "Last executions",
            ("Time", "What", "Profit booked", "Commission"),
            executed,
            empty="No execution yet.",
        )
        + _limits(item)
        + f"<p><small>Deployment {text(item.id)}, release {text(item.release_id[:12])}, "
        f"{text(words.restarts(item.restarts))}.</small></p>"
    )
