"""The FX calendar: days, hours, holidays, value dates; import checks, bars, swaps and live ask here.

Source: FX market convention (the week runs from Sunday 17:00 to Friday 17:00 New York, and each day
ends at 17:00 New York).
"""

from workbench.domain.broker_hours import BROKERS, hours_of
from workbench.domain.hours import Closure, Hours, Kind, Pause, closed_ns, spans
from workbench.domain.instants import (
    NEW_YORK,
    day_close_ns,
    day_open_ns,
    hour_of_week,
    session_of,
    to_datetime,
    to_ns,
)
from workbench.domain.trading_times import are_open, expected_bars, is_open, next_close, next_open
from workbench.domain.value_dates import financing_days, rollover_table, value_date

__all__ = [
    "BROKERS",
    "NEW_YORK",
    "Closure",
    "Hours",
    "Kind",
    "Pause",
    "are_open",
    "closed_ns",
    "day_close_ns",
    "day_open_ns",
    "expected_bars",
    "financing_days",
    "hour_of_week",
    "hours_of",
    "is_open",
    "next_close",
    "next_open",
    "rollover_table",
    "session_of",
    "spans",
    "to_datetime",
    "to_ns",
    "value_date",
]
