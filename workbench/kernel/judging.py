"""Walk-forward and the verdict on a sweep in a notebook: computed by research, counted, shown."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_history import Costs
from workbench.kernel.data import start_ns, to_balance
from workbench.kernel.results import all_prices, remember, remember_terms, trials
from workbench.kernel.session import current_session
from workbench.kernel.showing import show_result

if TYPE_CHECKING:
    from workbench.kernel.session import Session
    from workbench.market import Bars
    from workbench.research import SweepResult, WalkForwardResult
    from workbench.research.given import Several
    from workbench.research.overfitting_tests import OverfittingVerdict
    from workbench.strategy import Strategy

__all__ = ["judge", "walk_forward"]

_BALANCE = Decimal(100_000)


def walk_forward(
    strategy_class: "type[Strategy]",
    bars: "Several",
    *,
    grid: Mapping[str, Iterable[Any]],
    train: int | str,
    test: int | str,
    cost_book: Costs,
    anchored: bool = False,
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    **options: Any,
) -> "WalkForwardResult":
    """Choose parameters window by window and trade them on what came next; each backtest counts as a trial.

    Parameters
    ----------
    options
        Passed on to `workbench.research.walk_forward`, which tells what the rest means.
    """
    from workbench.research import walk_forward as walk
    from workbench.research.given import series_of

    session = current_session()
    kept = tuple(series_of("data", bars).values())
    result = walk(
        strategy_class,
        kept,
        grid={name: list(values) for name, values in grid.items()},
        train=train,
        test=test,
        anchored=anchored,
        cost_book=cost_book,
        balance=to_balance(balance),
        trade_from_ns=start_ns(trade_from),
        ledger=session.ledger(),
        **options,
    )
    session.account = options.get("account", AccountRules())
    remember_terms(session, options)
    prices = all_prices(kept, options)
    remember(session, "walk_forward", result.digest, prices=prices, cost_book=cost_book)
    if session.logs:
        _log_walk_forward(session, result)
    text = f"Walk-forward of {strategy_class.__name__}: {len(result)} windows, {result.trials:,} trials."
    show_result("walk_forward", result.digest, text)
    return result


def judge(
    strategy_class: "type[Strategy]",
    bars: "Bars | Mapping[str, Bars]",
    swept: "SweepResult",
    *,
    cost_book: Costs,
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    seed: int = 0,
    **options: Any,
) -> "OverfittingVerdict":
    """Whether the best of a sweep is more than luck, with every trial of this notebook's idea counted.

    Parameters
    ----------
    options
        Passed on to `workbench.research.judge_sweep`: what the sweep was given too.
    """
    import numpy as np

    from workbench.research import judge_sweep

    session = current_session()
    verdict = judge_sweep(
        strategy_class,
        bars,
        swept,
        cost_book=cost_book,
        balance=to_balance(balance),
        trade_from_ns=start_ns(trade_from),
        rng=np.random.default_rng(seed),
        trials=trials() if session.logs else None,
        **options,
    )
    if session.logs:
        _log_verdict(session, verdict)
    return verdict


def _log_walk_forward(session: "Session", result: "WalkForwardResult") -> None:
    from workbench.tracking import log_metrics, log_table, log_text

    number = sum(1 for item in session.results if item["kind"] == "walk_forward")
    folder = f"walk_forward_{number:02d}"
    log_table(session.run_id(), result.frame, f"{folder}/windows.parquet")
    log_text(session.run_id(), result.picture().html(), f"{folder}/walk_forward.html")
    log_metrics(session.run_id(), {"walk_forward.windows": len(result)}, step=number)


def _log_verdict(session: "Session", verdict: "OverfittingVerdict") -> None:
    from workbench.tracking import log_metrics, log_table, set_tags

    table = verdict.frame.reset_index().astype({"kept": "object"})
    table["kept"] = table["kept"].map({True: "yes", False: "no"}).fillna("")
    log_table(session.run_id(), table, "verdict/figures.parquet")
    log_metrics(
        session.run_id(), {f"verdict.{name}": value for name, value in verdict.frame["value"].items()}
    )
    set_tags(session.run_id(), {"workbench.verdict": verdict.sentence})
