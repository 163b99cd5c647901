"""The REST routes: parse the request, call in a thread, write the answer.

Verbs that stop trading have threads of their own, so that no slow list is ever in front of them.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from workbench.errors import BadInputError, WorkbenchError
from workbench.server.access import needs
from workbench.server.bodies import (
    ApproveBody,
    DeployBody,
    KillBody,
    LimitsBody,
    OverrideBody,
    PromoteBody,
    ResumeBody,
    StartBody,
    StopBody,
    parse_body,
)
from workbench.server.errors import reply_to
from workbench.server.promotions import Promotions
from workbench.server.roles import Person, WorkbenchRoles
from workbench.server.services import Services
from workbench.server.stream import LiveState, StreamHandler

__all__ = ["API", "routes"]

API = "/workbench/api/v1"
_MOST_RUNS = 500
_LONGEST_BODY = 64 * 1024


class _Handler(APIHandler):
    @property
    def services(self) -> Services:
        return self.settings["workbench_services"]  # type: ignore[no-any-return]

    @property
    def promotions(self) -> Promotions:
        return self.settings["workbench_promotions"]  # type: ignore[no-any-return]

    @property
    def live(self) -> LiveState:
        return self.settings["workbench_live"]  # type: ignore[no-any-return]

    async def answer(
        self, work: Callable[..., dict[str, Any]], *arguments: Any, urgent: bool = False
    ) -> None:
        """Write what `work` returns, or the sentence of its error."""
        threads: Executor = self.settings["workbench_urgent_threads" if urgent else "workbench_threads"]
        try:
            value = await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
        except WorkbenchError as error:
            self.refuse(error)
        else:
            self.finish(json.dumps(value))

    async def do(self, work: Callable[..., dict[str, Any]], *arguments: Any, urgent: bool = False) -> None:
        """As `answer`, for a verb that changes something: who watches sees it at once."""
        await self.answer(work, *arguments, urgent=urgent)
        self.live.read_soon()

    def refuse(self, error: WorkbenchError) -> None:
        """Answer with an error."""
        status, body = reply_to(error)
        self.set_status(status)
        self.finish(json.dumps(body))

    def body(self, kind: Any) -> Any:
        """The request's body, parsed; `web.HTTPError` when it is not of that kind."""
        if len(self.request.body) > _LONGEST_BODY:
            raise web.HTTPError(
                413, f"expected at most {_LONGEST_BODY} bytes, found {len(self.request.body)}"
            )
        try:
            return parse_body(kind, self.request.body)
        except BadInputError as error:
            raise web.HTTPError(400, str(error).replace("%", "%%")) from None

    def write_error(self, status_code: int, **named: Any) -> None:
        """Every refusal has the same form, also those of Jupyter's own checks."""
        error = named.get("exc_info", (None, None))[1]
        sentence = error.log_message if isinstance(error, web.HTTPError) and error.log_message else ""
        if not sentence:
            sentence = (
                HTTPStatus(status_code).phrase if status_code < 500 else "the server failed; see its log"
            )
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": sentence.replace("%%", "%")}))


class _Me(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.me, person)


class _Status(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.status)


class _Runs(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        given = self.get_query_argument("most", "50")
        if not given.isdecimal() or not 1 <= int(given) <= _MOST_RUNS:
            raise web.HTTPError(400, f"most: expected a whole number from 1 to {_MOST_RUNS}")
        await self.answer(self.services.runs, int(given))


class _Releases(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.releases)


class _Release(_Handler):
    @needs("status")
    async def get(self, person: Person, release_id: str) -> None:
        await self.answer(self.services.release, release_id)


class _Promote(_Handler):
    @needs("promote")
    async def post(self, person: Person) -> None:
        body: PromoteBody = self.body(PromoteBody)
        request = {**body.model_dump(), "author": person.user}
        try:
            body.parsed_limits()
            promotion = self.promotions.begin(
                request, subject=body.run_id or body.notebook or "", by=person.user
            )
        except WorkbenchError as error:
            self.refuse(error)
            return
        self.set_status(202)
        self.finish(json.dumps(promotion))


class _Promotions(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        self.finish(json.dumps({"promotions": self.promotions.list()}))


class _Approve(_Handler):
    @needs("approve")
    async def post(self, person: Person) -> None:
        await self.do(self.services.approve, person, self.body(ApproveBody))


class _Accounts(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.accounts)


class _Deployments(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.deployments)


class _Deploy(_Handler):
    @needs("deploy")
    async def post(self, person: Person) -> None:
        await self.do(self.services.deploy, person, self.body(DeployBody))


class _Stop(_Handler):
    @needs("stop")
    async def post(self, person: Person) -> None:
        await self.do(self.services.stop, person, self.body(StopBody), urgent=True)


class _Start(_Handler):
    @needs("start")
    async def post(self, person: Person) -> None:
        await self.do(self.services.start, person, self.body(StartBody))


class _Kill(_Handler):
    @needs("kill")
    async def post(self, person: Person) -> None:
        await self.do(self.services.kill, person, self.body(KillBody), urgent=True)


class _Unkill(_Handler):
    @needs("unkill")
    async def post(self, person: Person) -> None:
        await self.do(self.services.unkill, person, self.body(KillBody), urgent=True)


class _Limits(_Handler):
    @needs("controls")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.limits, person)

    @needs("limits")
    async def post(self, person: Person) -> None:
        roles: WorkbenchRoles = self.settings["workbench_roles"]
        body: LimitsBody = self.body(LimitsBody)
        await self.do(self.services.change_limits, person, body, roles.people_who_may("limits"))


class _LimitsHistory(_Handler):
    @needs("controls")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.limits_history, person)


class _Override(_Handler):
    @needs("override")
    async def post(self, person: Person) -> None:
        roles: WorkbenchRoles = self.settings["workbench_roles"]
        body: OverrideBody = self.body(OverrideBody)
        await self.do(self.services.override, person, body, roles.people_who_may("override"))


class _Resume(_Handler):
    @needs("resume")
    async def post(self, person: Person) -> None:
        await self.do(self.services.resume, person, self.body(ResumeBody))


class _Schedules(_Handler):
    @needs("status")
    async def get(self, person: Person) -> None:
        await self.answer(self.services.schedules)


def routes() -> list[tuple[str, type[Any]]]:
    """Every route, under the server's base address."""
    return [
        (rf"{API}/me", _Me),
        (rf"{API}/status", _Status),
        (rf"{API}/runs", _Runs),
        (rf"{API}/releases", _Releases),
        (rf"{API}/release/([0-9a-f]{{64}})", _Release),
        (rf"{API}/promote", _Promote),
        (rf"{API}/promotions", _Promotions),
        (rf"{API}/approve", _Approve),
        (rf"{API}/accounts", _Accounts),
        (rf"{API}/deployments", _Deployments),
        (rf"{API}/deploy", _Deploy),
        (rf"{API}/stop", _Stop),
        (rf"{API}/start", _Start),
        (rf"{API}/kill", _Kill),
        (rf"{API}/unkill", _Unkill),
        (rf"{API}/limits", _Limits),
        (rf"{API}/limits/history", _LimitsHistory),
        (rf"{API}/override", _Override),
        (rf"{API}/resume", _Resume),
        (rf"{API}/schedules", _Schedules),
        (rf"{API}/stream", StreamHandler),
    ]
