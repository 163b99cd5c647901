"""Accounts, and which release trades on which of them: the desired state the supervisor works towards."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from workbench.domain.limits import Limits
from workbench.domain.money import MICRO, to_decimal, to_micro
from workbench.errors import BadInputError
from workbench.live.errors import AccountInUseError, DeploymentRefusedError, UnknownDeploymentError
from workbench.live.releases import LoadRelease, ReleasedNotebook, pinned_bars
from workbench.store.schema import accounts, deployments

__all__ = [
    "ACTIVE_STATES",
    "Account",
    "Deployment",
    "add_account",
    "check_limits",
    "check_terms",
    "deploy",
    "deployment",
    "list_accounts",
    "list_deployments",
    "set_desired",
    "set_state",
]

ACTIVE_STATES = ("starting", "running", "restarting")
_STATES = (*ACTIVE_STATES, "stopped", "finished", "failed")
_MOST_MICRO = 10**12 * MICRO
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a broker."""

    id: str
    broker: str
    currency: str
    balance: Decimal  # what a paper book starts with
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A release on an account, as the store has it."""

    id: str
    release_id: str
    account_id: str
    feed: Mapping[str, Any]
    limits: Mapping[str, Any]
    desired: str  # running | stopped
    state: str
    detail: str
    pid: int
    pid_started: float
    restarts: int
    heartbeat_ns: int
    deployed_by: str
    created_ns: int

    @property
    def active(self) -> bool:
        """Whether it holds its account's lease."""
        return self.desired == "running" and self.state in ACTIVE_STATES


def add_account(
    engine: sa.Engine,
    account_id: str,
    *,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    broker: str = "paper",
    settings: Mapping[str, Any] | None = None,
) -> Account:
    """Create an account.

    Parameters
    ----------
    balance
        What a paper book starts with; of an account elsewhere 0, its broker knows.
    settings
        Of an account at a broker elsewhere: ``url``, and ``at_broker``, its id there.

    Raises
    ------
    BadInputError
        The name is taken or can not be used, or the currency or balance is not one.
    """
    if not _NAME.fullmatch(account_id):
        raise BadInputError(
            f"account {account_id!r}: expected up to 40 letters, digits, - and _, "
            "beginning with a letter or digit"
        )
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise BadInputError(
            f"account {account_id}: expected a currency as in USD (ISO 4217), found {currency!r}"
        )
    try:
        micro = to_micro(balance)
    except ValueError as error:
        raise BadInputError(f"account {account_id}: balance: {error}") from None
    if broker == "paper" and not 0 < micro <= _MOST_MICRO:
        raise BadInputError(
            f"account {account_id}: expected a balance above 0 and up to {_MOST_MICRO // MICRO:,}, "
            f"found {balance}"
        )
    row = {
        "id": account_id,
        "broker": broker,
        "currency": currency,
        "balance": micro,
        "settings": dict(settings or {}),
        "created_ns": time.time_ns(),
    }
    with engine.begin() as connection:
        if connection.scalar(sa.select(accounts.c.id).where(accounts.c.id == account_id)):
            raise BadInputError(f"account {account_id} exists already; choose another name")
        same = sa.select(accounts).where(accounts.c.broker == broker) if settings else None
        for other in connection.execute(same).all() if same is not None else ():
            if other.settings == row["settings"]:
                raise BadInputError(
                    f"account {other.id} is that account of broker {broker} already; deploy on {other.id}"
                )
        connection.execute(accounts.insert().values(row))
    return _account(row)


