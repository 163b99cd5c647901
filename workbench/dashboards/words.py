"""What the dashboards say, in sentences for someone who does not code."""

from datetime import datetime
from decimal import Decimal

from workbench.dashboards.view import DeploymentView, FillLine, OrderLine
from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal

__all__ = ["age", "fill_sentence", "moment", "money", "order_sentence", "position_sentence", "state_sentence"]

_STATES = {
    "starting": "Starting: the strategy's notebook is being run.",
    "running": "Trading.",
    "restarting": "Restarting after an interruption; it goes on where it was.",
    "stopped": "Stopped. It sends no orders.",
    "finished": "Finished: the replay came to its end.",
    "failed": "Failed. It sends no orders.",
}
_ORDER_STATES = {
    "INTENT": "written down, about to be sent",
    "SENDING": "being sent",
    "WORKING": "waiting for the next price",
    "PARTIAL": "partly filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected by the broker",
    "UNKNOWN": "unknown: the broker has not said; it counts as live",
    "DENIED": "denied",
}
_REASONS = {
    "MARKET": "at the market",
    "STOP_LOSS": "by the stop loss",
    "TAKE_PROFIT": "by the take profit",
    "MARGIN_CLOSEOUT": "by a margin close-out",
}


def moment(time_ns: int) -> str:
    """An instant as a person reads it, in UTC."""
    return f"{to_datetime(time_ns):%a %d %b %Y %H:%M} UTC" if time_ns else "not yet"


def age(time_ns: int, *, now: datetime) -> str:
    """How long ago an instant was."""
    if not time_ns:
        return "never"
    seconds = max(0, int((now - to_datetime(time_ns)).total_seconds()))
    if seconds < 120:
        return f"{seconds} s ago"
    if seconds < 7_200:
        return f"{seconds // 60} min ago"
    return f"{seconds // 3_600} h ago" if seconds < 172_800 else f"{seconds // 86_400} days ago"


def money(amount: Decimal, currency: str, *, sign: bool = False) -> str:
    """An amount with its currency, to the cent."""
    return f"{amount:+,.2f} {currency}" if sign else f"{amount:,.2f} {currency}"


def state_sentence(item: DeploymentView) -> str:
    """What the deployment is doing."""
    if item.killed_by:
        why = f" ({item.kill_reason})" if item.kill_reason else ""
        return f"Stopped by the kill switch, thrown by {item.killed_by}{why}. No order can be sent."
    sentence = _STATES.get(item.state, f"State {item.state}.")
    return (
        f"{sentence} {item.detail}".strip() if item.state in ("failed", "stopped", "restarting") else sentence
    )


def position_sentence(item: DeploymentView) -> str:
    """What the deployment holds."""
    held = [position for position in item.positions if position["units"]]
    if not held:
        return "No open position."
    lines = []
    for position in held:
        record = instrument(position["instrument"])
        side = "bought" if position["units"] > 0 else "sold short"
        result = to_decimal(position["unrealized"])
        stop = f", stop loss at {record.to_price(position['stop'])}" if position["stop"] else ""
        target = f", take profit at {record.to_price(position['target'])}" if position["target"] else ""
        lines.append(
            f"{abs(position['units']):,} {record.base} {side} "
            f"at {record.to_price(position['average_price'])}, "
            f"now {money(result, item.currency, sign=True)}{stop}{target}."
        )
    return " ".join(lines)


def order_sentence(line: OrderLine) -> str:
    """What was asked for and what became of it."""
    record = instrument(line.instrument)
    verb = "buy" if line.units > 0 else "sell"
    aim = " to close" if line.reduce_only else ""
    outcome = _ORDER_STATES.get(line.state, line.state)
    why = f" by {line.control}: {line.reason}" if line.control else f": {line.reason}" if line.reason else ""
    return f"{verb} {abs(line.units):,} {record.base}{aim}: {outcome}{why}"


def fill_sentence(line: FillLine) -> str:
    """What was done."""
    record = instrument(line.instrument)
    verb = "Bought" if line.units > 0 else "Sold"
    return (
        f"{verb} {abs(line.units):,} {record.base} at {line.price} {_REASONS.get(line.reason, line.reason)}"
    )
