"""What a rules strategy says: when to enter and leave, where to stop, how much."""

import math
import numbers
from collections.abc import Iterator
from typing import Any

from workbench.domain.timeframes import timeframe
from workbench.errors import BadInputError
from workbench.strategy.entries import (
    AtMarket,
    BySide,
    Entry,
    Level,
    LimitAt,
    Reduce,
    StopAt,
    TouchAt,
    level_of,
)
from workbench.strategy.expressions import TRUTH, Expr, bar, expression
from workbench.strategy.operations import log
from workbench.strategy.sizes import (
    MAX_ORDER_UNITS,
    Lots,
    RiskFraction,
    Size,
    Units,
    VolatilityTarget,
)

__all__ = ["FLAGS", "MAX_ORDER_UNITS", "NUMBERS", "Distance", "RiskFraction", "Rules", "Units"]

FLAGS = (
    "enter_long", "enter_short", "exit_long", "exit_short",
    "add_long", "add_short", "reduce_long", "reduce_short", "rebalance",
)  # fmt: skip
NUMBERS = (
    "stop_long", "stop_short", "target_long", "target_short", "trail_long", "trail_short",
    "entry_long", "entry_short", "volatility", "add_volatility",
)  # fmt: skip
MAX_BARS = 10_000_000
_TRADING_DAYS = 260  # in a year

Distance = Expr | float | Level


