"""What a release takes over from its backtest: other instruments, the account's currency, recorded sizes."""

from dataclasses import replace
from typing import Any

import pytest

from tests.gateway.bench import COSTS, made_up_bars
from tests.release.test_gates import _candidate
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.release.gates import candidate_gate
from workbench.release.rehearsal import decide_over
from workbench.research import replay_backtest
from workbench.strategy import RiskFraction, Rules, RulesStrategy, bar, crosses_above, crosses_below, sma

NAMES = ("EUR_GBP", "GBP_USD")
BOOK = replace(COSTS, costs={InstrumentId(name): retail_costs(name) for name in NAMES})
POUND = bar.of("GBP_USD").mid.close
FOLLOWER = RulesStrategy(
    "Follower",
    Rules(
        enter_long=crosses_above(bar.mid.close, sma(bar.mid.close, 4)) & (POUND.lag(2) < POUND),
        exit_long=crosses_below(bar.mid.close, sma(bar.mid.close, 4)),
        stop=300,
        size=RiskFraction(0.01),
    ),
)


def test_a_rehearsal_converts_and_looks_at_what_is_not_traded_as_the_backtest_does() -> None:
    traded = made_up_bars(90, name="EUR_GBP")
    other = made_up_bars(90, seed=3, name="GBP_USD")
    decided = decide_over(FOLLOWER, [traded], cost_book=BOOK, others=[other], currency="USD").decisions
    assert set(decided) == {"EUR_GBP"}
    result = replay_backtest(FOLLOWER, traded, cost_book=BOOK, also=other)
    opened = [
        order["units"] for _, orders in decided["EUR_GBP"] for order in orders if not order["reduce_only"]
    ]
    filled = [fill.units for fill in result.fills if fill.reason == "MARKET" and fill.units > 0]
    assert len(filled) > 3
    assert opened[: len(filled)] == filled, "sized by the price of the pound in dollars"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"others": {"GBP_USD": "M1"}}, "expected H1 bars of what is looked at and converted by"),
        ({"others": {"GBP_USD": "H1"}}, "expected pinned H1 bars of GBP_USD, which the backtest was given"),
        (
            {
                "others": {"GBP_USD": "H1"},
                "data": {"EUR_USD H1": "cd" * 32, "GBP_USD H1": "ef" * 32},
            },
            "costs of GBP_USD",
        ),
    ],
)
def test_what_is_not_traded_is_pinned_and_costed_too(changes: dict[str, Any], says: str) -> None:
    found = candidate_gate(_candidate(**changes), run_id="5f0c", trials=3, sharpes={})
    assert not found.passed
    assert says in found.summary


def test_the_gate_names_what_stands_beside_and_that_sizes_bind() -> None:
    found = candidate_gate(
        _candidate(
            others={"GBP_USD": "H1"},
            data={"EUR_USD H1": "cd" * 32, "GBP_USD H1": "ef" * 32},
            cost_book={"costs": {"EUR_USD": {}, "GBP_USD": {}}},
            sizes=True,
        ),
        run_id="5f0c",
        trials=3,
        sharpes={},
    )
    assert found.passed
    assert "on EUR_USD H1 beside GBP_USD, 3 variants" in found.summary
    assert "matched on" not in found.summary
    assert "filled by recorded sizes: to be deployed on ticks that carry them" in found.summary


def test_the_gate_says_that_a_replay_of_bars_lacks_the_finer_prices_of_the_backtest() -> None:
    found = candidate_gate(_candidate(finer={"EUR_USD": "M1"}), run_id="5f0c", trials=3, sharpes={})
    assert found.passed
    assert "orders matched on EUR_USD M1, which a deployment on a replay of H1 bars does not" in found.summary
