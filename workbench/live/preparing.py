"""Before a live kernel starts: the release is checked again and the deployment opened at the gateway."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from workbench.domain.limits import Limits
from workbench.domain.money import to_micro
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.gateway.errors import GatewayUnreachableError
from workbench.live.deployments import (
    Account,
    Deployment,
    check_limits,
    check_terms,
    list_accounts,
)
from workbench.live.errors import DeploymentRefusedError
from workbench.live.launch import Launch, Places, WarmUp
from workbench.live.prepared import GatewayAbsentError, Prepared
from workbench.live.releases import LoadRelease, ReleasedNotebook
from workbench.settings import Settings

__all__ = ["Preparation"]


class Preparation:
    """Starts only what is approved and byte for byte what was signed."""

    def __init__(self, settings: Settings, *, engine: sa.Engine, load: LoadRelease) -> None:
        self._settings = settings
        self._engine = engine
        self._load = load
        self._gateway = OperatorClient(settings.operator_socket, user="supervisor", role="admin")

    def prepare(self, deployment: Deployment, *, places: Places, token: str) -> Prepared:
        """What starts the kernel.

        Raises
        ------
        GatewayAbsentError
            No gateway answers; ask again.
        WorkbenchError
            The release was altered or is not approved, or the gateway refuses the deployment.
        """
        release = self._load(deployment.release_id)
        if not release.approved:
            raise DeploymentRefusedError(
                f"release {release.name} ({release.id[:12]}) is not approved any more; "
                "have it approved or deploy another"
            )
        check_limits(Limits.from_json(deployment.limits), released=release.limits)
        account = self._account(deployment.account_id)
        check_terms(release, currency=account.currency, broker=account.broker, feed=deployment.feed)
        try:
            self._gateway.open(**_opening(deployment, release, account, token=token))
        except GatewayUnreachableError as error:
            raise GatewayAbsentError(str(error)) from error
        launch = Launch(
            deployment_id=deployment.id,
            release_id=release.id,
            account_id=account.id,
            token=token,
            gateway_socket=str(self._settings.gateway_socket),
            folder=str(places.folder),
            private=str(places.private),
            lease=str(self._settings.deployments_dir / "leases" / account.id),
            market_dir=str(self._settings.market_root),
            store_url=self._settings.store_url,
            spec_digest=release.spec_digest,
            instruments=release.instruments,
            others=release.others,
            currency=account.currency,
            timeframe=release.timeframe,
            warm_up=_warm_up(deployment.feed, release),
            feed=str(deployment.feed.get("kind", "replay")),
            allowance=release.allowance,
        )
        return Prepared(launch=launch, notebook=release.notebook, parameters=release.parameters)

    def release(self, deployment_id: str) -> None:
        """Close the deployment at the gateway; when none answers it is closed there by the next start."""
        try:
            self._gateway.close(deployment_id)
        except WorkbenchError:
            return  # unknown there, or no gateway: nothing of it trades

    def _account(self, account_id: str) -> Account:
        for account in list_accounts(self._engine):
            if account.id == account_id:
                return account
        raise DeploymentRefusedError(f"account {account_id} is not there any more; deploy on another")


def _opening(
    deployment: Deployment, release: ReleasedNotebook, account: Account, *, token: str
) -> dict[str, Any]:
    return {
        "deployment_id": deployment.id,
        "release_id": release.id,
        "account": {
            "id": account.id,
            "broker": account.broker,
            **{
                name: str(account.settings[name]) for name in ("url", "at_broker") if name in account.settings
            },
            "currency": account.currency,
            "balance": to_micro(account.balance),
            "rules": asdict(release.account),
        },
        "instruments": list(release.instruments),
        "quoted": list(release.others),
        "timeframe": release.timeframe,
        "feed": _without_pins(deployment.feed),
        "cost_book": dict(release.cost_book),
        "limits": dict(deployment.limits),
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
    }


def _without_pins(feed: Mapping[str, Any]) -> dict[str, Any]:
    """As the gateway takes it: a stream replays no dataset, the pinned one only warms up."""
    pins = ("fingerprint", "fingerprints") if feed.get("kind") == "stream" else ()
    return {name: value for name, value in feed.items() if name not in pins}


def _warm_up(feed: Mapping[str, Any], release: ReleasedNotebook) -> tuple[WarmUp, ...]:
    """The release's pinned bars, then those of the feed's own data, up to the feed's start."""
    return tuple(
        WarmUp(
            instrument=name,
            timeframe=release.timeframe,
            fingerprint=fingerprint,
            until_ns=int(feed["start_ns"]),
        )
        for name in release.quoted
        for fingerprint in dict.fromkeys(
            (release.fingerprints[name], str(feed.get("fingerprints", {}).get(name, feed["fingerprint"])))
        )
    )
