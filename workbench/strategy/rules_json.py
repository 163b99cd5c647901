"""Rules as JSON and back: what is stored with a run, and what a form writes.

A number is a constant; anything else is an object with "op", its operands in "of" and its settings by name,
as in ``{"op": "sma", "of": [{"op": "price", "side": "mid", "field": "close"}], "n": 20}``. Everything read
back goes through the same checks as rules written in code.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.errors import BadInputError
from workbench.indicators import indicators
from workbench.strategy import expressions as ex
from workbench.strategy.expressions import Expr, Model
from workbench.strategy.indicator_expressions import from_settings, to_settings
from workbench.strategy.rules import RiskFraction, Rules, Units
from workbench.strategy.sizes import size_settings

__all__ = ["expression_from_json", "expression_to_json", "rules_from_json", "rules_to_json"]

MAX_DEPTH = 200

_BINARY: dict[str, Callable[[Any, Any], Expr]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "min": ex.minimum,
    "max": ex.maximum,
    "crosses_above": ex.crosses_above,
    "crosses_below": ex.crosses_below,
}
_UNARY: dict[str, Callable[[Any], Expr]] = {"neg": lambda a: -a, "abs": abs, "not": lambda a: ~a}
_LEAF: dict[str, Callable[[], Expr]] = {
    "hour": lambda: ex.bar.hour,
    "weekday": lambda: ex.bar.weekday,
    "session": lambda: ex.bar.session,
}


def expression_to_json(expr: Expr) -> Any:
    """`expr` as a plain value."""
    return _write(expr, 0)


def _write(expr: Expr, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadInputError(f"expected rules nested at most {MAX_DEPTH} deep, found deeper ones")
    data = dict(expr.data)
    if expr.op == "const":
        return data["value"]
    operands: Sequence[Expr] = expr.args
    if found := indicators().get(expr.op):
        data, operands = to_settings(found, expr)
    value = {"op": expr.op, **data}
    if operands:
        value["of"] = [_write(item, depth + 1) for item in operands]
    return value


def expression_from_json(value: Any, *, models: Mapping[str, Model] | None = None) -> Expr:
    """The expression that `expression_to_json` wrote.

    Parameters
    ----------
    models
        Models by digest, for predict nodes.

    Raises
    ------
    BadInputError
        Not such a value; the message names the place.
    """
    return _read(value, models or {}, depth=0)


def _read(value: Any, models: Mapping[str, Model], *, depth: int) -> Expr:
    if depth > MAX_DEPTH:
        raise BadInputError(f"expected rules nested at most {MAX_DEPTH} deep, found deeper ones")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ex.expression(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("op"), str):
        raise BadInputError(f'expected a number or an object with "op", found {value!r}')
    op = value["op"]
    of = value.get("of", [])
    if not isinstance(of, list):
        raise BadInputError(f'{op}: expected a list in "of", found {of!r}')
    args = [_read(item, models, depth=depth + 1) for item in of]
    data = {name: item for name, item in value.items() if name not in ("op", "of")}
    return _make(op, args, data, models)


def _make(op: str, args: list[Expr], data: dict[str, Any], models: Mapping[str, Model]) -> Expr:
    if op in _BINARY:
        _shape(op, args, data, operands=2)
        return _BINARY[op](*args)
    if op in _UNARY:
        _shape(op, args, data, operands=1)
        return _UNARY[op](*args)
    if found := indicators().get(op):
        return from_settings(found, data, args)
    if op == "lag":
        _shape(op, args, data, operands=1, names=("n",))
        return args[0].lag(data["n"])
    if op in _LEAF:
        _shape(op, args, data, operands=0)
        return _LEAF[op]()
    if op == "const":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.expression(data["value"])
    if op == "price":
        _shape(op, args, data, operands=0, names=("side", "field"))
        if data["field"] not in ex.FIELDS:
            raise BadInputError(
                f"price field: expected one of {', '.join(ex.FIELDS)}, found {data['field']!r}"
            )
        return getattr(_side(op, data["side"]), data["field"])  # type: ignore[no-any-return]  # an Expr, checked
    if op == "level":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.price(data["value"])
    if op == "pips":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.pips(data["value"])
    if op == "predict":
        return _prediction(args, data, models)
    plain = ("const", "lag", "level", "pips", "predict", "price")
    known = sorted([*_BINARY, *_UNARY, *_LEAF, *plain, *indicators()])
    raise BadInputError(f"unknown operation {op!r}; known: {', '.join(known)}")


def _prediction(args: list[Expr], data: dict[str, Any], models: Mapping[str, Model]) -> Expr:
    if set(data) != {"model", "features"}:
        raise BadInputError(
            f"predict: expected model and features, found {', '.join(sorted(data)) or 'nothing'}"
        )
    digest = data["model"]
    if not isinstance(digest, str) or digest not in models:
        raise BadInputError(f"predict: model {digest!r} is not at hand; give it in models=")
    names = list(models[digest].feature_names)
    if data["features"] != names:
        raise BadInputError(
            f"predict: model {digest} takes the features {', '.join(names)}, found {data['features']!r}"
        )
    return ex.predict(models[digest], args)


def _shape(
    op: str, args: list[Expr], data: dict[str, Any], *, operands: int, names: tuple[str, ...] = ()
) -> None:
    if len(args) != operands or set(data) != set(names):
        raise BadInputError(
            f"{op}: expected {operands} operands and {', '.join(names) or 'no settings'}, "
            f"found {len(args)} and {', '.join(sorted(data)) or 'no settings'}"
        )


def _side(op: str, name: object) -> ex.SideExpr:
    if name not in ex.SIDES:
        raise BadInputError(f"{op} side: expected one of {', '.join(ex.SIDES)}, found {name!r}")
    return getattr(ex.bar, str(name))  # type: ignore[no-any-return]  # a SideExpr, checked above


def rules_to_json(rules: Rules) -> dict[str, Any]:
    """Rules as a plain value."""
    if not rules.simple:
        raise NotImplementedError
    names = ("enter_long", "enter_short", "exit_long", "exit_short", "stop", "target")
    parts = {
        name: expression_to_json(getattr(rules, name)) for name in names if getattr(rules, name) is not None
    }
    return {**parts, "size": dict(size_settings(rules.size))}


def rules_from_json(value: Mapping[str, Any], *, models: Mapping[str, Model] | None = None) -> Rules:
    """The rules that `rules_to_json` wrote, checked as if written in code.

    Raises
    ------
    BadInputError
        Not such a value; the message names the place.
    """
    if not isinstance(value, Mapping):
        raise BadInputError(f"rules: expected an object, found {value!r}")
    parts = dict(value)
    size = parts.pop("size", None)
    known = ("enter_long", "enter_short", "exit_long", "exit_short", "stop", "target")
    if extra := set(parts) - set(known):
        raise BadInputError(f"rules: unknown {', '.join(sorted(extra))}; known: {', '.join(known)}, size")
    expressions: dict[str, Any] = {
        name: expression_from_json(item, models=models) for name, item in parts.items()
    }
    return Rules(size=_size(size), **expressions)


def _size(value: object) -> Units | RiskFraction:
    if isinstance(value, Mapping) and len(value) == 1:
        (name, number), *_ = value.items()
        if name == "units":
            return Units(number)
        if name == "risk_fraction" and isinstance(number, int | float) and math.isfinite(number):
            return RiskFraction(number)
    raise BadInputError(f'rules size: expected {{"units": n}} or {{"risk_fraction": f}}, found {value!r}')
