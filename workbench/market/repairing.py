"""A repair of a dataset: a new version in the store that names its parent and the rule."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.market.repairs import repair_bars, repair_ticks
from workbench.market.storage.datasets import ImportReport
from workbench.market.storage.market_store import MarketStore

__all__ = ["repair"]


def repair(
    market: MarketStore, fingerprint: str, rule: str, *, show_progress: bool = False
) -> tuple[ImportReport, int]:
    """Apply a rule to a dataset; what the store holds now, and how many rows the rule took away.

    The dataset itself stays as it is. A rule that takes nothing away makes no new version.

    Raises
    ------
    BadInputError
        No such rule, or not for this kind of data.
    MissingDataError
        No such dataset.
    """
    dataset = market.dataset(fingerprint)
    origin: dict[str, Any] = {
        "source": dataset.source,
        "source_format": dataset.source_format,
        "zone": dataset.zone,
        "parent": dataset.fingerprint,
        "rule": rule,
    }
    if dataset.kind != "ticks":
        assert dataset.timeframe is not None
        bars = market.bars(dataset.instrument, dataset.timeframe, fingerprint=dataset.fingerprint)
        left = repair_bars(bars, rule)
        return market.add(left, **origin), len(bars) - len(left)
    taken: list[int] = []
    with _rows(dataset.rows, shown=show_progress) as advance:
        batches = market.tick_batches(dataset.instrument, fingerprint=dataset.fingerprint)
        left_ticks = repair_ticks(
            (advance(len(batch)) or batch for batch in batches), rule, told=taken.append
        )
        report = market.add_ticks(
            left_ticks,
            instrument=dataset.instrument,
            keep=dataset.kept,
            sides=dataset.sides,
            **origin,
        )
    return report, sum(taken)


@contextmanager
def _rows(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    from tqdm.auto import tqdm

    with tqdm(
        total=total, unit="row", unit_scale=True, disable=not shown, file=sys.stderr, leave=False
    ) as bar:

        def advance(rows: int) -> None:
            bar.update(rows)

        yield advance
