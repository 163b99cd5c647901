"""What `deploy` in a notebook reaches when the notebook runs in a live kernel.

``current()`` is the live session of this process, None anywhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Armed", "LiveSession", "current", "install"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What the deploy cell shows in a live kernel."""

    deployment_id: str
    release_id: str
    account_id: str
    strategy: str
    instruments: tuple[str, ...]
    timeframe: str
    warm_up_bars: int

    def __repr__(self) -> str:
        return (
            f"Armed: {self.strategy} trades {', '.join(self.instruments)} {self.timeframe} on account "
            f"{self.account_id} as deployment {self.deployment_id}, "
            f"after {self.warm_up_bars} bars of warm-up. This kernel executes nothing any more."
        )


class LiveSession(Protocol):
    """The live kernel's side of `deploy`."""

    def arm(self, strategy: Any, *, instruments: Sequence[str], timeframe: str) -> Armed:
        """Check the strategy against the release, warm it up, and let it trade.

        Raises
        ------
        workbench.live.errors.NotArmableError
            It is not what was released, or this kernel is armed already.
        """


_session: LiveSession | None = None


def install(session: LiveSession) -> None:
    """Make this process a live kernel; once, by the live kernel's entry point."""
    global _session
    if _session is not None:
        raise RuntimeError("this process is a live kernel already")
    _session = session


def current() -> LiveSession | None:
    """The live session of this process, None in a research kernel."""
    return _session
