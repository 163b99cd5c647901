"""How a strategy is written: Strategy, Param, rules as expressions, on_bar.

Every declared indicator is an attribute too: ``from workbench.strategy import adx, sma``.
"""

from typing import Any

from workbench.indicators import indicators
from workbench.strategy.causal import (
    CausalFunction,
    causal,
)
from workbench.strategy.decision import (
    SIZE_RISK_FRACTION,
    SIZE_UNITS,
    client_order_id,
    decide_bar,
)
from workbench.strategy.entries import AtMarket, BySide, Level, LimitAt, Reduce, StopAt, TouchAt
from workbench.strategy.expressions import (
    BarExpr,
    Expr,
    Model,
    SideExpr,
    bar,
    crosses_above,
    crosses_below,
    in_session,
    maximum,
    minimum,
    pips,
    predict,
    price,
)
from workbench.strategy.indicator_expressions import constructor
from workbench.strategy.operations import (
    bars_since,
    count_true,
    cross_count,
    cross_mean,
    cross_zscore,
    exp,
    floor,
    is_known,
    log,
    power,
    rank,
    rolling_quantile,
    rolling_rank,
    rolling_sum,
    sign,
    sqrt,
    value_when,
    where,
)
from workbench.strategy.panel import (
    PanelStream,
    RuleColumns,
    evaluate_panel,
)
from workbench.strategy.parameters import Param
from workbench.strategy.picture import to_svg
from workbench.strategy.rendering import to_text
from workbench.strategy.rule_settings import RuleSettings
from workbench.strategy.rules import Rules
from workbench.strategy.rules_json import (
    expression_from_json,
    expression_to_json,
    rules_from_json,
    rules_to_json,
)
from workbench.strategy.runner import Decision, StrategyRunner
from workbench.strategy.sessions import (
    SESSIONS,
)
from workbench.strategy.signals import (
    BarArrays,
    BarColumns,
    ExprStream,
    RulesStream,
    SignalRow,
    Signals,
    evaluate,
    evaluate_expression,
    signal_arguments,
    warm_up_bars,
)
from workbench.strategy.simple_decision import decide, decide_trailing
from workbench.strategy.sizes import Cash, EquityFraction, Lots, RiskFraction, Units, VolatilityTarget
from workbench.strategy.strategy import RulesStrategy, Strategy, spec, strategy_from_spec
from workbench.strategy.views import AccountView, InstrumentView, MarketView
from workbench.strategy.windows import (
    Rolling,
)

__all__ = [
    "SESSIONS",
    "SIZE_RISK_FRACTION",
    "SIZE_UNITS",
    "AccountView",
    "AtMarket",
    "BarArrays",
    "BarColumns",
    "BarExpr",
    "BySide",
    "Cash",
    "CausalFunction",
    "Decision",
    "EquityFraction",
    "Expr",
    "ExprStream",
    "InstrumentView",
    "Level",
    "LimitAt",
    "Lots",
    "MarketView",
    "Model",
    "PanelStream",
    "Param",
    "Reduce",
    "RiskFraction",
    "Rolling",
    "RuleColumns",
    "RuleSettings",
    "Rules",
    "RulesStrategy",
    "RulesStream",
    "SideExpr",
    "SignalRow",
    "Signals",
    "StopAt",
    "Strategy",
    "StrategyRunner",
    "TouchAt",
    "Units",
    "VolatilityTarget",
    "bar",
    "bars_since",
    "causal",
    "client_order_id",
    "count_true",
    "cross_count",
    "cross_mean",
    "cross_zscore",
    "crosses_above",
    "crosses_below",
    "decide",
    "decide_bar",
    "decide_trailing",
    "evaluate",
    "evaluate_expression",
    "evaluate_panel",
    "exp",
    "expression_from_json",
    "expression_to_json",
    "floor",
    "in_session",
    "is_known",
    "log",
    "maximum",
    "minimum",
    "pips",
    "power",
    "predict",
    "price",
    "rank",
    "rolling_quantile",
    "rolling_rank",
    "rolling_sum",
    "rules_from_json",
    "rules_to_json",
    "sign",
    "signal_arguments",
    "spec",
    "sqrt",
    "strategy_from_spec",
    "to_svg",
    "to_text",
    "value_when",
    "warm_up_bars",
    "where",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in indicators():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return constructor(name)


def __dir__() -> list[str]:
    return sorted([*__all__, *indicators()])
