"""The monitor: what every deployment is doing, in words and a picture, with a stop button.

`build(view, verbs)` gives an ipywidgets box that notebook and Voila show alike. It changes only what
changed, so a screen reader is not told the same thing every second.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import ipywidgets as widgets

from workbench.dashboards.card import Card, Reading, Verbs
from workbench.dashboards.markup import STYLE, badge, put, text
from workbench.dashboards.verbs import GatewayAnswer
from workbench.dashboards.view import DeploymentView, StoreView
from workbench.errors import WorkbenchError
from workbench.store import StoreMissingError

__all__ = ["Monitor", "build"]

_ACTIVE = ("starting", "running", "restarting")
_OVER = ("stopped", "finished", "failed")
_MOST_OVER = 5  # a page with every deployment there ever was would be too heavy to open
_AGAIN_EVERY = 10  # refreshes: what changes while a page is loading does not reach it
_NOT_STARTED = (
    "The workbench has not been started here yet, so there is nothing to show. "
    "This page fills by itself once it runs."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Everything the page shows, as it was read; or why it could not be."""

    gateway: GatewayAnswer
    shown: Sequence[Reading] = ()
    left_out: int = 0
    missing: bool = False  # nothing was ever started
    wrong: str = ""


class Monitor:
    """The page: a headline and a card for each deployment.

    Parameters
    ----------
    view
        Gives the reader; while it raises `StoreMissingError` the page says that nothing was started.
    """

    def __init__(self, view: Callable[[], StoreView], verbs: Verbs, *, clock: Callable[[], datetime]) -> None:
        self._view = view
        self._verbs = verbs
        self._clock = clock
        self._headline = widgets.HTML("<h1>Monitor</h1><p>Reading…</p>")
        self._pulse = widgets.HTML()
        self._refreshes = 0
        self._cards: dict[str, Card] = {}
        self._list = widgets.VBox([])
        self.box = widgets.VBox([widgets.HTML(STYLE), self._headline, self._pulse, self._list])
        self.box.add_class("wb-monitor")

    def refresh(self) -> None:
        """Read everything anew and show it; a read that fails is said, and the last state stays."""
        self._show(self._read())

    async def keep_fresh(self, *, every: timedelta = timedelta(seconds=1)) -> None:
        """Refresh for ever, reading beside the page so that a button never waits for a database."""
        try:
            while True:
                self._show(await asyncio.to_thread(self._read))
                await asyncio.sleep(every.total_seconds())
        except Exception:
            self._tell(
                '<p role="alert"><strong>This page broke and shows old news: load it anew.</strong></p>'
            )
            raise

    async def settled(self) -> None:
        """Return when nothing that a viewer asked for is still being done."""
        for card in self._cards.values():
            await card.settled()

    def _read(self) -> _Reading:
        gateway = self._verbs.gateway()
        try:
            view = self._view()
            items = [_as_gateway_says(item, gateway) for item in view.deployments()]
            shown, left_out = _to_show(items)
            return _Reading(
                gateway=gateway,
                shown=[
                    Reading(
                        deployment=item,
                        equity=view.equity(item.id),
                        orders=view.orders(item.id, most=8),
                        fills=view.fills(item.id, most=8),
                        changes=view.changes(item.id, most=8),
                    )
                    for item in shown
                ],
                left_out=left_out,
            )
        except StoreMissingError:
            return _Reading(gateway=gateway, missing=True)
        except WorkbenchError as error:
            return _Reading(gateway=gateway, wrong=str(error))

    def _show(self, reading: _Reading) -> None:
        again = self._refreshes % _AGAIN_EVERY == 0
        self._refreshes += 1
        if reading.missing:
            self._tell(f"<p>{text(_NOT_STARTED)}</p>", again=again)
        elif reading.wrong:
            self._tell(
                f'<p role="alert">{badge("old news", kind="bad")} What you see is the last that could be '
                f"read. {text(reading.wrong)}</p>",
                again=again,
            )
        else:
            self._show_cards(reading, again=again)
            self._tell(self._summary(reading), again=again)
        now = self._clock().astimezone(UTC)
        self._pulse.value = (
            f"<p><small>Updated {now:%H:%M:%S} UTC. All other times are the market's.</small></p>"
            '<p class="wb-silent"><strong>This page has heard nothing for a while and shows old news: '
            "load it anew.</strong></p>"
        )

    def _show_cards(self, reading: _Reading, *, again: bool) -> None:
        for read in reading.shown:
            item = read.deployment
            if item.id not in self._cards:
                self._cards[item.id] = Card(item, self._verbs)
            self._cards[item.id].show(read, again=again)
        boxes = tuple(self._cards[read.deployment.id].box for read in reading.shown)
        if boxes != self._list.children:
            self._list.children = boxes
        elif again:
            self._list.send_state("children")

    def _summary(self, reading: _Reading) -> str:
        if reading.gateway.wrong:
            gateway = (
                f"{badge('gateway not reached', kind='bad')} No order can be sent; what you see is the last "
                "that was written down."
            )
        else:
            gateway = badge("gateway running", kind="good")
        items = [read.deployment for read in reading.shown]
        count = len(items) + reading.left_out
        trading = sum(item.state == "running" and not item.killed_by for item in items)
        shown = f"{count} deployment{'s' if count != 1 else ''}, {trading} trading." if count else ""
        rest = f" The oldest {reading.left_out}, which are over, are left out." if reading.left_out else ""
        nothing = "" if count else "<p>Nothing is deployed yet.</p>"
        may = "" if self._verbs.may_stop() else f" As {self._verbs.role} you may look and not stop."
        why = f"<p><small>{text(reading.gateway.wrong)}</small></p>" if reading.gateway.wrong else ""
        return f"<p>{gateway} {text(shown + rest + may)}</p>{nothing}{why}"

    def _tell(self, markup: str, *, again: bool = False) -> None:
        put(self._headline, f"<h1>Monitor</h1>{markup}", again=again)


def _as_gateway_says(item: DeploymentView, gateway: GatewayAnswer) -> DeploymentView:
    """The deployment, with what the gateway has done to it and its supervisor not yet written down."""
    if gateway.wrong and item.state == "running":
        return replace(item, state="unheard")
    said = gateway.deployments.get(item.id)
    if said is None:
        return item
    item = replace(item, limit_use=said.limit_use)
    if said.state == "running" or item.state not in _ACTIVE:
        return item
    return replace(item, state="stopped" if said.state == "closed" else said.state, detail=said.detail)


def _to_show(items: Sequence[DeploymentView]) -> tuple[list[DeploymentView], int]:
    """What gets a card, in the given order, and how many do not: the newest of those that are over do."""
    over = [item.id for item in items if item.state in _OVER]
    left_out = set(over[_MOST_OVER:])
    return [item for item in items if item.id not in left_out], len(left_out)


def build(view: StoreView, verbs: Verbs, *, clock: Callable[[], datetime] | None = None) -> Monitor:
    """The monitor, filled once; `await monitor.keep_fresh()` keeps it so."""
    monitor = Monitor(lambda: view, verbs, clock=clock or (lambda: datetime.now(UTC)))
    monitor.refresh()
    return monitor