class Rules:
    """The rules of a strategy, decided at the close of every bar.

    Parameters
    ----------
    enter_long, enter_short
        When to hold a long (short) position; at least one. Both at once means neither, and nothing is done,
        unless both entries wait at a level: then both are placed.
    exit_long, exit_short
        When to close such a position, unless an entry says otherwise. Where nothing is held it withdraws a
        waiting entry of that side.
    stop, target
        Distances from the fill price in points, above 0, or `Level(...)` for a price level.
    trail
        Distance of a trailing stop behind the best price of the closing side.
    size
        `Units`, `Lots`, `Cash`, `EquityFraction`, `RiskFraction` or `VolatilityTarget`.
    max_bars
        Close a position at the close of the bar that it has been held for this many bars, whatever else says.
    entry
        `AtMarket()`, or `LimitAt`, `StopAt`, `TouchAt` of a price level: an order that waits.
    expires_bars
        Withdraw a waiting entry after this many bars, 0 for never. A new signal replaces it, a position that
        opens, closes or turns withdraws it.
    add_long, add_short
        When to add to a long (short) position at the market, at most `max_adds` times, with `add_size` (or
        `size`) and the stops as they are then.
    reduce
        `Reduce(condition, fraction)`, or such a pair: close a part of the position.
    rebalance
        When to bring what is held to the size an entry would have now, if it is off by `rebalance_band` of
        itself or more.

    Notes
    -----
    `stop`, `target`, `trail`, `entry` and `reduce` also take ``BySide(long=..., short=...)``.

    Raises
    ------
    BadInputError
        No entry, a condition where a number belongs or the reverse, or a risk fraction without a stop.
    """

    __slots__ = (
        *("enter_long", "enter_short", "exit_long", "exit_short", "size", "stop", "target", "trail"),
        *("max_bars", "entry", "expires_bars", "add_long", "add_short", "max_adds", "add_size", "reduce"),
        *("rebalance", "rebalance_band"),
    )

    def __init__(
        self,
        *,
        size: Size,
        enter_long: Expr | None = None,
        enter_short: Expr | None = None,
        exit_long: Expr | None = None,
        exit_short: Expr | None = None,
        stop: Distance | BySide[Distance] | None = None,
        target: Distance | BySide[Distance] | None = None,
        trail: Expr | float | BySide[Expr | float] | None = None,
        max_bars: int | None = None,
        entry: Entry | BySide[Entry] | None = None,
        expires_bars: int = 1,
        add_long: Expr | None = None,
        add_short: Expr | None = None,
        max_adds: int = 1,
        add_size: Size | None = None,
        reduce: Reduce | tuple[Expr, float] | BySide[Reduce] | None = None,
        rebalance: Expr | None = None,
        rebalance_band: float = 0.0,
    ) -> None:
        if enter_long is None and enter_short is None:
            raise BadInputError("Rules: expected enter_long or enter_short, found neither")
        self.enter_long = _condition("enter_long", enter_long)
        self.enter_short = _condition("enter_short", enter_short)
        self.exit_long = _condition("exit_long", exit_long)
        self.exit_short = _condition("exit_short", exit_short)
        self.stop = _by_side("stop", stop)
        self.target = _by_side("target", target)
        self.trail = _by_side("trail", trail, level=False)
        self.max_bars = None if max_bars is None else _whole("max_bars", max_bars, least=1)
        self.entry: Entry | BySide[Entry] = _entry(entry)
        self.expires_bars = _whole("expires_bars", expires_bars, least=0)
        self.add_long = _condition("add_long", add_long)
        self.add_short = _condition("add_short", add_short)
        self.max_adds = _whole("max_adds", max_adds, least=1)
        self.reduce = _reduce(reduce)
        self.rebalance = _condition("rebalance", rebalance)
        self.rebalance_band = _band(rebalance_band)
        self.size = self._checked_size("size", size)
        self.add_size = None if add_size is None else self._checked_size("add_size", add_size)
        if add_size is not None and add_long is None and add_short is None:
            raise BadInputError("Rules add_size: expected add_long or add_short with it, found neither")
        for side in ("long", "short"):
            if getattr(self, f"add_{side}") is not None and getattr(self, f"enter_{side}") is None:
                raise BadInputError(
                    f"Rules add_{side}: expected enter_{side} with it, found none; only an open {side} "
                    "position can be added to"
                )

    def __repr__(self) -> str:
        return f"Rules({', '.join(f'{name}={item!r}' for name, item in self.settings())})"

    def _repr_html_(self) -> str:
        from workbench.strategy.picture import to_svg

        return to_svg(self)

    @property
    def simple(self) -> bool:
        """Whether `decide` covers them: market entries, stops and targets by distance, nothing else."""
        return self.trail is None and self.fast

    @property
    def fast(self) -> bool:
        """Whether `decide_trailing` covers them: the same with a trailing stop."""
        return (
            isinstance(self.entry, AtMarket)
            and isinstance(self.size, Units | Lots | RiskFraction)
            and not any(isinstance(item, Level | BySide) for item in (self.stop, self.target, self.trail))
            and self.max_bars is None
            and all(item is None for item in (self.add_long, self.add_short, self.reduce, self.rebalance))
        )

    def side(self, name: str, *, long: bool) -> Any:
        """`stop`, `target`, `trail`, `entry` or `reduce` of one side."""
        return sides(getattr(self, name))[0 if long else 1]

    def columns(self) -> dict[str, Expr | None]:
        """Every expression that is computed at each bar: the `FLAGS`, then the `NUMBERS`."""
        found: dict[str, Expr | None] = {}
        for name in FLAGS:
            if name.startswith("reduce"):
                part = self.side("reduce", long=name.endswith("long"))
                found[name] = None if part is None else part.when
            else:
                found[name] = getattr(self, name)
        for name in ("stop", "target", "trail"):
            for side in ("long", "short"):
                item = self.side(name, long=side == "long")
                found[f"{name}_{side}"] = item.level if isinstance(item, Level) else item
        for side in ("long", "short"):
            found[f"entry_{side}"] = level_of(self.side("entry", long=side == "long"))
        found["volatility"] = _volatility(self.size)
        found["add_volatility"] = _volatility(self.add_size)
        return found

    def expressions(self) -> Iterator[tuple[str, Expr | None]]:
        """The conditions and numbers of every bar by name, always in the same order."""
        yield from self.columns().items()

    def settings(self) -> Iterator[tuple[str, Any]]:
        """What was declared, by name, in the order of a rule's code; the size comes last."""
        defaults = {"expires_bars": 1, "max_adds": 1, "rebalance_band": 0.0}
        names = (
            *("enter_long", "enter_short", "exit_long", "exit_short", "entry", "expires_bars"),
            *("stop", "target", "trail", "max_bars"),
            *("add_long", "add_short", "max_adds", "add_size", "reduce", "rebalance", "rebalance_band"),
        )
        for name in names:
            value = getattr(self, name)
            plain = (
                value == defaults[name] if name in defaults else value is None or isinstance(value, AtMarket)
            )
            if not plain:
                yield name, value
        yield "size", self.size

    def _checked_size(self, name: str, size: object) -> Size:
        if not isinstance(size, Size):
            raise BadInputError(
                f"Rules {name}: expected Units(...), Lots(...), Cash(...), EquityFraction(...), "
                f"RiskFraction(...) or VolatilityTarget(...), found {size!r}"
            )
        if isinstance(size, RiskFraction):
            for side in ("long", "short"):
                if (
                    getattr(self, f"enter_{side}") is not None
                    and self.side("stop", long=side == "long") is None
                ):
                    raise BadInputError(
                        f"Rules {name}: RiskFraction needs a stop; give stop= or use Units(...)"
                    )
        return size


