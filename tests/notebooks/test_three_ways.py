"""Every shipped strategy: compiled run, event replay and the gateway's paper broker agree bit for bit."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count, groupby
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.accounts import AccountMode, AccountRules
from workbench.domain.calendar import session_of
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory, Costs
from workbench.domain.instruments import instrument
from workbench.domain.orders import Fill
from workbench.domain.quotes import Bar, Quote
from workbench.gateway.brokers.paper import PaperBroker, PaperConfig
from workbench.gateway.brokers.port import give
from workbench.gateway.messages import BarClosed, QuoteMoved
from workbench.market import Bars, sample_files
from workbench.market.importing import bars_from_file
from workbench.market.sample import synthetic_companions
from workbench.notebook import read_notebook
from workbench.research import replay_backtest, run_backtest
from workbench.research.outcome import BACKTEST, event_of_bar
from workbench.strategy import AccountView, MarketView, Strategy, StrategyRunner, atr
from workbench.strategy import bar as bars_of

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = [FOLDER / "10_sma_cross.ipynb", *sorted((FOLDER / "strategies").glob("*.ipynb"))]
BALANCE = 100_000 * 10**6  # micro-units
USUAL = AccountRules()
RANGE_ENDS, QUOTE = range(2)  # what happens first at an instant


@pytest.fixture(scope="module")
def sample() -> Bars:
    """EUR/USD hourly, 2017, as shipped."""
    files = sample_files()
    return bars_from_file(
        files.eurusd_h1_2017,
        instrument(files.instrument),
        timezone=files.timezone,
        side=files.side,
        cost_book=retail_book(files.instrument),
    )


def shipped(path: Path, sample: Bars) -> tuple[Strategy, dict[str, Bars]]:
    """A notebook's strategy and the prices it is run on, by its own first two cells of code."""
    given, written = [cell.source for cell in read_notebook(path).cells][:2]
    names: dict[str, object] = {}
    exec(given, names)
    exec(written, names)
    assert str(sample.timeframe) == names["timeframe"]
    companions = names.get("companions", [])
    data = {str(names["instrument"]): sample}
    if companions:
        made_up = synthetic_companions(sample)
        data |= {name: made_up[name] for name in companions}
    strategy = names["strategy"]
    assert isinstance(strategy, Strategy)
    return strategy, data


def events(data: Mapping[str, Bars]) -> Iterator[tuple[int, int, list[Bar]]]:
    """At each instant the bars that close, then the bars that open; instruments in the order of their ids."""
    streams = [
        [(time, part, name, bar) for bar, time in ((bar, getattr(bar, at)) for bar in bars)]
        for name, series in data.items()
        for bars in [[series.bar(i) for i in range(len(series))]]
        for part, at in ((RANGE_ENDS, "close_ns"), (QUOTE, "open_ns"))
    ]
    merged = heapq.merge(*streams, key=lambda event: event[:3])
    for (time, part), group in groupby(merged, key=lambda event: event[:2]):
        yield time, part, [bar for *_, bar in group]


def on_paper(
    strategy: Strategy,
    data: Mapping[str, Bars],
    book: Costs,
    *,
    rules: AccountRules = USUAL,
    also: Mapping[str, Bars] | None = None,
    currency: str = "USD",
) -> tuple[list[Fill], PaperBroker]:
    """The strategy as live, one event at a time, its orders placed and withdrawn at the paper broker."""
    records = tuple(instrument(name) for name in sorted(data))
    others = tuple(instrument(name) for name in sorted(also or {}))
    broker = PaperBroker(
        PaperConfig(
            instruments=records,
            cost_book=book,
            currency=currency,
            balance=BALANCE,
            rules=rules,
            quoted=others,
        )
    )
    timeframe = next(iter(data.values())).timeframe
    runner = StrategyRunner(strategy, records, timeframe, BACKTEST, others=others)
    seq, rounds = count(1), count()
    for time, part, bars in events({**data, **(also or {})}):
        for bar in bars:
            if part == QUOTE:
                quote = Quote(instrument=bar.instrument, time_ns=time, bid=bar.bid_open, ask=bar.ask_open)
                broker.take_event(QuoteMoved(seq=next(seq), quote=quote))
            else:
                broker.take_event(BarClosed(seq=next(seq), bar=bar))
        if part == RANGE_ENDS:
            waiting = {item.order.client_order_id for item in broker.open_orders()}
            decision = runner.on_bars(bars, broker.account(), event_of_bar(next(rounds)))
            for name in decision.cancels:
                assert broker.cancel(name, reason="the strategy") == (name in waiting)
            for change in decision.changes:
                assert broker.change_exits(change)
            for order in decision.orders:
                if order.replaces is None or order.replaces in waiting:
                    give(broker, order)
    done = [item.fill for item in broker.transactions_since(0)]
    return [fill for fill in done if fill is not None], broker


