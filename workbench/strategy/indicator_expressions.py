"""Indicators in rules: for each one that is declared, the function that makes its expression.

``sma(bar.mid.close, 20)``, ``atr(bar, 14)``, ``bollinger(bar.mid.close, 20).upper``: an indicator of prices
takes `bar` or one of its sides, one of series takes expressions, and several outputs come as a named tuple.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from workbench.errors import BadInputError
from workbench.indicators import PRICE_INPUTS, Indicator, indicators
from workbench.indicators.declaring import SESSION, VOLUME, no_volume
from workbench.strategy.expressions import SIDES, BarExpr, Expr, SideExpr, bar, number_expression

__all__ = [
    "constructor",
    "expression_of",
    "from_settings",
    "outputs_of",
    "settings_of",
    "to_settings",
    "view_of",
]

_OUTPUT = "output"


@cache
def constructor(name: str) -> Callable[..., Any]:
    """The function that makes expressions of the indicator `name`.

    Raises
    ------
    KeyError
        There is no such indicator.
    """
    of = indicators()[name]
    slots = _slots(of)
    signature = inspect.Signature(slots)

    def make(*given: Any, **named: Any) -> Any:
        try:
            bound = signature.bind(*given, **named)
        except TypeError as wrong:
            raise TypeError(f"{of.name}{signature}: {wrong}") from None
        bound.apply_defaults()
        values = bound.arguments
        settings = of.settings(**{item.name: values[item.name] for item in of.parameters})
        return expression_of(of, {**values}, settings)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = of.__doc__
    make.__signature__ = signature  # type: ignore[attr-defined]  # what `help` shows
    return make


def expression_of(of: Indicator, inputs: Mapping[str, Any], settings: Sequence[Any]) -> Any:
    """The indicator of these inputs: an expression, or a named tuple of them.

    `inputs` has the bar or side by the name "of" where prices are read, and the other series by name.
    """
    side = _side_of(inputs.get("of"), of.name) if of.prices else None
    args: list[Expr] = []
    for name in of.inputs:
        if name in PRICE_INPUTS:
            args.append(getattr(side, name))
        elif name == SESSION:
            args.append((side.bar if side is not None else bar).session)
        else:
            if name == VOLUME and inputs.get(VOLUME) is None:
                raise BadInputError(no_volume(of.name))
            args.append(number_expression(inputs[name], of.name))
    data = tuple((item.name, value) for item, value in zip(of.parameters, settings, strict=True))
    if of.several is None:
        return Expr(of.name, tuple(args), data=data)
    return of.several(*(Expr(of.name, tuple(args), data=(*data, (_OUTPUT, name))) for name in of.outputs))


def settings_of(of: Indicator, expr: Expr) -> tuple[Any, ...]:
    """The values of the parameters of an expression of the indicator."""
    data = dict(expr.data)
    return tuple(data[item.name] for item in of.parameters)


def outputs_of(of: Indicator, expr: Expr) -> list[Expr]:
    """All outputs of the indicator whose output `expr` is one, in order."""
    data = tuple(item for item in expr.data if item[0] != _OUTPUT)
    return [Expr(of.name, expr.args, data=(*data, (_OUTPUT, name))) for name in of.outputs]


def to_settings(of: Indicator, expr: Expr) -> tuple[dict[str, Any], list[Expr]]:
    """What describes an expression of the indicator: settings by name, and the series it reads.

    Its prices are described by their side, and the session by nothing.
    """
    settings = dict(expr.data)
    prices = [arg for name, arg in zip(of.inputs, expr.args, strict=True) if name in PRICE_INPUTS]
    if prices:
        where = {name: value for name, value in prices[0].data if name != "field"}
        settings = {**where, **settings}
    series = [
        arg
        for name, arg in zip(of.inputs, expr.args, strict=True)
        if name not in PRICE_INPUTS and name != SESSION
    ]
    return settings, series


def from_settings(of: Indicator, settings: Mapping[str, Any], series: Sequence[Expr]) -> Expr:
    """The expression that `to_settings` described.

    Raises
    ------
    BadInputError
        Not such a description.
    """
    names = [item for item in of.inputs if item not in PRICE_INPUTS and item != SESSION]
    elsewhere = [name for name in ("instrument", "timeframe") if of.prices and name in settings]
    known = [
        *elsewhere,
        *(["side"] if of.prices else []),
        *(item.name for item in of.parameters),
        *([] if of.several is None else [_OUTPUT]),
    ]
    if len(series) != len(names) or set(settings) != set(known):
        raise BadInputError(
            f"{of.name}: expected {len(names)} operands and {', '.join(known) or 'no settings'}, "
            f"found {len(series)} and {', '.join(sorted(settings)) or 'no settings'}"
        )
    inputs: dict[str, Any] = dict(zip(names, series, strict=True))
    if of.prices:
        if settings["side"] not in SIDES:
            raise BadInputError(
                f"{of.name} side: expected one of {', '.join(SIDES)}, found {settings['side']!r}"
            )
        view = view_of({name: settings[name] for name in elsewhere})
        inputs["of"] = getattr(view, settings["side"])
    values = of.settings(**{item.name: settings[item.name] for item in of.parameters})
    found = expression_of(of, inputs, values)
    if of.several is None:
        return found  # type: ignore[no-any-return]  # an Expr
    if settings[_OUTPUT] not in of.outputs:
        raise BadInputError(
            f"{of.name} output: expected one of {', '.join(of.outputs)}, found {settings[_OUTPUT]!r}"
        )
    return getattr(found, settings[_OUTPUT])  # type: ignore[no-any-return]  # an Expr


def view_of(where: Mapping[str, Any]) -> BarExpr:
    """The bar of an instrument and a timeframe, where they are given."""
    view = bar.of(where["instrument"]) if "instrument" in where else bar
    return view.timeframe(where["timeframe"]) if "timeframe" in where else view


def _slots(of: Indicator) -> list[inspect.Parameter]:
    """The arguments of the constructor: bar or side, series, parameters, and volume by name alone."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    first = [inspect.Parameter("of", kind)] if of.prices else []
    series = [inspect.Parameter(name, kind) for name in of.series]
    volume = (
        [inspect.Parameter(VOLUME, inspect.Parameter.KEYWORD_ONLY, default=None)]
        if VOLUME in of.inputs
        else []
    )
    return [*first, *series, *of.parameter_slots(), *volume]


def _side_of(value: object, name: str) -> SideExpr:
    if isinstance(value, BarExpr):
        return value.mid
    if isinstance(value, SideExpr):
        return value
    raise BadInputError(f"{name}: expected bar, bar.bid, bar.ask or bar.mid, found {value!r}")
