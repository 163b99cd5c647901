"""The controls: what each watches, which limits it has, what they are by default, and what it does.

A limit is a whole number, a list of names or windows, or `None`, which a person has to say: no limit here.
One that is missing or can not be read passes nothing that may increase a risk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from workbench.domain.control_windows import trading_window, utc_window
from workbench.domain.orders import OrderKind
from workbench.errors import BadInputError

__all__ = ["CONTROLS", "LIMITS", "Control", "LimitKind", "Sense", "Value", "is_raise", "parse_value"]

Value = int | tuple[str, ...] | None
_MOST = 10**18


class Sense(StrEnum):
    """Which way a limit gets stricter."""

    MOST = "most"  # a smaller number is stricter
    LEAST = "least"  # a larger number is stricter
    ALLOWED = "allowed"  # fewer entries are stricter
    FORBIDDEN = "forbidden"  # more entries are stricter


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One row of the controls' table."""

    id: str
    title: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitKind:
    """One limit of a control."""

    name: str
    control: str
    words: str  # as a denial names what it compares
    unit: str
    sense: Sense
    default: Value
    check: Callable[[str], object] = str  # of an entry of a list; ValueError where it is none
    most: int = _MOST


_ROWS = (
    ("R01", "Price collar of an order", "denied"),
    ("R02", "Price collar over a minute", "denied"),
    ("R03", "Largest order value", "denied"),
    ("R04", "Largest order", "denied"),
    ("R05", "Message rate", "denied; taking back is counted and never denied"),
    ("R06", "Repeated re-entry", "the deployment only reduces until a named person resumes it"),
    ("R07", "Duplicate order", "denied"),
    ("R08", "Open orders", "denied"),
    ("R09", "Position", "denied"),
    ("R10", "Currency exposure", "denied"),
    ("R11", "Margin use", "denied"),
    ("R12", "Daily loss", "only orders that reduce until 17:00 New York; beyond the second limit flattened"),
    ("R13", "Drawdown from the peak", "the deployment only reduces until a named person resumes it"),
    ("R14", "Repeated failures", "the deployment only reduces until a named person resumes it"),
    ("R15", "Stale data and clock", "denied"),
    ("R16", "Volatility pause", "denied while it lasts"),
    ("R17", "Hours and news", "denied"),
    ("R18", "Instruments and kinds of orders", "denied"),
    ("R19", "Limits of a deployment", "no release without them; each missing one counts as zero"),
    ("R20", "Slippage and age of an order", "alert; an order that waits too long is taken back"),
    ("R21", "Unprotected position", "the position is closed and the deployment only reduces"),
    ("R22", "Silent live kernel", "waiting entries are taken back; protective orders stay"),
    ("R23", "Kill switch", "nothing is sent; waiting orders are taken back"),
    ("R24", "Books against the broker", "only orders that reduce until the difference is cleared"),
    ("R25", "Alert", "an alert that took longer is marked late"),
    ("R26", "Override", "one order past R07, R08, R10, R11 or R17, when a second person approves"),
)
CONTROLS: Mapping[str, Control] = MappingProxyType(
    {number: Control(id=number, title=title, effect=effect) for number, title, effect in _ROWS}
)


def _order_kind(text: str) -> OrderKind:
    return OrderKind(text)


def _instrument(text: str) -> str:
    if not (text.isascii() and text.replace("_", "").replace(".", "").isalnum() and len(text) <= 32):
        raise ValueError("expected a name as in EUR_USD")
    return text


def _number(
    name: str,
    control: str,
    words: str,
    unit: str,
    default: int | None,
    *,
    least: bool = False,
    most: int = _MOST,
) -> LimitKind:
    sense = Sense.LEAST if least else Sense.MOST
    return LimitKind(
        name=name, control=control, words=words, unit=unit, sense=sense, default=default, most=most
    )


def _names(
    name: str,
    control: str,
    words: str,
    unit: str,
    default: Value,
    sense: Sense,
    check: Callable[[str], object],
) -> LimitKind:
    return LimitKind(
        name=name, control=control, words=words, unit=unit, sense=sense, default=default, check=check
    )


