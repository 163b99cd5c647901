"""Joins the workbench to Jupyter Server: settings are read here, once, and the parts put together."""

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp

from workbench.gateway.client import OperatorClient
from workbench.live.client import SupervisorClient
from workbench.server.guarding import guard_scheduler
from workbench.server.handlers import routes
from workbench.server.processes import quote_sources
from workbench.server.promotions import Promotions
from workbench.server.reading import StoreReader
from workbench.server.releases import GATE_TITLES, ReleaseRoom
from workbench.server.roles import Person, WorkbenchRoles
from workbench.server.runs import TrackedRuns
from workbench.server.services import Services
from workbench.server.stream import LiveState
from workbench.settings import Settings, load_settings
from workbench.tracking import settings_environment

__all__ = ["WorkbenchServer", "_jupyter_server_extension_points", "make_services"]

_ANSWER_WITHIN_S = 3.0
_ASK_PROCESSES_EVERY_S = 1.0


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What Jupyter Server loads."""
    return [{"module": "workbench.server", "app": WorkbenchServer}]


class WorkbenchServer(ExtensionApp):
    """The workbench's routes and its live state on a Jupyter server."""

    name = "workbench_server"
    description = "Runs, releases, deployments and the kill switch of the forex workbench"
    load_other_extensions = True
    classes = [WorkbenchRoles]  # noqa: RUF012  traitlets' own way

    def initialize_settings(self) -> None:
        """Put the parts together."""
        settings = load_settings()
        services = make_services(settings)
        self._threads = (
            ThreadPoolExecutor(max_workers=6, thread_name_prefix="workbench"),
            ThreadPoolExecutor(max_workers=4, thread_name_prefix="workbench-urgent"),
        )
        watching = _Watching(services, self._threads[0])
        self._live = LiveState(watching.read, same=watching.same, log_failure=self.log.warning)
        self._promotions = watching.promotions = Promotions(
            gates=GATE_TITLES,
            environment={**os.environ, **settings_environment(settings)},
            folder=settings.project,
            tell=self._live.read_soon,
        )
        self.settings.update(
            workbench_services=services,
            workbench_promotions=self._promotions,
            workbench_live=self._live,
            workbench_threads=self._threads[0],
            workbench_urgent_threads=self._threads[1],
            workbench_roles=WorkbenchRoles(parent=self),
            workbench_owner=settings.user,
        )
        self.log.info("workbench: home %s, project %s", settings.home, settings.project)

    def initialize_handlers(self) -> None:
        """Add the routes."""
        self.handlers.extend(routes())
        guard_scheduler(self.serverapp)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        guard_scheduler(serverapp)  # should it have been loaded after this extension

    async def stop_extension(self) -> None:
        """End what was begun here."""
        await self._live.close()
        await self._promotions.close()
        for pool in self._threads:
            pool.shutdown(wait=False, cancel_futures=True)


def make_services(settings: Settings) -> Services:
    """The routes' work on this home's stores, sockets and releases."""
    reader = StoreReader(settings.store_url, settings.gateway_store_url, kills_dir=settings.kills_dir)

    def gateway(person: Person) -> OperatorClient:
        return OperatorClient(
            settings.operator_socket,
            user=person.user,
            role=person.role,
            timeout_s=_ANSWER_WITHIN_S,
            kills_dir=settings.kills_dir,
        )

    def supervisor(person: Person) -> SupervisorClient:
        return SupervisorClient(
            settings.supervisor_socket, user=person.user, role=person.role, timeout_s=_ANSWER_WITHIN_S
        )

    return Services(
        reader=reader,
        runs=TrackedRuns(settings, reader),
        releases=ReleaseRoom(settings),
        gateway=gateway,
        supervisor=supervisor,
        sockets=(settings.operator_socket, settings.supervisor_socket),
        sources=lambda: quote_sources(settings.runtime_dir),
        monitor_url=f"http://127.0.0.1:{settings.voila_port}/voila/render/monitor.ipynb",
    )


class _Watching:
    """Makes frames of the stream; the processes are asked beside it, since one that hangs takes seconds."""

    promotions: Promotions

    def __init__(self, services: Services, threads: ThreadPoolExecutor) -> None:
        self._services = services
        self._threads = threads
        self._asking: asyncio.Future[dict[str, dict[str, str]]] | None = None
        self._processes: dict[str, dict[str, str]] | None = None
        self._asked_at = 0.0

    async def read(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if self._processes is None:
            self._processes = await self._ask(loop)
            self._asked_at = loop.time()
        elif self._asking is not None and self._asking.done():
            self._processes, self._asking, self._asked_at = self._asking.result(), None, loop.time()
        elif self._asking is None and loop.time() - self._asked_at > _ASK_PROCESSES_EVERY_S:
            self._asking = self._ask(loop)
        frame = await loop.run_in_executor(
            self._threads, functools.partial(self._services.live, self._processes)
        )
        return {**frame, "promotions": self.promotions.list()}

    @staticmethod
    def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
        """Whether two frames differ in no more than the age of the data, which who watches counts on."""
        return _without_ages(one) == _without_ages(other)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[dict[str, dict[str, str]]]:
        return loop.run_in_executor(self._threads, self._services.processes)


def _without_ages(frame: dict[str, Any]) -> dict[str, Any]:
    return {**frame, "deployments": [{**item, "data_age_s": None} for item in frame["deployments"]]}
