"""Rules as JSON and back: what is stored with a run, and what a form writes.

A number is a constant; anything else is an object with "op", its operands in "of" and its settings by name,
as in ``{"op": "sma", "of": [{"op": "price", "side": "mid", "field": "close"}], "n": 20}``. Everything read
back goes through the same checks as rules written in code. Models and functions of the user's are not
written, only named by their hash; who reads such rules has to give them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import BadInputError
from workbench.indicators import indicators
from workbench.strategy import expressions as ex
from workbench.strategy.causal import CausalFunction
from workbench.strategy.entries import AtMarket, BySide, Level, LimitAt, Reduce, StopAt, TouchAt
from workbench.strategy.expressions import ACROSS, Expr, Model
from workbench.strategy.indicator_expressions import from_settings, to_settings, view_of
from workbench.strategy.operations import OPERATIONS, across, where
from workbench.strategy.rules import Rules
from workbench.strategy.sessions import PARTS
from workbench.strategy.sizes import (
    Cash,
    EquityFraction,
    Lots,
    RiskFraction,
    Size,
    Units,
    VolatilityTarget,
    size_settings,
)

__all__ = [
    "Known",
    "expression_from_json",
    "expression_to_json",
    "rules_format",
    "rules_from_json",
    "rules_to_json",
]

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
_LEAF = ("hour", "weekday", "session", "just_closed")
_SECOND = frozenset({*OPERATIONS, *ACROSS, "local", "just_closed", "causal"})  # operations since format 2
_ENTRIES: dict[str, type[LimitAt | StopAt | TouchAt]] = {"limit": LimitAt, "stop": StopAt, "touch": TouchAt}
_CONDITIONS = ("enter_long", "enter_short", "exit_long", "exit_short", "add_long", "add_short", "rebalance")
_DISTANCES = ("stop", "target", "trail")
_PLAIN = ("max_bars", "expires_bars", "max_adds", "rebalance_band")


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may name and do not hold themselves, by hash."""

    models: Mapping[str, Model] = field(default_factory=dict)
    functions: Mapping[str, CausalFunction] = field(default_factory=dict)


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


def expression_from_json(
    value: Any,
    *,
    models: Mapping[str, Model] | None = None,
    functions: Mapping[str, CausalFunction] | None = None,
) -> Expr:
    """The expression that `expression_to_json` wrote.

    Parameters
    ----------
    models
        Models by digest, for predict nodes.
    functions
        Causal functions by digest.

    Raises
    ------
    BadInputError
        Not such a value; the message names the place.
    """
    return _read(value, Known(models or {}, functions or {}), depth=0)


def _read(value: Any, known: Known, *, depth: int) -> Expr:
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
    args = [_read(item, known, depth=depth + 1) for item in of]
    data = {name: item for name, item in value.items() if name not in ("op", "of")}
    return _make(op, args, data, known)


def _make(op: str, args: list[Expr], data: dict[str, Any], known: Known) -> Expr:
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
    if op in OPERATIONS:
        return _operation(op, args, data)
    if op in ACROSS:
        _shape(op, args, data, operands=1)
        return across(op, args[0])
    if op in _LEAF:
        view = _view(data)
        _shape(op, args, data, operands=0)
        return getattr(view, op)  # type: ignore[no-any-return]  # an Expr
    if op == "local":
        return _local(args, data)
    if op == "const":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.expression(data["value"])
    if op == "price":
        view = _view(data)
        _shape(op, args, data, operands=0, names=("side", "field"))
        if data["field"] not in ex.FIELDS:
            raise BadInputError(
                f"price field: expected one of {', '.join(ex.FIELDS)}, found {data['field']!r}"
            )
        return getattr(_side(view, data["side"]), data["field"])  # type: ignore[no-any-return]  # an Expr, checked
    if op == "level":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.price(data["value"])
    if op == "pips":
        _shape(op, args, data, operands=0, names=("value",))
        return ex.pips(data["value"])
    if op == "predict":
        return _prediction(args, data, known.models)
    if op == "causal":
        return _causal(args, data, known.functions)
    plain = ("causal", "const", "lag", "level", "local", "pips", "predict", "price")
    names = sorted([*_BINARY, *_UNARY, *_LEAF, *plain, *OPERATIONS, *ACROSS, *indicators()])
    raise BadInputError(f"unknown operation {op!r}; known: {', '.join(names)}")


