"""Backtests, sweeps and candidates of several instruments in a session, with every option."""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.kernel.conftest import write_notebook_file
from workbench.errors import BadInputError
from workbench.kernel import (
    Session,
    backtest,
    cost_book,
    current_session,
    deploy,
    load_bars,
    new_session,
    sweep,
    tear_sheet,
)
from workbench.market import Bars
from workbench.market.sample import synthetic_companions
from workbench.settings import Settings
from workbench.store.schema import candidates
from workbench.strategy import Param, Rules, Strategy, Units, rank, roc
from workbench.tracking import run_data, settings_environment

NAMES = ("EUR_USD", "GBP_USD")


class Strongest(Strategy):
    """Holds the stronger of the two."""

    lookback = Param(20, low=2, high=200)

    def rules(self, bar):  # type: ignore[no-untyped-def]
        place = rank(roc(bar.mid.close, self.lookback))
        return Rules(enter_long=place > 1.5, exit_long=place < 1.5, size=Units(1_000))


class InPython(Strategy):
    """Does nothing, bar by bar."""

    def on_bar(self, market, account):  # type: ignore[no-untyped-def]
        pass


class OnTicks(Strategy):
    """Does nothing, quote by quote."""

    def on_tick(self, market, account):  # type: ignore[no-untyped-def]
        pass


class Follower(Strategy):
    """Looks at an instrument that it does not trade."""

    def rules(self, bar):  # type: ignore[no-untyped-def]
        leader = bar.of("AUD_USD").mid.close
        return Rules(enter_long=leader > leader.lag(1), size=Units(1_000))


@pytest.fixture
def session(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A research session of a notebook of its own."""
    for name, value in settings_environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JPY_SESSION_NAME", str(write_notebook_file(tmp_path / "several.ipynb")))
    for name in ("WORKBENCH_MODE", "WORKBENCH_RUN_ID", "WORKBENCH_NOTEBOOK", "WORKBENCH_IDEA"):
        monkeypatch.delenv(name, raising=False)
    yield new_session()
    current_session().close()


@pytest.fixture
def data(session: Session) -> dict[str, Bars]:
    """The sample and one made up beside it."""
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-04-01")
    return {"EUR_USD": bars, "GBP_USD": synthetic_companions(bars)["GBP_USD"]}


def test_a_backtest_of_several_remembers_all_data_and_takes_every_option(
    session: Session, data: dict[str, Bars]
) -> None:
    shown = io.StringIO()
    with redirect_stdout(shown):
        result = backtest(
            Strongest(),
            iter(data.values()),
            cost_book=cost_book(*NAMES),
            finer=[data["EUR_USD"]],
            mode="hedging",
            latency_ns=1_000_000,
        )
    assert tuple(result.traded) == NAMES
    assert result.account.mode == "HEDGING"
    assert result.account.latency_ns == 1_000_000
    assert session.data == {f"{name} H1": bars.fingerprint for name, bars in data.items()}
    sheet = tear_sheet(result)
    assert {f"trades {name}" for name in NAMES} <= set(sheet.figures)
    assert run_data(session.run_id())["params"]["strategy"] == "Strongest"


def test_a_sweep_of_several_has_the_numbers_of_the_backtest(session: Session, data: dict[str, Bars]) -> None:
    book = cost_book(*NAMES)
    found = sweep(
        Strongest, data, {"lookback": [10, 20]}, cost_book=book, mode="HEDGING", latency_ns=1_000_000
    )
    alone = backtest(Strongest(lookback=10), data, cost_book=book, mode="HEDGING", latency_ns=1_000_000)
    assert found.trials[0].result["net_profit"] == alone.metrics["net_profit"]
    tags = run_data(session.run_id())["tags"]
    assert all(bars.fingerprint in " ".join(tags.values()) for bars in data.values())
    with pytest.raises(BadInputError, match="mode: expected one of NETTING"):
        sweep(Strongest, data, {"lookback": [10]}, cost_book=book, mode="gross")


@pytest.mark.parametrize(
    ("strategy", "said_of_it"),
    [
        (Strongest(), '✓ done</td><td style="text-align:left">a live kernel can run it'),
        (InPython(), '✓ done</td><td style="text-align:left">a live kernel can run it'),
        (OnTicks(), '✓ done</td><td style="text-align:left">a live kernel can run it'),
        (
            Follower(),
            "it needs the bars of AUD_USD, which it does not trade: give them to backtest(...) as also=",
        ),
    ],
    ids=["rules", "python", "on_tick", "untraded"],
)
def test_deploying_several_says_what_a_live_kernel_can_do(
    session: Session,
    data: dict[str, Bars],
    monkeypatch: pytest.MonkeyPatch,
    strategy: Strategy,
    said_of_it: str,
) -> None:
    steps: list[dict[str, object]] = []
    monkeypatch.setattr("workbench.kernel.deploying.note", lambda *_, **said: steps.append(said))
    deploy(strategy, instruments=list(NAMES))
    (said,) = steps
    assert said_of_it in str(said["body"])
    with session.engine.connect() as connection:
        row = connection.execute(
            sa.select(candidates.c.spec).where(candidates.c.run_id == session.run_id())
        ).scalar_one()
    assert row["instruments"] == list(NAMES)


def test_a_candidate_carries_what_its_last_result_was_given(session: Session, data: dict[str, Bars]) -> None:
    euro, pound = data["EUR_USD"], data["GBP_USD"]
    backtest(InPython(), euro, cost_book=cost_book(*NAMES), currency="GBP", also=pound)
    deploy(InPython(), instruments=["EUR_USD"])
    with session.engine.connect() as connection:
        row = connection.execute(
            sa.select(candidates.c.spec).where(candidates.c.run_id == session.run_id())
        ).scalar_one()
    assert (row["currency"], row["others"], row["sizes"]) == ("GBP", {"GBP_USD": "H1"}, False)
    assert row["data"]["GBP_USD H1"] == pound.fingerprint
    backtest(InPython(), euro, cost_book=cost_book("EUR_USD"))
    assert (session.currency, session.others) == ("USD", {})
