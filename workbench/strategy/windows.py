"""Rolling windows of any expression: ``x.rolling(20).mean()``."""

from workbench.indicators import lookback
from workbench.strategy.expressions import TRUTH, Expr, number_expression
from workbench.strategy.indicator_expressions import constructor
from workbench.strategy.operations import OPERATIONS

__all__ = ["Rolling"]


class Rolling:
    """The last values of an expression, the newest included; unknown until there are enough of them."""

    __slots__ = ("bars", "value")

    def __init__(self, value: Expr, bars: int) -> None:
        self.value = value
        self.bars = lookback(bars, name="rolling lookback")

    def __repr__(self) -> str:
        return f"{self.value!r}.rolling({self.bars})"

    def mean(self) -> Expr:
        """Their mean."""
        return self._indicator("sma")

    def sum(self) -> Expr:
        """Their sum; of a condition, at how many of the bars it was true."""
        if self.value.kind == TRUTH:
            return OPERATIONS["count_true"](self.value, n=self.bars)
        return OPERATIONS["rolling_sum"](self.value, n=self.bars)

    def min(self) -> Expr:
        """The least of them."""
        return self._indicator("lowest")

    def max(self) -> Expr:
        """The greatest of them."""
        return self._indicator("highest")

    def std(self) -> Expr:
        """Their population standard deviation."""
        return self._indicator("stdev")

    def quantile(self, q: float) -> Expr:
        """Their quantile `q`, from 0 (the least) to 1 (the greatest)."""
        return OPERATIONS["rolling_quantile"](self.value, n=self.bars, q=q)

    def rank(self) -> Expr:
        """Where the newest stands among them: 0 the least, 1 the greatest."""
        return OPERATIONS["rolling_rank"](self.value, n=self.bars)

    def _indicator(self, name: str) -> Expr:
        found: Expr = constructor(name)(number_expression(self.value, name), self.bars)
        return found
