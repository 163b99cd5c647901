"""What each gate refuses, and that it says where and what to do."""

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.release.conftest import LIMITS, Cross
from workbench.domain.allowance import Allowance
from workbench.domain.limits import Limits
from workbench.errors import BadInputError
from workbench.notebook import DIGEST_MIME, NOTE_MIME, Notebook, cell_results, notebook_from
from workbench.release.gates import (
    candidate_gate,
    causality_gate,
    complete_gate,
    dry_start_gate,
    first_difference,
    limits_gate,
    moments_to_try,
    reproduction_gate,
)
from workbench.release.secrets import find_secrets
from workbench.strategy import spec

_HOUR = 3_600 * 10**9


def _notebook(*cells: str, tags: str = "parameters") -> Notebook:
    first = new_code_cell("fast = 4", metadata={"tags": [tags]})
    return notebook_from(new_notebook(cells=[first, *(new_code_cell(cell) for cell in cells)]))


_GOOD = _notebook("x = fast", "deploy(x, instruments=['EUR_USD'])")


def test_a_complete_notebook_passes() -> None:
    assert complete_gate(_GOOD, parameters={"fast": 5}, saved=_GOOD).passed


@pytest.mark.parametrize(
    ("notebook", "parameters", "says"),
    [
        (_notebook("deploy(1)", tags="other"), {}, "tagged 'parameters'"),
        (_notebook("x = 1"), {}, "no cell that does"),
        (_notebook("deploy(1)", "x = 1"), {}, "with code after it"),
        (_GOOD, {"slow": 1}, "declares no parameter 'slow'"),
        (_GOOD, {"fast": "4"}, "expected int"),
        (_notebook("password = 'hunter22'", "deploy(1)"), {}, "cell 2 of all cells, line 1"),
    ],
)
def test_an_incomplete_notebook_is_refused(notebook: Notebook, parameters: dict[str, Any], says: str) -> None:
    found = complete_gate(notebook, parameters=parameters, saved=None)
    assert not found.passed
    assert says in found.summary


def test_a_cell_changed_since_the_run_is_named_with_its_line() -> None:
    changed = _notebook("x = fast + 1", "deploy(x, instruments=['EUR_USD'])")
    found = complete_gate(_GOOD, parameters={}, saved=changed)
    assert not found.passed
    assert "cell 2 (x = fast + 1) was changed since the run: 'x = fast' ran, 'x = fast + 1'" in found.summary


def test_an_added_and_a_removed_cell_are_named() -> None:
    longer = _notebook("x = fast", "deploy(x, instruments=['EUR_USD'])", "y = 1")
    assert "cell 4 (y = 1) was added" in complete_gate(_GOOD, parameters={}, saved=longer).summary
    shorter = _notebook("x = fast")
    assert "cell 3 (deploy(" in complete_gate(_GOOD, parameters={}, saved=shorter).summary


@pytest.mark.parametrize(
    "text",
    [
        "token = '0123456789abcdef0123456789abcdef-0123456789abcdef0123456789abcdef'",
        'key = "AKIAIOSFODNN7EXAMPLE"',
        'os.environ["OANDA_API_KEY"] = "abc123def456"',
        'api_key="abc123def456"',
        "-----BEGIN RSA PRIVATE KEY-----",
        'headers = {"Authorization": "Bearer abcdef"}',
        'engine = create_engine("postgresql://trader:sesame@db/prices")',
        "x = 'ghp_0123456789abcdefghijklmnopqrstuvwxyzAB'",
        "my_secret: str = 'correcthorse'",
        "blob = 'q8Zr2LkT0vXn5YbH7dWc1Mf9PsJg4EuA'",
    ],
)
def test_what_looks_like_a_secret_is_found_in_code_and_prose(text: str) -> None:
    node = new_notebook(
        cells=[new_code_cell("x = 1"), new_code_cell(f"# keys\n{text}"), new_markdown_cell(text)]
    )
    assert [(item.cell, item.line) for item in find_secrets(node)] == [(2, 2), (3, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "fingerprint = '17373325d7c6f1fe5d91850938eb4cc45901631ced53478cfa64c12fae457882'",
        "tokens = tokenize(text)",
        'limits = {"max_order_units": 1_000_000}',
        "path = '/data/eurusd/hourly/2017/bars_of_the_whole_year.csv.gz'",
        'secret = os.environ["OANDA_TOKEN"]',
        "See https://example.org/papers/2020/backtest-overfitting for the formula.",
    ],
)
def test_ordinary_text_is_no_secret(text: str) -> None:
    assert find_secrets(new_notebook(cells=[new_code_cell(text)])) == []


def test_every_limit_has_to_be_above_zero() -> None:
    assert limits_gate(LIMITS, instruments=["EUR_USD"]).passed
    for item in fields(Limits):
        empty: Any = () if item.name == "instruments" else 0
        found = limits_gate(replace(LIMITS, **{item.name: empty}), instruments=["EUR_USD"])
        assert not found.passed
        assert ("EUR_USD" if item.name == "instruments" else item.name) in found.summary


