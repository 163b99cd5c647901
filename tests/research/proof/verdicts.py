"""How often the verdict on the best of a sweep is right: on random walks, and with an edge planted.

``python -m tests.research.proof.verdicts --seeds 100`` tries grids of 10,000 and prints a line a seed and the
shares at the end; seeds that are in the file given with ``--into`` already are not tried again.
"""

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, make_bars
from workbench.research.overfitting_tests import judge_returns
from workbench.research.overfitting_tests.returns import trial_returns
from workbench.research.overfitting_tests.verdict import OverfittingVerdict
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, crosses_below, sma

__all__ = ["GRID_SIDE", "market", "tried"]

NAME = InstrumentId("EUR_USD")
SESSIONS = 1_000  # four years of days
SIGMA = 60.0  # points a bar
EDGE = 0.7  # drift of a bar in a trend, in units of its deviation
TREND = 60  # bars, in the mean
GRID_SIDE = 100
_NS_PER_DAY = 86_400 * 10**9

# nothing is paid, so that a variant without skill earns nothing instead of losing
FREE = CostBook(
    broker="proof",
    valid_from=date(2000, 1, 1),
    costs={
        NAME: InstrumentCosts(
            spread_points=(0,) * 168,
            margin_rate_ppm=10_000,
            commission_ppm=0,
            financing_long_ppm=0,
            financing_short_ppm=0,
        )
    },
)


class Averages(Strategy):
    """Two averages, always in the market once begun."""

    fast = Param(3, low=1, high=200)
    slow = Param(8, low=2, high=400)

    def rules(self, bar: BarExpr) -> Rules:
        """Long above, short below."""
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow), enter_short=crosses_below(fast, slow), size=Units(10_000)
        )


def market(seed: int, *, edge: float, bars: int = SESSIONS) -> Bars:
    """A bar a day: a random walk, and with an edge one whose drift turns up or down every few weeks."""
    rng = np.random.default_rng(seed)
    turns = rng.random(bars) < 1.0 / TREND
    side = np.where(np.cumsum(turns) % 2 == 0, 1.0, -1.0) * (1.0 if rng.random() < 0.5 else -1.0)
    moves = rng.normal(0.0, SIGMA, bars) + edge * SIGMA * side
    closed = np.maximum(np.rint(400_000 + np.cumsum(moves)), 50_000).astype(np.int64)
    opened = np.concatenate(([400_000], closed[:-1]))
    high, low = np.maximum(opened, closed), np.minimum(opened, closed)
    start = to_ns(datetime(2001, 1, 1, 22, tzinfo=UTC))  # a Monday
    days = np.arange(bars)
    open_ns = start + (days + 2 * (days // 5)) * _NS_PER_DAY
    prices = {"open": opened, "high": high, "low": low, "close": closed}
    return make_bars(
        instrument(NAME),
        timeframe=Timeframe.H1,
        open_ns=open_ns,
        prices={f"{side}_{part}": column for side in ("bid", "ask") for part, column in prices.items()},
    )


def tried(
    seed: int, *, edge: float, side: int = GRID_SIDE, draws: int = 500, bars: int = SESSIONS
) -> OverfittingVerdict:
    """The verdict on the best of a grid of `side` by `side`, on one market."""
    parameters = [
        {"fast": fast, "slow": slow} for fast in range(2, 2 + side) for slow in range(2 + side, 2 + 2 * side)
    ]
    returns = trial_returns(
        Averages, market(seed, edge=edge, bars=bars), parameters, cost_book=FREE, progress=False
    ).returns
    return judge_returns(returns, rng=np.random.default_rng([seed, 1]), draws=draws)


def lines(
    seeds: int, *, done: set[tuple[str, int]], kinds: list[str], bars: int
) -> Iterator[dict[str, object]]:
    """A line a seed and kind of market."""
    for seed in range(seeds):
        for kind, edge in (("walk", 0.0), ("edge", EDGE)):
            if kind not in kinds or (kind, seed) in done:
                continue
            began = time.process_time()
            found = tried(seed, edge=edge, bars=bars)
            numbers = found.numbers
            yield {
                "kind": kind,
                "seed": seed,
                "holds": found.holds,
                "trials": numbers.trials,
                "sharpe": round(numbers.sharpe, 3),
                "deflated": round(numbers.deflated_sharpe, 4),
                "spa": numbers.superior_ability,
                "overfitting": round(numbers.overfitting, 3),
                "loss": round(numbers.loss_out_of_sample, 3),
                "cpu_s": round(time.process_time() - began, 1),
            }


def main() -> None:
    """Try, keep, and tell the shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--days", type=int, default=SESSIONS, help="bars of a market, one a day")
    parser.add_argument("--into", type=Path, default=Path("verdicts.jsonl"))
    parser.add_argument("--kinds", nargs="+", default=["walk", "edge"])
    given = parser.parse_args()
    kept = [json.loads(line) for line in given.into.read_text().splitlines()] if given.into.is_file() else []
    done = {(item["kind"], item["seed"]) for item in kept}
    for line in lines(given.seeds, done=done, kinds=given.kinds, bars=given.days):
        kept.append(line)
        with given.into.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    for kind, word in (("walk", "called overfitted"), ("edge", "passed")):
        rows = [item for item in kept if item["kind"] == kind]
        right = sum(item["holds"] == (kind == "edge") for item in rows)
        print(f"{kind}: {right} of {len(rows)} {word}")


if __name__ == "__main__":
    main()
