"""The check of an order: one function, called in the strategy runtime and again in the gateway.

Each limit of each layer (the release's, the firm's, the account's, the deployment's, the instrument's) is a
bound of its own, so the strictest wins. A limit of zero, or one that is missing or unreadable, passes
nothing; where a limit needs an observation that is missing, the order is denied too. Orders that can only
reduce a position are never kept from reducing: they pass all but a kill, sense and the wrong instrument.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from workbench.domain.control_table import FIRM, Layer
from workbench.domain.control_windows import in_trading_window, in_utc_window, minutes_to_rollover
from workbench.domain.controls import LIMITS, LimitKind, Sense, Value
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, Order, OrderKind
from workbench.gateway.controls.exposure import (
    Denial,
    Exposure,
    Others,
    at_home,
    only_reduces,
    worst_margin,
    worst_units,
)
from workbench.gateway.controls.sense import check_sense

__all__ = ["ORDER_LIMITS", "check_order", "check_rate", "no_order", "observed", "release_layer"]

_RELEASE = "release"
_NONE = Others()
_BEYOND = 10**12  # millionths of nothing
_MS = 1_000_000
_RATES = ("max_messages_per_second", "max_messages_per_minute")
_SUMMED_MONEY = frozenset({"max_daily_loss", "max_currency_exposure_ppm"})


def check_order(order: Order, *, limits: Limits, exposure: Exposure, past: str = "") -> Denial | None:
    """The first control that stops `order`; None when it may be sent.

    Parameters
    ----------
    limits
        The release's own limits; `exposure.layers` holds those of the table.
    past
        The control that an override lets the order past: its limits above zero that were compared.
    """
    exposure = exposure.without(order.replaces)
    if denial := check_sense(order, exposure) or _switches(order, exposure):
        return denial
    if only_reduces(order):
        return _resting(order, limits, exposure, past)
    if denial := _held_up(exposure):
        return denial
    layers = (release_layer(limits), *_with_firm(exposure.layers))
    found = (_bound(LIMITS[name], layer, order, exposure, past) for name in ORDER_LIMITS for layer in layers)
    return next((denial for denial in found if denial), None)


def check_rate(*, limits: Limits, exposure: Exposure) -> Denial | None:
    """R05 for a message that is not an order: the first limit on messages that one more would break."""
    layers = (release_layer(limits), *_with_firm(exposure.layers))
    message = no_order(exposure)
    found = (_bound(LIMITS[name], layer, message, exposure, "") for name in _RATES for layer in layers)
    return next((denial for denial in found if denial), None)


def no_order(exposure: Exposure) -> Order:
    """An order for nothing, for what is compared whatever an order asks for."""
    return Order(client_order_id=ClientOrderId("none"), instrument=exposure.instrument.id, units=0)


def observed(name: str, order: Order, exposure: Exposure, scope: str) -> int | None:
    """What a limit of a scope is compared with for `order`; None when it is not known."""
    return _MEASURES[name](order, exposure, scope)


@lru_cache(maxsize=256)
def release_layer(limits: Limits) -> Layer:
    """The release's own limits as one more layer."""
    values: dict[str, Value] = dict(limits.to_json())
    values["allowed_instruments"] = tuple(limits.instruments)
    del values["instruments"]
    return Layer(scope=_RELEASE, values=values)


# --- what stops everything, or all but what reduces ---------------------------------------------------


def _switches(order: Order, exposure: Exposure) -> Denial | None:
    if exposure.killed:
        return Denial(
            control="R23",
            reason=f"R23 kill switch: limit no new orders, observed a kill of {exposure.killed}",
        )
    if order.instrument != exposure.instrument.id:
        return Denial(
            control="R18",
            reason=f"R18 instruments: limit those of the deployment, observed {order.instrument}",
        )
    return None


