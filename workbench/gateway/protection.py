"""Positions that nothing protects at the broker: looked for whenever an account is taken up, and told.

Step 10 of the start: a position must have a stop that waits at the broker where the table of limits asks for
one (`max_unprotected_s`, R21), and wherever it had one when the account was last seen.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.domain.instruments import InstrumentId
from workbench.gateway.controls.halting import limit_of, unprotected

if TYPE_CHECKING:
    from workbench.gateway.desk import Desk
    from workbench.gateway.standing import Levels
    from workbench.gateway.trading import Trading

__all__ = ["tell_unprotected"]

_LIMIT = "max_unprotected_s"


def tell_unprotected(
    desk: "Desk", trading: "Trading", *, before: Mapping[InstrumentId, "Levels"] | None = None
) -> None:
    """Alert people of what is held without a stop, once an account has been taken up.

    Parameters
    ----------
    before
        The exits when the account was last seen.
    """
    most = limit_of(trading, _LIMIT)
    for item in unprotected(trading):
        last = (before or {}).get(item.instrument)
        had = 0 if last is None else last.stop or last.trailing
        if most is None and not had:
            continue
        gone = f"; the one at {had} points is gone" if had else ""
        then = "" if most is None else f", it is closed when it has none for more than {most} s"
        desk.log.error(
            "unprotected",
            deployment_id=trading.spec.deployment_id,
            instrument=item.instrument,
            units=item.units,
            detail=f"{item.units} units of {item.instrument} are held and no stop waits at the broker{gone}; "
            f"set one or close the position{then}",
        )