def _candidate(**changes: Any) -> dict[str, Any]:
    return {
        "strategy": spec(Cross(fast=4)),
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "data": {"EUR_USD H1": "cd" * 32},
        "cost_book": {"costs": {"EUR_USD": {}}},
        **changes,
    }


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        (None, "end the notebook with deploy"),
        (_candidate(data={"EUR_USD D1": "cd" * 32}), "pinned H1 bars of EUR_USD"),
        (_candidate(cost_book=None), "costs of EUR_USD"),
        (_candidate(cost_book={"costs": {"USD_JPY": {}}}), "costs of EUR_USD"),
    ],
)
def test_a_candidate_needs_pinned_data_and_costs(candidate: dict[str, Any] | None, says: str) -> None:
    found = candidate_gate(candidate, run_id="5f0c", trials=3, sharpes={})
    assert not found.passed
    assert says in found.summary


def test_the_number_of_trials_is_shown() -> None:
    found = candidate_gate(_candidate(), run_id="5f0c", trials=1_234, sharpes={"best_sharpe_ratio": 1.5})
    assert found.passed
    assert "1,234 variants" in found.summary
    assert (found.figures["trials"], found.figures["best_sharpe_ratio"]) == (1_234, 1.5)


def _shown(*outputs: Any, source: str = "show()") -> Notebook:
    node = new_notebook(cells=[new_code_cell("fast = 4"), new_code_cell(source, outputs=list(outputs))])
    return notebook_from(node)


def _stdout(text: str) -> Any:
    return new_output("stream", name="stdout", text=text)


def _result(digest: str) -> Any:
    return new_output(
        "display_data", {DIGEST_MIME: {"kind": "backtest", "digest": digest}, "text/plain": "r"}
    )


@pytest.mark.parametrize(
    ("recorded", "again", "values"),
    [
        (_shown(_stdout("a\nmean 1.25\n")), _shown(_stdout("a\nmean 1.26\n")), ("mean 1.25", "mean 1.26")),
        (_shown(_result("ab")), _shown(_result("ac")), ("backtest:ab", "backtest:ac")),
        (_shown(_result("ab")), _shown(), ("backtest:ab", "")),
        (_shown(_stdout("a")), _shown(_stdout("a\nb")), ("", "b")),
        (_shown(source="show()"), _shown(source="show(1)"), ("show()", "show(1)")),
    ],
)
def test_the_first_cell_that_shows_something_else_is_named_with_both_values(
    recorded: Notebook, again: Notebook, values: tuple[str, str]
) -> None:
    found = reproduction_gate(cell_results(recorded), cell_results(again), wall_s=1.0)
    assert not found.passed
    assert found.summary.startswith("cell 2 (show()")
    assert (found.figures["recorded"], found.figures["again"]) == values
    for value in values:
        assert repr(value) in found.summary


def test_remarks_addresses_and_pictures_make_no_difference() -> None:
    def outputs(run: str, address: str) -> list[Any]:
        return [
            new_output("display_data", {NOTE_MIME: {"text": run}, "text/plain": run}),
            new_output("display_data", {"image/png": run, "text/plain": f"<Figure at {address}>"}),
            new_output("stream", name="stderr", text=run),
            _result("ab"),
        ]

    one, other = (_shown(*outputs(*pair)) for pair in (("1", "0x7f0012ab"), ("2", "0x7f99cd00")))
    assert first_difference(cell_results(one), cell_results(other)) is None


def _rehearsed(decisions: list[list[Any]], *, fast: int = 4, bars: int = 10) -> dict[str, Any]:
    return {
        "spec": spec(Cross(fast=fast)),
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "decisions": {"EUR_USD": decisions},
        "bars": {"EUR_USD": bars},
        "from_ns": 0,
        "slowest_s": 0.25,
    }


def _buy(hour: int, units: int = 1_000) -> list[Any]:
    return [hour * _HOUR, [{"units": units}]]


@pytest.mark.parametrize(
    ("rehearsed", "says"),
    [
        (_rehearsed([], fast=5), "Cross(fast=4)"),
        ({**_rehearsed([]), "timeframe": "D1"}, "timeframe: H1 in the run, D1"),
        ({**_rehearsed([]), "instruments": ["USD_JPY"]}, "USD_JPY"),
    ],
)
def test_another_strategy_without_the_research_cells_is_refused(rehearsed: dict[str, Any], says: str) -> None:
    found = dry_start_gate(rehearsed, candidate=_candidate(), allowance=Allowance(), wall_s=1.0)
    assert not found.passed
    assert says in found.summary


