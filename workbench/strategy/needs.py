"""What a strategy needs of whoever runs it, beyond the bars of the instruments it trades."""

from collections.abc import Sequence

from workbench.strategy.expressions import Expr
from workbench.strategy.rules import Rules
from workbench.strategy.strategy import Strategy

__all__ = ["needs"]


def needs(strategy: Strategy, *, instruments: Sequence[str]) -> tuple[str, ...]:
    """What it can not do without, in words; of a strategy in Python only whether it wants ticks.

    Parameters
    ----------
    instruments
        Those traded, whose bars come.
    """
    if strategy.form != "rules":
        return ("every quote (on_tick)",) if strategy.form == "on_tick" else ()
    missing = sorted(_looks_at(strategy.traced()) - set(instruments))
    return (f"the bars of {', '.join(missing)}, which it does not trade",) if missing else ()


def _looks_at(rules: Rules) -> set[str]:
    """The instruments that the rules name."""
    instruments, seen = set[str](), set[str]()
    stack: list[Expr] = [item for _, item in rules.expressions() if item is not None]
    while stack:
        item = stack.pop()
        if item.key not in seen:
            seen.add(item.key)
            instruments |= {value for name, value in item.data if name == "instrument"}
            stack.extend(item.args)
    return instruments
