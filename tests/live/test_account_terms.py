"""Dated costs and the account's rules: an undisturbed live run has the executions of the backtest."""

import pytest

from tests.live.house import House
from tests.live.notebook_strategies import BREAKOUT, HEDGED, TRAILING
from workbench.domain.accounts import AccountMode, AccountRules, HedgedMargin
from workbench.domain.cost_history import CostHistory
from workbench.live.divergence import compare

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("account", "source", "rules"),
    [
        ("dated", BREAKOUT, AccountRules()),
        ("fifo", TRAILING, AccountRules(mode=AccountMode.FIFO, latency_ns=250_000_000)),
        (
            "hedging",
            HEDGED,
            AccountRules(mode=AccountMode.HEDGING, hedged_margin=HedgedMargin.MAXIMAL_SIDE),
        ),
    ],
    ids=["dated costs", "first in first out, late", "hedged"],
)
def test_dated_costs_and_the_account_of_the_backtest_are_those_of_the_live_run(
    house: House, account: str, source: str, rules: AccountRules
) -> None:
    house.run_both()
    tenant = house.take_in(source, account=rules)
    name = tenant.deploy(account)
    house.until(name, "finished")
    live, backtest = house.fills(name), tenant.backtest()
    found = compare(live, backtest)
    assert found.sentence() == f"all {len(found.lines)} executions are equal to the last digit"
    assert isinstance(tenant.release.cost_book, CostHistory)
    rates = {
        round(fill.commission * 1e6 / (abs(fill.units) * fill.price * 10)) for fill in live if fill.commission
    }
    assert len(rates) == 2, "executions before and after the change of costs"
    usual = tenant.backtest(AccountRules())
    assert ([fill.time_ns for fill in usual] == [fill.time_ns for fill in live]) == (rules == AccountRules())
