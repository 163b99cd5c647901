"""Backtests, sweeps and tear sheets in a notebook: computed by research, counted, logged, shown."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.domain.cost_history import Costs
from workbench.kernel.data import start_ns, to_balance
from workbench.kernel.session import Session, current_session
from workbench.kernel.showing import show_result

if TYPE_CHECKING:
    from workbench.domain.accounts import AccountMode
    from workbench.research import BacktestResult, SweepResult, TearSheet
    from workbench.research.given import Series, Several
    from workbench.strategy import Strategy

__all__ = [
    "all_prices",
    "backtest",
    "remember",
    "remember_terms",
    "sweep",
    "tear_sheet",
    "track",
    "trials",
]

_BALANCE = Decimal(100_000)
_PRICES = ("finer", "also")


def backtest(
    strategy: "Strategy",
    bars: "Several",
    *,
    cost_book: Costs,
    currency: str = "USD",
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    **options: Any,
) -> "BacktestResult":
    """Trade a strategy on bars; one trial is counted, and the result goes to the session's MLflow run.

    Parameters
    ----------
    bars
        Bars or ticks of one instrument, or of several as a mapping or a sequence.
    balance
        What the account starts with, in `currency`.
    trade_from
        Bars that close up to this instant only warm up the indicators; text such as ``"2017-03-01"`` is UTC.
    options
        Passed on to `workbench.research.run_backtest`: ``finer``, ``also``, ``timeframe``, ``account``,
        ``mode``, ``latency_ns``, ``sizes``, ``engine``.

    Raises
    ------
    BadInputError
        Something given can not be used.
    """
    from workbench.research import run_backtest

    session = current_session()
    bars = _kept(bars)
    options = {name: _kept(value) if name in _PRICES else value for name, value in options.items()}
    result = run_backtest(
        strategy,
        bars,
        cost_book=cost_book,
        currency=currency,
        balance=to_balance(balance),
        trade_from_ns=start_ns(trade_from),
        ledger=session.ledger(),
        **options,
    )
    remember(session, "backtest", result.digest, prices=all_prices(bars, options), cost_book=cost_book)
    session.account = result.account
    remember_terms(session, {**options, "currency": currency})
    session.backtests += 1
    if session.logs:
        _log_backtest(session, result)
    show_result("backtest", result.digest, _backtest_line(session, result))
    return result


def sweep(
    strategy_class: "type[Strategy]",
    bars: "Several",
    grid: Mapping[str, Iterable[Any]],
    *,
    cost_book: Costs,
    currency: str = "USD",
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    mode: "AccountMode | str | None" = None,
    latency_ns: int | None = None,
    **options: Any,
) -> "SweepResult":
    """Trade every variant of a strategy; each counts as a trial.

    Parameters
    ----------
    grid
        Values by parameter, as in ``{"fast": range(5, 30, 5), "slow": [50, 100]}``.
    bars, balance, trade_from, mode, latency_ns
        As in `backtest`.
    options
        Passed on to `workbench.research.sweep`: ``finer``, ``also``, ``timeframe`` and ``account`` as in
        `backtest`, ``statistics``, ``where``, ``workers``, ``device`` ("cuda": an NVIDIA card), ``progress``.

    Raises
    ------
    BadInputError
        Something given can not be used.
    """
    from workbench.domain.accounts import AccountRules
    from workbench.research import sweep as run_sweep
    from workbench.research.backtest import account_rules

    session = current_session()
    bars = _kept(bars)
    options = {name: _kept(value) if name in _PRICES else value for name, value in options.items()}
    options["account"] = account_rules(options.get("account", AccountRules()), mode, latency_ns)
    result = run_sweep(
        strategy_class,
        bars,
        {name: list(values) for name, values in grid.items()},
        cost_book=cost_book,
        currency=currency,
        balance=to_balance(balance),
        trade_from_ns=start_ns(trade_from),
        ledger=session.ledger(),
        **options,
    )
    prices = all_prices(bars, options)
    remember(session, "sweep", result.digest, prices=prices, cost_book=cost_book)
    session.account = options["account"]
    remember_terms(session, {**options, "currency": currency})
    if session.logs:
        _log_sweep(session, result, prices=prices, cost_book=cost_book, strategy=strategy_class.__name__)
    text = f"Sweep of {strategy_class.__name__}: {len(result.frame):,} variants{_trials_text(session)}."
    show_result("sweep", result.digest, text)
    return result


def tear_sheet(result: "BacktestResult", **options: Any) -> "TearSheet":
    """The tear sheet of a backtest, its pictures logged to the session's MLflow run.

    Parameters
    ----------
    options
        Passed on to `workbench.research.tear_sheet`.
    """
    from workbench.research import tear_sheet as make_tear_sheet

    session = current_session()
    sheet = make_tear_sheet(result, **options)
    session.made("tear_sheet", result.digest)
    if session.logs:
        from workbench.tracking import log_figure

        for name, figure in sheet.figures.items():
            log_figure(
                session.run_id(), figure, f"{_folder(session)}/tear_sheet/{name.replace(' ', '_')}.png"
            )
    return sheet


def track(**values: Any) -> None:
    """Log values to the session's MLflow run; nothing outside research.

    Numbers become metrics, frames Parquet files, matplotlib figures pictures, dictionaries JSON, anything
    else parameters by their text.
    """
    session = current_session()
    if not session.logs:
        return
    import pandas as pd

    from workbench.tracking import log_dict, log_figure, log_metrics, log_params, log_table

    run_id = session.run_id()
    for name, value in values.items():
        if isinstance(value, pd.Series):
            value = value.to_frame()
        if isinstance(value, pd.DataFrame):
            log_table(run_id, value, f"tracked/{name}.parquet")
        elif isinstance(value, Mapping):
            log_dict(run_id, value, f"tracked/{name}.json")
        elif hasattr(value, "savefig"):
            log_figure(run_id, value, f"tracked/{name}.png")
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            log_metrics(run_id, {name: float(value)})
        else:
            log_params(run_id, {name: value})


def trials() -> int:
    """How many variants of this notebook's idea were ever backtested."""
    from workbench.tracking import count_trials

    session = current_session()
    return count_trials(session.engine, session.idea, marks=session.marks())


