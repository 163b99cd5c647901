"""Who may trade where, and with which limits."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.live.desk import LIMITS, Desk
from workbench.errors import BadInputError
from workbench.live.deployments import (
    add_account,
    deployment,
    list_accounts,
    list_deployments,
    set_desired,
    set_state,
)
from workbench.live.errors import AccountInUseError, DeploymentRefusedError, UnknownDeploymentError


def test_an_account_keeps_its_currency_and_exact_balance(desk: Desk) -> None:
    add_account(desk.engine, "eur-1", currency="EUR", balance=Decimal("2500.10"))
    assert [(item.id, item.currency, item.balance) for item in list_accounts(desk.engine)] == [
        ("paper-1", "USD", Decimal("100000")),
        ("eur-1", "EUR", Decimal("2500.10")),
    ]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("paper-1", {}, "exists already"),
        ("../etc", {}, "expected up to 40 letters"),
        ("x", {"currency": "usd"}, "ISO 4217"),
        ("x", {"balance": Decimal("0")}, "above 0"),
        ("x", {"balance": Decimal("1e30")}, "up to 1,000,000,000,000"),
        ("x", {"balance": Decimal("1.0000001")}, "at most 6 decimals"),
    ],
)
def test_an_account_that_can_not_be_is_refused(
    desk: Desk, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        add_account(desk.engine, name, **options)  # type: ignore[arg-type]


def test_a_deployment_starts_as_wanted_and_not_yet_running(desk: Desk) -> None:
    found = deployment(desk.engine, desk.deploy())
    assert (found.desired, found.state, found.pid, found.deployed_by) == ("running", "starting", 0, "david")
    assert found.limits == LIMITS.to_json() | {"instruments": ["EUR_USD"]}


def test_a_feed_without_data_of_its_own_replays_the_pinned_data_of_the_release(desk: Desk) -> None:
    assert deployment(desk.engine, desk.deploy()).feed == {"kind": "replay", "fingerprint": "f" * 64}


def test_a_release_that_is_not_approved_is_refused(desk: Desk) -> None:
    desk.approved = False
    with pytest.raises(DeploymentRefusedError, match="not approved"):
        desk.deploy()
    assert list_deployments(desk.engine) == []


def test_limits_wider_than_the_release_are_refused_by_name_and_narrower_ones_kept(desk: Desk) -> None:
    wide = replace(LIMITS, max_order_units=10_001, instruments=("EUR_USD", "USD_JPY"))
    message = r"USD_JPY.*max_order_units: the release has 10000, asked for 10001"
    with pytest.raises(DeploymentRefusedError, match=message):
        desk.deploy(limits=wide)
    narrow = replace(LIMITS, max_order_units=500)
    assert deployment(desk.engine, desk.deploy(limits=narrow)).limits["max_order_units"] == 500


def test_an_account_has_one_active_deployment(desk: Desk) -> None:
    first = desk.deploy()
    with pytest.raises(AccountInUseError, match=f"deployment {first} trades on account paper-1"):
        desk.deploy()
    set_desired(desk.engine, first, running=False)
    set_state(desk.engine, first, state="stopped")
    second = desk.deploy()
    with pytest.raises(AccountInUseError, match=second):
        set_desired(desk.engine, first, running=True)


def test_the_lease_is_held_until_the_stopped_process_is_gone(desk: Desk) -> None:
    first = desk.deploy()
    set_state(desk.engine, first, pid=4711, pid_started=1.0)
    set_desired(desk.engine, first, running=False)
    with pytest.raises(AccountInUseError):
        desk.deploy()


def test_an_unknown_account_or_deployment_is_named(desk: Desk) -> None:
    with pytest.raises(UnknownDeploymentError, match="nope"):
        deployment(desk.engine, "nope")
    from workbench.live.deployments import deploy

    with pytest.raises(BadInputError, match="unknown account 'x'; accounts: paper-1"):
        deploy(desk.engine, desk.load, release_id="r1", account_id="x", feed={}, by="david")


def test_a_finished_deployment_does_not_start_again(desk: Desk) -> None:
    name = desk.deploy()
    set_state(desk.engine, name, state="finished", desired="stopped")
    with pytest.raises(DeploymentRefusedError, match="its feed has ended"):
        set_desired(desk.engine, name, running=True)


def test_a_replay_is_not_deployed_on_an_account_at_a_broker_elsewhere(desk: Desk) -> None:
    from workbench.live.deployments import deploy

    add_account(
        desk.engine,
        "far-1",
        balance=Decimal(0),
        broker="paper_http",
        settings={"url": "http://127.0.0.1:1", "at_broker": "far"},
    )
    asked = {"release_id": "r1", "account_id": "far-1", "by": "david"}
    for feed, said in (({}, "bars"), ({"kind": "replay"}, "bars"), ({"kind": "ticks"}, "ticks")):
        with pytest.raises(DeploymentRefusedError, match=f"a stream of quotes, found a replay of {said}"):
            deploy(desk.engine, desk.load, feed=feed, **asked)
    assert list_deployments(desk.engine) == []
    stream = {"kind": "stream", "source": "broker", "start_ns": 1}
    name = deploy(desk.engine, desk.load, feed=stream, **asked)
    assert deployment(desk.engine, name).account_id == "far-1"
