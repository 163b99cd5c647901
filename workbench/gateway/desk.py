"""The desk: every open deployment, the kill switch, and the ledger they are written to."""

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from structlog.typing import FilteringBoundLogger

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.gateway.brokers.port import Broker
from workbench.gateway.controls import OVERRIDE_LIMIT, ControlBook, Override
from workbench.gateway.errors import LedgerWriteError, UnknownDeploymentError, WrongTokenError
from workbench.gateway.feeds import Feed
from workbench.gateway.kill_requests import KillRequests
from workbench.gateway.ledger import Ledger
from workbench.gateway.specs import DeploymentSpec, StreamFeedSpec
from workbench.gateway.trading import State, Trading
from workbench.market import Bars
from workbench.market.ticks import Ticks

__all__ = ["Desk"]


def _no_ticks(spec: DeploymentSpec, record: Instrument) -> Ticks:
    raise BadInputError(f"{record.id}: this gateway has no ticks to replay; open it with a market store")


def _no_stream(spec: DeploymentSpec, feed: StreamFeedSpec) -> Feed:
    raise BadInputError(f"quotes of {feed.source}: this gateway opens no streams; replay ticks instead")


@dataclass(slots=True, kw_only=True)
class Desk:
    """What the gateway's requests work on."""

    engine: sa.Engine
    ledger: Ledger
    load_bars: Callable[[DeploymentSpec, Instrument], Bars]
    monotonic: Callable[[], float]
    log: FilteringBoundLogger
    at_boundary: Callable[[str], None] = lambda name: None
    deployments: dict[str, Trading] = field(default_factory=dict)
    kills: set[str] = field(default_factory=set)
    controls: ControlBook = field(default_factory=ControlBook)
    connect_broker: Callable[[DeploymentSpec], Broker | None] = lambda spec: None  # None: a paper book here
    jitter: Callable[[], float] = random.random  # in [0, 1), of the pauses before a broker is tried again
    load_ticks: Callable[[DeploymentSpec, Instrument], Ticks] = _no_ticks
    open_stream: Callable[[DeploymentSpec, StreamFeedSpec], Feed] = _no_stream
    kill_requests: KillRequests | None = None  # those that are not among `kills` yet
    later: Callable[[Trading, Callable[[], None]], bool] = lambda trading, work: False
    """Do this where its broker may be waited for, before all else that waits there; False: do it here."""

    def find(self, deployment_id: str) -> Trading:
        """An open deployment.

        Raises
        ------
        UnknownDeploymentError
            None of that name.
        """
        found = self.deployments.get(deployment_id)
        if found is None:
            known = ", ".join(sorted(self.deployments)) or "none"
            raise UnknownDeploymentError(
                f"unknown deployment {deployment_id!r}; open at this gateway: {known}"
            )
        return found

    def enter(self, deployment_id: str, *, token: str) -> Trading:
        """The deployment whose session secret is `token`.

        Raises
        ------
        WrongTokenError
            It is not; the supervisor gives each live kernel its own.
        """
        trading = self.find(deployment_id)
        shown = hashlib.sha256(token.encode()).hexdigest()
        if not hmac.compare_digest(shown, trading.spec.token_sha256):
            raise WrongTokenError(
                f"expected the session secret of deployment {deployment_id}, found another; "
                "only the live kernel that the supervisor started last may trade for it"
            )
        return trading

    def kill_over(self, trading: Trading) -> str:
        """The widest kill in force over a deployment, empty for none."""
        spec = trading.spec
        scopes = ("all", f"account:{spec.account.id}", f"deployment:{spec.deployment_id}")
        asked = self.kill_requests.scopes() if self.kill_requests is not None else set[str]()
        return next((scope for scope in scopes if scope in self.kills or scope in asked), "")

    def usable_overrides(self, trading: Trading) -> tuple[Override, ...]:
        """The overrides that may let an order of a deployment past a soft control now."""
        view = trading.desk_view
        return self.controls.overrides.usable(
            trading.spec.deployment_id,
            now_ns=self.ledger.now_ns(),
            most_minutes=0 if view is None else view.number(OVERRIDE_LIMIT),
        )

    def freeze(self, trading: Trading, reason: str) -> None:
        """No more orders and events until a person resumes; written down as far as the store lets us."""
        if trading.state is State.FROZEN:
            return
        trading.state, trading.detail = State.FROZEN, reason
        self.log.error("frozen", deployment_id=trading.spec.deployment_id, detail=reason)
        try:
            with self.ledger.change("freeze") as change:
                change.record("deployment.frozen", deployment_id=trading.spec.deployment_id, reason=reason)
        except LedgerWriteError:
            self.log.error("the freeze is not in the journal", deployment_id=trading.spec.deployment_id)