def list_accounts(engine: sa.Engine) -> list[Account]:
    """All accounts, the oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(accounts).order_by(accounts.c.created_ns, accounts.c.id))
        return [_account(dict(row._mapping)) for row in rows]


def check_limits(asked: Limits, *, released: Limits) -> None:
    """Refuse limits wider than the release's: it was tested and approved with those.

    Raises
    ------
    DeploymentRefusedError
        The message names each limit, its value in the release and what was asked.
    """
    wider = []
    if extra := sorted(set(asked.instruments) - set(released.instruments)):
        wider.append(
            f"instruments: the release has {', '.join(released.instruments)}, asked for {', '.join(extra)}"
        )
    for field in fields(Limits):
        if field.name == "instruments":
            continue
        allowed, wanted = getattr(released, field.name), getattr(asked, field.name)
        if wanted > allowed:
            wider.append(f"{field.name}: the release has {allowed}, asked for {wanted}")
    if wider:
        raise DeploymentRefusedError(
            f"limits wider than the release's: {'; '.join(wider)}; promote again to widen them"
        )


def check_terms(release: ReleasedNotebook, *, currency: str, broker: str, feed: Mapping[str, Any]) -> None:
    """Refuse an account or a feed on which a release would trade otherwise than in its backtest.

    Parameters
    ----------
    currency, broker
        Of the account.

    Raises
    ------
    DeploymentRefusedError
        The account is in another currency, a broker elsewhere would get orders on replayed prices, or orders
        were filled by recorded sizes and the feed has none.
    """
    if release.currency and currency != release.currency:
        raise DeploymentRefusedError(
            f"release {release.name} was tested on an account in {release.currency}, this one is in "
            f"{currency}; deploy it on an account in {release.currency}"
        )
    kind = feed.get("kind", "replay")
    if broker != "paper" and kind != "stream":
        raise DeploymentRefusedError(
            f"this account is at broker {broker}: expected a stream of quotes, found a replay of "
            f"{'ticks' if kind == 'ticks' else 'bars'}, whose past prices would send orders there now; "
            "deploy on a stream, or on a paper account"
        )
    if broker == "paper" and kind == "stream" and feed.get("source") == "broker":
        raise DeploymentRefusedError(
            "the source 'broker' is the stream of the account's broker, found a paper account, which has "
            "none; name the program that publishes the quotes"
        )
    if broker == "paper" and release.sizes and not (kind == "ticks" and feed.get("sizes", False)):
        raise DeploymentRefusedError(
            f"release {release.name} was tested with sizes=True, where an order takes no more than the size "
            f"recorded with a tick; this feed ({kind}) would fill any size whole: deploy it on ticks that "
            "were recorded with sizes"
        )


def deploy(
    engine: sa.Engine,
    load: LoadRelease,
    *,
    release_id: str,
    account_id: str,
    feed: Mapping[str, Any],
    by: str,
    limits: Limits | None = None,
) -> str:
    """Put a release on an account; the supervisor starts it. The new deployment's id.

    Parameters
    ----------
    feed
        Where its prices come from, as the gateway understands it: ``{"kind": "replay", "start_ns": …,
        "end_ns": …}``; the release's pinned data unless it has a ``fingerprint`` of its own.
    by
        Who deploys; whoever calls this has checked that the person's role has the verb.
    limits
        Narrower limits than the release's, which hold otherwise.

    Raises
    ------
    DeploymentRefusedError
        The release is not approved, or the limits are wider than its own.
    AccountInUseError
        Another deployment is active on the account.
    """
    release = load(release_id)
    if not release.approved:
        raise DeploymentRefusedError(
            f"release {release.name} ({release_id[:12]}) is not approved; "
            "somebody other than its author must approve it"
        )
    asked = limits or release.limits
    pinned = {} if feed.get("fingerprint") else pinned_bars(release)
    sized = {"sizes": release.sizes} if feed.get("kind") == "ticks" and release.sizes else {}
    feed = {**sized, **feed}
    check_limits(asked, released=release.limits)
    deployment_id = f"{_slug(release.name)}-{secrets.token_hex(4)}"
    with engine.begin() as connection:
        found = connection.execute(
            sa.select(accounts).where(accounts.c.id == account_id).with_for_update()
        ).one_or_none()
        if found is None:
            names = (
                ", ".join(connection.scalars(sa.select(accounts.c.id).order_by(accounts.c.id))) or "none yet"
            )
            raise BadInputError(f"unknown account {account_id!r}; accounts: {names}")
        check_terms(release, currency=found.currency, broker=found.broker, feed=feed)
        if holder := _holder(connection, account_id):
            raise AccountInUseError(
                f"deployment {holder} trades on account {account_id}; stop it first or take another account"
            )
        connection.execute(
            deployments.insert().values(
                id=deployment_id,
                release_id=release.id,
                account_id=account_id,
                feed={**feed, **pinned},
                limits=asked.to_json(),
                desired="running",
                state="starting",
                detail="Waits for the supervisor.",
                pid=0,
                pid_started=0.0,
                restarts=0,
                heartbeat_ns=0,
                deployed_by=by,
                created_ns=time.time_ns(),
            )
        )
    return deployment_id


def list_deployments(engine: sa.Engine) -> list[Deployment]:
    """All deployments, the oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(deployments).order_by(deployments.c.created_ns, deployments.c.id))
        return [Deployment(**row._mapping) for row in rows]


