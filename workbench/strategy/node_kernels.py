"""What the nodes of a program do to a block of bars: lags, crossings, arithmetic, comparisons and logic."""

import numpy as np
import numpy.typing as npt

from workbench.indicators import compiled

__all__ = [
    "OPS",
    "arithmetic_kernel",
    "comparison_kernel",
    "cross_kernel",
    "lag_kernel",
    "logic_kernel",
]

Floats = npt.NDArray[np.float64]

OPS = (
    "price", "const", "hour", "weekday", "session",
    "add", "sub", "mul", "div", "neg", "abs", "min", "max",
    "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not",
    "lag", "crosses_above", "crosses_below", "asked", "indicator", "filled", "input",
)  # fmt: skip
(
    PRICE, CONST, HOUR, WEEKDAY, SESSION,
    ADD, SUB, MUL, DIV, NEG, ABS, MIN, MAX,
    LT, LE, GT, GE, EQ, NE, AND, OR, NOT,
    LAG, CROSSES_ABOVE, CROSSES_BELOW, ASKED, INDICATOR, FILLED, INPUT,
) = range(29)  # fmt: skip


@compiled
def lag_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    position = int(state[at])
    ring = state[at + 1 : at + 1 + n]
    for i in range(x.shape[0]):
        out[i] = ring[position]
        ring[position] = x[i]
        position += 1
        if position == n:
            position = 0
    state[at] = position


@compiled
def cross_kernel(state: Floats, at: int, sign: float, a: Floats, b: Floats, out: Floats) -> None:
    """1 where sign * (a - b) turned positive, 0 where not, NaN where now or the bar before is unknown."""
    before_a, before_b = state[at], state[at + 1]
    for i in range(a.shape[0]):
        now_a, now_b = sign * a[i], sign * b[i]
        if now_a != now_a or now_b != now_b or before_a != before_a or before_b != before_b:
            out[i] = np.nan
        else:
            out[i] = 1.0 if now_a > now_b and before_a <= before_b else 0.0
        before_a, before_b = now_a, now_b
    state[at] = before_a
    state[at + 1] = before_b


@compiled
def arithmetic_kernel(op: int, a: Floats, b: Floats, out: Floats) -> None:
    m = out.shape[0]
    if op == ADD:
        for i in range(m):
            out[i] = a[i] + b[i]
    elif op == SUB:
        for i in range(m):
            out[i] = a[i] - b[i]
    elif op == MUL:
        for i in range(m):
            out[i] = a[i] * b[i]
    elif op == DIV:
        for i in range(m):
            out[i] = a[i] / b[i]
    elif op == NEG:
        for i in range(m):
            out[i] = -a[i]
    elif op == ABS:
        for i in range(m):
            out[i] = abs(a[i])
    else:
        for i in range(m):
            if a[i] != a[i] or b[i] != b[i]:
                out[i] = np.nan
            elif op == MIN:
                out[i] = a[i] if a[i] < b[i] else b[i]
            else:
                out[i] = a[i] if a[i] > b[i] else b[i]


@compiled
def comparison_kernel(op: int, a: Floats, b: Floats, out: Floats) -> None:
    """1 or 0; NaN where a side is NaN."""
    m = out.shape[0]
    if op == LT:
        for i in range(m):
            out[i] = 1.0 if a[i] < b[i] else 0.0
    elif op == LE:
        for i in range(m):
            out[i] = 1.0 if a[i] <= b[i] else 0.0
    elif op == GT:
        for i in range(m):
            out[i] = 1.0 if a[i] > b[i] else 0.0
    elif op == GE:
        for i in range(m):
            out[i] = 1.0 if a[i] >= b[i] else 0.0
    elif op == EQ:
        for i in range(m):
            out[i] = 1.0 if a[i] == b[i] else 0.0
    else:
        for i in range(m):
            out[i] = 1.0 if a[i] != b[i] else 0.0
    for i in range(m):
        if a[i] != a[i] or b[i] != b[i]:
            out[i] = np.nan


@compiled
def logic_kernel(op: int, a: Floats, b: Floats, out: Floats) -> None:
    """Three-valued: NaN is unknown, so False & unknown is False and True | unknown is True."""
    m = out.shape[0]
    if op == NOT:
        for i in range(m):
            out[i] = 1.0 - a[i]
    elif op == AND:
        for i in range(m):
            if a[i] == 0.0 or b[i] == 0.0:
                out[i] = 0.0
            else:
                out[i] = a[i] * b[i]
    else:
        for i in range(m):
            if a[i] == 1.0 or b[i] == 1.0:
                out[i] = 1.0
            else:
                out[i] = a[i] + b[i]
