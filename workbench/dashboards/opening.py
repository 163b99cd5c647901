"""Open a dashboard from a notebook: the settings are read here, once."""

import asyncio
import os
from datetime import UTC, datetime
from functools import cache

from IPython.display import display

from workbench.dashboards.monitor import Monitor
from workbench.dashboards.verbs import GatewayVerbs
from workbench.dashboards.view import StoreView
from workbench.settings import load_settings
from workbench.store import read_only

__all__ = ["open_monitor"]

_TASKS: set["asyncio.Task[None]"] = set()


def open_monitor() -> Monitor:
    """Show the monitor and keep it fresh.

    Who looks is told by the process that serves the page, never by the page: `WORKBENCH_DASHBOARD_USER`
    and `WORKBENCH_DASHBOARD_ROLE` (viewer when unset, which may look and not stop).
    """
    settings = load_settings()
    verbs = GatewayVerbs(
        settings.operator_socket,
        settings.supervisor_socket,
        user=os.environ.get("WORKBENCH_DASHBOARD_USER", "dashboard"),
        role=os.environ.get("WORKBENCH_DASHBOARD_ROLE", "viewer"),
    )

    @cache  # opened at the first read that finds the stores, which may be long after the page was opened
    def view() -> StoreView:
        return StoreView(read_only(settings.store_url), read_only(settings.gateway_store_url))

    monitor = Monitor(view, verbs, clock=lambda: datetime.now(UTC))
    monitor.refresh()  # before it is shown: a page that loads misses what changes meanwhile
    display(monitor.box)
    task = asyncio.get_running_loop().create_task(monitor.keep_fresh())
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)
    return monitor