def deployment(engine: sa.Engine, deployment_id: str) -> Deployment:
    """One deployment.

    Raises
    ------
    UnknownDeploymentError
        No deployment of that id.
    """
    with engine.connect() as connection:
        row = connection.execute(
            sa.select(deployments).where(deployments.c.id == deployment_id)
        ).one_or_none()
    if row is None:
        raise UnknownDeploymentError(f"unknown deployment {deployment_id!r}; `workbench status` lists them")
    return Deployment(**row._mapping)


def set_desired(engine: sa.Engine, deployment_id: str, *, running: bool) -> None:
    """Say whether a deployment should run; the supervisor sees to it.

    Raises
    ------
    AccountInUseError
        It should run again, and another deployment took its account meanwhile.
    DeploymentRefusedError
        It should run again, and its feed has come to its end.
    """
    known = deployment(engine, deployment_id)
    with engine.begin() as connection:
        if not running:
            connection.execute(
                deployments.update().where(deployments.c.id == deployment_id).values(desired="stopped")
            )
            return
        connection.execute(
            sa.select(accounts.c.id).where(accounts.c.id == known.account_id).with_for_update()
        )
        state = connection.scalar(sa.select(deployments.c.state).where(deployments.c.id == deployment_id))
        if state == "finished":
            raise DeploymentRefusedError(
                f"deployment {deployment_id} is finished: its feed has ended; deploy the release again"
            )
        holder = _holder(connection, known.account_id)
        if holder and holder != deployment_id:
            raise AccountInUseError(
                f"deployment {holder} trades on account {known.account_id}; "
                f"stop it before starting {deployment_id}"
            )
        if not (known.desired == "running" and state in ACTIVE_STATES):
            connection.execute(
                deployments.update()
                .where(deployments.c.id == deployment_id)
                .values(desired="running", state="starting", detail="Waits for the supervisor.", restarts=0)
            )


def set_state(engine: sa.Engine, deployment_id: str, **values: Any) -> None:
    """Write what the supervisor found: state, detail, pid, pid_started, restarts, heartbeat_ns, desired."""
    if values.get("state", "failed") not in _STATES:
        raise ValueError(f"expected one of {', '.join(_STATES)}, found {values['state']!r}")
    with engine.begin() as connection:
        connection.execute(deployments.update().where(deployments.c.id == deployment_id).values(**values))


def _holder(connection: sa.Connection, account_id: str) -> str | None:
    """The deployment that holds the account's lease."""
    return connection.scalar(
        sa.select(deployments.c.id).where(
            deployments.c.account_id == account_id,
            sa.or_(
                sa.and_(deployments.c.desired == "running", deployments.c.state.in_(ACTIVE_STATES)),
                deployments.c.pid != 0,  # asked to stop, and its process is not gone yet
            ),
        )
    )


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        id=row["id"],
        broker=row["broker"],
        currency=row["currency"],
        balance=to_decimal(row["balance"]),
        settings=row["settings"],
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or "deployment"
