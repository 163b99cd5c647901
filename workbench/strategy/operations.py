"""The operations of rules beyond arithmetic: functions, windows, memory, and across the instruments traded.

Each is declared once, with its kernel; text, JSON, programs and streams follow from the declaration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from workbench.errors import BadInputError
from workbench.indicators import Indicator, Number, indicators, n_bars
from workbench.strategy import window_kernels as k
from workbench.strategy.expressions import ACROSS, NUMBER, TRUTH, Expr, expression, number_expression

__all__ = [
    "OPERATIONS",
    "Operation",
    "bars_since",
    "count_true",
    "cross_count",
    "cross_mean",
    "cross_zscore",
    "exp",
    "floor",
    "is_known",
    "kernel_of",
    "log",
    "power",
    "rank",
    "rolling_quantile",
    "rolling_rank",
    "rolling_sum",
    "sign",
    "sqrt",
    "value_when",
    "where",
]

ANY = "any"
MAX_BACK = 1_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its kernel, what it takes and what it gives."""

    kernel: Indicator
    takes: tuple[str, ...]
    gives: str = NUMBER

    @property
    def name(self) -> str:
        """What it is called, in code, text and JSON."""
        return self.kernel.name

    def __call__(self, *args: object, **settings: object) -> Expr:
        """The expression of these operands and settings, checked."""
        if len(args) != len(self.takes):
            raise BadInputError(f"{self.name}: expected {len(self.takes)} operands, found {len(args)}")
        operands = tuple(_operand(item, kind, self.name) for item, kind in zip(args, self.takes, strict=True))
        values = self.kernel.settings(**settings)
        data = tuple((item.name, value) for item, value in zip(self.kernel.parameters, values, strict=True))
        kind = self.gives if self.gives != ANY else operands[-1].kind
        return Expr(self.name, operands, kind=kind, data=data)


def _operand(value: object, kind: str, name: str) -> Expr:
    if kind == NUMBER:
        return number_expression(value, name)
    item = expression(value, what=name)
    if kind == TRUTH and item.kind != TRUTH:
        raise BadInputError(f"{name}: expected a condition such as a > b, found {item!r}")
    return item


def _function(name: str, which: int, doc: str) -> Operation:
    return Operation(Indicator(name, k.function_kernel, constants=[which], doc=doc), (NUMBER,))


def _window(
    name: str, kernel: Callable[..., None], *, size: Callable[[int], int], least: int = 1
) -> Indicator:
    return Indicator(name, kernel, parameters=[n_bars(least=least)], state=size, warm_up=lambda n: n - 1)


_ALL = (
    _function("log", k.LOG, "Natural logarithm; unknown for 0 and less."),
    _function("exp", k.EXP, "The exponential."),
    _function("sqrt", k.SQRT, "Square root; unknown for less than 0."),
    _function("sign", k.SIGN, "1, 0 or -1."),
    _function("floor", k.FLOOR, "The next whole number at or below."),
    Operation(
        Indicator("power", k.power_kernel, parameters=[Number(name="exponent", low=-1e3, high=1e3)]),
        (NUMBER,),
    ),
    Operation(Indicator("is_known", k.known_kernel), (ANY,), TRUTH),
    Operation(Indicator("where", k.where_kernel, inputs=("condition", "a", "b")), (TRUTH, ANY, ANY), ANY),
    Operation(Indicator("bars_since", k.bars_since_kernel, inputs=("condition",), state=1), (TRUTH,)),
    Operation(
        Indicator(
            "value_when",
            k.value_when_kernel,
            inputs=("condition", "values"),
            parameters=[Number(name="back", low=0, high=MAX_BACK, default=0, whole=True)],
            state=lambda back: 3 + back,
        ),
        (TRUTH, ANY),
        ANY,
    ),
    Operation(_window("count_true", k.count_true_kernel, size=lambda n: 3 + n), (TRUTH,)),
    Operation(_window("rolling_sum", k.rolling_sum_kernel, size=lambda n: 3 + n), (NUMBER,)),
    Operation(_window("rolling_rank", k.rolling_rank_kernel, size=lambda n: 2 + n, least=2), (NUMBER,)),
    Operation(
        Indicator(
            "rolling_quantile",
            k.rolling_quantile_kernel,
            parameters=[n_bars(), Number(name="q", low=0.0, high=1.0)],
            state=lambda n, q: 2 + 2 * n,
            warm_up=lambda n, q: n - 1,
        ),
        (NUMBER,),
    ),
)
OPERATIONS: Mapping[str, Operation] = MappingProxyType({item.name: item for item in _ALL})