_PPM, _EQUITY, _MICRO = "millionths", "millionths of equity", "micro-units of the account currency"
_KINDS = (
    _number("max_price_deviation_ppm", "R01", "price off the market in millionths", _PPM, 5_000),
    _number("max_price_drift_ppm", "R02", "price off the minute's median in millionths", _PPM, 10_000),
    _number("max_order_value", "R03", "order value in micro-units", _MICRO, None),
    _number("max_order_value_ppm", "R03", "order value in millionths of equity", _EQUITY, 1_500_000),
    _number("max_order_units", "R04", "order units", "units of the base currency", 100_000),
    _number("max_messages_per_second", "R05", "messages a second", "orders, changes and cancels", 5),
    _number("max_messages_per_minute", "R05", "messages a minute", "orders, changes and cancels", 60),
    _number("max_orders_per_minute", "R05", "orders a minute", "orders", 60),
    _number("max_reentries", "R06", "re-entries in ten minutes", "positions opened from flat", 20),
    _number("min_repeat_ms", "R07", "milliseconds to the same order", "ms", 1_000, least=True, most=60_000),
    _number("max_open_orders", "R08", "open orders", "orders, UNKNOWN ones with them", 20),
    _number("max_position_units", "R09", "position units", "net units, waiting orders with them", 300_000),
    _number("max_currency_exposure_ppm", "R10", "exposure in millionths of equity", _EQUITY, 9_000_000),
    _number("max_margin_use_ppm", "R11", "margin use in millionths of equity", _EQUITY, 500_000),
    _number("max_daily_loss", "R12", "daily loss in micro-units", f"{_MICRO} since 17:00 New York", None),
    _number("max_daily_loss_ppm", "R12", "daily loss in millionths of equity", _EQUITY, 20_000),
    _number("flatten_daily_loss_ppm", "R12", "daily loss in millionths of equity", _EQUITY, None),
    _number(
        "max_drawdown_ppm", "R13", "drawdown in millionths of the peak", "millionths of the peak", 100_000
    ),
    _number("max_rejects_in_a_row", "R14", "rejects in a row", "orders", 5),
    _number("max_losses_in_a_row", "R14", "losses in a row", "closing fills", None),
    _number("max_senseless_orders", "R14", "orders that make no sense", "orders since it was resumed", 3),
    _number("max_denials_per_minute", "R14", "denials a minute", "orders", 100),
    _number("max_data_age_ms", "R15", "age of the price in ms", "ms", 2_000),
    _number("max_clock_offset_ms", "R15", "clock against the broker's in ms", "ms", 250),
    _number("max_move_ppm", "R16", "move within a minute in millionths", _PPM, 10_000),
    _number("max_spread_ratio_ppm", "R16", "spread in millionths of its median", _PPM, 5_000_000),
    _number("rollover_pause_minutes", "R17", "minutes to 17:00 New York", "minutes", 0, least=True, most=720),
    _names(
        "trading_hours", "R17", "hours", "Mon-Fri 08:00-17:00, New York", None, Sense.ALLOWED, trading_window
    ),
    _names(
        "closed_windows",
        "R17",
        "windows",
        "2026-12-16T13:25Z/2026-12-16T13:45Z",
        (),
        Sense.FORBIDDEN,
        utc_window,
    ),
    _names("allowed_instruments", "R18", "instruments", "names", None, Sense.ALLOWED, _instrument),
    _names(
        "allowed_order_kinds",
        "R18",
        "kinds of orders",
        "names",
        tuple(sorted(kind.value for kind in OrderKind)),
        Sense.ALLOWED,
        _order_kind,
    ),
    _number("max_slippage_points", "R20", "slippage in points", "points", 100),
    _number("max_order_age_s", "R20", "seconds an order waits", "s", None),
    _number("max_unprotected_s", "R21", "seconds without a stop", "s", None),
    _number("max_kernel_silence_s", "R22", "seconds of silence", "s", 60),
    _number("max_reconcile_age_s", "R24", "seconds since books were compared", "s", 60),
    _number("max_alert_delay_ms", "R25", "ms to an alert", "ms", 5_000),
    _number("max_override_minutes", "R26", "minutes an override holds", "minutes", 0, most=15),
)
LIMITS: Mapping[str, LimitKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


def parse_value(name: str, value: object) -> Value:
    """A limit's value as it was given: a whole number, a list, or None.

    Raises
    ------
    BadInputError
        The limit is unknown or the value is not of its kind.
    """
    kind = LIMITS.get(name)
    if kind is None:
        raise BadInputError(f"expected one of the limits {', '.join(LIMITS)}, found {name!r}")
    if kind.sense in (Sense.MOST, Sense.LEAST):
        if value is None or (type(value) is int and 0 <= value <= kind.most):
            return value
        raise BadInputError(
            f"{kind.control} {name}: expected a whole number from 0 to {kind.most} ({kind.unit}) "
            f"or none for no limit, found {value!r}"
        )
    if value is None and kind.sense is Sense.ALLOWED:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise BadInputError(f"{kind.control} {name}: expected a list ({kind.unit}), found {value!r}")
    if len(value) > 200 or len(set(value)) != len(value):
        raise BadInputError(f"{kind.control} {name}: expected up to 200 entries, each once, found {value!r}")
    for item in value:
        try:
            kind.check(item)
        except ValueError as error:
            raise BadInputError(
                f"{kind.control} {name}: expected {kind.unit}, found {item!r}: {error}"
            ) from None
    return tuple(sorted(value))


def is_raise(name: str, *, before: Value, after: Value) -> bool:
    """Whether `after` lets anything pass that `before` does not."""
    if before == after:
        return False
    sense = LIMITS[name].sense
    if before is None:
        return False
    if after is None:
        return True
    if isinstance(before, int) and isinstance(after, int):
        return after > before if sense is Sense.MOST else after < before
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    return not (set(after) <= set(before) if sense is Sense.ALLOWED else set(after) >= set(before))
