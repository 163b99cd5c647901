"""Ticks with sizes, live: an order takes what a tick offers, as in the backtest with sizes=True."""

from dataclasses import replace

import numpy as np
import pytest

from tests.gateway.bench import Room
from tests.gateway.test_tick_feed import Momentum, fills_of
from tests.gateway.tick_room import Cut, TickRoom, made_up_ticks
from workbench.errors import BadInputError
from workbench.live.divergence import compare
from workbench.live.runtime import Ending


def test_a_replay_by_sizes_has_the_fills_of_the_backtest_by_sizes_killed_or_not(room: Room) -> None:
    rng = np.random.default_rng(4)
    ticks = made_up_ticks(900)
    offered = rng.integers(0, 900, (2, 900))
    made = TickRoom(
        room, replace(ticks, bid_size=offered[0], ask_size=offered[1]), "M5", Momentum, sizes=True
    )
    with pytest.raises(Cut):
        made.runtime(die_at=400).run()
    room.start()
    assert made.runtime().run() is Ending.FINISHED
    live = fills_of(made)
    found = compare(live, list(made.backtest().fills))
    assert found.equal, found.sentence()
    assert sum(fill.remaining != 0 for fill in live) > 3, "executions that left a part for a later quote"


def test_a_replay_by_sizes_of_ticks_without_any_is_not_opened(room: Room) -> None:
    with pytest.raises(BadInputError, match="expected ticks with sizes, by which its orders are filled"):
        TickRoom(room, made_up_ticks(50), "M5", Momentum, sizes=True)
