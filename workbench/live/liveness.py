"""Whether a live kernel still does what it should, told from its process and its sign of life."""

import time
from dataclasses import dataclass

from workbench.live.beat import Beat, Phase
from workbench.live.watched_kernel import WatchedKernel

__all__ = ["Timing", "why_hung"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take."""

    ready_within_s: float = 120.0  # from the kernel's start until it trades
    hung_after_s: float = 30.0  # without a sign of life
    stop_within_s: float = 15.0  # from SIGTERM to SIGKILL
    drive_grace_s: float = 30.0  # a deploy cell that does not come back, once the strategy trades
    gateway_again_s: float = 1.0
    heartbeat_every_s: float = 5.0  # how often the store is told


def why_hung(kernel: WatchedKernel, beat: Beat | None, *, timing: Timing) -> str:
    """Why a kernel that runs has to be ended, empty when it has not."""
    limit = timing.hung_after_s
    now = time.monotonic()
    if not kernel.trading_since and now - kernel.began > timing.ready_within_s:
        return f"it did not trade {timing.ready_within_s:.0f} s after its start"
    if beat is None:
        return ""
    if now - beat.beat_ns / 1e9 > limit:
        return f"its kernel gave no sign of life for {limit:.0f} s"
    if beat.phase is Phase.TRADING and (beat.beat_ns - beat.progress_ns) / 1e9 > limit:
        return f"its strategy did not come back for {limit:.0f} s"
    return ""
