"""What the dashboards say, in sentences for someone who does not code."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from workbench.dashboards.view import ChangeLine, DeploymentView, EquityPoint, FillLine, OrderLine
from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal

__all__ = [
    "age",
    "change_sentence",
    "equity_sentence",
    "fill_sentence",
    "moment",
    "money",
    "order_sentence",
    "position_sentence",
    "restarts",
    "state_sentence",
    "state_word",
]

_STATES = {
    "starting": "Starting: the strategy's notebook is being run.",
    "running": "Trading.",
    "restarting": "Restarting after an interruption; it goes on where it was.",
    "stopped": "Stopped. It sends no orders.",
    "finished": "Finished: the replay came to its end.",
    "failed": "Failed. It sends no orders.",
    "unheard": "Was trading when last heard of; the gateway does not answer, so no order can be sent now.",
    "frozen": "Frozen. It sends no orders until an approver has looked and resumes it.",
}
_WORDS = {"running": "trading", "unheard": "not trading"}
_EXPLAINED = ("failed", "stopped", "restarting", "frozen")
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
    "ABSENT": "never reached the broker",
}
_CHANGE_STATES = {
    "INTENT": "written down, about to be sent",
    "DONE": "done",
    "REJECTED": "rejected",
    "UNKNOWN": "unknown: the broker has not said; the old exits may stand or the new ones",
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
    cents = round(amount, 2) or Decimal(0)  # which has no sign
    return f"{cents:+,.2f} {currency}" if sign and cents else f"{cents:,.2f} {currency}"


def state_word(item: DeploymentView) -> str:
    """The deployment's state in one word."""
    return "killed" if item.killed_by else _WORDS.get(item.state, item.state)


def state_sentence(item: DeploymentView) -> str:
    """What the deployment is doing."""
    if item.killed_by:
        why = f" ({item.kill_reason})" if item.kill_reason else ""
        return f"Stopped by the kill switch, thrown by {item.killed_by}{why}. No order can be sent."
    sentence = _STATES.get(item.state, f"State {item.state}.")
    detail = item.detail.rstrip(".")
    if item.state not in _EXPLAINED or not detail or detail.lower() == item.state:
        return sentence
    return f"{sentence} {detail[0].upper()}{detail[1:]}."


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


def equity_sentence(points: Sequence[EquityPoint], currency: str) -> str:
    """What the equity curve shows, for who can not see it or wants it in figures."""
    if not points:
        return "No equity yet: the first bar has not come."
    first, last = points[0], points[-1]
    low, high = (pick(points, key=lambda point: point.equity) for pick in (min, max))
    return (
        f"Equity from {moment(first.time_ns)} to {moment(last.time_ns)}: "
        f"lowest {money(low.equity, currency)} ({moment(low.time_ns)}), "
        f"highest {money(high.equity, currency)} ({moment(high.time_ns)}), "
        f"now {money(last.equity, currency)}."
    )


def restarts(count: int) -> str:
    """How often a live kernel was started again."""
    return {0: "never restarted", 1: "restarted once", 2: "restarted twice"}.get(
        count, f"restarted {count} times"
    )


def order_sentence(line: OrderLine) -> str:
    """What was asked for and what became of it."""
    record = instrument(line.instrument)
    verb = "buy" if line.units > 0 else "sell"
    aim = " to close" if line.reduce_only else ""
    place = " in the place of an order that waited" if line.replaces else ""
    outcome = _ORDER_STATES.get(line.state, line.state)
    return f"{verb} {abs(line.units):,} {record.base}{aim}{place}: {outcome}{_why(line)}"


def change_sentence(line: ChangeLine) -> str:
    """Which exits were asked for and what became of that."""
    asked = [
        f"no {name}" if not level else f"{name} at {level}"
        for name, level in (("stop loss", line.stop), ("take profit", line.target))
        if level is not None
    ]
    if line.trailing is not None:
        asked.append(f"trailing stop {line.trailing:,} points away" if line.trailing else "no trailing stop")
    outcome = _CHANGE_STATES.get(line.state, line.state)
    return f"other exits for {line.instrument}, {', '.join(asked) or 'none named'}: {outcome}{_why(line)}"


def _why(line: OrderLine | ChangeLine) -> str:
    return f" by {line.control}: {line.reason}" if line.control else f": {line.reason}" if line.reason else ""


def fill_sentence(line: FillLine) -> str:
    """What was done."""
    record = instrument(line.instrument)
    verb = "Bought" if line.units > 0 else "Sold"
    return (
        f"{verb} {abs(line.units):,} {record.base} at {line.price} {_REASONS.get(line.reason, line.reason)}"
    )
