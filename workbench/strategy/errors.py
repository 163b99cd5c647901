"""What goes wrong in a strategy's own code."""

import linecache
import sys
from pathlib import Path
from types import TracebackType

from workbench.domain.calendar import to_datetime
from workbench.errors import BadInputError

__all__ = ["StrategyFailedError", "in_code_of", "strategy_failed"]

_OURS = Path(__file__).parents[1]


class StrategyFailedError(BadInputError):
    """A strategy's `on_bar` or `on_tick` raised: which, at what time, and where in its own file."""


def strategy_failed(
    error: Exception, *, strategy: str, verb: str, instrument: str, time_ns: int
) -> StrategyFailedError:
    """What the reader is told of an exception in a strategy; chain it: ``raise … from error``.

    Parameters
    ----------
    verb
        ``on_bar`` or ``on_tick``.
    time_ns
        When the bar had closed, or the tick came.
    """
    moment = to_datetime(time_ns).isoformat(sep=" ", timespec="seconds")
    said = str(error) or "no message"
    kind = "" if isinstance(error, BadInputError) else f"{type(error).__name__}: "
    return StrategyFailedError(
        f"{strategy}.{verb} failed on {instrument} at {moment}, {_place(error.__traceback__)}: {kind}{said}"
    )


def in_code_of(method: object, error: Exception) -> bool:
    """Whether an exception came out of a method's own code, or of what it called."""
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False


def _place(trace: TracebackType | None) -> str:
    """The last line that is neither the workbench's nor a library's."""
    found = "its code"
    while trace is not None:
        name, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if not _is_library(name):
            text = linecache.getline(name, line, trace.tb_frame.f_globals).strip()
            found = f"{Path(name).name}, line {line}" + (f", `{text}`" if text else "")
        trace = trace.tb_next
    return found


def _is_library(name: str) -> bool:
    path = Path(name)
    return any(path.is_relative_to(folder) for folder in (_OURS, sys.prefix, sys.base_prefix))