def _operation(op: str, args: list[Expr], data: dict[str, Any]) -> Expr:
    item = OPERATIONS[op]
    _shape(
        op, args, data, operands=len(item.takes), names=tuple(slot.name for slot in item.kernel.parameters)
    )
    return where(*args) if op == "where" else item(*args, **data)


def _view(data: dict[str, Any]) -> ex.BarExpr:
    """The bar that `data` names, whose names are taken out of it."""
    return view_of({name: data.pop(name) for name in ("instrument", "timeframe") if name in data})


def _local(args: list[Expr], data: dict[str, Any]) -> Expr:
    view, part = _view(data), data.get("part")
    if part not in PARTS:
        raise BadInputError(f"local part: expected one of {', '.join(PARTS)}, found {part!r}")
    if part != "in_session":
        _shape("local", args, data, operands=0, names=("part", "zone"))
        return getattr(view, f"{part}_in")(data["zone"])  # type: ignore[no-any-return]  # an Expr
    _shape("local", args, data, operands=0, names=("part", "zone", "start", "end"))
    hours = []
    for name in ("start", "end"):
        minute = data[name]
        if not isinstance(minute, int) or isinstance(minute, bool) or not 0 <= minute <= 1_440:
            raise BadInputError(
                f"local {name}: expected a minute of the day from 0 to 1440, found {minute!r}"
            )
        hours.append(f"{minute // 60:02d}:{minute % 60:02d}")
    return view.in_session(data["zone"], start=hours[0], end=hours[1])


def _causal(args: list[Expr], data: dict[str, Any], functions: Mapping[str, CausalFunction]) -> Expr:
    _shape("causal", [], data, operands=0, names=("function", "settings", "source_sha256", "window"))
    digest, settings = data["source_sha256"], data["settings"]
    found = functions.get(digest) if isinstance(digest, str) else None
    if found is None:
        raise BadInputError(
            f"causal: the function {data['function']!r} with the source {str(digest)[:12]} is not at hand; "
            "define it and give it in functions={function.digest: function}"
        )
    if found.digest != digest or not isinstance(settings, Mapping) or data["window"] != found.window:
        raise BadInputError(f"causal: {found!r} is not the function {data['function']!r} that was stored")
    return found(*args, **settings)


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


def _side(view: ex.BarExpr, name: object) -> ex.SideExpr:
    if name not in ex.SIDES:
        raise BadInputError(f"price side: expected one of {', '.join(ex.SIDES)}, found {name!r}")
    return getattr(view, str(name))  # type: ignore[no-any-return]  # a SideExpr, checked above


def rules_format(rules: Rules) -> int:
    """The oldest format of a spec that can say what `rules` do: 1 for simple rules of one clock, else 2."""
    seen: set[str] = set()
    stack = [item for _, item in rules.expressions() if item is not None]
    while stack:
        item = stack.pop()
        if item.key in seen:
            continue
        seen.add(item.key)
        data = dict(item.data)
        if item.op in _SECOND or "instrument" in data or "timeframe" in data:
            return 2
        stack.extend(item.args)
    return 1 if rules.simple and isinstance(rules.size, Units | RiskFraction) else 2


def rules_to_json(rules: Rules) -> dict[str, Any]:
    """Rules as a plain value."""
    found: dict[str, Any] = {}
    for name, item in rules.settings():
        if name in _CONDITIONS:
            found[name] = expression_to_json(item)
        elif name in _DISTANCES:
            found[name] = _write_sides(item, _write_distance)
        elif name == "entry":
            found[name] = _write_sides(item, _write_entry)
        elif name == "reduce":
            found[name] = _write_sides(item, _write_reduce)
        elif name in _PLAIN:
            found[name] = item
        else:
            found[name] = _write_size(item)
    return found


