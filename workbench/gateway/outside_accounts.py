"""Deployments on an account at a broker outside this process: one an account, and nothing sent without it."""

from collections.abc import Callable, Mapping
from functools import partial

from workbench.errors import BadInputError
from workbench.gateway.brokers.outside import (
    Credentials,
    OutsideAccount,
    connect_outside,
    outside_account,
)
from workbench.gateway.brokers.paper_http import PaperHttpConfig
from workbench.gateway.brokers.paper_http.quotes import PaperHttpQuotes
from workbench.gateway.brokers.port import Broker
from workbench.gateway.desk import Desk
from workbench.gateway.errors import RefusedError
from workbench.gateway.lanes import LaneBroker, Lanes
from workbench.gateway.specs import AccountSpec, DeploymentSpec
from workbench.gateway.trading import State, Trading

__all__ = ["BROKER_SOURCE", "check_sole", "outside_connector", "outside_of", "outside_quotes", "released"]

BROKER_SOURCE = "broker"
"""What a stream's source is called that is the account's own broker."""


def outside_of(account: AccountSpec) -> OutsideAccount | None:
    """Where an account is; None for a book of the gateway's own."""
    if account.broker == "paper":
        return None
    return outside_account(account.broker, url=account.url, at_broker=account.at_broker)


def outside_connector(
    credentials: Credentials, lanes: Lanes | None = None
) -> Callable[[DeploymentSpec], Broker | None]:
    """What gives a desk the adapter of a deployment's account.

    Parameters
    ----------
    lanes
        Where its calls are made; None: where they are asked for.
    """

    def connect(spec: DeploymentSpec) -> Broker | None:
        account = outside_of(spec.account)
        if account is None:
            return None
        broker = connect_outside(account, credential=partial(credentials.read, spec.account.id))
        return broker if lanes is None else LaneBroker(broker, lanes.of(str(account)))

    return connect


def outside_quotes(spec: DeploymentSpec, credentials: Credentials) -> PaperHttpQuotes:
    """The quotes of the stream of a deployment's own broker.

    Raises
    ------
    BadInputError
        Its account is a book of the gateway's own.
    """
    account = outside_of(spec.account)
    if account is None:
        raise BadInputError(
            f"deployment {spec.deployment_id}: the source {BROKER_SOURCE!r} is the stream of the account's "
            "broker, found a paper account, which has none; name the program that publishes the quotes"
        )
    config = PaperHttpConfig(url=account.url, account_id=account.at_broker, token="")
    return PaperHttpQuotes(config, credential=partial(credentials.read, spec.account.id))


def check_sole(desk: Desk, spec: DeploymentSpec) -> None:
    """Let one deployment at a time have an account outside: it could not tell its own from another's.

    One that is stopped with nothing waiting and nothing held lets go of the account.

    Raises
    ------
    RefusedError
        Another deployment has the account; the message says how it lets go.
    """
    account = outside_of(spec.account)
    if account is None:
        return
    others = [
        trading
        for name, trading in sorted(desk.deployments.items())
        if name != spec.deployment_id and _same(trading, account)
    ]
    for other in others:
        name = other.spec.deployment_id
        if other.state not in (State.STOPPED, State.CLOSED):
            raise RefusedError(
                f"account {account} is that of deployment {name}, which is {other.state}: two on one account "
                f"would take each other's fills for their own; stop it first: workbench stop {name} --flatten"
            )
        if other.standing is not None and other.standing.released:
            continue
        waiting, held = len(other.waiting()), len(other.books.positions)
        if waiting or held:
            raise RefusedError(
                f"account {account} is that of deployment {name}, which is {other.state} with {waiting} "
                f"orders that wait and {held} positions held; stop it with --flatten until it has none"
            )
    for other in others:
        if other.standing is not None:
            other.standing.released = True
            other.broker.disconnect()


def released(
    spec: DeploymentSpec, *, holders: Mapping[str, DeploymentSpec], since: Mapping[str, int]
) -> bool:
    """Whether another deployment has taken up the account after this one.

    Parameters
    ----------
    since
        When each deployment last took up its account, in any unit.
    """
    account = outside_of(spec.account)
    if account is None:
        return False
    mine = since[spec.deployment_id]
    return any(since[name] > mine and outside_of(other.account) == account for name, other in holders.items())


def _same(trading: Trading, account: OutsideAccount) -> bool:
    try:
        return outside_of(trading.spec.account) == account
    except BadInputError:
        return False