def kernel_of(item: Expr) -> Indicator | None:
    """The kernel that computes an expression; None when it is no kernel's."""
    found = OPERATIONS.get(item.op)
    return found.kernel if found is not None else indicators().get(item.op)


def log(value: Expr | float) -> Expr:
    """Natural logarithm; unknown for 0 and less."""
    return OPERATIONS["log"](value)


def exp(value: Expr | float) -> Expr:
    """The exponential."""
    return OPERATIONS["exp"](value)


def sqrt(value: Expr | float) -> Expr:
    """Square root; unknown for less than 0."""
    return OPERATIONS["sqrt"](value)


def sign(value: Expr | float) -> Expr:
    """1, 0 or -1."""
    return OPERATIONS["sign"](value)


def floor(value: Expr | float) -> Expr:
    """The next whole number at or below."""
    return OPERATIONS["floor"](value)


def power(value: Expr | float, exponent: float) -> Expr:
    """The value to a fixed power; unknown where there is none."""
    return OPERATIONS["power"](value, exponent=exponent)


def is_known(value: Expr) -> Expr:
    """True where the value is known: after its warm-up, and not divided by 0."""
    return OPERATIONS["is_known"](value)


def where(condition: Expr, then: Expr | float, otherwise: Expr | float) -> Expr:
    """One value where a condition holds, another where it does not; unknown where the condition is.

    Raises
    ------
    BadInputError
        No condition, or a number on one side and a condition on the other.
    """
    found = OPERATIONS["where"](condition, then, otherwise)
    if found.args[1].kind != found.args[2].kind:
        raise BadInputError(
            f"where: expected two numbers or two conditions, found {found.args[1]!r} and {found.args[2]!r}"
        )
    return found


def bars_since(condition: Expr) -> Expr:
    """Bars since a condition was last true, 0 at a bar where it is; unknown before it ever was."""
    return OPERATIONS["bars_since"](condition)


def value_when(condition: Expr, value: Expr | float, back: int = 0) -> Expr:
    """The value at the last bar where a condition was true, or `back` such bars earlier."""
    return OPERATIONS["value_when"](condition, value, back=back)


def count_true(condition: Expr, lookback_bars: int) -> Expr:
    """At how many of the last bars a condition was true."""
    return OPERATIONS["count_true"](condition, n=lookback_bars)


def rolling_sum(value: Expr, lookback_bars: int) -> Expr:
    """Sum of the last values."""
    return OPERATIONS["rolling_sum"](value, n=lookback_bars)


def rolling_quantile(value: Expr, lookback_bars: int, q: float) -> Expr:
    """A quantile of the last values, from 0 (the least) to 1, as numpy's default."""
    return OPERATIONS["rolling_quantile"](value, n=lookback_bars, q=q)


def rolling_rank(value: Expr, lookback_bars: int) -> Expr:
    """Where the newest of the last values stands among them: 0 the least, 1 the greatest."""
    return OPERATIONS["rolling_rank"](value, n=lookback_bars)


def rank(value: Expr) -> Expr:
    """Place among the instruments traded whose bars closed at this time: 1 for the least, ties shared."""
    return across("rank", value)


def cross_mean(value: Expr) -> Expr:
    """Mean over the instruments traded whose bars closed at this time and whose value is known."""
    return across("cross_mean", value)


def cross_zscore(value: Expr) -> Expr:
    """Distance from that mean in population deviations; 0 where all are alike."""
    return across("cross_zscore", value)


def cross_count(value: Expr) -> Expr:
    """How many instruments have a known value at this time."""
    return across("cross_count", value)


def across(op: str, value: object) -> Expr:
    """An operation of `ACROSS`."""
    assert op in ACROSS
    return Expr(op, (expression(value, what=op),))
