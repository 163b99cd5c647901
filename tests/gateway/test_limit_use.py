"""How much of each limit is used, and the gateway's metric of it."""

from tests.gateway.bench import Room, buy, made_up_bars
from workbench.domain.orders import OrderKind
from workbench.gateway.controls.usage import limit_use
from workbench.gateway.metrics import GatewayMetrics
from workbench.operations import AlertSender


def _set(room: Room, name: str, text: str, scope: str = "account:paper-1") -> None:
    room.act("limits", action="set", name=name, text=text, scope=scope, reason="a test")


def _uses(room: Room) -> dict[str, tuple[str, int, int, float]]:
    found = limit_use(room.desk.find("d-1"))
    return {item.name: (item.scope, item.used, item.limit, item.ratio) for item in found}


def test_what_waits_and_is_held_fills_the_limit_that_is_nearest(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    _set(room, "max_open_orders", "4")
    _set(room, "max_open_orders", "3", scope="deployment:d-1")
    _set(room, "max_position_units", "80000")
    assert _uses(room)["max_open_orders"] == ("deployment:d-1", 0, 3, 0.0)
    assert _uses(room)["max_position_units"] == ("account:paper-1", 0, 80_000, 0.0)
    price = int(made_up_bars(40).bid_close[0]) - 200
    kernel.submit(buy(60_000, "a", kind=OrderKind.LIMIT, price=price))
    kernel.submit(buy(10_000, "b", kind=OrderKind.LIMIT, price=price - 1))
    assert _uses(room)["max_open_orders"] == ("deployment:d-1", 2, 3, 2 / 3)
    assert _uses(room)["max_position_units"] == ("account:paper-1", 70_000, 80_000, 0.875)
    assert kernel.submit(buy(10_000, "c")).state == "WORKING"  # the very last
    assert _uses(room)["max_position_units"][3] == 1.0
    assert kernel.submit(buy(1, "d")).control in ("R08", "R09")


def test_a_limit_of_zero_is_full_when_anything_is_used(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000, "a", kind=OrderKind.LIMIT, price=int(made_up_bars(40).bid_close[0]) - 200))
    _set(room, "max_position_units", "0")
    assert _uses(room)["max_position_units"] == ("account:paper-1", 1_000, 0, 1.0)
    _set(room, "max_currency_exposure_ppm", "0 %", scope="deployment:d-1")
    assert _uses(room)["max_currency_exposure_ppm"][3] == 1.0


def test_the_metric_shows_it_once_a_second_and_forgets_a_limit_that_is_gone(room: Room) -> None:
    now = [0.0]
    metrics = GatewayMetrics(alerts=AlertSender(urls=(), source="gateway"), monotonic=lambda: now[0])

    def ratio() -> float | None:
        now[0] += 1
        metrics.look(room.desk)
        return metrics.registry.get_sample_value(
            "workbench_gateway_limit_use_ratio", {"deployment": "d-1", "limit": "max_position_units"}
        )

    kernel = room.open()
    kernel.take()
    _set(room, "max_position_units", "2000", scope="deployment:d-1")
    assert ratio() == 0.0
    kernel.submit(buy(1_000, "a", kind=OrderKind.LIMIT, price=int(made_up_bars(40).bid_close[0]) - 200))
    assert ratio() == 0.5
    room.act("close", deployment_id="d-1")
    assert ratio() is None


def test_the_status_says_it_as_people_read_it(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    _set(room, "max_margin_use_ppm", "50 %")
    _set(room, "max_position_units", "2000")
    kernel.submit(buy(1_000, "a", kind=OrderKind.LIMIT, price=int(made_up_bars(40).bid_close[0]) - 200))
    shown = {item["name"]: item for item in room.shown()["limit_use"]}
    assert shown["max_position_units"] == {
        "control": "R09",
        "name": "max_position_units",
        "scope": "account:paper-1",
        "used": "1,000",
        "limit": "2,000",
        "ratio": 0.5,
    }
    assert shown["max_margin_use_ppm"]["limit"] == "50 %"
