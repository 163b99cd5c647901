"""Sessions: what mode they are in, what they log, and which idea they count for."""

import io
import shutil
import uuid
from collections.abc import Iterator
from contextlib import redirect_stdout
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.kernel.conftest import write_notebook_file
from workbench.domain.cost_book import retail_book
from workbench.errors import BadInputError, WorkbenchError
from workbench.kernel import (
    Mode,
    Session,
    backtest,
    cost_book,
    current_session,
    deploy,
    load_bars,
    new_session,
    track,
    trials,
)
from workbench.kernel.errors import NotDeployableError, NotLiveError, UnknownModeError
from workbench.live import arming
from workbench.notebook import ensure_idea
from workbench.settings import Settings
from workbench.store.schema import candidates
from workbench.strategy import Rules, Strategy, Units, crosses_above, sma
from workbench.tracking import TAG_IDEA, run_data, settings_environment


class Cross(Strategy):
    """Buys on a crossing, and never sells."""

    def rules(self, bar):  # type: ignore[no-untyped-def]
        return Rules(
            enter_long=crosses_above(sma(bar.mid.close, 5), sma(bar.mid.close, 20)), size=Units(1_000)
        )


@pytest.fixture
def notebook(home: Settings, tmp_path: Path) -> Path:
    """A notebook of this test's own, that a Jupyter server has opened."""
    return write_notebook_file(tmp_path / "mine.ipynb")


