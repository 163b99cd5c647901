"""Rules as expressions: what `Strategy.rules` is traced into.

An expression is a value of every bar, made from prices, indicators, arithmetic and comparisons. It can
look back (`lag`, indicators) and never ahead, so it is causal by construction. Prices are in points,
stamped by the bar they belong to and known at its close. Expressions are immutable; equal ones have equal
`key`, and are computed once.
"""

import hashlib
import json
import math
import numbers
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.indicators import lookback
from workbench.strategy.rendering import to_text, view_text
from workbench.strategy.sessions import SESSIONS, minute_of_day, zone_named

if TYPE_CHECKING:
    from workbench.strategy.windows import Rolling

__all__ = [
    "MAX_NODES",
    "BarExpr",
    "Expr",
    "Model",
    "SideExpr",
    "bar",
    "crosses_above",
    "crosses_below",
    "expression",
    "in_session",
    "maximum",
    "minimum",
    "number_expression",
    "pips",
    "predict",
    "price",
]

NUMBER, TRUTH = "number", "truth"
MAX_NODES = 10_000
SIDES = ("bid", "ask", "mid")
FIELDS = ("open", "high", "low", "close")
Where = tuple[tuple[str, str], ...]  # instrument and timeframe, where they are not the strategy's own
OWN = ("", "")
_AT_EVERY_BAR = frozenset({"const", "level", "pips"})
ACROSS = ("rank", "cross_mean", "cross_zscore", "cross_count")  # the instruments traded
_NAME = re.compile(r"[A-Z0-9]{2,12}_[A-Z0-9]{2,12}|[A-Za-z0-9]+[.][A-Z0-9]{4}")


@runtime_checkable
class Model(Protocol):
    """A trained model in its live form: one row of features in, one number out."""

    @property
    def feature_names(self) -> Sequence[str]:
        """The features of a row, in order."""

    @property
    def digest(self) -> str:
        """Hash of the model's content, hexadecimal."""

    def predict_one(self, row: Any, /) -> float:
        """The prediction for one row of features, float64[k]."""


