"""A repair makes a new dataset that names its parent and the rule; the old one stays."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, minutes
from tests.market.ticks_for_tests import HOUR, ticks, walk
from workbench.errors import BadInputError
from workbench.market import MarketStore, check_bars
from workbench.market.repairing import repair
from workbench.market.repairs import RULES, repair_bars, repair_ticks
from workbench.market.ticks import Ticks

_TICK_RULES = [name for name, item in RULES.items() if item.ticks is not None]


def repaired(rule: str, *batches: Ticks) -> list[tuple[int, ...]]:
    return [
        row
        for part in repair_ticks(iter(batches), rule)
        for row in zip(*(column.tolist() for column in part.columns().values()), strict=True)
    ]


def test_crossed_quotes_go_and_the_others_stay_in_order() -> None:
    data = walk(300)
    data = replace(data, ask=np.where(np.arange(300) % 50 == 3, data.bid - 1, data.ask))
    kept = repaired("drop_crossed", data)
    assert len(kept) == 294
    assert kept == sorted(kept, key=lambda row: row[0])


def test_of_equal_quotes_the_first_stays() -> None:
    data = walk(10)
    twice = Ticks(
        instrument=data.instrument, **{name: np.repeat(column, 2) for name, column in data.columns().items()}
    )
    assert repaired("drop_exact_duplicates", twice) == repaired("drop_exact_duplicates", data)


def test_a_spike_goes() -> None:
    data = walk(500)
    bid, ask = data.bid.copy(), data.ask.copy()
    bid[250] += 40_000
    ask[250] += 40_000
    kept = repaired("drop_spikes", replace(data, bid=bid, ask=ask))
    assert len(kept) == 499


@settings(deadline=None, max_examples=30)
@given(ticks(max_size=300), st.lists(st.integers(0, 300), max_size=5), st.sampled_from(_TICK_RULES))
def test_a_repair_takes_rows_away_and_does_nothing_else_however_the_stream_is_cut(
    data: Ticks, cuts: list[int], rule: str
) -> None:
    borders = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    whole = repaired(rule, data)
    assert repaired(rule, *(data.at(low, high) for low, high in pairwise(borders))) == whole
    before = Counter(zip(*(column.tolist() for column in data.columns().values()), strict=True))
    assert not Counter(whole) - before


def test_a_dataset_of_ticks_is_repaired_into_a_new_one(sqlite_market: MarketStore) -> None:
    data = walk(5_000)
    data = replace(data, ask=np.where(np.arange(5_000) % 1_000 == 3, data.bid - 1, data.ask))
    old = sqlite_market.add_ticks([data], instrument="EUR_USD", source="test", keep=())
    report, taken = repair(sqlite_market, old.fingerprint, "drop_crossed")
    assert taken == 5
    assert (report.dataset.parent, report.dataset.rule) == (old.fingerprint, "drop_crossed")
    assert report.check.finding("crossed").count == 0
    again = sqlite_market.dataset(old.fingerprint)
    assert (again.rows, again.report.finding("crossed").count) == (5_000, 5)
    same, nothing = repair(sqlite_market, report.fingerprint, "drop_crossed")
    assert (same.is_new, nothing) == (False, 0)


def test_a_dataset_of_bars_is_repaired_into_a_new_one(sqlite_market: MarketStore) -> None:
    bars = minutes(600)
    closed = replace(bars, open_ns=bars.open_ns + 5 * 24 * HOUR, close_ns=bars.close_ns + 5 * 24 * HOUR)
    assert check_bars(closed).finding("closed hours").count == 600  # Saturday
    old = sqlite_market.add(bars, source="test")
    report, taken = repair(sqlite_market, old.fingerprint, "drop_flat_bars")
    assert taken + report.dataset.rows == 600
    assert (report.dataset.parent == old.fingerprint) == bool(taken)


def test_bars_of_closed_hours_go() -> None:
    bars = minutes(24 * 60 * 6)
    left = repair_bars(bars, "drop_closed_hours")
    assert len(left) == (4 * 24 + 22) * 60
    assert int(left.close_ns[-1]) - int(bars.open_ns[0]) == (4 * 24 + 22) * 60 * MINUTE


def test_a_rule_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(BadInputError, match="unknown repair 'mend'; known: drop_exact_duplicates"):
        repair_bars(minutes(5), "mend")
    with pytest.raises(BadInputError, match="is for ticks; for bars: drop_crossed"):
        repair_bars(minutes(5), "drop_exact_duplicates")
    with pytest.raises(BadInputError, match="is for bars; for ticks"):
        repair_ticks([walk(5)], "drop_flat_bars")
