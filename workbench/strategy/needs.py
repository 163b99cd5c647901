"""What a strategy needs of whoever runs it, beyond the bars of one instrument and market orders."""

from workbench.strategy.entries import AtMarket
from workbench.strategy.expressions import ACROSS, Expr
from workbench.strategy.rules import Rules
from workbench.strategy.strategy import Strategy

__all__ = ["needs"]


def needs(strategy: Strategy) -> tuple[str, ...]:
    """What it can not do without, in words; of a strategy in Python only whether it wants ticks."""
    if strategy.form != "rules":
        return ("every quote (on_tick)",) if strategy.form == "on_tick" else ()
    rules, found = strategy.traced(), []
    if any(not isinstance(rules.side("entry", long=long), AtMarket) for long in (True, False)):
        found.append("withdrawing entries that wait at a level")
    looks_at, across = _reads(rules)
    if looks_at:
        found.append(f"the bars of {', '.join(sorted(looks_at))}")
    if across:
        found.append("all bars of a time at once (rank, cross_mean and the like)")
    return tuple(found)


def _reads(rules: Rules) -> tuple[set[str], bool]:
    """Other instruments that are read, and whether anything goes across those traded."""
    instruments: set[str] = set()
    across, seen = False, set[str]()
    stack: list[Expr] = [item for _, item in rules.expressions() if item is not None]
    while stack:
        item = stack.pop()
        if item.key not in seen:
            seen.add(item.key)
            across |= item.op in ACROSS
            instruments |= {value for name, value in item.data if name == "instrument"}
            stack.extend(item.args)
    return instruments, across