def rules_from_json(
    value: Mapping[str, Any],
    *,
    models: Mapping[str, Model] | None = None,
    functions: Mapping[str, CausalFunction] | None = None,
) -> Rules:
    """The rules that `rules_to_json` wrote, checked as if written in code.

    Raises
    ------
    BadInputError
        Not such a value; the message names the place.
    """
    if not isinstance(value, Mapping):
        raise BadInputError(f"rules: expected an object, found {value!r}")
    known = Known(models or {}, functions or {})
    names = (*_CONDITIONS, *_DISTANCES, "entry", "reduce", *_PLAIN, "size", "add_size")
    if extra := set(value) - set(names):
        raise BadInputError(f"rules: unknown {', '.join(sorted(map(str, extra)))}; known: {', '.join(names)}")
    parts: dict[str, Any] = {}
    for name, item in value.items():
        if name in _CONDITIONS:
            parts[name] = _read(item, known, depth=0)
        elif name in _DISTANCES:
            parts[name] = _read_sides(item, _read_distance, known)
        elif name == "entry":
            parts[name] = _read_sides(item, _read_entry, known)
        elif name == "reduce":
            parts[name] = _read_sides(item, _read_reduce, known)
        elif name in _PLAIN:
            parts[name] = item
        elif name == "add_size":
            parts[name] = _size(item, known)
    return Rules(size=_size(value.get("size"), known), **parts)


def _write_sides(item: Any, write: Callable[[Any], Any]) -> Any:
    if not isinstance(item, BySide):
        return write(item)
    sides = {"long": item.long, "short": item.short}
    return {name: write(part) for name, part in sides.items() if part is not None}


def _read_sides(value: Any, read: Callable[[Any, Known], Any], known: Known) -> Any:
    if isinstance(value, Mapping) and value and set(value) <= {"long", "short"}:
        return BySide(**{name: read(item, known) for name, item in value.items()})
    return read(value, known)


def _write_distance(item: Any) -> Any:
    return {"level": expression_to_json(item.level)} if isinstance(item, Level) else expression_to_json(item)


def _read_distance(value: Any, known: Known) -> Expr | Level:
    if isinstance(value, Mapping) and set(value) == {"level"}:
        return Level(_read(value["level"], known, depth=0))
    return _read(value, known, depth=0)


def _write_entry(item: Any) -> Any:
    name = next((name for name, kind in _ENTRIES.items() if type(item) is kind), None)
    return {"market": True} if name is None else {name: expression_to_json(item.level)}


def _read_entry(value: Any, known: Known) -> AtMarket | LimitAt | StopAt | TouchAt:
    if isinstance(value, Mapping) and len(value) == 1:
        (name, item), *_ = value.items()
        if name == "market" and item is True:
            return AtMarket()
        if name in _ENTRIES:
            return _ENTRIES[name](_read(item, known, depth=0))
    raise BadInputError(
        f'rules entry: expected {{"limit": ...}}, "stop", "touch" or "market", found {value!r}'
    )


def _write_reduce(item: Reduce) -> dict[str, Any]:
    return {"when": expression_to_json(item.when), "fraction": item.fraction, "times": item.times}


def _read_reduce(value: Any, known: Known) -> Reduce:
    if not isinstance(value, Mapping) or set(value) != {"when", "fraction", "times"}:
        raise BadInputError(f"rules reduce: expected when, fraction and times, found {value!r}")
    return Reduce(_read(value["when"], known, depth=0), value["fraction"], times=value["times"])


def _write_size(size: Size) -> dict[str, Any]:
    found = dict(size_settings(size))
    if isinstance(size, VolatilityTarget) and size.volatility is not None:
        found["volatility"] = expression_to_json(size.volatility)
    return found


_SIZES: dict[str, Callable[[Any], Size]] = {
    "units": Units,
    "lots": Lots,
    "cash": Cash,
    "equity_fraction": EquityFraction,
    "risk_fraction": RiskFraction,
}


def _size(value: object, known: Known) -> Size:
    if isinstance(value, Mapping):
        names = set(value)
        if len(names) == 1 and (name := next(iter(names))) in _SIZES:
            if name in ("lots", "cash") and not isinstance(value[name], str):
                raise BadInputError(f"rules size {name}: expected an amount as text, found {value[name]!r}")
            if name not in ("lots", "cash") and isinstance(value[name], str):
                raise BadInputError(f"rules size {name}: expected a number, found {value[name]!r}")
            return _SIZES[name](value[name])
        if names == {"volatility_target", "volatility"}:
            volatility = _read(value["volatility"], known, depth=0)
            return VolatilityTarget(value["volatility_target"], volatility=volatility)
        if names == {"volatility_target", "lookback", "timeframe"}:
            return VolatilityTarget(
                value["volatility_target"], lookback=value["lookback"], timeframe=value["timeframe"]
            )
    raise BadInputError(
        f'rules size: expected {{"units": n}}, {{"risk_fraction": f}}, one of {", ".join(_SIZES)}, '
        f"or volatility_target, found {value!r}"
    )
