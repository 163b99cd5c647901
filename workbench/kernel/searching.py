"""Searches and the check at two speeds in a notebook: kept as they go, counted, logged, shown."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_history import Costs
from workbench.errors import BadInputError
from workbench.kernel.data import start_ns, to_balance
from workbench.kernel.results import remember_terms, trials
from workbench.kernel.session import current_session
from workbench.kernel.showing import note, show_result

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.kernel.session import Session
    from workbench.market import Bars
    from workbench.research.given import Series, Several
    from workbench.research.search import SearchResult
    from workbench.research.two_speeds import TwoSpeeds
    from workbench.strategy import Strategy

__all__ = ["search", "two_speeds"]

_BALANCE = Decimal(100_000)


def search(
    strategy_class: "type[Strategy]",
    bars: "Several",
    space: Mapping[str, Any] | Sequence[str],
    *,
    cost_book: Costs,
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    folder: "Path | str | None" = None,
    **options: Any,
) -> "SearchResult":
    """Look for good parameters; every point counts as a trial, and is kept as soon as it is known.

    Called again after Ctrl-C, a kernel that died or a machine that went down, it goes on where it was.

    Parameters
    ----------
    space
        Names of parameters, or values by name, as in ``{"fast": range(5, 30, 5), "slow": None}``.
    folder
        Where trials are kept; by default a folder in the home for this search of this idea.
    options
        Passed on to `workbench.research.search.search`: ``method``, ``goals``, ``instruments``,
        ``timeframes``, ``where``, ``workers`` and so on, and what a backtest takes.

    Raises
    ------
    BadInputError
        Something given can not be used.
    """
    from workbench.research.given import series_of
    from workbench.research.search import searching

    session = current_session()
    prices = tuple(series_of("data", bars).values())
    terms = {
        **options,
        "cost_book": cost_book,
        "balance": to_balance(balance),
        "trade_from_ns": start_ns(trade_from),
    }
    digest = searching.identity(strategy_class, prices, space, idea=session.idea, **terms)
    place = folder
    if place is None and session.logs:
        place = session.settings.home / "searches" / digest
    try:
        found = searching.search(
            strategy_class, prices, space, folder=place, ledger=session.ledger(), **terms
        )
    except KeyboardInterrupt:
        if place is not None:
            note(f"Stopped. What was finished is kept in {place}: run the cell again to go on.")
        raise
    for item in _all_prices(bars, options):
        session.used(key=_key(item), fingerprint=_fingerprint(item))
    session.cost_book = cost_book
    session.account = options.get("account", AccountRules())
    remember_terms(session, options)
    session.made("search", found.digest)
    if session.logs:
        _log(session, found)
    counted = f"; {trials():,} trials of this idea so far" if session.logs else ""
    text = f"Search of {strategy_class.__name__} by {found.method}: {len(found):,} trials{counted}."
    show_result("search", found.digest, text)
    return found


def two_speeds(
    strategy: "Strategy",
    bars: "Bars",
    *,
    cost_book: Costs,
    finer: "Several | None" = None,
    balance: Decimal | int | str = _BALANCE,
    trade_from: str | datetime | None = None,
    **options: Any,
) -> "TwoSpeeds":
    """Trade a strategy fast, and event by event on the finest prices: how optimistic was the fast path?

    Parameters
    ----------
    finer
        Ticks or shorter bars; if left out, the finest in the market store that cover the bars.

    Raises
    ------
    BadInputError
        The store has nothing finer.
    """
    from workbench.research.two_speeds import two_speeds as compare

    session = current_session()
    found = compare(
        strategy,
        bars,
        finer=finer if finer is not None else _finest(session, bars),
        cost_book=cost_book,
        balance=to_balance(balance),
        trade_from_ns=start_ns(trade_from),
        **options,
    )
    if session.logs:
        from workbench.tracking import log_metrics, log_table

        log_table(session.run_id(), found.frame, "two_speeds/figures.parquet")
        log_metrics(session.run_id(), {"two_speeds.optimism": found.optimism})
    show_result("two_speeds", found.finest.digest, found.sentence)
    return found


def _finest(session: "Session", bars: "Bars") -> "Series":
    """Ticks that cover the bars, or else the shortest bars that do."""
    from workbench.market import MarketStore

    store = MarketStore(session.settings.market_root, session.engine)
    first, last = int(bars.open_ns[0]), int(bars.close_ns[-1])
    name = str(bars.instrument.id)
    begun, ended = int(bars.close_ns[0]), int(bars.open_ns[-1])  # a bar at either end may be of a part
    covering = [item for item in store.datasets(name) if item.first_ns < begun and item.last_ns > ended]
    for item in covering:  # newest first
        if item.timeframe is None:
            return store.ticks(name, fingerprint=item.fingerprint, start=first, end=last)
    shorter = [
        item
        for item in covering
        if item.timeframe is not None and item.timeframe.nanoseconds < bars.timeframe.nanoseconds
    ]
    if not shorter:
        raise BadInputError(
            f"{name}: expected ticks or bars shorter than {bars.timeframe} in the market store for all of "
            f"{bars.describe()}, found none; import some, or give them as finer="
        )
    best = min(shorter, key=lambda item: item.timeframe.nanoseconds if item.timeframe is not None else 0)
    return store.bars(name, best.timeframe_name, fingerprint=best.fingerprint, start=first, end=last)


def _all_prices(bars: "Several", options: Mapping[str, Any]) -> "list[Series]":
    from workbench.research.given import series_of

    found: list[Series] = []
    for name, item in (("data", bars), ("finer", options.get("finer")), ("also", options.get("also"))):
        found += series_of(name, item).values()
    return found


def _key(item: "Series") -> str:
    from workbench.market import Bars

    return f"{item.instrument.id} {item.timeframe if isinstance(item, Bars) else 'tick'}"


def _fingerprint(item: "Series") -> str:
    from workbench.market import Bars

    return item.fingerprint if isinstance(item, Bars) else item.content_digest()


def _log(session: "Session", found: "SearchResult") -> None:
    from workbench.tracking import TAG_RESULT, add_data, log_metrics, log_params, log_table, set_tags

    run_id = session.run_id()
    number = sum(1 for item in session.results if item["kind"] == "search")
    prefix = f"search_{number:02d}"
    log_table(run_id, found.frame, f"{prefix}/trials.parquet")
    log_metrics(run_id, {"search.trials": len(found)}, step=number)
    log_params(
        run_id, {f"{prefix}.method": found.method, f"{prefix}.goals": ", ".join(map(str, found.goals))}
    )
    for fingerprint in session.data.values():
        add_data(run_id, fingerprint)
    set_tags(
        run_id,
        {TAG_RESULT: found.digest, f"workbench.{prefix}": f"{found.strategy}, cost book {found.cost_book}"},
    )
