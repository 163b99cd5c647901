"""A search in a process of its own, to be stopped and killed: python long_search.py FOLDER WORKERS."""

import sys

from tests.research.strategies_for_tests import book, walk
from workbench.research import MemoryLedger, Trial
from workbench.research.search import SearchResult, search
from workbench.strategy import AccountView, MarketView, Param, Strategy, bar, sma


class Slow(Strategy):
    """Asked at every bar, in Python, so that a trial takes a while."""

    lookback = Param(5, low=2, high=200)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        """Long above the average."""
        above = market.value(bar.mid.close - sma(bar.mid.close, self.lookback)) > 0.0
        if above and account.units <= 0:
            account.buy(1_000)
        elif not above and account.units > 0:
            account.close()


class Told(MemoryLedger):
    """Says how many trials were counted as they come."""

    def record(self, trials: "list[Trial]") -> None:
        """Keep and tell."""
        super().record(trials)
        print(f"counted {len(self.trials)}", flush=True)


def run(folder: str | None, workers: int | str | None, ledger: MemoryLedger | None = None) -> SearchResult:
    """The same search each time."""
    return search(
        Slow,
        walk(700, seed=5),
        {"lookback": range(2, 26)},
        cost_book=book(),
        workers=workers,
        folder=folder,
        ledger=ledger,
        progress=False,
    )


if __name__ == "__main__":
    given = sys.argv[2]
    try:
        run(sys.argv[1], (int(given) or None) if given.isdigit() else given, Told())
        print("finished", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