def sides(item: Any) -> tuple[Any, Any]:
    """The long and the short part of what may be given for both or by side."""
    return (item.long, item.short) if isinstance(item, BySide) else (item, item)


def _volatility(size: Size | None) -> Expr | None:
    if not isinstance(size, VolatilityTarget):
        return None
    if size.volatility is not None:
        return size.volatility
    assert size.lookback is not None  # one of the two is given
    close = bar.timeframe(size.timeframe).mid.close
    yearly = math.sqrt(_TRADING_DAYS * 86_400 / timeframe(size.timeframe).seconds)
    if timeframe(size.timeframe).seconds > 86_400:
        yearly = math.sqrt(365.25 * 86_400 / timeframe(size.timeframe).seconds)
    return log(close / close.lag(1)).rolling(size.lookback).std() * yearly


def _condition(name: str, value: object) -> Expr | None:
    if value is None:
        return None
    if not isinstance(value, Expr) or value.kind != TRUTH:
        raise BadInputError(f"Rules {name}: expected a condition such as a > b, found {value!r}")
    return value


def _by_side(name: str, value: object, *, level: bool = True) -> Any:
    if isinstance(value, BySide):
        long, short = (
            _distance(f"{name} {side}", getattr(value, side), level=level) for side in ("long", "short")
        )
        return None if long is None and short is None else BySide(long=long, short=short)
    return _distance(name, value, level=level)


def _distance(name: str, value: object, *, level: bool) -> Expr | Level | None:
    if value is None or (level and isinstance(value, Level)):
        return value
    item = expression(value, what=f"Rules {name}")
    if item.kind == TRUTH:
        raise BadInputError(f"Rules {name}: expected a distance in points, found the condition {item!r}")
    constant = dict(item.data).get("value") if item.op in ("const", "pips") else None
    if constant is not None and not (math.isfinite(constant) and constant > 0):
        raise BadInputError(f"Rules {name}: expected a distance above 0, found {item!r}")
    if item.op == "const" and constant is not None and constant <= 0.5:
        raise BadInputError(
            f"Rules {name}: expected a distance of a point or more, found {item!r}; distances are in points, "
            "pips(20) is 20 pips"
        )
    return item


def _entry(value: object) -> Entry | BySide[Entry]:
    if value is None:
        return AtMarket()
    for part in sides(value):
        if not isinstance(part, AtMarket | LimitAt | StopAt | TouchAt | None):
            raise BadInputError(
                f"Rules entry: expected AtMarket(), LimitAt(...), StopAt(...) or TouchAt(...), found {part!r}"
            )
    if isinstance(value, BySide):
        return BySide(long=value.long or AtMarket(), short=value.short or AtMarket())
    return value  # type: ignore[return-value]  # an Entry, just checked


def _reduce(value: object) -> Reduce | BySide[Reduce] | None:
    if isinstance(value, tuple):
        if len(value) != 2:
            raise BadInputError(f"Rules reduce: expected (condition, fraction), found {value!r}")
        return Reduce(value[0], value[1])
    for part in sides(value):
        if not isinstance(part, Reduce | None):
            raise BadInputError(
                f"Rules reduce: expected Reduce(...) or (condition, fraction), found {part!r}"
            )
    return value  # type: ignore[return-value]  # just checked


def _whole(name: str, value: object, *, least: int) -> int:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= MAX_BARS:  # type: ignore[operator]  # a whole number
        raise BadInputError(
            f"Rules {name}: expected a whole number from {least} to {MAX_BARS:,}, found {value!r}"
        )
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def _band(value: object) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0.0 <= float(value) < math.inf:  # type: ignore[arg-type]  # a real number
        raise BadInputError(f"Rules rebalance_band: expected a fraction of 0 or more, found {value!r}")
    return float(value)  # type: ignore[arg-type]  # a real number
