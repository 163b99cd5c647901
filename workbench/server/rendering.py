"""How values of the workbench are written in JSON: milliseconds, decimals in text, whole units."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal

__all__ = ["decision_json", "deployment_json", "millis", "money", "position_json"]


def millis(ns: int) -> int | None:
    """Milliseconds since 1970, None for none."""
    return ns // 1_000_000 if ns else None


def money(micro: int) -> str:
    """An amount in currency units, exact."""
    return format(to_decimal(micro), "f")


def position_json(position: Mapping[str, Any]) -> dict[str, Any]:
    """One open position of a stored snapshot."""
    return {
        "instrument": position["instrument"],
        "units": position["units"],
        "average_price": format(instrument(position["instrument"]).to_price(position["average_price"]), "f"),
        "unrealized": money(position["unrealized"]),
    }


def decision_json(decision: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a strategy decided at a bar's close, as `workbench.live.decided.decision_of` wrote it."""
    if not decision:
        return None
    return {
        "at": millis(decision.get("bar_close_ns") or decision["quote_ns"]),
        "orders": [
            {name: order[name] for name in ("instrument", "units", "reduce_only")}
            for order in decision["orders"]
        ],
    }


def deployment_json(
    row: Mapping[str, Any],
    *,
    books: Mapping[str, Any] | None,
    decision: Mapping[str, Any] | None,
    kills: Sequence[Mapping[str, Any]],
    data_age_s: float | None,
) -> dict[str, Any]:
    """One deployment as a person wants to see it: `row` has the account and the release's name with it."""
    scopes = {"all", f"account:{row['account_id']}", f"deployment:{row['id']}"}
    kill = next((item for item in kills if item["scope"] in scopes), None)
    equity = books["equity"] if books else row["balance"]
    return {
        **{name: row[name] for name in ("id", "release_id", "release_name", "account_id", "broker")},
        **{name: row[name] for name in ("currency", "desired", "state", "detail", "restarts")},
        "opening_balance": money(row["balance"]),
        "equity": money(equity),
        "profit": money(equity - row["balance"]),
        "positions": [position_json(item) for item in books["positions"] if item["units"]] if books else [],
        "last_decision": decision_json(decision),
        "market_time": millis(books["time_ns"]) if books else None,
        "data_age_s": data_age_s,
        "killed": f"{kill['by']}: {kill['reason']}" if kill else "",
    }