def test_a_strategy_that_decides_more_slowly_than_it_may_is_refused_before_it_trades() -> None:
    found = dry_start_gate(
        _rehearsed([_buy(2)]), candidate=_candidate(), allowance=Allowance(decision_s=0.2), wall_s=1.0
    )
    assert not found.passed
    assert "expected every decision within 0.2 s, found one of 0.25 s" in found.summary
    found = dry_start_gate(
        {**_rehearsed([_buy(2)]), "from_ns": 7, "events": "quotes"},
        candidate=_candidate(),
        allowance=Allowance(decision_s=0.25),
        wall_s=1.0,
    )
    assert found.passed
    assert "it decided to act on 1 of the last 10 quotes, in 1.0 s, the slowest decision in 250 ms" in (
        found.summary
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"decision_s": 0.0}, "decision_s: expected 0.01 to 600 seconds for one decision, found 0"),
        ({"decision_s": float("nan")}, "found nan"),
        ({"decision_s": 601.0}, "found 601"),
        ({"memory_mib": 10}, "memory_mib: expected 256 MiB or more, or 0 for half of the machine's memory"),
    ],
)
def test_an_allowance_in_which_nothing_decides_is_refused(value: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(says)):
        Allowance(**value)


def test_an_allowance_is_read_back_and_releases_without_one_have_the_usual() -> None:
    made = Allowance(decision_s=0.5, memory_mib=2_000)
    assert Allowance.from_json(made.to_json()) == made
    assert Allowance.from_json({}) == Allowance()
    assert str(made) == "0.5 s a decision, 2,000 MiB"


_WHOLE = _rehearsed([_buy(2), _buy(5, -1_000), _buy(9)])


def _cut_at(hour: int, *decisions: list[Any], fast: int = 4) -> tuple[int, dict[str, Any]]:
    return hour * _HOUR, _rehearsed(list(decisions), fast=fast)


@pytest.mark.parametrize(
    ("cuts", "says"),
    [
        ([_cut_at(6, _buy(2), _buy(5, -1_000)), _cut_at(8, _buy(2), _buy(5, -1_000))], "at 2 moments"),
        (
            [_cut_at(3, fast=9), _cut_at(6, _buy(2), _buy(5, -1_000))],
            "it was fitted on bars after 1970-01-01 03:00",
        ),
        ([(3 * _HOUR, "no bars"), _cut_at(6, _buy(2), _buy(5, -1_000))], "at one moment"),
    ],
)
def test_decisions_that_stay_the_same_pass(cuts: Any, says: str) -> None:
    found = causality_gate(_WHOLE, cuts)
    assert found.passed, found.summary
    assert says in found.summary


@pytest.mark.parametrize(
    ("cuts", "says"),
    [
        ([_cut_at(6, _buy(2))], "closed 1970-01-01 05:00 UTC decided nothing instead of -1,000 units"),
        ([_cut_at(6, _buy(1), _buy(2), _buy(5, -1_000))], "closed 1970-01-01 01:00 UTC decided +1,000 units"),
        ([_cut_at(6, _buy(2), _buy(5, -2_000))], "decided -2,000 units instead of -1,000 units"),
        ([_cut_at(6, fast=9)], "makes another strategy"),
        ([_cut_at(3, _buy(2)), _cut_at(6, fast=9)], "taken away, the notebook makes another strategy"),
        ([(3 * _HOUR, "no bars")], "no moment could be tried: no bars"),
        ([], "no moment lies within the data"),
    ],
)
def test_a_decision_that_depends_on_the_future_is_refused(cuts: Any, says: str) -> None:
    found = causality_gate(_WHOLE, cuts)
    assert not found.passed
    assert says in found.summary


def test_the_future_is_taken_away_where_the_strategy_enters_and_leaves() -> None:
    closes = [_HOUR * number for number in range(1, 101)]
    entry, exit_ = {"units": 1, "reduce_only": False}, {"units": -1, "reduce_only": True}
    entries, exits = (3, 58, 79, 91, 100), (59, 76, 94)
    decided = sorted(
        [[_HOUR * number, [entry]] for number in entries] + [[_HOUR * number, [exit_]] for number in exits]
    )
    shares = (0.6, 0.8, 0.95)
    found = moments_to_try(closes, decided, shares=shares)
    assert found == [_HOUR * number for number in (58, 76, 91)]  # at 100 nothing would be taken away
    only_exits = [item for item in decided if item[1] == [exit_]]
    assert moments_to_try(closes, only_exits, shares=shares) == [_HOUR * number for number in (59, 76, 94)]


def test_the_future_is_taken_away_at_the_shares_where_nothing_was_decided() -> None:
    closes = [_HOUR * number for number in range(1, 101)]
    assert moments_to_try(closes, [], shares=(0.6, 0.8)) == [_HOUR * 61, _HOUR * 81]
    assert moments_to_try(closes[:1], [], shares=(0.6, 0.8)) == [_HOUR]