def _kept(given: Any) -> Any:
    """What was given, so that it can be looked through more than once."""
    return list(given) if isinstance(given, Iterator) else given


def all_prices(bars: Any, options: Mapping[str, Any]) -> "list[Series]":
    """All prices of a run, those to match on and to look at too."""
    from workbench.market import Bars
    from workbench.market.ticks import Ticks

    found: list[Series] = []
    for item in (bars, *(options.get(name) for name in _PRICES)):
        if isinstance(item, Bars | Ticks):
            found.append(item)
        elif item is not None:
            found += item.values() if isinstance(item, Mapping) else item
    return found


def _fingerprint(item: "Series") -> tuple[str, str]:
    """What a series is called, and the fingerprint of what is in it."""
    from workbench.market import Bars

    if isinstance(item, Bars):
        return f"{item.instrument.id} {item.timeframe}", item.fingerprint
    return f"{item.instrument.id} tick", item.content_digest()


def remember(
    session: Session, kind: str, digest: str, *, prices: "Iterable[Series]", cost_book: Costs
) -> None:
    """Note in the session what was made, of which prices and at which costs."""
    for item in prices:
        key, fingerprint = _fingerprint(item)
        session.used(key=key, fingerprint=fingerprint)
    session.cost_book = cost_book
    session.made(kind, digest)


def _frames(options: Mapping[str, Any], option: str) -> dict[str, str]:
    """The timeframe, or "tick", of each instrument given as an option."""
    found = all_prices(None, {option: options.get(option)})
    keys = sorted(_fingerprint(item)[0].partition(" ") for item in found)
    return {name: frame for name, _, frame in keys}


def remember_terms(session: Session, options: Mapping[str, Any]) -> None:
    """What a deployment needs to trade as the result did."""
    session.others, session.finer = (_frames(options, name) for name in ("also", "finer"))
    session.currency = str(options.get("currency", "USD"))
    session.sizes = bool(options.get("sizes", False))


def _log_backtest(session: Session, result: "BacktestResult") -> None:
    from workbench.research import tear_sheet as make_tear_sheet
    from workbench.tracking import log_figure, log_result, log_table

    run_id = session.run_id()
    log_result(run_id, result, number=session.backtests)
    log_table(run_id, result.trades, f"{_folder(session)}/trades.parquet")
    if len(result.equity):
        figure = make_tear_sheet(result).figures["equity"]
        log_figure(run_id, figure, f"{_folder(session)}/equity.png")


def _log_sweep(
    session: Session, result: "SweepResult", *, prices: "Iterable[Series]", cost_book: Costs, strategy: str
) -> None:
    from workbench.tracking import TAG_RESULT, add_data, log_metrics, log_table, set_tags

    run_id = session.run_id()
    number = sum(1 for item in session.results if item["kind"] == "sweep")
    log_table(run_id, result.frame, f"sweep_{number:02d}/variants.parquet")
    log_metrics(run_id, {"sweep.variants": len(result.frame)}, step=number)
    for item in prices:
        add_data(run_id, _fingerprint(item)[1])
    set_tags(
        run_id,
        {
            TAG_RESULT: result.digest,
            f"workbench.sweep_{number:02d}": f"{strategy}, cost book {cost_book.version}",
        },
    )


def _folder(session: Session) -> str:
    return f"result_{session.backtests:02d}"


def _backtest_line(session: Session, result: "BacktestResult") -> str:
    figures = result.metrics
    profit = f"net profit {float(figures['net_profit']):,.2f} {result.currency}"
    sharpe = f", Sharpe {float(figures['sharpe']):.2f}" if "sharpe" in figures else ""
    return (
        f"{result.name} on {result.data['instrument']} {result.data['timeframe']}: {profit}{sharpe}, "
        f"{figures['trades']} trades{_trials_text(session)}."
    )


def _trials_text(session: Session) -> str:
    if not session.logs:
        return ""
    count = trials()
    return f"; {count:,} trial{'s' if count != 1 else ''} of this idea so far"