def _held_up(exposure: Exposure) -> Denial | None:
    if exposure.halted:
        control, _, reason = exposure.halted.partition(" ")
        return Denial(
            control=control,
            reason=(
                f"{control} halted: limit only orders that reduce until a named person resumes the "
                f"deployment, observed {reason}"
            ),
        )
    if exposure.frozen:
        return Denial(
            control="R24",
            reason=f"R24 frozen instrument: limit only orders that reduce, observed {exposure.frozen}",
        )
    if exposure.unpriced:
        return Denial(
            control="R15",
            reason=(
                "R15 conversion price: limit a price that values it in the account's currency, observed none "
                f"for {exposure.unpriced}"
            ),
        )
    return None


def _resting(order: Order, limits: Limits, exposure: Exposure, past: str) -> Denial | None:
    """Orders that reduce and wait count among the open ones; one at the market always goes."""
    if order.kind is OrderKind.MARKET:
        return None
    layers = (release_layer(limits), *_with_firm(exposure.layers))
    found = (_bound(LIMITS["max_open_orders"], layer, order, exposure, past) for layer in layers)
    return next((denial for denial in found if denial), None)


# --- one limit of one layer ----------------------------------------------------------------------------


def _with_firm(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return layers if layers and layers[0].scope == FIRM else (Layer(scope=FIRM), *layers)


def _bound(kind: LimitKind, layer: Layer, order: Order, exposure: Exposure, past: str) -> Denial | None:
    name, passed = kind.name, kind.control == past
    if name in layer.unreadable or (layer.scope == FIRM and name not in layer.values):
        return _denial(kind, layer, "none that can be read", "an order")
    if name not in layer.values or (limit := layer.values[name]) is None:
        return None
    if isinstance(limit, tuple):
        observed = _entry(name, limit, order, exposure)
        if not observed or (passed and limit):
            return None
        return _denial(kind, layer, ", ".join(limit) or "none", observed)
    found = _MEASURES[name](order, exposure, layer.scope)
    if found is None:
        return _denial(kind, layer, str(limit), _why_nothing(name, exposure, layer.scope))
    within = found >= limit if kind.sense is Sense.LEAST else limit > 0 and found <= limit
    if within or (passed and limit > 0 and found < _BEYOND):
        return None
    return _denial(kind, layer, str(limit), str(found))


def _why_nothing(name: str, exposure: Exposure, scope: str) -> str:
    unpriced = _others(exposure, scope).unpriced if name in _SUMMED_MONEY else ""
    return f"nothing: no quote of now converts {unpriced}" if unpriced else "nothing"


def _denial(kind: LimitKind, layer: Layer, limit: str, observed: str) -> Denial:
    where = "" if layer.scope == _RELEASE else f" of the {layer.scope.replace(':', ' ')}"
    return Denial(
        control=kind.control,
        reason=f"{kind.control} {kind.words}{where}: limit {limit}, observed {observed}",
    )


def _entry(name: str, limit: tuple[str, ...], order: Order, exposure: Exposure) -> str:
    """What is not among the entries allowed, or is among those forbidden; empty for nothing."""
    now = exposure.time_ns
    match name:
        case "allowed_instruments":
            return "" if order.instrument in limit else order.instrument
        case "allowed_order_kinds":
            return "" if order.kind.value in limit else order.kind.value
        case "trading_hours":
            inside = any(in_trading_window(window, now) for window in limit)
            return "" if inside else f"{now} ns UTC outside"
        case _:
            return next((window for window in limit if in_utc_window(window, now)), "")


# --- what is observed ----------------------------------------------------------------------------------

_Measure = Callable[[Order, Exposure, str], int | None]


def _ppm(part: int, whole: int) -> int:
    """Millionths, rounded up; very many of nothing."""
    return -(-part * 1_000_000 // whole) if whole > 0 else (_BEYOND if part > 0 else 0)


def _others(exposure: Exposure, scope: str) -> Others:
    """What the other deployments of a layer's scope add; an instrument's limit is the whole firm's."""
    kind = "firm" if scope.startswith("instrument:") else scope.partition(":")[0]
    return exposure.others.get(kind, _NONE)


def _off(order: Order, exposure: Exposure, reference: int) -> int | None:
    """How far twice the price that is expected lies from twice a mid, in millionths."""
    if reference <= 0:
        return None
    price = order.price or (exposure.ask if order.units > 0 else exposure.bid)
    return _ppm(abs(2 * price - reference), reference)


def _value(order: Order, exposure: Exposure) -> int:
    price = max(exposure.ask if order.units > 0 else exposure.bid, order.price)
    return at_home(abs(order.units) * price * exposure.instrument.micro_per_point, exposure.home_rate)


def _position(order: Order, exposure: Exposure, scope: str) -> int:
    longest, shortest = worst_units(
        (*exposure.waiting, order), exposure.position, has_exits=exposure.has_exits, legs=exposure.legs
    )
    others = _others(exposure, scope)
    if exposure.legs is not None:  # long and short together
        return longest - shortest + max(others.longest, 0) + max(-others.shortest, 0)
    return max(longest + others.longest, -(shortest + others.shortest), 0)


def _currency(order: Order, exposure: Exposure, scope: str) -> int | None:
    """The largest net exposure in one currency other than the account's, in millionths of equity.

    Over several deployments theirs on top, of the equity of all; never less than the deployment's own.
    """
    own = _spans(order, exposure)
    others = _others(exposure, scope)
    if others.currencies is None:
        return None
    together = dict(own)
    for currency, (up, down) in others.currencies.items():
        most, least = own.get(currency, (0, 0))
        together[currency] = max(most, 0) + up, min(least, 0) + down
    home = exposure.currency or exposure.instrument.quote
    return max(
        _ppm(_widest(own, home), exposure.equity),
        _ppm(_widest(together, home), exposure.equity + others.equity),
    )


def _spans(order: Order, exposure: Exposure) -> dict[str, tuple[int, int]]:
    """The most long and short, signed, that the account can come to be in each currency."""
    record = exposure.instrument
    waiting = (*exposure.waiting, order)
    price = max(exposure.ask, *(item.price for item in waiting), 0) * record.micro_per_point
    longest, shortest = worst_units(
        waiting, exposure.position, has_exits=exposure.has_exits, legs=exposure.legs
    )
    spans: dict[str, tuple[int, int]] = {}
    most_long, most_short = (at_home(units * price, exposure.home_rate) for units in (longest, shortest))
    rows = [
        (record.base, record.quote, most_long, most_short),
        *((item.base, item.quote, item.longest, item.shortest) for item in exposure.elsewhere),
    ]
    for base, quote, high, low in rows:
        for currency, up, down in ((base, high, low), (quote, -low, -high)):
            most, least = spans.get(currency, (0, 0))
            spans[currency] = (most + up, least + down)
    return spans


def _widest(spans: Mapping[str, tuple[int, int]], home: str) -> int:
    sides = (max(abs(most), abs(least)) for name, (most, least) in spans.items() if name != home)
    return max(sides, default=0)


def _margin(order: Order, exposure: Exposure, scope: str) -> int:
    margin = exposure.margin_elsewhere + worst_margin(
        exposure.instrument,
        (*exposure.waiting, order),
        held=exposure.position,
        ask=exposure.ask,
        rate_ppm=exposure.margin_rate_ppm,
        has_exits=exposure.has_exits,
        home_rate=exposure.home_rate,
        legs=exposure.legs,
        both_need_margin=exposure.both_need_margin,
    )
    return _ppm(margin, exposure.equity)


def _loss(exposure: Exposure, scope: str) -> int | None:
    others = _others(exposure, scope).loss
    return None if others is None else exposure.day_start_equity - exposure.equity + others


def _repeat(order: Order, exposure: Exposure, scope: str) -> int:
    """Milliseconds since the same order was sent, by the feed's clock; very many when it was not."""
    same = (
        item.time_ns
        for item in exposure.sent
        if (item.instrument, item.units, item.price) == (order.instrument, order.units, order.price)
    )
    return (exposure.time_ns - max(same, default=exposure.time_ns - _BEYOND * _MS)) // _MS


def _ms(age_ns: int | None) -> int | None:
    return None if age_ns is None else -(-abs(age_ns) // _MS)


_MEASURES: Mapping[str, _Measure] = {
    "rollover_pause_minutes": lambda order, exposure, scope: minutes_to_rollover(exposure.time_ns),
    "max_data_age_ms": lambda order, exposure, scope: _ms(exposure.data_age_ns),
    "max_clock_offset_ms": lambda order, exposure, scope: _ms(exposure.clock_offset_ns),
    "max_reconcile_age_s": lambda order, exposure, scope: (
        None if exposure.reconcile_age_ns is None else -(-exposure.reconcile_age_ns // 1_000_000_000)
    ),
    "max_price_deviation_ppm": lambda order, exposure, scope: _off(order, exposure, exposure.mid),
    "max_price_drift_ppm": lambda order, exposure, scope: _off(order, exposure, exposure.median),
    "max_move_ppm": lambda order, exposure, scope: exposure.move_ppm,
    "max_spread_ratio_ppm": lambda order, exposure, scope: _ppm(
        exposure.ask - exposure.bid, exposure.median_spread
    ),
    "max_order_units": lambda order, exposure, scope: abs(order.units),
    "max_order_value": lambda order, exposure, scope: _value(order, exposure),
    "max_order_value_ppm": lambda order, exposure, scope: _ppm(_value(order, exposure), exposure.equity),
    "min_repeat_ms": _repeat,
    "max_open_orders": lambda order, exposure, scope: (
        len(exposure.waiting) + exposure.waiting_elsewhere + 1 + _others(exposure, scope).open_orders
    ),
    "max_orders_per_minute": lambda order, exposure, scope: (
        exposure.orders_last_minute + 1 + _others(exposure, scope).orders_last_minute
    ),
    "max_messages_per_second": lambda order, exposure, scope: (
        exposure.messages_last_second + 1 + _others(exposure, scope).messages_last_second
    ),
    "max_messages_per_minute": lambda order, exposure, scope: (
        exposure.messages_last_minute + 1 + _others(exposure, scope).messages_last_minute
    ),
    "max_position_units": _position,
    "max_margin_use_ppm": _margin,
    "max_currency_exposure_ppm": _currency,
    "max_daily_loss": lambda order, exposure, scope: _loss(exposure, scope),
    "max_daily_loss_ppm": lambda order, exposure, scope: _ppm(
        exposure.day_start_equity - exposure.equity, exposure.day_start_equity
    ),
    "max_drawdown_ppm": lambda order, exposure, scope: _ppm(
        exposure.peak_equity - exposure.equity, exposure.peak_equity
    ),
}

ORDER_LIMITS: Iterable[str] = (
    *("allowed_instruments", "allowed_order_kinds", "trading_hours", "closed_windows"),
    *("max_order_units", "max_order_value", "max_open_orders", "max_orders_per_minute"),
    *("max_messages_per_second", "max_messages_per_minute", "max_position_units", "max_margin_use_ppm"),
    *("max_daily_loss", "max_daily_loss_ppm", "max_drawdown_ppm"),
    *("rollover_pause_minutes", "max_data_age_ms", "max_clock_offset_ms", "max_reconcile_age_s"),
    *("max_price_deviation_ppm", "max_price_drift_ppm", "max_move_ppm", "max_spread_ratio_ppm"),
    *("max_order_value_ppm", "max_currency_exposure_ppm", "min_repeat_ms"),
)
"""The limits that an order is compared with, in this order; the rest are watched over time."""