@pytest.fixture
def session(home: Settings, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A research session of that notebook, as in an interactive kernel."""
    for name, value in settings_environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    for name in ("WORKBENCH_MODE", "WORKBENCH_RUN_ID", "WORKBENCH_NOTEBOOK", "WORKBENCH_IDEA"):
        monkeypatch.delenv(name, raising=False)
    yield new_session()
    current_session().close()


def test_the_first_logged_result_opens_a_run_and_says_so(session: Session, notebook: Path) -> None:
    shown = io.StringIO()
    with redirect_stdout(shown):
        track(score=2.0)
        track(other=3.0)
    run_id = session.run_id()
    assert shown.getvalue().count(run_id) == 1
    found = run_data(run_id)
    assert (found["name"], found["status"]) == ("mine", "RUNNING")
    assert found["metrics"] == {"score": 2.0, "other": 3.0}
    assert found["tags"][TAG_IDEA] == session.idea
    session.close()
    assert run_data(run_id)["status"] == "FINISHED"


def test_a_backtest_in_an_interactive_kernel_is_counted_and_logged(session: Session) -> None:
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-04-01")
    before = trials()
    result = backtest(Cross(), bars, cost_book=cost_book("EUR_USD"), balance="50000")
    assert trials() == before + 1
    assert result.starting_balance == 50_000_000_000
    found = run_data(session.run_id())
    assert found["params"]["strategy"] == "Cross"
    assert found["metrics"]["bars"] == len(bars)


def test_trials_follow_the_idea_through_copies_and_new_names(
    session: Session, notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-03-10")
    backtest(Cross(), bars, cost_book=cost_book("EUR_USD"))
    counted = trials()
    ensure_idea(notebook)  # a run by papermill writes down the idea that the open notebook counted for
    copy = Path(shutil.copy(notebook, tmp_path / "copy.ipynb"))
    for path in (copy, copy.rename(tmp_path / "renamed.ipynb")):
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))
        if path.exists():
            new_session()
            assert trials() == counted


def test_another_notebook_in_another_kernel_starts_at_none(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-03-10")
    backtest(Cross(), bars, cost_book=cost_book("EUR_USD"))
    current_session().close()
    monkeypatch.setattr("workbench.kernel.session._current", None)
    other = write_notebook_file(tmp_path / "other.ipynb", ((f"# {tmp_path}\n" * 20,),))
    monkeypatch.setenv("JPY_SESSION_NAME", str(other))
    assert trials() == 0


def test_no_way_out_of_the_count_from_within_a_notebook(
    session: Session, notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new name in the environment, the idea taken out of the metadata, the code in a new notebook."""
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-03-10")
    backtest(Cross(), bars, cost_book=cost_book("EUR_USD"))
    before = trials()
    assert before > 0
    monkeypatch.setenv("WORKBENCH_IDEA", str(uuid.uuid4()))
    assert new_session().idea != session.idea
    assert trials() == before
    monkeypatch.setenv("WORKBENCH_IDEA", "")
    current_session().close()
    monkeypatch.setattr("workbench.kernel.session._current", None)  # the kernel restarts
    new_session()
    assert trials() == before
    copied = tmp_path / "fresh" / "copy.ipynb"  # the cells alone, pasted into a notebook without metadata
    monkeypatch.setenv("JPY_SESSION_NAME", str(write_notebook_file(copied)))
    current_session().close()
    monkeypatch.setattr("workbench.kernel.session._current", None)
    assert current_session().idea != session.idea
    assert trials() == before


@pytest.mark.parametrize("mode", ["reproduce", "dry", "live"])
def test_outside_research_nothing_is_logged_and_no_trial_counted(
    session: Session, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("WORKBENCH_MODE", mode)
    monkeypatch.setenv("WORKBENCH_RUN_ID", "0" * 32)  # no such run: logging to it would fail
    again = new_session()
    assert again.mode is Mode(mode)
    before = trials()
    bars = load_bars("EUR_USD", start="2017-03-01", end="2017-03-10")
    backtest(Cross(), bars, cost_book=cost_book("EUR_USD"))
    track(score=1.0)
    assert again.run_id() == ""
    assert trials() == before


def test_an_unknown_mode_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MODE", "production")
    with pytest.raises(UnknownModeError, match="research, reproduce, dry, live, found 'production'"):
        new_session()


def test_pinned_data_is_loaded_in_reproductions_only(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = load_bars("EUR_USD").fingerprint
    monkeypatch.setenv("WORKBENCH_DATA", '{"EUR_USD H1": "' + "0" * 64 + '"}')
    assert load_bars("EUR_USD").fingerprint == fingerprint
    monkeypatch.setenv("WORKBENCH_MODE", "reproduce")
    new_session()
    with pytest.raises(WorkbenchError, match="000000000000"):
        load_bars("EUR_USD")
    monkeypatch.setenv("WORKBENCH_DATA", '{"EUR_USD H1": "' + fingerprint + '"}')
    assert load_bars("EUR_USD").fingerprint == fingerprint


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deploy(Cross, instruments=["EUR_USD"]), "write its parameters in parentheses"),  # type: ignore[arg-type]
        (lambda: deploy("Cross", instruments=["EUR_USD"]), "expected a strategy"),  # type: ignore[arg-type]
        (lambda: deploy(Cross(), instruments=[]), "at least one instrument"),
        (lambda: deploy(Cross(), instruments="EUR_USD"), "expected a list of instruments"),
        (lambda: deploy(Cross(), instruments=["EUR_USD", "EUR_USD"]), "each instrument once"),
        (lambda: deploy(Cross(), instruments=["EURUSD"]), "unknown instrument 'EURUSD'"),
        (lambda: deploy(Cross(), instruments=["EUR_USD"], timeframe="H7"), "unknown timeframe 'H7'"),
        (lambda: deploy(Cross(), instruments=["EUR_USD"], limits={"speed": 1}), "unknown limit speed"),
    ],
)
def test_what_can_not_be_deployed_is_refused_in_words(session: Session, call: object, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        call()  # type: ignore[operator]
    with session.engine.connect() as connection:
        found = connection.execute(sa.select(candidates.c.notebook)).scalars().all()
    assert str(session.notebook) not in found


def test_the_last_deploy_of_a_run_is_the_candidate(session: Session) -> None:
    deploy(Cross(), instruments=["EUR_USD"], timeframe="H1")
    deploy(Cross(), instruments=["EUR_USD"], timeframe="H4", limits={"max_order_units": 1_000})
    with session.engine.connect() as connection:
        query = sa.select(candidates.c.spec).where(candidates.c.run_id == session.run_id())
        (spec,) = connection.execute(query).scalars().all()
    assert spec["timeframe"] == "H4"
    assert spec["limits"]["max_order_units"] == 1_000
    assert spec["limits"]["max_daily_loss"] == 0


class _Armed:
    """A live session that remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...], str]] = []

    def arm(self, strategy: Strategy, *, instruments: list[str], timeframe: str) -> arming.Armed:
        """Remember."""
        self.calls.append((strategy.name, tuple(instruments), timeframe))
        return arming.Armed(
            deployment_id="d1",
            release_id="r1",
            account_id="a1",
            strategy=strategy.name,
            instruments=tuple(instruments),
            timeframe=timeframe,
            warm_up_bars=20,
        )


def test_in_a_live_kernel_deploy_hands_the_strategy_over(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_MODE", "live")
    new_session()
    with pytest.raises(NotLiveError, match="no live kernel"):
        deploy(Cross(), instruments=["EUR_USD"])
    live = _Armed()
    monkeypatch.setattr(arming, "_session", live)
    shown = io.StringIO()
    with redirect_stdout(shown):
        deploy(Cross(), instruments=["EUR_USD"], timeframe="H4")
    assert live.calls == [("Cross", ("EUR_USD",), "H4")]
    assert "Armed: Cross trades EUR_USD H4 on account a1" in shown.getvalue()


def test_a_cost_book_comes_from_a_file_or_from_named_instruments(session: Session, tmp_path: Path) -> None:
    import json

    book = retail_book("EUR_USD", "USD_JPY")
    file = tmp_path / "broker.json"
    file.write_text(json.dumps(book.to_json()))
    assert cost_book(file=file).version == book.version == cost_book("EUR_USD", "USD_JPY").version
    with pytest.raises(BadInputError, match="no costs for GBP_USD"):
        cost_book("GBP_USD", file=file)
    with pytest.raises(BadInputError, match="found neither"):
        cost_book()
    file.write_text("{}")
    with pytest.raises(BadInputError, match=r"broker\.json"):
        cost_book(file=file)


def test_times_and_money_that_are_not_exact_are_refused(session: Session) -> None:
    from datetime import datetime

    with pytest.raises(BadInputError, match="found 'yesterday'"):
        load_bars("EUR_USD", start="yesterday")
    with pytest.raises(BadInputError, match="add tzinfo"):
        load_bars("EUR_USD", start=datetime(2017, 1, 1))  # noqa: DTZ001 - the mistake under test
    bars = load_bars("EUR_USD", end="2017-01-10")
    with pytest.raises(BadInputError, match=r"found 0\.1"):
        backtest(Cross(), bars, cost_book=cost_book("EUR_USD"), balance=0.1)  # type: ignore[arg-type]
    assert Decimal(bars.to_frame()["bid_close"].iloc[0]) > 0


def test_not_deployable_is_bad_input() -> None:
    assert issubclass(NotDeployableError, BadInputError)
