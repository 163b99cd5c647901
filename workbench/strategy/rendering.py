"""Expressions as text that reads like the code that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.indicators import indicators
from workbench.indicators.declaring import VOLUME, Indicator
from workbench.strategy.sessions import SESSIONS

if TYPE_CHECKING:
    from workbench.strategy.expressions import Expr
    from workbench.strategy.rules import Rules

__all__ = ["to_text", "view_text"]

_INFIX = {
    "add": ("+", 5), "sub": ("-", 5), "mul": ("*", 6), "div": ("/", 6),
    "lt": ("<", 1), "le": ("<=", 1), "gt": (">", 1), "ge": (">=", 1), "eq": ("==", 1), "ne": ("!=", 1),
    "or": ("|", 2), "and": ("&", 4),
}  # fmt: skip
_UNARY, _ATOM = 7, 9
_CALLS = {"min": "minimum", "max": "maximum"}
_MAX_TEXT = 20_000


def to_text(expr: Expr | Rules) -> str:
    """An expression in the notation of a rule, or whole rules; cut after 20,000 characters."""
    from workbench.strategy.rules import Rules

    text = repr(expr) if isinstance(expr, Rules) else _render(expr, {})[0]
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


def view_text(where: Mapping[str, Any]) -> str:
    """The bar of an instrument and a timeframe as code."""
    of = f'.of("{where["instrument"]}")' if "instrument" in where else ""
    timeframe = f'.timeframe("{where["timeframe"]}")' if "timeframe" in where else ""
    return f"bar{of}{timeframe}"


def _local(data: Mapping[str, Any]) -> str:
    """A part of a city's clock."""
    zone = next((name for name, item in SESSIONS.items() if item.zone == data["zone"]), data["zone"])
    view = view_text(data)
    if data["part"] != "in_session":
        if (data["part"], zone) == ("minute", "new_york"):
            return f"{view}.minute"
        return f'{view}.{data["part"]}_in("{zone}")'
    usual = SESSIONS.get(zone)
    hours = "".join(
        f', {name}="{data[name] // 60:02d}:{data[name] % 60:02d}"'
        for name in ("start", "end")
        if usual is None or data[name] != getattr(usual, name)
    )
    return f'{"" if view == "bar" else view + "."}in_session("{zone}"{hours})'


def _render(expr: Expr, seen: dict[str, tuple[str, int]]) -> tuple[str, int]:
    """Text and binding strength."""
    if expr.key in seen:
        return seen[expr.key]
    result = _render_new(expr, seen)
    if len(result[0]) > _MAX_TEXT:
        result = (result[0][:_MAX_TEXT], result[1])
    seen[expr.key] = result
    return result


def _render_new(expr: Expr, seen: dict[str, tuple[str, int]]) -> tuple[str, int]:
    data = dict(expr.data)
    op = expr.op
    if op == "price":
        return f"{view_text(data)}.{data['side']}.{data['field']}", _ATOM
    if op in ("hour", "weekday", "session", "just_closed"):
        return f"{view_text(data)}.{op}", _ATOM
    if op == "local":
        return _local(data), _ATOM
    if op == "const":
        value = data["value"]
        return (
            f"{value:g}" if float(f"{value:g}") == value else repr(value)
        ), _ATOM if value >= 0 else _UNARY
    if op == "level":
        return f'price("{data["value"]}")', _ATOM
    if op == "pips":
        return f"pips({data['value']:g})", _ATOM
    if found := indicators().get(op):
        return _call(found, expr, seen), _ATOM
    parts = [_render(item, seen) for item in expr.args]
    if op in _INFIX:
        sign, strength = _INFIX[op]
        left = _enclosed(parts[0], above=strength if strength == 1 else strength - 1)
        right = _enclosed(parts[1], above=strength)
        return f"{left} {sign} {right}", strength
    if op in ("neg", "not"):
        inner = _enclosed(parts[0], above=_UNARY - 1)
        return ("-" if op == "neg" else "~") + inner, _UNARY
    if op == "lag":
        inner = _enclosed(parts[0], above=_ATOM - 1)
        return f"{inner}.lag({data['n']})", _ATOM
    if op == "causal":
        given = [f"{name}={_number(value)}" for name, value in data["settings"].items()]
        return f"{data['function']}({', '.join([*(text for text, _ in parts), *given])})", _ATOM
    if op == "predict":
        return f"predict({data['model'][:12]}, [{', '.join(text for text, _ in parts)}])", _ATOM
    inside = [text for text, _ in parts]
    inside += [_number(value) for name, value in expr.data if (name, value) != ("back", 0)]
    return f"{_CALLS.get(op, op)}({', '.join(inside)})", _ATOM


def _call(of: Indicator, expr: Expr, seen: dict[str, tuple[str, int]]) -> str:
    """An indicator as it is called: the bar or series, then the parameters that are not the usual ones."""
    data = dict(expr.data)
    inside: list[str] = []
    if of.prices:
        first = dict(expr.args[of.inputs.index(of.prices[0])].data)
        view, side = view_text(first), first["side"]
        inside.append(view if side == "mid" else f"{view}.{side}")
    named = [(name, arg) for name, arg in zip(of.inputs, expr.args, strict=True)]
    inside += [_render(arg, seen)[0] for name, arg in named if name in of.series]
    plain = True  # as long as none was left out, values need no name
    for item in of.parameters:
        value = data[item.name]
        if value == item.default:
            plain = False
            continue
        text = (
            repr(value)
            if isinstance(value, int)
            else f'"{value}"'
            if isinstance(value, str)
            else f"{value:g}"
        )
        inside.append(text if plain and item.default is None else f"{item.name}={text}")
    inside += [f"{name}={_render(arg, seen)[0]}" for name, arg in named if name == VOLUME]
    output = f".{data['output']}" if len(of.outputs) > 1 else ""
    return f"{of.name}({', '.join(inside)}){output}"


def _number(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _enclosed(part: tuple[str, int], *, above: int) -> str:
    """The text, in parentheses unless it binds stronger than `above`."""
    return part[0] if part[1] > above else f"({part[0]})"
