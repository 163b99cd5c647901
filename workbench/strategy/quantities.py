"""What the numbers of rules measure: a price, a distance between prices, or neither.

Prices are in points, so ``bar.mid.close > 1.05`` compares 105,312 with 1.05 and is true at every bar. A
number that makes no sense in points and would as a price is refused before it is traded on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.strategy.expressions import Expr
from workbench.strategy.rules import Rules

__all__ = ["DISTANCE", "LEVEL", "PriceRange", "check_numbers", "measured"]

LEVEL, DISTANCE = "level", "distance"
_COMPARE = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "crosses_above", "crosses_below", "min", "max"})
_SAME = frozenset({
    "lag", "min", "max", "where", "value_when", "rolling_quantile", "sma", "ema", "wma", "smma", "dema",
    "tema", "hma", "kama", "trima", "highest", "lowest", "vwma",
})  # fmt: skip
_LEVELS = frozenset({"donchian", "ichimoku", "keltner", "bollinger", "pivots", "twap", "vwap"})
_FROM_LEVELS = frozenset({"atr", "true_range", "stdev", "momentum"})
_FAR = 4  # a price this many times above or below all that was traded is none


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """Between which prices an instrument was traded, in points."""

    record: Instrument
    low: int
    high: int


def measured(expr: Expr) -> str:
    """`LEVEL`, `DISTANCE` or "" for neither, or where it can not be told."""
    return _measured(expr, {})


def check_numbers(rules: Rules, range_of: Callable[[str], PriceRange | None]) -> None:
    """Refuse a plain number that was meant as a price or as a distance in prices.

    Parameters
    ----------
    range_of
        Asked for an instrument by its name, and for the one that is traded by ""; None where it is not known.

    Raises
    ------
    BadInputError
        A price is compared with a number that lies far from all that was traded, and within it if read as
        a price; or a distance with one below half a point that would be a distance of prices.
    """
    known: dict[str, str] = {}
    seen: set[str] = set()
    for _, whole in rules.expressions():
        if whole is None:
            continue
        for item in _parts(whole, seen):
            if len(item.args) == 2 and (item.op in _COMPARE or item.op in ("add", "sub")):
                for number, other in (item.args, item.args[::-1]):
                    value = abs(float(dict(number.data)["value"])) if number.op == "const" else 0.0
                    kind = _measured(other, known) if value else ""
                    if (kind == LEVEL and item.op in _COMPARE) or (kind and value < 0.5):
                        found = range_of(_instrument_of(other))
                        if found is not None:
                            _check(item, number, kind, found)
                    if number.op == "const" and item.op in _COMPARE:
                        _check_moved(item, other, value, range_of, known)


def _check(item: Expr, number: Expr, kind: str, found: PriceRange) -> None:
    value = abs(float(dict(number.data)["value"]))
    record, scaled = found.record, value * 10.0**found.record.digits
    if kind == LEVEL and item.op in _COMPARE:
        far = not found.low / _FAR <= value <= found.high * _FAR
        if far and found.low / _FAR <= scaled <= found.high * _FAR:
            low, high = record.to_price(found.low), record.to_price(found.high)
            raise BadInputError(
                f"{item!r}: prices are in points, so {number!r} is far from all that {record.id} was traded "
                f'at ({low} to {high}); write price("{number!r}") for that price'
            )
    elif value < 0.5 and scaled <= 0.2 * found.high:
        pips = scaled / record.points_per_pip
        raise BadInputError(
            f"{item!r}: distances are in points, so {number!r} is less than half a point of {record.id}; "
            f"write pips({pips:g}) for that distance in prices"
        )


def _check_moved(
    item: Expr,
    other: Expr,
    limit: float,
    range_of: Callable[[str], PriceRange | None],
    known: dict[str, str],
) -> None:
    """Refuse ``close - 1.05 > 0``: a price less a number that was meant as a price, which stays a price."""
    if other.op not in ("sub", "add") or _measured(other, known) != LEVEL:
        return
    number = next((part for part in other.args if part.op == "const"), None)
    found = None if number is None else range_of(_instrument_of(other))
    if number is None or found is None or not limit < found.low / _FAR:
        return
    value = abs(float(dict(number.data)["value"]))
    low, high = found.low / _FAR, found.high * _FAR
    if value < low and low <= value * 10.0**found.record.digits <= high:
        raise BadInputError(
            f"{item!r}: prices are in points, so {value:g} changes a price of {found.record.id} by next to "
            f'nothing and the answer is one for all bars; write price("{value:g}") for that price'
        )


def _measured(expr: Expr, known: dict[str, str]) -> str:
    found = known.get(expr.key)
    if found is None:
        found = known[expr.key] = _kind(expr.op, expr, known)
    return found


def _kind(op: str, expr: Expr, known: dict[str, str]) -> str:
    if op in ("price", "level"):
        return LEVEL
    if op == "pips":
        return DISTANCE
    if op in _LEVELS:
        return LEVEL if all(_measured(item, known) == LEVEL for item in expr.args[:1]) else ""
    if op in ("parabolic_sar", "supertrend"):
        return LEVEL if dict(expr.data).get("output") in ("stop", "line") else ""
    parts = [_measured(item, known) for item in expr.args if item.op != "const" and item.kind == "number"]
    if not parts:
        return ""
    if op in _FROM_LEVELS:
        return DISTANCE if set(parts) <= {LEVEL, DISTANCE} else ""
    if op in _SAME or op in ("neg", "abs"):
        return parts[0] if len(set(parts)) == 1 else ""
    if op in ("mul", "div"):  # by a number
        constant = len(parts) == 1 and (op == "mul" or expr.args[1].op == "const")
        return parts[0] if constant else ""
    if op == "sub":
        if parts == [LEVEL, LEVEL]:
            return DISTANCE
        return LEVEL if parts[0] == LEVEL and expr.args[0].op != "const" else _distance(parts)
    if op == "add":
        return LEVEL if LEVEL in parts and parts.count(LEVEL) == 1 else _distance(parts)
    return ""


def _distance(parts: list[str]) -> str:
    return DISTANCE if parts and set(parts) == {DISTANCE} else ""


def _instrument_of(expr: Expr) -> str:
    """Whose prices an expression is made of: "" for the instrument traded; of several the first."""
    while expr.args:
        inner = [item for item in expr.args if item.op != "const"]
        if not inner:
            return ""
        expr = inner[0]
    return str(dict(expr.data).get("instrument", ""))


def _parts(expr: Expr, seen: set[str]) -> Iterator[Expr]:
    """All different expressions within one."""
    todo = [expr]
    while todo:
        item = todo.pop()
        if item.key not in seen:
            seen.add(item.key)
            todo.extend(item.args)
            yield item