class Expr:
    """One node: an operation on other expressions."""

    __slots__ = ("__dict__", "args", "data", "kind", "model", "op")  # model: or a function of the user's

    def __init__(
        self,
        op: str,
        args: tuple["Expr", ...] = (),
        *,
        kind: str = NUMBER,
        data: tuple[tuple[str, Any], ...] = (),
        model: Any = None,
    ) -> None:
        self.op = op
        self.args = args
        self.kind = kind
        self.data = data
        self.model = model

    @cached_property
    def key(self) -> str:
        """Canonical text: equal for expressions that compute the same."""
        inner = ",".join(item.key for item in self.args)
        data = json.dumps(dict(self.data), sort_keys=True) if self.data else ""
        return _short(f"{self.op}{data}({inner})")

    @cached_property
    def clock(self) -> tuple[str, str] | None:
        """Whose bars it goes by, as (instrument, timeframe), both "" for the strategy's own; None for any."""
        if self.op in _AT_EVERY_BAR:
            return None
        if self.op in ACROSS or self.op == "just_closed":
            return OWN
        if not self.args:
            data = dict(self.data)
            return data.get("instrument", ""), data.get("timeframe", "")
        found = {item.clock for item in self.args} - {None}
        return found.pop() if len(found) == 1 else OWN if found else None

    def lag(self, bars: int) -> "Expr":
        """The value `bars` bars ago, 1 or more.

        Raises
        ------
        BadInputError
            `bars` is not a whole number of 1 or more; looking ahead can not be written.
        """
        k = lookback(bars, name="lag (bars back; the future can not be read)")
        return Expr("lag", (self,), kind=self.kind, data=(("n", k),))

    def rolling(self, bars: int) -> "Rolling":
        """The last `bars` values, this one included, as in ``x.rolling(20).quantile(0.9)``."""
        from workbench.strategy.windows import Rolling

        return Rolling(self, bars)

    def __repr__(self) -> str:
        return to_text(self)

    def __bool__(self) -> bool:
        raise BadInputError(
            f"{self!r} has a value at every bar, not one truth; combine with & | ~ instead of and, or, not, "
            "put each comparison in parentheses, and do not chain a < b < c"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> "Expr":
        from workbench.strategy.numpy_functions import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> "Expr":
        from workbench.strategy.numpy_functions import apply_function

        return apply_function(function, args, options)

    def __float__(self) -> float:
        raise BadInputError(
            f"{self!r} has a value at every bar, not one number; write log(x), sqrt(x) and the like of "
            "workbench.strategy for those of math, or a @causal(window=...) function"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> "Expr":  # type: ignore[override]  # a comparison at every bar
        return _compare("eq", self, other)

    def __ne__(self, other: object) -> "Expr":  # type: ignore[override]  # a comparison at every bar
        return _compare("ne", self, other)

    def __lt__(self, other: object) -> "Expr":
        return _compare("lt", self, other)

    def __le__(self, other: object) -> "Expr":
        return _compare("le", self, other)

    def __gt__(self, other: object) -> "Expr":
        return _compare("gt", self, other)

    def __ge__(self, other: object) -> "Expr":
        return _compare("ge", self, other)

    def __add__(self, other: object) -> "Expr":
        return _arithmetic("add", self, other)

    def __radd__(self, other: object) -> "Expr":
        return _arithmetic("add", other, self)

    def __sub__(self, other: object) -> "Expr":
        return _arithmetic("sub", self, other)

    def __rsub__(self, other: object) -> "Expr":
        return _arithmetic("sub", other, self)

    def __mul__(self, other: object) -> "Expr":
        return _arithmetic("mul", self, other)

    def __rmul__(self, other: object) -> "Expr":
        return _arithmetic("mul", other, self)

    def __truediv__(self, other: object) -> "Expr":
        return _arithmetic("div", self, other)

    def __rtruediv__(self, other: object) -> "Expr":
        return _arithmetic("div", other, self)

    def __neg__(self) -> "Expr":
        return Expr("neg", (number_expression(self, "-"),))

    def __abs__(self) -> "Expr":
        return Expr("abs", (number_expression(self, "abs"),))

    def __and__(self, other: object) -> "Expr":
        return Expr("and", (_truth(self, "&"), _truth(other, "&")), kind=TRUTH)

    def __or__(self, other: object) -> "Expr":
        return Expr("or", (_truth(self, "|"), _truth(other, "|")), kind=TRUTH)

    def __rand__(self, other: object) -> "Expr":
        return Expr("and", (_truth(other, "&"), self), kind=TRUTH)

    def __ror__(self, other: object) -> "Expr":
        return Expr("or", (_truth(other, "|"), self), kind=TRUTH)

    def __invert__(self) -> "Expr":
        return Expr("not", (_truth(self, "~"),), kind=TRUTH)


def _short(text: str) -> str:
    """`text`, or its hash when long, so that keys of deep expressions stay small."""
    if len(text) <= 80:
        return text
    return "#" + hashlib.sha256(text.encode()).hexdigest()


def expression(value: object, *, what: str = "value") -> Expr:
    """`value` as an expression: itself, or a constant.

    Raises
    ------
    BadInputError
        It is neither an expression nor a finite number.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real | Decimal):
        raise BadInputError(f"{what}: expected an expression or a number, found {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise BadInputError(f"{what}: expected a finite number, found {value!r}")
    return Expr("const", data=(("value", number + 0.0),))  # no minus zero, which reads like zero


def number_expression(value: object, what: str) -> Expr:
    """`value` as an expression that is a number.

    Raises
    ------
    BadInputError
        It is neither an expression nor a finite number, or it is a condition.
    """
    item = expression(value, what=what)
    if item.kind != NUMBER:
        raise BadInputError(f"{what}: expected a number, found the condition {item!r}")
    return item


def _truth(value: object, what: str) -> Expr:
    if not isinstance(value, Expr) or value.kind != TRUTH:
        raise BadInputError(
            f"{what}: expected a condition such as a > b, found {value!r}; put comparisons in parentheses"
        )
    return value


def _compare(op: str, left: object, right: object) -> Expr:
    return Expr(op, (number_expression(left, op), number_expression(right, op)), kind=TRUTH)


def _arithmetic(op: str, left: object, right: object) -> Expr:
    return Expr(op, (number_expression(left, op), number_expression(right, op)))


class SideExpr:
    """Open, high, low and close of one side of the market, in points."""

    def __init__(self, side: str, of: "BarExpr") -> None:
        self._side = side
        self.bar = of

    def __repr__(self) -> str:
        return f"{self.bar!r}.{self._side}"

    def _field(self, field: str) -> Expr:
        return Expr("price", data=(("side", self._side), ("field", field), *self.bar.where))

    @property
    def open(self) -> Expr:
        """First price of the bar."""
        return self._field("open")

    @property
    def high(self) -> Expr:
        """Highest price of the bar."""
        return self._field("high")

    @property
    def low(self) -> Expr:
        """Lowest price of the bar."""
        return self._field("low")

    @property
    def close(self) -> Expr:
        """Last price of the bar."""
        return self._field("close")


class BarExpr:
    """The bar that has just closed. `mid` is the mean of bid and ask, field by field.

    `timeframe` and `of` give the last completed bar of a longer timeframe and of another instrument. What is
    made of such bars alone goes by them: ``sma(bar.timeframe("H4").mid.close, 20)`` is the mean of twenty
    four-hour bars. Where it meets anything else, its value is the last one known at the bar's close.
    """

    def __init__(self, *, instrument: str = "", timeframe: str = "") -> None:
        self.where: Where = tuple(
            (name, value) for name, value in (("instrument", instrument), ("timeframe", timeframe)) if value
        )
        self.bid, self.ask, self.mid = (SideExpr(side, self) for side in SIDES)

    def __repr__(self) -> str:
        return view_text(dict(self.where))

    def timeframe(self, name: str) -> "BarExpr":
        """The last completed bar of a longer timeframe, made of the bars that the strategy runs on.

        It is known when its time is over, never before; days end at 17:00 New York.
        """
        if "timeframe" in dict(self.where):
            raise BadInputError(f"{self!r}: a longer bar has no timeframes of its own; ask bar for it")
        return BarExpr(
            instrument=dict(self.where).get("instrument", ""), timeframe=str(timeframe_named(name))
        )

    def of(self, instrument: str) -> "BarExpr":
        """The last bar of another instrument that has closed by the close of this one."""
        if self.where:
            raise BadInputError(f"{self!r}: ask bar for another instrument, then for its timeframe")
        if not isinstance(instrument, str) or not _NAME.fullmatch(instrument):
            raise BadInputError(f"bar.of: expected an instrument such as GBP_USD, found {instrument!r}")
        return BarExpr(instrument=instrument)

    @property
    def just_closed(self) -> Expr:
        """True where this bar has closed since the bar before, so that its values are new."""
        return Expr("just_closed", kind=TRUTH, data=self.where)

    @property
    def hour(self) -> Expr:
        """New York hour of the bar's open, 0 to 23."""
        return Expr("hour", data=self.where)

    @property
    def weekday(self) -> Expr:
        """New York weekday of the bar's open, Monday 0 to Sunday 6."""
        return Expr("weekday", data=self.where)

    @property
    def session(self) -> Expr:
        """Number of the FX day of the bar's open; a day ends at 17:00 in New York."""
        return Expr("session", data=self.where)

    @property
    def minute(self) -> Expr:
        """Minute of the hour of the bar's open, 0 to 59, in New York."""
        return self._local("minute", "new_york")

    def hour_in(self, city: str) -> Expr:
        """Hour of the bar's open by the clock of a city or an IANA zone, 0 to 23."""
        return self._local("hour", city)

    def weekday_in(self, city: str) -> Expr:
        """Weekday of the bar's open by the clock of a city or an IANA zone, Monday 0 to Sunday 6."""
        return self._local("weekday", city)

    def minute_in(self, city: str) -> Expr:
        """Minute of the bar's open by the clock of a city or an IANA zone, 0 to 59."""
        return self._local("minute", city)

    def in_session(self, session: str, *, start: str | None = None, end: str | None = None) -> Expr:
        """Whether the bar opens within a session: Monday to Friday, by the clock of the session's city.

        Parameters
        ----------
        session
            ``"tokyo"``, ``"london"``, ``"new_york"``, ``"sydney"``, or an IANA zone with `start` and `end`.
        start, end
            Other local hours, as in ``start="08:00", end="10:30"``; the end is not included. An end before
            the start is that of the next day.
        """
        known = SESSIONS.get(session) if isinstance(session, str) else None
        if known is None and (start is None or end is None):
            raise BadInputError(
                f"in_session: expected one of {', '.join(SESSIONS)}, or a zone with start= and end=, "
                f"found {session!r}"
            )
        first = minute_of_day(start) if start is not None or known is None else known.start
        last = minute_of_day(end) if end is not None or known is None else known.end
        if first == last:
            raise BadInputError(f"in_session: expected a start and another end, found {start!r} twice")
        hours = (("start", first), ("end", last))
        data = (("part", "in_session"), ("zone", zone_named(session)), *hours, *self.where)
        return Expr("local", kind=TRUTH, data=data)

    def _local(self, part: str, city: str) -> Expr:
        return Expr("local", data=(("part", part), ("zone", zone_named(city)), *self.where))


bar = BarExpr()
in_session = bar.in_session


def price(value: Decimal | str | float) -> Expr:
    """A price level such as ``price("1.05")``, in points of whatever instrument is traded."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise BadInputError(f"price: expected a price above 0, found {value!r}")
    return Expr("level", data=(("value", str(number)),))


def pips(value: float) -> Expr:
    """A distance in pips, in points of whatever instrument is traded."""
    constant = expression(value, what="pips")
    if constant.op != "const":
        raise BadInputError(f"pips: expected a number, found {value!r}; multiply pips(1) by an expression")
    return Expr("pips", data=constant.data)


def minimum(left: Expr | float, right: Expr | float) -> Expr:
    """The lesser of two values at every bar; NaN if either is."""
    return _arithmetic("min", left, right)


def maximum(left: Expr | float, right: Expr | float) -> Expr:
    """The greater of two values at every bar; NaN if either is."""
    return _arithmetic("max", left, right)


def crosses_above(left: Expr | float, right: Expr | float) -> Expr:
    """True at the bar where `left` is above `right` and was not at the bar before."""
    return Expr(
        "crosses_above",
        (number_expression(left, "crosses_above"), number_expression(right, "crosses_above")),
        kind=TRUTH,
    )


def crosses_below(left: Expr | float, right: Expr | float) -> Expr:
    """True at the bar where `left` is below `right` and was not at the bar before."""
    return Expr(
        "crosses_below",
        (number_expression(left, "crosses_below"), number_expression(right, "crosses_below")),
        kind=TRUTH,
    )


def predict(model: Model, features: Sequence[Expr | float]) -> Expr:
    """The model's prediction at every bar; NaN, without asking it, where a feature is NaN.

    Raises
    ------
    BadInputError
        `model` has not the parts of `Model`, or needs another number of features.
    """
    if not isinstance(model, Model):
        raise BadInputError(
            f"predict: expected a model with feature_names, digest and predict_one, found {model!r}"
        )
    if isinstance(features, Expr) or len(features) != len(model.feature_names) or not features:
        names = ", ".join(model.feature_names)
        found = 1 if isinstance(features, Expr) else len(features)
        raise BadInputError(
            f"predict: expected a list of {len(model.feature_names)} ({names}), found {found}"
        )
    args = tuple(
        number_expression(item, f"feature {name}")
        for name, item in zip(model.feature_names, features, strict=True)
    )
    data = (("features", list(model.feature_names)), ("model", str(model.digest)))
    return Expr("predict", args, data=data, model=model)
