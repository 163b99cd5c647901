"""Results of many variants, looked into: some of the variants traded again, whatever the search preferred.

A table of a sweep or a search is about all of its time, so that no row of it can be cut. What can be compared
at a cut is the equity of its variants; which are taken depends on the space alone, never on what was found.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from workbench.errors import WorkbenchError

__all__ = ["backtests_in", "watched_sweeps"]

_VARIANTS = 3  # of a sweep or a search
_TERMS = (
    *("cost_book", "currency", "balance", "finer", "also", "timeframe"),
    *("account", "trade_from_ns", "sizes"),
)
_Again = Callable[[Mapping[str, Any]], Any]

_sweeps: "WeakKeyDictionary[Any, _Again]" = WeakKeyDictionary()
_done: "WeakKeyDictionary[Any, dict[str, Any]]" = WeakKeyDictionary()


def backtests_in(value: Any) -> dict[str, Any]:
    """Backtests by a label such as ``[fast 5, slow 40]`` of a search or a sweep that was watched; made once.

    A walk-forward gives its windows by their days, a check at two speeds both its backtests.
    """
    kind = type(value).__name__
    if kind == "TwoSpeeds":
        return {".fast": value.fast, ".finest": value.finest}
    if kind == "WalkForwardResult":
        windows = [item for item in value.windows if item.tested is not None]
        return {f"[{item.span.test_start} to {item.span.test_end}]": item.tested for item in windows}
    if kind not in ("SearchResult", "SweepResult"):
        return {}
    if value not in _done:
        _done[value] = _of_search(value) if kind == "SearchResult" else _of_sweep(value)
    return _done[value]


@contextlib.contextmanager
def watched_sweeps() -> Iterator[None]:
    """Remember within what each sweep was of, so that its variants can be traded again."""
    from workbench import research

    inner = research.sweep

    def sweep(strategy_class: Any, data: Any, grid: Any, **options: Any) -> Any:
        found = inner(strategy_class, data, grid, **options)
        terms = {name: options[name] for name in _TERMS if name in options}
        _sweeps[found] = lambda point: research.run_backtest(strategy_class(**point), data, **terms)
        return found

    research.sweep = sweep
    try:
        yield
    finally:
        research.sweep = inner


def _of_search(found: Any) -> dict[str, Any]:
    from workbench.research.search import Random

    points = Random(trials=_VARIANTS, seed=0).begin(found.space, goals=1).ask()[:_VARIANTS]
    made: dict[str, Any] = {}
    for point in points:
        with contextlib.suppress(WorkbenchError):  # what can not be traded can not be compared
            made[_label(dict(zip(found.space.names, point, strict=True)))] = found.work.result(point)
    return made


def _of_sweep(found: Any) -> dict[str, Any]:
    again = _sweeps.get(found)
    if again is None:
        return {}
    last = len(found) - 1
    made: dict[str, Any] = {}
    for at in sorted({0, last // 2, last}):
        point = {name: found.trials[at].parameters[name] for name in found.grid}
        with contextlib.suppress(WorkbenchError):
            made[_label(point)] = again(point)
    return made


def _label(point: Mapping[str, Any]) -> str:
    return f"[{', '.join(f'{name} {_text(value)}' for name, value in point.items())}]"


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
