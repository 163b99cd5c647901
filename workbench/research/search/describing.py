"""What identifies a search, so that a folder takes up the one it holds and no other."""

import hashlib
import json
from typing import Any

from workbench.market import Bars
from workbench.research.given import Series
from workbench.research.search.goals import Goal
from workbench.research.search.methods import Method, settings_of
from workbench.research.search.space import Space
from workbench.research.search.work import Work
from workbench.strategy import Strategy
from workbench.strategy.reads import reads_of

__all__ = ["description_of", "digest_of"]

_FORMAT = 3


def description_of(work: Work, space: Space, method: Method, goals: tuple[Goal, ...]) -> dict[str, Any]:
    """Everything that its results follow from, as a plain value."""
    return {
        "format": _FORMAT,
        "strategy": work.strategy_class.__name__,
        "code": _code(work),
        "space": [axis.to_json() for axis in space.axes],
        "where": None if space.where is None else reads_of(space.where),
        "method": settings_of(method),
        "goals": [str(item) for item in goals],
        "data": [_series(item) for item in work.prices.data],
        "finer": [_series(item) for item in work.prices.finer],
        "also": [_series(item) for item in work.prices.also],
        "timeframe": work.prices.timeframe,
        "sizes": work.prices.sizes,
        "costs": [book.version for book in work.cost_books],
        "currency": work.currency,
        "balance": work.balance,
        "account": repr(work.rules),
        "trade_from_ns": work.trade_from_ns,
        "statistics": work.statistics,
    }


def digest_of(description: dict[str, Any], *, idea: str = "") -> str:
    """A name for the folder of a search of one idea."""
    text = json.dumps([description, idea], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _code(work: Work) -> str:
    """Digest of the strategy as written, and of what its code reads."""
    owners = work.strategy_class.__mro__
    return reads_of(*owners[: owners.index(Strategy)])


def _series(item: Series) -> list[str]:
    kind = str(item.timeframe) if isinstance(item, Bars) else "tick"
    return [str(item.instrument.id), kind, item.content_digest()]
