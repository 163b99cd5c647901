"""What is wrong at the broker and on the way to it, switch by switch; whoever has a part in it counts it."""

from dataclasses import dataclass

__all__ = ["Troubles"]


@dataclass(slots=True, kw_only=True)
class Troubles:
    """What is wrong now. Numbers are of the fault catalogue."""

    # the network
    lose_requests: bool = False  # F01
    lose_replies: bool = False  # F02
    late_replies: bool = False  # F03
    server_errors: bool = False  # F04
    too_many: bool = False  # F05
    unauthorized: bool = False  # F06
    cut_bodies: bool = False  # F07
    repeat_replies: bool = False  # F08
    lose_changes: bool = False  # F19
    half_open: bool = False  # F24
    flap: bool = False  # F25
    down: bool = False  # F15, F26, F52
    silent_stream: bool = False  # F23

    # the broker
    repeat_fill: bool = False  # F09
    alter_fill: bool = False  # F10
    rename_fill: bool = False  # F11
    fill_at_once: bool = False  # F12
    ghost_cancel: bool = False  # F13
    thin_market: bool = False  # F14, F15
    overfill: bool = False  # F16
    deny_cancel: bool = False  # F17
    keep_replaced: bool = False  # F18
    half_cancels: bool = False  # F20
    shuffle: bool = False  # F21
    gap: bool = False  # F22
    empty_positions: bool = False  # F27
    late_list_s: float = 0.0  # F28
    reject_and_fill: bool = False  # F29
    drop_order: bool = False  # F30
    other_minimum: bool = False  # F49
