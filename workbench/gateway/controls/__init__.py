"""The controls over orders: what is checked, remembered and halted, and who may change the limits."""

from workbench.gateway.controls.book import ControlBook, DeskView
from workbench.gateway.controls.checks import ORDER_LIMITS, check_order, check_rate
from workbench.gateway.controls.exposure import (
    Denial,
    Elsewhere,
    Exposure,
    Others,
    Sent,
    only_reduces,
    worst_margin,
    worst_units,
)
from workbench.gateway.controls.history import RiskHistory
from workbench.gateway.controls.judging import exposure_of, exposures_of
from workbench.gateway.controls.overriding import OVERRIDE_LIMIT, Override, judge_order
from workbench.gateway.controls.sense import GATEWAY_PREFIX, MOST_POINTS, MOST_UNITS

__all__ = [
    "GATEWAY_PREFIX",
    "MOST_POINTS",
    "MOST_UNITS",
    "ORDER_LIMITS",
    "OVERRIDE_LIMIT",
    "ControlBook",
    "Denial",
    "DeskView",
    "Elsewhere",
    "Exposure",
    "Others",
    "Override",
    "RiskHistory",
    "Sent",
    "check_order",
    "check_rate",
    "exposure_of",
    "exposures_of",
    "judge_order",
    "only_reduces",
    "worst_margin",
    "worst_units",
]
