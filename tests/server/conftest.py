"""A server over a seeded home, with fakes in the place of the gateway and the supervisor."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.server.seeding import DEPLOYMENT, Seeded, make_settings, seed
from tests.server.serving import LabServer, NamedTokens, serving
from workbench.domain.control_table import LimitTable, first_entries
from workbench.domain.roles import Role
from workbench.errors import WorkbenchError
from workbench.gateway.controls import ControlBook
from workbench.gateway.controls.editing import show_limits
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import PROTOCOL_VERSION, OperatorRequest
from workbench.live.errors import SupervisorUnreachableError
from workbench.server import Person
from workbench.server import extension as extension_module
from workbench.server.reading import StoreReader
from workbench.server.releases import ReleaseRoom
from workbench.server.runs import TrackedRuns
from workbench.server.services import Services
from workbench.settings import Settings
from workbench.store.schema import journal

PEOPLE = {role.value: f"{role.value}-person" for role in Role}
TOKENS = {role: f"token-of-{role}" for role in PEOPLE}


STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "override.asked",
        {
            "number": 1,
            "deployment_id": DEPLOYMENT,
            "instrument": "EUR_USD",
            "control": "R08",
            "units": -5_000,
            "minutes": 10,
            "asked_ns": 1,
            "by": "approver-person",
            "reason": "a last leg",
        },
    ),
    ("override.approved", {"number": 1, "approved_by": "admin-person", "reason": "seen"}),
    (
        "override.used",
        {"number": 1, "deployment_id": DEPLOYMENT, "control": "R08", "client_order_id": "order-7"},
    ),
)


@dataclass
class FakeProcess:
    """A gateway or a supervisor that remembers what it was asked, and by whom."""

    missing: WorkbenchError
    running: bool = True
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def by(self, person: Person) -> "FakeVerbs":
        return FakeVerbs(self, person)


@dataclass
class FakeVerbs:
    process: FakeProcess
    person: Person

    def status(self) -> dict[str, Any]:
        return self._do("status")

    def stop(self, deployment_id: str, **options: Any) -> dict[str, Any]:
        return self._do("stop", deployment_id, options)

    def start(self, deployment_id: str) -> dict[str, Any]:
        return self._do("start", deployment_id)

    def resume(self, deployment_id: str) -> dict[str, Any]:
        return self._do("resume", deployment_id)

    def kill(self, scope: str, *, reason: str) -> dict[str, Any]:
        return self._do("kill", scope, reason)

    def unkill(self, scope: str, *, reason: str) -> dict[str, Any]:
        return self._do("unkill", scope, reason)

    def controls(self, *, history: bool = False) -> dict[str, Any]:
        self._do("status")
        book = ControlBook(table=LimitTable(first_entries(by="workbench", now_ns=0)))
        for kind, body in STEPS:
            book.overrides.take(kind, body)
        return show_limits(
            SimpleNamespace(
                controls=book,
                deployments={},
                ledger=SimpleNamespace(now_ns=lambda: 60_000_000_000),
                engine=_journal(book) if history else None,
            ),
            _request("controls", {"history": history}),
        )

    def limits(self, action: str, **change: Any) -> dict[str, Any]:
        self._do("limits", action, change)
        entry = {"action": "proposed", "name": "max_order_units", "scope": "firm", "text": "1"}
        return {"entry": {**entry, "approved_by": ""}}

    def override(self, action: str, **change: Any) -> dict[str, Any]:
        self._do("override", action, change)
        state = {"ask": "waits", "approve": "approved", "withdraw": "withdrawn"}[action]
        named = {"number": 3, "control": "R08", "deployment_id": DEPLOYMENT, "units": -5_000}
        return {"override": {**named, "state": state}}

    def _do(self, *asked: Any) -> dict[str, Any]:
        if not self.process.running:
            raise self.process.missing
        if asked != ("status",):
            self.process.asked.append((self.person.user, self.person.role, *asked))
        return {"deployments": [{"deployment_id": DEPLOYMENT, "state": "stopped", "position": 0}]}


def _journal(book: ControlBook) -> sa.Engine:
    """A journal with what was done to the overrides."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    journal.create(engine)
    with engine.begin() as connection:
        for seq, (kind, body) in enumerate(STEPS, 1):
            row = {"seq": seq, "created_ns": seq, "kind": kind, "body": json.dumps(body)}
            connection.execute(journal.insert().values(**row, previous="", hash=""))
    return engine


def _request(verb: str, arguments: dict[str, Any]) -> OperatorRequest:
    return OperatorRequest(
        version=PROTOCOL_VERSION, verb=verb, user="somebody", role="viewer", arguments=arguments
    )


@pytest.fixture
def gateway() -> FakeProcess:
    return FakeProcess(GatewayUnreachableError("no gateway answers; start it with `workbench up`"))


@pytest.fixture
def supervisor() -> FakeProcess:
    return FakeProcess(SupervisorUnreachableError("no supervisor answers; start it with `workbench up`"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


@pytest.fixture
def seeded(settings: Settings) -> Seeded:
    return seed(settings)


@pytest.fixture
def joined(
    settings: Settings, gateway: FakeProcess, supervisor: FakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extension of this process has the seeded home and the fakes."""

    def make_services(_: Settings) -> Services:
        reader = StoreReader(settings.store_url, settings.gateway_store_url, kills_dir=settings.kills_dir)
        here = Path(__file__)  # something that is there, as a socket is
        return Services(
            reader=reader,
            runs=TrackedRuns(settings, reader),
            releases=ReleaseRoom(settings),
            gateway=gateway.by,
            supervisor=supervisor.by,
            sockets=(here, here),
            monitor_url="http://127.0.0.1:8866/voila/render/monitor.ipynb",
        )

    monkeypatch.setattr(extension_module, "make_services", make_services)
    monkeypatch.setattr(extension_module, "load_settings", lambda: settings)


@pytest.fixture
def server(joined: None, seeded: Seeded, tmp_path: Path) -> Iterator[LabServer]:
    """A server with a person of each role and one without any."""
    config = {
        "ServerApp": {
            "jpserver_extensions": {"workbench.server": True},
            "identity_provider_class": NamedTokens,
            "authorizer_class": "workbench.server.roles.WorkbenchAuthorizer",
            "allow_unauthenticated_access": False,
        },
        "NamedTokens": {
            "people": {TOKENS[role]: name for role, name in PEOPLE.items()} | {"token-of-nobody": "nobody"}
        },
        "WorkbenchRoles": {"users": {name: role for role, name in PEOPLE.items()}},
    }
    with serving(tmp_path, config) as made:
        yield made
