"""Orders left to the limits of their releases for a while, so that a comparison is of the engines alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.domain.control_table import FIRM

__all__ = ["lifted"]

_KEPT = ("max_kernel_silence_s", "max_alert_delay_ms", "max_slippage_points", "max_override_minutes")
"""They deny nothing."""


@contextmanager
def lifted(gateway: Any, *, by: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Leave orders to the limits of their releases, and put the firm's shipped limits back afterwards.

    Only in a home where nobody has set a limit of the firm and nobody else could look at a raise; elsewhere
    everything stays as it is.
    """
    found = gateway.controls()
    firm = [item for item in found["in_force"] if item["scope"] == FIRM]
    if found["second_person"] or {item["by"] for item in firm} - {"workbench", by}:
        tell("the firm's limits are somebody's own and stay; what they deny is missing from the comparison")
        yield
        return
    changed = [item for item in firm if isinstance(item["value"], int) and item["name"] not in _KEPT]
    tell(f"{len(changed)} limits of the firm are lifted for the comparison, and put back after it")
    try:
        for item in changed:
            gateway.limits("set", name=item["name"], scope=FIRM, text="no limit", reason="a comparison")
        yield
    finally:
        for item in changed:
            gateway.limits("set", name=item["name"], scope=FIRM, text=item["text"], reason="as shipped")
