"""A live kernel with hand-written strategies: `python tests/live/kernel_under_test.py -f kernel.json`."""

import ctypes
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Bar
from workbench.gateway.client import GatewayClient
from workbench.live.launch import Launch
from workbench.live.session import Ready
from workbench.strategy import Decision


def hold_everything() -> None:
    """Hang as compiled code does that never lets another thread run."""
    system, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(128)
    system.pthread_mutex_init(mutex, None)
    for _ in range(2):  # the second waits for the first, signals or not
        system.pthread_mutex_lock(mutex)


def eat_memory() -> None:
    """Take more and more, up to 4 GiB."""
    eaten = []
    for _ in range(80):
        eaten.append(b"x" * (50 << 20))
    time.sleep(3_600)


def print_for_ever() -> None:
    """Fill a disk, if somebody lets it."""
    while True:
        print("x" * 10_000)


def crash() -> None:
    """Read memory that is not there."""
    ctypes.string_at(0)


_MISHAPS = {6: hold_everything, 20: crash, 40: eat_memory, 60: print_for_ever}  # by event, once each


class Swinger:
    """Buys when the close is above the mean of all closes so far, else sells: it remembers everything."""

    def __init__(self, *, units: int = 1_000, mood: str = "") -> None:
        self.units, self.mood = units, mood
        self.total, self.count = 0, 0
        self.prefix = "none"

    def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
        return Decision(orders=tuple(self.on_bar(bars[0], account, event_seq)))

    def on_bar(self, bar: Bar, account: AccountSnapshot, event_seq: int) -> Sequence[Order]:
        self.total, self.count = self.total + bar.bid_close, self.count + 1
        if self.mood == "hangs" and event_seq == 6 and not Path("hung").exists():
            Path("hung").touch()
            while True:  # holds the strategy's thread, not the process
                time.sleep(0.05)
        if self.mood == "everything" and event_seq in _MISHAPS and not Path(f"had-{event_seq}").exists():
            Path(f"had-{event_seq}").touch()
            _MISHAPS[event_seq]()
        if self.mood == "stuck" and event_seq == 6:
            hold_everything()
        if self.mood == "raises" and event_seq == 6:
            raise ZeroDivisionError("no spread")
        units = self.units + os.getpid() if self.mood == "forgets" else self.units
        wanted = units if bar.bid_close * self.count > self.total else -units
        held = account.units(bar.instrument)
        if wanted == held:
            return []
        return [
            Order(
                client_order_id=ClientOrderId(f"{self.prefix}-{event_seq}-0"),
                instrument=bar.instrument,
                units=wanted - held,
            )
        ]


class Parts:
    """Joins the session with the strategies above."""

    def name(self, strategy: Any) -> str:
        return type(strategy).__name__

    def spec_digest(self, strategy: Any) -> str:
        return hashlib.sha256(f"Swinger {strategy.units}".encode()).hexdigest()

    def make_ready(self, strategy: Any, launch: Launch) -> Ready:
        strategy.prefix = hashlib.sha256(launch.deployment_id.encode()).hexdigest()[:12]
        return Ready(decider=strategy, warm_up_bars=0)

    def gateway(self, launch: Launch) -> GatewayClient:
        return GatewayClient(Path(launch.gateway_socket), timeout_s=1.0, patience_s=1.0)


if __name__ == "__main__":
    if Path("dies-at-start").exists():
        sys.exit("no license for this machine")
    sys.modules["kernel_under_test"] = sys.modules["__main__"]  # what the notebooks import
    from workbench.live.live_kernel import main

    main(Parts)