class ByHand(Strategy):
    """Trails the stops of what it holds by hand, of each trade where they are apart, and moves its orders."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        reach = market.value(atr(bars_of, 14))
        if reach != reach:
            return
        away, bid, ask = max(20, int(reach)), market.quote.bid, market.quote.ask
        for order in account.waiting:
            near = ask if order.units > 0 else bid
            account.replace(order.client_order_id, price=near + away // 3)
        if not account.waiting and len(account.trades) < 3 and abs(account.units) < 2_000:
            if market.bar.bid_close > market.bar.bid_open:
                account.buy_stop(1_000, price=ask + away // 2, stop=2 * away)
            else:
                account.sell_limit(1_000, price=bid + away // 2, stop=2 * away, target=6 * away)
        held = account.trades or tuple(item for item in [account.position()] if item is not None)
        for item in held:
            long = item.units > 0
            level = bid - away if long else ask + away
            if (level > item.stop) == long:
                account.change_exits(trade=getattr(item, "client_order_id", None), stop_price=level)
            if abs(bid - item.average_price) > 2 * away and not item.trailing:
                account.change_exits(trade=getattr(item, "client_order_id", None), trailing=away, target=0)


@pytest.mark.parametrize("mode", [AccountMode.NETTING, AccountMode.HEDGING, AccountMode.FIFO])
def test_stops_trailed_and_orders_moved_by_hand_do_the_same_in_a_backtest_replayed_and_on_paper(
    mode: AccountMode, sample: Bars
) -> None:
    book, rules = retail_book("EUR_USD"), AccountRules(mode=mode)
    options: dict[str, Any] = {"cost_book": book, "account": rules}
    some = sample.at(0, 1_500)
    tested = run_backtest(ByHand(), some, **options)
    replayed = replay_backtest(ByHand(), some, **options)
    fills, broker = on_paper(ByHand(), {"EUR_USD": some}, book, rules=rules)
    assert tested.path == ("callback" if mode is AccountMode.NETTING else "replay")
    assert tested.digest == replayed.digest
    assert tested.fills == replayed.fills == fills
    assert broker.account().equity == int(tested.equity[-1])
    reasons = Counter(fill.reason.value for fill in fills)
    assert min(reasons[name] for name in ("STOP", "LIMIT", "STOP_LOSS", "TRAILING_STOP")) > 20, reasons


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_shipped_strategy_does_the_same_compiled_replayed_and_on_paper(path: Path, sample: Bars) -> None:
    strategy, data = shipped(path, sample)
    book = retail_book(*data)
    compiled = run_backtest(strategy, data, cost_book=book)
    replayed = replay_backtest(strategy, data, cost_book=book)
    fills, broker = on_paper(strategy, data, book)
    assert compiled.path == "compiled"
    assert {fill.instrument for fill in fills} == set(data)
    assert len(fills) > 20
    assert compiled.digest == replayed.digest
    assert compiled.fills == replayed.fills == fills
    account = broker.account()
    assert account.equity == int(compiled.equity[-1]) == int(replayed.equity[-1])
    assert account.balance == BALANCE + sum(f.realized - f.commission for f in fills) + account.financing
    assert account.financing == int(compiled.outcome.financing_amount.sum())


@pytest.mark.parametrize(
    "rules",
    [
        AccountRules(mode=AccountMode.HEDGING),
        AccountRules(mode=AccountMode.FIFO, latency_ns=300_000_000),
        AccountRules(latency_ns=1),
    ],
    ids=lambda rules: f"{rules.mode} {rules.latency_ns} ns",
)
@pytest.mark.parametrize("path", [NOTEBOOKS[0], NOTEBOOKS[-1]], ids=lambda path: path.stem)
def test_a_paper_account_is_kept_as_that_of_the_backtest_was(
    path: Path, sample: Bars, rules: AccountRules
) -> None:
    strategy, data = shipped(path, sample)
    data = {name: bars.at(0, 1_500) for name, bars in data.items()}
    book = retail_book(*data)
    result = run_backtest(strategy, data, cost_book=book, account=rules)
    fills, broker = on_paper(strategy, data, book, rules=rules)
    assert result.fills == fills
    assert len(fills) > 5
    assert broker.account().equity == int(result.equity[-1])
    assert broker.capabilities().mode is rules.mode
    usual = run_backtest(strategy, data, cost_book=book)
    assert (result.digest != usual.digest) == bool(rules.latency_ns)
    assert all((fill.trade is None) == (rules.mode is AccountMode.NETTING) for fill in fills)


def test_costs_change_on_paper_on_the_day_they_change_in_the_backtest(sample: Bars) -> None:
    strategy, data = shipped(NOTEBOOKS[0], sample)
    early = retail_book(*data).replace(valid_from=session_of(int(sample.open_ns[0])))
    late = early.with_costs("EUR_USD", commission_ppm=95, financing_long_ppm=-300_000, slippage_points=3)
    dated = CostHistory([early, late.replace(valid_from=session_of(int(sample.open_ns[2_000])))])
    result = run_backtest(strategy, data, cost_book=dated)
    fills, broker = on_paper(strategy, data, dated)
    assert result.fills == fills
    account = broker.account()
    assert account.equity == int(result.equity[-1])
    assert account.financing == int(result.outcome.financing_amount.sum())
    rates = [round(fill.commission * 1e6 / (abs(fill.units) * fill.price * 10)) for fill in fills]
    assert set(rates) == {20, 95}
    assert rates == sorted(rates)


def test_profits_are_converted_on_paper_as_in_the_backtest(sample: Bars) -> None:
    strategy, _ = shipped(NOTEBOOKS[0], sample)
    data, also = {"GBP_USD": synthetic_companions(sample)["GBP_USD"]}, {"EUR_USD": sample}
    book = retail_book("GBP_USD", "EUR_USD")
    result = run_backtest(strategy, data, also=also, cost_book=book, currency="EUR")
    fills, broker = on_paper(strategy, data, book, also=also, currency="EUR")
    assert result.fills == fills
    assert broker.account().equity == int(result.equity[-1])
    assert [str(item.id) for item in broker.instruments()] == ["GBP_USD"]
    assert {fill.instrument for fill in fills} == {"GBP_USD"}
    assert result.digest != run_backtest(strategy, data, cost_book=book).digest
